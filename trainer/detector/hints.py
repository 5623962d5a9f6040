"""What a detector that has seen far more makes of the same pictures, to be learned beside the labels.

FitNets' hints (Romero et al. 2015, arXiv:1412.6550), at the last features of a detector's two branches. A few
hundred labelled frames say little of trees, signs and kerbs; what a teacher computes for each cell of each
picture, labelled or not, says more. It is shown the training pictures as they are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from streamer.engine.choice import PACKAGES, installed
from streamer.engine.runtime import compile_openvino, openvino
from streamer.errors import ConfigError, ModelError
from streamer.nets.fcos import STRIDES, Fcos
from trainer.detector.config import HintsConfig

LEAST_VARIANCE = 1e-4
"""Of a channel that hardly ever says anything."""


class Hints(nn.Module):
    """Says how far a network's features are from a teacher's, which a pointwise layer may rearrange."""

    def __init__(self, config: HintsConfig, network: Fcos, batch: int) -> None:
        """Read the teacher, and listen to a network.

        Args:
            config: names the teacher.
            network: is listened to whenever it runs from now on; not to be copied from now on.
            batch: how many pictures there are at a time.

        Raises:
            ModelError: the teacher is missing, damaged, or has no such tensors.
            ConfigError: OpenVINO is not installed.
        """
        super().__init__()
        self._weight = config.weight
        self._teacher = _read(config, network.size, batch)
        widths = [int(output.shape[1]) for output in self._teacher.outputs]
        heads: Any = network.heads
        last = [branch[-1] for head in heads for branch in (head.score, head.box)]
        inputs = [layer.in_channels for layer in last]
        self.project = nn.ModuleList(
            nn.Conv2d(before, after, 1) for before, after in zip(inputs, widths, strict=True)
        )
        for index, width in enumerate(widths):
            self.register_buffer(f"mean{index}", torch.zeros(1, width, 1, 1))
            self.register_buffer(f"deviation{index}", torch.ones(1, width, 1, 1))
        self._heard: list[Tensor] = [torch.empty(0)] * len(last)
        for index, layer in enumerate(last):
            layer.register_forward_pre_hook(self._listen(index))

    def measure(self, batches: Iterable[Tensor]) -> None:
        """Take the mean and the deviation of the teacher's channels over pictures, uint8 ``[B, 3, H, W]``."""
        looks = [
            [torch.stack([each.mean(dim=(0, 2, 3)), each.square().mean(dim=(0, 2, 3))]) for each in features]
            for features in map(self._look, batches)
        ]
        for index, moments in enumerate(zip(*looks, strict=True)):
            mean, square = torch.stack(moments).mean(dim=0)[:, None, :, None, None]
            self.get_buffer(f"mean{index}").copy_(mean)
            variance = (square - mean**2).clamp(min=LEAST_VARIANCE)
            self.get_buffer(f"deviation{index}").copy_(variance.sqrt())

    def forward(self, pictures: Tensor) -> Tensor:
        """Return how far the network's last features are from the teacher's, as a part of the loss.

        It is the mean smooth L1 distance in deviations of each channel, times the weight.

        Args:
            pictures: uint8 ``[B, 3, H, W]``, RGB, that the network was shown last.
        """
        losses = []
        for index, (features, layer) in enumerate(zip(self._look(pictures), self.project, strict=True)):
            mean, deviation = self.get_buffer(f"mean{index}"), self.get_buffer(f"deviation{index}")
            wanted = (features.to(mean.device) - mean) / deviation
            losses.append(smooth_l1_loss(layer(self._heard[index].float()), wanted))
        return self._weight * torch.stack(losses).mean()

    def _look(self, pictures: Tensor) -> list[Tensor]:
        shown = pictures.flip(1).float().cpu().contiguous().numpy()
        return [torch.from_numpy(features.copy()).float() for features in self._teacher(shown).values()]

    def _listen(self, index: int) -> Any:
        def hear(_: nn.Module, given: tuple[Tensor]) -> None:
            self._heard[index] = given[0]

        return hear


def _read(config: HintsConfig, size: tuple[int, int], batch: int) -> Any:
    """Return the teacher, compiled, for a batch of pictures, and up to the features that are asked for."""
    if not installed("openvino"):
        raise ConfigError(f"fit.hints: takes OpenVINO: pip install {PACKAGES['openvino']}")
    if not Path(config.model).is_file():
        raise ModelError(f"fit.hints.model: {config.model}: no such file")
    core, _ = openvino()
    from openvino import Model

    try:
        whole = core.read_model(config.model)
        named = {
            name: output
            for operation in whole.get_ordered_ops()
            for output in operation.outputs()
            for name in output.get_names()
        }
        missing = [name for name in config.outputs if name not in named]
        if missing:
            raise ModelError(f"fit.hints.outputs: {config.model} has no tensor {missing[0]!r}")
        cut = Model([named[name] for name in config.outputs], whole.get_parameters(), "hints")
        cut.reshape([batch, 3, *size])
        compiled = compile_openvino(cut, "f32")
    except RuntimeError as error:  # several lines, of which the last says what
        raise ModelError(
            f"fit.hints.model: {config.model}: OpenVINO cannot use it: {str(error).strip().splitlines()[-1]}"
        ) from None
    grids = [(size[0] // stride, size[1] // stride) for stride in STRIDES for _ in range(2)]
    for name, output, grid in zip(config.outputs, compiled.outputs, grids, strict=True):
        shape = output.partial_shape
        if shape.is_dynamic or tuple(shape.to_shape())[2:] != grid:
            raise ModelError(
                f"fit.hints.outputs: {name!r} is {shape}, expected a grid of {grid[0]} by {grid[1]}"
            )
    return compiled
