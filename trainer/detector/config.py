"""A detector's training run: its YAML file as typed, validated objects."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from streamer.detectors import DetectConfig
from streamer.nets import fcos
from streamer.section import Section, validate
from streamer.yaml_file import read, require_version, substitute
from trainer.config import DataConfig
from trainer.label import TEACHER


class LabelsConfig(Section):
    """What is there to be found."""

    folder: str = "labels"
    """Where ``trainer label`` wrote images and ``annotations.json``."""
    threshold: float = Field(default=0.3, ge=0.0, le=1.0)
    """The score from which on a label is an object. One below is in doubt: finding it is no mistake, nor is
    missing it."""


class ViewConfig(Section):
    """How a training picture is made of frames."""

    zoom: list[float] = Field(default=[0.4, 2.5], min_length=2, max_length=2)
    """Least and most magnification, where 1 shows a frame whole."""
    stretch: float = Field(default=0.2, ge=0.0, le=1.0)
    """Largest change of the ratio of width to height, as the logarithm of the factor."""
    mosaic: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of the pictures that are put together of four frames."""
    paste: float = Field(default=0.8, ge=0.0, le=1.0)
    """Share of the pictures on which pieces of other frames are pasted."""
    colour: float = Field(default=0.5, ge=0.0, le=1.0)
    """Largest change of contrast and colour, as the logarithm of the factor."""

    @field_validator("zoom")
    @classmethod
    def _ordered(cls, zoom: list[float]) -> list[float]:
        if not 0.0 < zoom[0] <= zoom[1]:
            raise ValueError(f"expected two factors above 0, the smaller first, found {zoom}")
        return zoom


class HintsConfig(Section):
    """A detector that has seen far more, whose features are to be learned beside the labels."""

    model: str
    """ONNX file that takes ``[B, 3, H, W]``, BGR in 0 to 255, as YOLOX does."""
    outputs: list[str] = Field(
        default=[
            f"/head/{branch}_convs.{grid}/{branch}_convs.{grid}.1/pconv/act/Mul_output_0"
            for grid in range(3)
            for branch in ("cls", "reg")
        ],
        min_length=6,
        max_length=6,
    )
    """Names of tensors in it, ``[B, C, H / stride, W / stride]``: by stride, 8, 16 and 32, one that scores
    are made of and one that boxes are made of; YOLOX-nano's, as its project exports it."""
    weight: float = Field(default=20.0, gt=0.0)
    """Of the distance to them in the loss: 20 makes it the larger part by far."""


class FitConfig(Section):
    """How weights are found."""

    backbone: str | None = None
    """State dict of a MobileNetV2 trained on ImageNet, torchvision's or one with its tensors in its order."""
    start: str | None = None
    """``bundled``, or the path of a detector of ours to go on from, with all its weights."""
    hints: HintsConfig | None = None
    """None learns from labels alone."""
    freeze: int = Field(default=0, ge=0, le=17)
    """How many of the backbone's blocks are left as they are."""
    steps: int = Field(default=12000, ge=1, le=10_000_000)
    batch: int = Field(default=8, ge=1, le=1024)
    """Pictures per step."""
    rate: float = Field(default=0.002, gt=0.0, le=1.0)
    """AdamW's highest learning rate: it rises to it over 5% of the steps, then falls along a cosine."""
    decay: float = Field(default=0.02, ge=0.0, le=1.0)
    """AdamW's weight decay."""
    ema: float = Field(default=0.998, ge=0.5, lt=1.0)
    """Decay per step of an average over the weights, which is what is measured and kept."""
    clip: float = Field(default=10.0, gt=0.0)
    """Largest norm of the gradient."""
    save: int = Field(default=100, ge=1)
    """Steps from one checkpoint to the next."""
    workers: int = Field(default=0, ge=0, le=64)
    """Processes that make pictures; 0 makes them in this one."""
    precision: Literal["32-true", "bf16-mixed"] = "bf16-mixed"
    operating_point: float | None = Field(default=None, gt=0.0, lt=1.0)
    """The score, as trained, that the file has as ``hide_threshold``'s default; None leaves scores alone. To
    be chosen with a file that has none, by ``benchmarks/leak.py``; ``--resume`` writes the file anew."""


class DetectorConfig(Section):
    """The whole file."""

    version: Literal[1] = 1
    task: Literal["detect"]
    seed: int = Field(default=0, ge=0, lt=2**32)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    data: DataConfig = DataConfig()
    """What ``trainer label`` labels, and which clips serve what."""
    detect: DetectConfig = TEACHER
    """What ``trainer label`` labels with."""
    labels: LabelsConfig = LabelsConfig()
    view: ViewConfig = ViewConfig()
    network: fcos.Options = fcos.Options()
    """The one network for detection that there is."""
    fit: FitConfig = FitConfig()


def load(path: Path, environment: Mapping[str, str] = os.environ) -> DetectorConfig:
    """Read and validate a detector's training run.

    Raises:
        ConfigError: anything about it is wrong; one line with the file, the key and what was expected.
    """
    return read(path, lambda data: parse(substitute(data, environment)))


def parse(data: Mapping[str, Any]) -> DetectorConfig:
    """Validate a configuration that is already a mapping; errors as in ``load``, without the file's name."""
    require_version(data)
    return validate(DetectorConfig, data)
