"""Apply a network to hidden pictures, per region or per frame. Nothing here ever sees an original."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F

from streamer import modelfile
from streamer.boxes import Boxes, whole
from streamer.device import precision
from streamer.errors import ConfigError
from streamer.nets import Network
from streamer.restore.engines import Engine, TorchEngine, choose
from streamer.restore.paste import Mask, fade, paste_opencv, paste_torch
from streamer.restore.squares import squares, surroundings
from streamer.restorers import Mode, RestoreConfig

MOST_REGIONS = 64
"""How many regions go through a network at once: bounds memory where a crowd is hidden."""

STEP = 32
"""Regions at their own resolution are filled up to multiples of so many pixels: an engine may have to prepare
itself for each size that comes."""

REGIONAL = ("deblur", "inpaint")
"""Tasks that concern what is hidden alone; the others concern whole frames."""


class Restorer:
    """A network ready to restore hidden pictures."""

    def __init__(
        self,
        network: Network,
        header: modelfile.Header,
        device: torch.device,
        mode: Mode | None = None,
        engine: Engine | None = None,
        name: str | None = None,
    ) -> None:
        """Prepare the network.

        Args:
            network: as ``streamer.nets`` describes.
            header: of its model file.
            device: where the pictures are.
            mode: whether it is applied to each hidden region or to the whole frame; None: as suits its task.
            engine: what runs it; None: torch, on the device.
            name: for the log; None: its task.
        """
        self.name = name or header.task
        self.mode = mode or mode_of(header.task)
        self.engine = engine or TorchEngine(network, device, precision(device))
        self.hinted = network.inputs > 3
        """Whether it takes hints of colour, which a ``streamer.plate.Plate`` gives."""
        self._stride, self._residual = network.stride, network.residual
        self._step = network.fitting(STEP)
        self._header = header
        self._device = device

    def restore(
        self,
        blurred: Sequence[torch.Tensor],
        regions: Sequence[Boxes],
        masks: Sequence[Mask | None] | None = None,
        hints: Sequence[torch.Tensor | None] | None = None,
    ) -> list[torch.Tensor]:
        """Restore hidden pictures.

        Args:
            blurred: uint8 ``[H, W, 3]`` each, of any sizes; not changed.
            regions: int32 ``[R, 4]`` for each picture.
            masks: uint8 ``[H, W]`` for each picture, 1 for what is hidden of its regions; None for all.
            hints: float32 ``[3, H, W]`` for each picture, where the network is ``hinted``; None: nothing is
                known of their colours.

        Returns:
            uint8 ``[H, W, 3]`` each; in mode ``regions`` pixels outside the regions, or of them outside the
            mask, are those of ``blurred``.
        """
        with torch.inference_mode():
            if self.mode == "frame":
                given = hints or [None] * len(blurred)
                return [self._whole(picture, hint) for picture, hint in zip(blurred, given, strict=True)]
            return self._regions(blurred, regions, masks or [None] * len(blurred))

    def _run(self, pictures: torch.Tensor, hints: torch.Tensor | None = None) -> torch.Tensor:
        """Run the network where its engine works; uint8 ``[B, H, W, 3]`` to the same."""
        device = self.engine.device
        if self.hinted and hints is None:
            hints = torch.zeros((len(pictures), 3, *pictures.shape[1:3]))
        given = None if hints is None else hints.to(device)
        return self.engine(pictures.to(device), given).to(self._device)

    def _regions(
        self, blurred: Sequence[torch.Tensor], regions: Sequence[Boxes], masks: Sequence[Mask | None]
    ) -> list[torch.Tensor]:
        corrections = iter(self._corrections(blurred, regions))
        paste = paste_opencv if self._device.type == "cpu" else paste_torch
        results = []
        for picture, boxes, mask in zip(blurred, regions, masks, strict=True):
            restored = picture.clone()
            height, width = picture.shape[:2]
            for region in boxes.tolist():
                around = surroundings(region, self._header.context, width, height)
                paste(picture, restored, region, around, next(corrections), fade(region, mask))
            results.append(restored)
        return results

    def _corrections(
        self, blurred: Sequence[torch.Tensor], regions: Sequence[Boxes]
    ) -> Iterator[torch.Tensor]:
        """Yield by how much the network changes each region of each picture; int16 ``[h, w, 3]``."""
        size, context = self._header.size, self._header.context
        pairs = list(zip(blurred, regions, strict=True))
        if size is None:  # every region at its own resolution
            for picture, boxes in pairs:
                height, width = picture.shape[:2]
                for region in boxes.tolist():
                    x0, y0, x1, y1 = surroundings(region, context, width, height)
                    part = picture[y0:y1, x0:x1]
                    yield self._full(part, None, self._step).short() - part.short()
            return
        for some in torch.split(torch.cat([squares(*pair, size, context) for pair in pairs]), MOST_REGIONS):
            if len(some):
                yield from self._run(some).short() - some.short()

    def _full(self, picture: torch.Tensor, hints: torch.Tensor | None, step: int) -> torch.Tensor:
        """Restore a picture, uint8 ``[h, w, 3]``, at its resolution, filled up to multiples of ``step``."""
        height, width = picture.shape[:2]
        down, across = -height % step, -width % step
        filled = picture[None]
        given = None if hints is None else hints[None]
        if down or across:
            rows = torch.arange(height + down, device=picture.device).clamp(max=height - 1)
            columns = torch.arange(width + across, device=picture.device).clamp(max=width - 1)
            filled = filled[:, rows][:, :, columns]
            given = None if given is None else given[:, :, rows][:, :, :, columns]
        return self._run(filled.contiguous(), given)[0, :height, :width].contiguous()

    def _whole(self, picture: torch.Tensor, hints: torch.Tensor | None) -> torch.Tensor:
        height, width = picture.shape[:2]
        if (size := self._header.size) is None:
            return self._full(picture, hints, self._stride)
        # the network's square, stretched back over the frame
        square = squares(picture, whole(width, height), size, 0.0)
        given = None if hints is None else F.interpolate(hints[None], (size, size), mode="area")
        drawn = self._run(square, given).float()
        # what adds a correction keeps the frame's own sharpness; what draws anew has only its square
        drawn = drawn - square.float() if self._residual else drawn
        grown = F.interpolate(drawn.permute(0, 3, 1, 2), (height, width), mode="bilinear")[0].permute(1, 2, 0)
        result = grown + picture.float() if self._residual else grown
        return result.round().clamp(0, 255).to(torch.uint8).contiguous()


def mode_of(task: str) -> Mode:
    """Return to what a model that was trained for ``task`` is applied, where nothing else is said."""
    return "regions" if task in REGIONAL else "frame"


def load(config: RestoreConfig, device: torch.device) -> Restorer:
    """Load the model file that a configuration names, on the engine that it asks for.

    Raises:
        ModelError: there is none, it is not one of ours, or no restorer's; or the engine cannot run it.
        ConfigError: the engine is not installed, or the mode does not go with the model.
    """
    network, header = modelfile.load(path := modelfile.locate(config.model))
    mode = config.mode or mode_of(header.task)
    if network.inputs > 3 and mode == "regions":
        raise ConfigError(
            f"restore.mode: {config.model} takes hints of colour, which are for whole frames; "
            "set it to frame, or leave it out"
        )
    name = _name(path)
    # what is hidden comes back at 20 dB, and a whole frame that was only noisy at 40, where 8 bits show; and
    # for regions of all sizes each has to be compiled, which takes twice as long
    rough = mode == "regions" and network.plain and header.size is not None
    engine = choose(network, config.engine, device, name, header.size, rough=rough)
    return Restorer(network, header, device, mode, engine, name)


def _name(path: Path) -> str:
    """Return what a model is called in logs: its file's name, or its folder's where that is ``model``."""
    name = path.resolve().parent.name if path.stem == "model" else path.stem
    return re.sub(r"[^\w.-]", "_", name)  # it becomes a part of a cell of a table
