"""The training run of what judges accidents: its YAML file as typed, validated objects."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from streamer.detectors import DetectConfig
from streamer.section import Section, validate
from streamer.yaml_file import read, require_version, substitute


class AccidentDataConfig(Section):
    """Where labelled frames come from, and which clips serve what."""

    kaggle: str = "ckay16/accident-detection-from-cctv-footage/versions/1"
    """Handle of a Kaggle dataset."""
    folder: str | None = None
    """A folder with frames, named ``CLIP_NUMBER`` and in order, in place of the dataset."""
    accident: str = "Accident"
    """The folder in which frames that show one lie, at any depth; all others show none."""
    fps: float = Field(default=5.0, ge=3.0, le=60.0)
    """Frames of a clip in a second. The dataset does not say: by how far vehicles of known length get from
    one frame to the next, its clips have about 5."""
    groups: list[list[str]] = Field(default_factory=list)
    """Clips that show one scene, which are always left out together."""
    test: list[str] = Field(default_factory=list)
    """Clips that the model never sees, to report on; cross-validation takes all clips in turn."""


class AccidentFitConfig(Section):
    """How weights are found."""

    steps: int = Field(default=150, ge=1, le=100_000)
    """Of Adam, over all pairs of looks at a time."""
    rate: float = Field(default=0.05, gt=0.0, le=1.0)
    """Adam's learning rate."""
    decay: float = Field(default=0.01, ge=0.0, le=10.0)
    """How much the squares of the weights add to the loss."""
    false_looks: float = Field(default=0.05, gt=0.0, lt=1.0)
    """Share of the looks without an accident, in clips left out of training, that score above the threshold
    that the model carries."""


class AccidentTrainConfig(Section):
    """The whole file."""

    version: Literal[1] = 1
    task: Literal["accident"]
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the bootstrap; training draws nothing."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``: of the detector; the head is too small to profit."""
    data: AccidentDataConfig = AccidentDataConfig()
    detect: DetectConfig = DetectConfig()
    """What finds the vehicles; the same as streamer's."""
    window: int = Field(default=8, ge=2, le=64)
    """Looks that are judged together, a fifth of a second apart."""
    fit: AccidentFitConfig = AccidentFitConfig()


def load(path: Path, environment: Mapping[str, str] = os.environ) -> AccidentTrainConfig:
    """Read and validate a training run.

    Raises:
        ConfigError: anything about it is wrong; one line with the file, the key and what was expected.
    """
    return read(path, lambda data: parse(substitute(data, environment)))


def parse(data: Mapping[str, Any]) -> AccidentTrainConfig:
    """Validate a configuration that is already a mapping; errors as in ``load``, without the file's name."""
    require_version(data)
    return validate(AccidentTrainConfig, data)
