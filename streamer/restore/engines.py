"""What runs a restorer's network: torch, ONNX Runtime or OpenVINO, and which of them a run takes.

All give the same pictures, which is checked before one is used, and leave cutting and pasting to the
restorer. On a CPU each works in the thread that calls it, as the other cores have stages of their own to run.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from streamer.device import one_torch_thread, precision
from streamer.engine import choice
from streamer.engine.choice import checked
from streamer.engine.quantise import ranges
from streamer.engine.runtime import compile_openvino, one_thread, openvino
from streamer.measure import psnr
from streamer.nets import Network
from streamer.restore.export import HINTS, PICTURES, Export

TOLERANCE_DB = 0.05
"""How far an engine's PSNR may be from torch's, in single precision, on the fixed pictures."""

LIKENESS_DB = 40.0
"""And the least PSNR between the two: another picture of the same quality would not be the same."""

PROGRAMS = 32
"""For how many sizes of pictures an engine keeps what it prepared; of the sizes that regions come in few are
needed at a time, and of frames there are few sizes. Compiling takes 40 ms."""


class Engine(Protocol):
    """Runs a network."""

    name: str
    """Such as ``openvino 2026.4.1 (CPU, 1 thread, bf16)``."""
    device: torch.device
    """Where it takes pictures and gives them back."""

    def __call__(self, pictures: torch.Tensor, hints: torch.Tensor | None = None) -> torch.Tensor:
        """Restore pictures.

        Args:
            pictures: uint8 ``[B, H, W, 3]``, RGB; ``H`` and ``W`` are multiples of the network's stride.
            hints: float32 ``[B, inputs - 3, H, W]``; None for a network with three inputs.

        Returns:
            uint8 ``[B, H, W, 3]``.
        """
        ...


class TorchEngine:
    """The network itself."""

    def __init__(self, network: torch.nn.Module, device: torch.device, kind: torch.dtype) -> None:
        self.name = f"torch {torch.__version__} ({device}{'' if kind == torch.float32 else ', 16 bits'})"
        self.device = device
        self._kind = kind
        self._network = network.to(device).to(memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def __call__(self, pictures: torch.Tensor, hints: torch.Tensor | None = None) -> torch.Tensor:
        """Restore pictures; see ``Engine``."""
        given = planes(pictures, hints)
        with torch.autocast(self.device.type, self._kind, enabled=self._kind != torch.float32):
            output: torch.Tensor = self._network(given)
        levels = output.float().mul(255).round_().clamp_(0, 255).to(torch.uint8)
        return levels.permute(0, 2, 3, 1).contiguous()


def planes(pictures: torch.Tensor, hints: torch.Tensor | None = None) -> torch.Tensor:
    """Turn what an engine takes into what a network does: float32 ``[B, inputs, H, W]``, 0 to 1."""
    # channels stay last in memory, which is also how convolutions on a CPU are fastest
    given = pictures.permute(0, 3, 1, 2).float().div_(255)
    if hints is None:
        return given
    return torch.cat([given, hints], dim=1).contiguous(memory_format=torch.channels_last)


class OnnxRuntimeEngine:
    """The network's export in ONNX Runtime, on the CPU."""

    device = torch.device("cpu")

    def __init__(self, export: Export) -> None:
        import onnxruntime

        def start(height: int, width: int) -> Any:
            providers = ["CPUExecutionProvider"]
            return onnxruntime.InferenceSession(export.of(height, width), one_thread(), providers=providers)

        self.name = f"onnxruntime {onnxruntime.__version__} (CPU, 1 thread)"
        free = None if export.sized else start(0, 0)
        self._programs = Programs(start if free is None else lambda height, width: free)

    def __call__(self, pictures: torch.Tensor, hints: torch.Tensor | None = None) -> torch.Tensor:
        """Restore pictures; see ``Engine``."""
        session = self._programs.of(pictures.shape[1], pictures.shape[2])
        outputs = [session.run(None, feeds)[0] for feeds in one_by_one(pictures, hints)]
        return torch.from_numpy(np.concatenate(outputs))


