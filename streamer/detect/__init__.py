"""Finding objects: one interface, and the detector that a configuration names."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.detect.ensemble import Ensembled
from streamer.detectors import LARGE, DetectConfig
from streamer.errors import ConfigError
from streamer.frame import Detections


class Detector(Protocol):
    """What finds objects in pictures. It may be used by any one thread at a time."""

    name: str
    """What users know it by, such as ``yolox_nano.onnx``."""
    engine: str
    """What runs it, such as ``onnxruntime 1.31.1 (CPU, 1 thread)``."""
    batch_size: int
    """How many pictures at once it works best on; any number is right."""

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find objects.

        Args:
            images: uint8 ``[H, W, 3]``, RGB, of any sizes, on the device given at loading.

        Returns:
            One for each image, best score first: all objects of the classes and from the score on that
            were given at loading.

        Raises:
            ValueError: the network returned what is not a number.
        """
        ...


def load(config: DetectConfig, device: torch.device, *, classes: Sequence[str], threshold: float) -> Detector:
    """Load the detector that ``config`` names.

    Args:
        config: names the model, its weights and tiles; its classes and threshold are not read here.
        device: where the pictures are.
        classes: COCO names to look for: those of all cameras.
        threshold: the least score to return: the least of all cameras.

    Raises:
        ModelError: there is no such model, its file is missing, damaged or of another kind, or it does not
            know one of the classes.
        ConfigError: weights are named for a model that has its own, or an engine that is not installed or
            does not run the model.
    """
    detector = _load(config, device, classes=classes, threshold=threshold)
    if config.grid == (1, 1):
        return detector
    from streamer.detect.tiles import Tiled

    return Tiled(detector, *config.grid)


def _load(
    config: DetectConfig, device: torch.device, *, classes: Sequence[str], threshold: float
) -> Detector:
    # each engine takes seconds to import, so that only the one that is used is
    model = str(bundled_path()) if config.model == "bundled" else config.model
    if model.lower().endswith((".onnx", ".safetensors")):
        if config.weights != "default":
            raise ConfigError(
                f"detect.weights: only torchvision's detectors take weights, {config.model} has its own"
            )
        if model.lower().endswith(".safetensors"):
            from streamer.detect import fcos

            return fcos.load(Path(model), device, config.engine, classes=classes, threshold=threshold)
        _refuse_engine(config, "onnxruntime")
        from streamer.detect import onnx

        return onnx.load(Path(model), device, classes=classes, threshold=threshold)
    _refuse_engine(config, "torch")
    from streamer.detect import zoo

    return zoo.load(config.model, config.weights, device, classes=classes, threshold=threshold)


def _refuse_engine(config: DetectConfig, only: str) -> None:
    if config.engine not in ("auto", only):
        raise ConfigError(
            f"detect.engine: {config.model} runs on {only} alone, found {config.engine!r}; set it to auto"
        )


def bundled_path() -> Path:
    """Return the path of the file that ``detect.model: bundled`` means: the one in this installation.

    ``trainer fit configs/detector.yaml`` made it.
    """
    return Path(str(importlib.resources.files("streamer"))) / "models" / "detect" / "street.safetensors"


def select(detections: Detections, config: DetectConfig) -> Detections:
    """Return those of ``detections`` that one camera's classes and least scores ask for."""
    if isinstance(detections, Ensembled):
        return detections.select(config)
    named = np.array([label in config.sought for label in detections.labels], bool)
    seeks = np.array([config.seek_threshold_of(label) for label in detections.labels], np.float32)
    return detections.keep(named & (detections.scores >= seeks))


def hides_from(found: Detections, config: DetectConfig, width: int, height: int) -> NDArray[np.float32]:
    """Say from which score on each of some detections is hidden, by its class and its size.

    Args:
        found: N detections in a frame.
        config: of its camera.
        width: of the frame, in pixels.
        height: of the frame, in pixels.

    Returns:
        float32 ``[N]``.
    """
    least = np.array([config.hide_threshold_of(label) for label in found.labels], np.float32)
    if (surely := config.hides_large_from) is None:
        return least
    large = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1) > LARGE * width * height
    return np.where(large, np.float32(surely), least)
