"""What runs our own detector's network: torch, ONNX Runtime or OpenVINO, and which of them a run takes.

All give the same numbers, which is checked before one is used, and leave decoding to the detector. On a CPU
each works in the thread that calls it, as the other cores have stages of their own to run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch

from streamer.detect.export import INPUT, export
from streamer.device import one_torch_thread
from streamer.engine import choice
from streamer.engine.choice import checked
from streamer.engine.runtime import compile_openvino, one_thread, openvino
from streamer.nets.fcos import Fcos

FASTEST_FIRST = ("openvino", "onnxruntime", "torch")
"""On a CPU: 9.3 (5.8 in bfloat16), 11.5 and 35.9 ms for a picture of 256x448 (an AMD EPYC, one thread)."""

TOLERANCE = 0.005
"""How far outputs in single precision may be from torch's: a logit by as much, which is at most 0.00125 of a
score, and a side of a box by half a percent. They are within a hundredth of that."""

COARSE = 0.05
"""The same in bfloat16, of the root mean square: the bundled detector's logits are off by 0.019 on the fixed
pictures. What is left uncovered or hidden needlessly differs by a percent or two either way, as by anything
that moves the last digits of scores: the README has the measurement."""


class Heads(Protocol):
    """A network without what comes before and after it."""

    name: str
    """Of the engine, such as ``onnxruntime 1.31.1 (CPU, 1 thread)``."""
    device: torch.device
    """Where it takes pictures and gives its outputs."""
    batch_size: int
    """How many pictures at once it works best on; any number is right."""

    def __call__(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the network.

        Args:
            pictures: uint8 ``[B, H, W, 3]``, RGB, of the network's size.

        Returns:
            Logits and distances, as ``streamer.nets.fcos.Fcos`` gives them.
        """
        ...


class TorchHeads:
    """The network itself."""

    def __init__(self, network: Fcos, device: torch.device) -> None:
        self.name = f"torch {torch.__version__} ({device})"
        self.device = device
        # On a CPU a batch costs more than its pictures one by one: 33 ms each, 40 by 2, 43 by 4. On CUDA they
        # share the cost of starting each layer.
        self.batch_size = 1 if device.type == "cpu" else 8
        self._network = network.to(device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the network; see ``Heads``."""
        logits, distances = self._network(pictures.permute(0, 3, 1, 2).float())  # channels last already
        return logits, distances


class OnnxRuntimeHeads:
    """The network's export in ONNX Runtime, on the CPU."""

    device = torch.device("cpu")
    batch_size = 1
    """A batch costs what its pictures cost one by one."""

    def __init__(self, model: bytes) -> None:
        import onnxruntime

        self.name = f"onnxruntime {onnxruntime.__version__} (CPU, 1 thread)"
        self._session = onnxruntime.InferenceSession(model, one_thread(), providers=["CPUExecutionProvider"])

    def __call__(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the network; see ``Heads``."""
        logits, distances = self._session.run(None, {INPUT: pictures.numpy()})
        return torch.from_numpy(logits), torch.from_numpy(distances)


class OpenVinoHeads:
    """The network's export in OpenVINO, on the CPU.

    It takes pictures one by one: compiled for batches of any size it takes 14% longer.
    """

    device = torch.device("cpu")
    batch_size = 1

    def __init__(self, model: bytes, kind: torch.dtype) -> None:
        core, version = openvino()
        precision = "bf16" if kind == torch.bfloat16 else "f32"
        self.name = f"openvino {version} (CPU, 1 thread, {precision})"
        graph = core.read_model(model)
        graph.reshape({INPUT: [1, *graph.input(INPUT).partial_shape[1:]]})
        self.compiled = compile_openvino(graph, precision)
        self._request = self.compiled.create_infer_request()

    def __call__(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the network; see ``Heads``."""
        outputs = [
            self._request.infer({INPUT: picture[None].numpy()}, share_inputs=True) for picture in pictures
        ]
        logits, distances = (torch.from_numpy(np.concatenate([each[i] for each in outputs])) for i in (0, 1))
        return logits, distances


def choose(network: Fcos, engine: str, device: torch.device) -> Heads:
    """Make the engine that ``detect.engine`` asks for; see ``streamer.engine.choice.choose``.

    Args:
        network: in evaluation mode and on the CPU.
        engine: ``auto``, or one of ``FASTEST_FIRST``.
        device: of the run.

    Raises:
        ConfigError: an engine is asked for that is not installed.
        ModelError: an engine is asked for that cannot run the network or does not agree with torch.
    """

    def fault(heads: Heads, kind: torch.dtype = torch.float32) -> str | None:
        most, mean = disagreement(heads, network)
        apart, allowed = (most, TOLERANCE) if kind == torch.float32 else (mean, COARSE)
        if apart <= allowed:  # NaN is not
            return None
        return f"is {apart:.2g} away from torch on a fixed picture ({allowed:g} is allowed)"

    def with_openvino(kind: torch.dtype) -> Heads:
        return checked(
            "openvino", lambda: OpenVinoHeads(export(network), kind), lambda heads: fault(heads, kind)
        )

    makers: dict[str, Callable[[], Heads]] = {
        "torch": lambda: TorchHeads(network, device),
        "onnxruntime": lambda: checked("onnxruntime", lambda: OnnxRuntimeHeads(export(network)), fault),
        "openvino": lambda: choice.shortest("detection", with_openvino),
    }
    return choice.choose("detection", "detect.engine", engine, device, makers, FASTEST_FIRST)


def disagreement(heads: Heads, network: Fcos) -> tuple[float, float]:
    """Return how far an engine's outputs are from torch's on two fixed pictures; NaN where one is.

    At most, and the root mean square of logits or of the sides' logarithms, whichever is larger.

    Args:
        heads: on the CPU.
        network: what they run, likewise.
    """
    height, width = network.size
    random = np.random.default_rng(0)
    patches = random.integers(0, 256, (2, height // 32, width // 32, 3)).repeat(32, axis=1).repeat(32, axis=2)
    noise = random.integers(-32, 33, patches.shape)
    pictures = torch.from_numpy(np.clip(patches + noise, 0, 255).astype(np.uint8))
    with one_torch_thread():
        expected = TorchHeads(network, torch.device("cpu"))(pictures)
    given = heads(pictures)
    apart = [one - other for one, other in zip(given, expected, strict=True)]
    most = torch.stack([each.abs().max() for each in apart])
    mean = torch.stack([each.square().mean().sqrt() for each in apart])
    return float(most.max()), float(mean.max())  # of tensors: NaN stays