class OpenVinoEngine:
    """The network's export in OpenVINO, on the CPU.

    It takes pictures one by one, compiled for each size that comes: with a free batch 8 squares of 64 pixels
    take 10% longer, with a free size a 720p frame 15%, and bfloat16 is three times as far off.
    """

    device = torch.device("cpu")

    def __init__(self, export: Export, kind: torch.dtype) -> None:
        """Take a network into service.

        Args:
            export: of the network.
            kind: the precision, bfloat16 or float32, of what the export does not have in 8 bits.
        """
        core, version = openvino()
        precision = "bf16" if kind == torch.bfloat16 else "f32"

        def compiled(height: int, width: int) -> Any:
            graph = core.read_model(export.of(height, width))
            shapes = {PICTURES: [1, height, width, 3]}
            shapes |= {HINTS: [1, -1, height, width]} if len(graph.inputs) > 1 else {}
            graph.reshape(shapes)
            return compile_openvino(graph, precision).create_infer_request()

        shown = f"int8 and {precision}" if export.quantised else precision
        self.name = f"openvino {version} (CPU, 1 thread, {shown})"
        self._programs = Programs(compiled)

    def __call__(self, pictures: torch.Tensor, hints: torch.Tensor | None = None) -> torch.Tensor:
        """Restore pictures; see ``Engine``."""
        request = self._programs.of(pictures.shape[1], pictures.shape[2])
        outputs = [request.infer(feeds, share_inputs=True)[0] for feeds in one_by_one(pictures, hints)]
        return torch.from_numpy(np.concatenate(outputs))


class Programs:
    """What an engine prepared for each size of pictures; the ones that were used last are kept."""

    def __init__(self, prepare: Callable[[int, int], Any]) -> None:
        self._prepare = prepare
        self._kept: OrderedDict[tuple[int, int], Any] = OrderedDict()

    def of(self, height: int, width: int) -> Any:
        """Return what runs pictures of a size."""
        size = height, width
        if size not in self._kept:
            self._kept[size] = self._prepare(height, width)
        self._kept.move_to_end(size)
        if len(self._kept) > PROGRAMS:
            self._kept.popitem(last=False)
        return self._kept[size]


