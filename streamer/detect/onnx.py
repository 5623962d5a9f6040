"""Detectors in ONNX files, run by ONNX Runtime."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime
import torch

from streamer.detect import Detector, centerface, sizes, ssd
from streamer.detect.centerface import Centerface
from streamer.detect.session import Session
from streamer.detect.ssd import Ssd
from streamer.detect.yolox import Yolox
from streamer.engine.runtime import one_thread
from streamer.errors import ModelError

logger = logging.getLogger(__name__)


def load(path: Path, device: torch.device, *, classes: Sequence[str], threshold: float) -> Detector:
    """Load a detector from an ONNX file; its layout is told by its inputs and outputs.

    Args:
        path: of the file.
        device: where the pictures are.
        classes: names to look for.
        threshold: the least score to return.

    Raises:
        ModelError: the file is missing, damaged, of an unknown layout, or does not know one of the classes.
    """
    session = _open(path, device)
    if "CUDAExecutionProvider" in session.get_providers():
        engine = f"onnxruntime {onnxruntime.__version__} ({device})"
    else:
        engine = f"onnxruntime {onnxruntime.__version__} (CPU, 1 thread)"
        if device.type != "cpu":
            logger.warning(
                "detection does not use %s: this ONNX Runtime has no working CUDA provider, so %s runs on "
                "the CPU and every picture comes down for it; a torchvision detector would use the GPU",
                device, path.name,
            )  # fmt: skip
    name = path.name
    if (layout := ssd.layout(session)) is not None:
        return Ssd(session, layout, name, engine, classes=classes, threshold=threshold)
    if _channels(session) == centerface.CHANNELS:
        content = sizes.free(path.read_bytes(), session.get_inputs()[0].name)
        session = _start(content, path, device)
        return Centerface(session, name, engine, classes=classes, threshold=threshold)
    return Yolox(session, name, engine, classes=classes, threshold=threshold)


def _channels(session: Session) -> tuple[Any, ...]:
    """Return the second size of every output."""
    return tuple(output.shape[1] if len(output.shape) == 4 else None for output in session.get_outputs())


def _open(path: Path, device: torch.device) -> Any:
    if not path.is_file():
        raise ModelError(f"{path}: no such model file; name an .onnx file that is there")
    return _start(path, path, device)


def _start(source: Path | bytes, path: Path, device: torch.device) -> Any:
    """Start a session for a file, or for content that was made of it."""
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index or 0}))
    try:
        return onnxruntime.InferenceSession(source, one_thread(), providers=providers)
    except Exception as error:  # its exceptions have no base of their own
        reason = str(error).splitlines()[0].rpartition("failed:")[2]
        raise ModelError(f"{path}: not an ONNX model, or damaged; copy it again ({reason})") from None
