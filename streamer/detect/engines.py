"""What runs our own detector's network: torch, ONNX Runtime or OpenVINO, and which of them a run takes.

All give the same numbers, which is checked before one is used, and leave decoding to the detector. On a CPU
each works in the thread that calls it, as the other cores have stages of their own to run.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import sys
from typing import Any, Protocol

import numpy as np
import torch

from streamer.detect.export import INPUT, export
from streamer.errors import ConfigError, ModelError
from streamer.nets.fcos import Fcos

logger = logging.getLogger(__name__)

FASTEST_FIRST = ("openvino", "onnxruntime", "torch")
"""On a CPU: 9.3, 11.5 and 35.9 ms for a picture of 256x448 (an AMD EPYC, one thread)."""

PACKAGES = {"openvino": "'cctv-streamer[openvino]'", "onnxruntime": "onnxruntime"}
"""What pip is told to install."""

TOLERANCE = 0.005
"""How far an engine's outputs may be from torch's: a logit by as much, which is at most 0.00125 of a score,
and a side of a box by half a percent. In single precision they are within a hundredth of that. bfloat16,
which OpenVINO would take where the processor has it (6 ms instead of 9), is off by 0.17, and not used."""


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

        from streamer.detect.onnx import one_thread

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

    def __init__(self, model: bytes) -> None:
        core, version = _openvino()
        self.name = f"openvino {version} (CPU, 1 thread)"
        graph = core.read_model(model)
        graph.reshape({INPUT: [1, *graph.input(INPUT).partial_shape[1:]]})
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": 1,
            "ENABLE_CPU_PINNING": False,  # two runs would share the one core that both are pinned to
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self.compiled = core.compile_model(graph, "CPU", settings)
        self._request = self.compiled.create_infer_request()

    def __call__(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the network; see ``Heads``."""
        outputs = [
            self._request.infer({INPUT: picture[None].numpy()}, share_inputs=True) for picture in pictures
        ]
        logits, distances = (torch.from_numpy(np.concatenate([each[i] for each in outputs])) for i in (0, 1))
        return logits, distances


@functools.cache
def _openvino() -> tuple[Any, str]:
    """Return OpenVINO's core, for as long as the process lives, and its version.

    Its CPU plugin gives the thread that loads it another stack for signals, and frees that in whichever
    thread lets go of it last: the next signal to the first, such as Ctrl-C, would then crash the process.
    """
    # importing it sends its makers a message, from a thread; without this part of it it does not
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # Python's way to say so
    import openvino

    return openvino.Core(), openvino.__version__.partition("-")[0]


def choose(network: Fcos, engine: str, device: torch.device) -> Heads:
    """Make the engine that a configuration asks for; which one it is, and why, is logged.

    Args:
        network: in evaluation mode and on the CPU.
        engine: ``auto``, which takes the fastest that is installed and agrees with torch, or one of
            ``FASTEST_FIRST``.
        device: of the run.

    Raises:
        ConfigError: an engine is asked for that is not installed.
        ModelError: an engine is asked for that cannot run the network or does not agree with torch.
    """
    if engine == "auto" and device.type != "cpu":
        return _say(TorchHeads(network, device), f"the one that works on {device}")
    if engine == "torch":
        return _say(TorchHeads(network, device), "as detect.engine says")
    if engine != "auto":
        if not _installed(engine):
            raise ConfigError(
                f"detect.engine: {engine} is not installed: pip install {PACKAGES[engine]}, or set it to auto"
            )
        if device.type != "cpu":
            logger.warning(
                "detection does not use %s: detect.engine is %s, which runs on the CPU, and every picture "
                "comes down for it; `engine: auto` would use the GPU", device, engine,
            )  # fmt: skip
        try:
            return _say(_checked(engine, network), "as detect.engine says")
        except _UnusableError as error:
            raise ModelError(f"detect.engine: {error}; set it to auto") from None
    passed_over = []
    for candidate in FASTEST_FIRST[:-1]:
        if not _installed(candidate):
            passed_over.append(f"{candidate} is not: pip install {PACKAGES[candidate]}")
            continue
        try:
            heads = _checked(candidate, network)
        except _UnusableError as error:
            logger.warning("detect.engine: %s; taking the next one", error)
            continue
        return _say(heads, "; ".join(["the fastest that is installed", *passed_over]))
    return _say(TorchHeads(network, device), "no faster one can be used")


class _UnusableError(Exception):
    """An engine cannot run a network, or gets other results than torch."""


def _installed(engine: str) -> bool:
    return importlib.util.find_spec(engine) is not None


def _say(heads: Heads, why: str) -> Heads:
    logger.info("detection runs on %s: %s", heads.name, why)
    return heads


def _checked(engine: str, network: Fcos) -> Heads:
    """Make an engine and compare it with torch on fixed pictures.

    Raises:
        _UnusableError: it is no good.
    """
    try:
        made: Heads = (OpenVinoHeads if engine == "openvino" else OnnxRuntimeHeads)(export(network))
        apart = disagreement(made, network)
    except Exception as error:  # a broken installation and each engine raise whatever they like
        reason = " ".join(str(error).split())[:200]
        raise _UnusableError(f"{engine} cannot run this network ({type(error).__name__}: {reason})") from None
    if not apart <= TOLERANCE:  # NaN is not either
        raise _UnusableError(
            f"{made.name} is {apart:.2g} away from torch on a fixed picture ({TOLERANCE:g} is allowed)"
        )
    return made


def disagreement(heads: Heads, network: Fcos) -> float:
    """Return how far an engine's outputs are from torch's at most, on two fixed pictures; NaN where one is.

    Args:
        heads: on the CPU.
        network: what they run, likewise.
    """
    height, width = network.size
    random = np.random.default_rng(0)
    patches = random.integers(0, 256, (2, height // 32, width // 32, 3)).repeat(32, axis=1).repeat(32, axis=2)
    noise = random.integers(-32, 33, patches.shape)
    pictures = torch.from_numpy(np.clip(patches + noise, 0, 255).astype(np.uint8))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more wait for each other where another program keeps a core busy
    try:
        expected = TorchHeads(network, torch.device("cpu"))(pictures)
    finally:
        torch.set_num_threads(threads)
    given = heads(pictures)
    return max(float((a - b).abs().max()) for a, b in zip(given, expected, strict=True))