def one_by_one(pictures: torch.Tensor, hints: torch.Tensor | None) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield what an ONNX file of ours takes for each picture."""
    for place in range(len(pictures)):
        feeds: dict[str, NDArray[Any]] = {PICTURES: pictures[place : place + 1].numpy()}
        if hints is not None:
            feeds[HINTS] = hints[place : place + 1].numpy()
        yield feeds


def choose(
    network: Network, engine: str, device: torch.device, name: str, size: int | None, *, rough: bool = False
) -> Engine:
    """Make the engine that ``restore.engine`` asks for; see ``streamer.engine.choice.choose``.

    Args:
        network: in evaluation mode and on the CPU.
        engine: ``auto``, ``torch``, ``onnxruntime`` or ``openvino``.
        device: of the run.
        name: of the model, for messages.
        size: side of the squares that it takes, in pixels; None: any.
        rough: whether OpenVINO may compute in 8 bits, where the CPU has instructions for that: restored
            regions are then 43 to 47 dB from what they would be (black and white stripes, blurred, 38).

    Raises:
        ConfigError: an engine is asked for that is not installed.
        ModelError: an engine is asked for that cannot run the network or does not agree with torch.
    """

    def fault(made: Engine) -> str | None:
        apart, alike = disagreement(made, network, size)
        if apart <= TOLERANCE_DB and alike >= LIKENESS_DB:
            return None
        return (
            f"is {apart:.2g} dB away from torch on fixed pictures, at {alike:.3g} dB from its output "
            f"({TOLERANCE_DB:g} and {LIKENESS_DB:g} are allowed)"
        )

    def with_openvino(kind: torch.dtype) -> Engine:
        def make() -> Engine:
            return quantised(network, size) if kind == torch.int8 else OpenVinoEngine(Export(network), kind)

        return checked("openvino", make, fault)

    makers: dict[str, Callable[[], Engine]] = {
        "torch": lambda: TorchEngine(network, device, precision(device)),
        "onnxruntime": lambda: checked("onnxruntime", lambda: OnnxRuntimeEngine(Export(network)), fault),
        "openvino": lambda: choice.shortest(name, with_openvino, rough=rough),
    }
    return choice.choose(f"restoring by {name}", "restore.engine", engine, device, makers, fastest_first())


def quantised(network: Network, size: int | None) -> OpenVinoEngine:
    """Make an engine that computes in 8 bits, and in 16 where that is not worth it.

    What is rounded by how much is found on pictures of its own, not those by which engines are judged: such
    as come, blurred and sharp, and noise. Sharp black and white patches, which nothing that is hidden has,
    are cut off (28 dB from torch's); ranges that hold these too cost what does come 3 to 9 dB.

    Args:
        network: in evaluation mode and on the CPU.
        size: of the pictures that it takes; None: any.
    """
    side, examples = side_of(network, size), []
    for seed in (1, 2):
        clean, degraded, hints = fixed_pair(side, network.inputs - 3, seed)
        noise = np.random.default_rng(seed).integers(0, 256, clean.shape, np.uint8)
        pictures = (clean, degraded, torch.from_numpy(noise))
        examples += [planes(each, hints) for each in pictures]
    with one_torch_thread():
        within = ranges(network, examples)
    return OpenVinoEngine(Export(network, within), precision(torch.device("cpu")))


def fastest_first() -> tuple[str, ...]:
    """Return the engines by speed on this CPU.

    Of the bundled network on 8 squares of 64 pixels, on an AMD EPYC, one thread, relative to OpenVINO in
    bfloat16: torch likewise 1.3; in single precision OpenVINO 1.7, ONNX Runtime 1.8, torch 2.4.
    """
    if precision(torch.device("cpu")) == torch.float32:
        return ("openvino", "onnxruntime", "torch")
    return ("openvino", "torch", "onnxruntime")


def disagreement(engine: Engine, network: Network, size: int | None) -> tuple[float, float]:
    """Compare an engine on the CPU with torch in single precision, on two fixed pairs of pictures.

    Args:
        engine: on the CPU.
        network: what it runs, likewise.
        size: of the pictures; None: about 64 pixels.

    Returns:
        By how many dB the PSNR of their outputs against the clean pictures differs, and the PSNR between the
        two; all over both pictures and the three colours, after rounding to 8 bits.
    """
    side = side_of(network, size)
    clean, degraded, hints = fixed_pair(side, network.inputs - 3)
    with one_torch_thread():
        expected = TorchEngine(network, torch.device("cpu"), torch.float32)(degraded, hints)
    given = engine(degraded, hints)
    if given.shape != expected.shape:
        raise RuntimeError(f"gives {tuple(given.shape)}, expected {tuple(expected.shape)}")
    one, other = decibels(given, clean), decibels(expected, clean)
    return (0.0 if one == other else abs(one - other)), decibels(given, expected)


def side_of(network: Network, size: int | None) -> int:
    """Return the side of the squares that a network is tried on: about 64 pixels where it takes any."""
    return size or network.fitting(64)


def fixed_pair(
    side: int, hints: int, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Return two clean pictures, uint8 ``[2, side, side, 3]``, the same blurred and noisy, and hints.

    Pictures are patches of colour, coarse ones and finer ones of less contrast, as scenes have them.
    """
    random = np.random.default_rng(seed)
    pictures = []
    for _ in range(2):
        levels = np.full((side, side, 3), 128.0)
        for cells, contrast in ((4, 60), (12, 30)):
            patches = random.normal(0, contrast, (cells, cells, 3))
            levels += cv2.resize(patches, (side, side), interpolation=cv2.INTER_NEAREST)
        pictures.append(levels)
    scenes = np.clip(np.stack(pictures), 0, 255)
    blurred = np.stack([cv2.GaussianBlur(picture, (0, 0), max(1.0, side / 32)) for picture in scenes])
    degraded = np.clip(blurred + random.normal(0, 4, blurred.shape), 0, 255)
    given = random.uniform(-0.25, 0.25, (2, hints, side, side)).astype(np.float32)
    clean, worse = (torch.from_numpy(each.round().astype(np.uint8)) for each in (scenes, degraded))
    return clean, worse, torch.from_numpy(given) if hints else None


def decibels(picture: torch.Tensor, other: torch.Tensor) -> float:
    """Return the PSNR between uint8 pictures of one shape; ``inf`` where they are the same."""
    found = psnr(int((picture.int() - other.int()).square().sum()), picture.numel())
    assert found is not None  # noqa: S101, they have samples
    return found
