"""What ``detect`` may be in the YAML file: the settings of one detector, or a list with those of several."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, TypeAdapter, field_validator, model_validator

from streamer.classes import CLASSES, GROUPS, STREET
from streamer.errors import ConfigError
from streamer.section import Section, as_tuple, kind, merge, mistake, suggest

HIDE_THRESHOLD = 0.2
"""Chosen with benchmarks/leak.py on clips that the README's table does not report on."""

FAINT = 0.5
"""Share of the score that hides from which on a detection goes on with a track, though it begins none."""

LARGE = 0.006
"""Share of the frame's area from which on a box is large: above it YOLOX-nano, which sees 416 pixels of the
frame's width, misses next to nothing at four times the score that it needs below."""

SURER = 1.2
"""How many times the score that hides a large box needs, unless it is told. Chosen after the README's table
had been looked at; the README says what other clips say of it."""

OnFailure: TypeAlias = Literal["hide", "drop"]


def _tiles(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch("[1-8]x[1-8]", value):
        raise ValueError(f"expected columns and rows of tiles, from 1x1 to 8x8, found {kind(value)}")
    return value


class DetectConfig(Section):
    """How objects are found."""

    model: str = "bundled"
    """``bundled``, the name of a torchvision detector, or the path of an ONNX file or of ``trainer``'s."""
    weights: str = "default"
    """For a torchvision detector: ``default``, or the path of a file with its state dict."""
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = "auto"
    """What runs the network; ``auto``: the fastest that is installed and runs it, on a GPU torch."""
    classes: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = Field(default=STREET, min_length=1)
    """COCO names, ``face``, or the groups ``vehicle`` and ``two-wheeler``, which are resolved on loading."""
    threshold: float = Field(default=0.25, ge=0.0, le=1.0)
    """The score from which on a detection counts as an object, in the logs."""
    hide_threshold: float = Field(default=HIDE_THRESHOLD, ge=0.0, le=1.0)
    """The score from which on it is hidden; never more than ``threshold``."""
    hide_threshold_large: float | None = Field(default=None, ge=0.0, le=1.0)
    """The same for boxes larger than 0.6% of the frame, ``threshold`` at most; None: 1.2 times
    ``hide_threshold``, or as for others where there are several detectors. Most objects that are missed are
    small, and large boxes are most of what is hidden needlessly."""
    every: int = Field(default=1, ge=1, le=100)
    """Look at every so manieth frame only; tracks say what to hide in the others."""
    mirror: bool = True
    """Look at every other frame in a mirror, which costs next to nothing: what the detector misses as it
    stands it often finds so, and tracks carry it over. What it finds wrongly differs too."""
    on_failure: OnFailure = "hide"
    """What becomes of a frame in which finding or hiding failed: it leaves hidden whole, or not at all."""
    timeout: float = Field(default=30.0, gt=0.0, le=3600.0)
    """Seconds until a detector or hider that does not return is left behind; its first call has 60 more."""
    tiles: Annotated[str, BeforeValidator(_tiles)] = "1x1"
    """Columns and rows of overlapping tiles in which to look too; ``1x1`` is the whole frame alone."""

    @property
    def grid(self) -> tuple[int, int]:
        """Columns and rows of ``tiles``."""
        columns, _, rows = self.tiles.partition("x")
        return int(columns), int(rows)

    @property
    def hides_from(self) -> float:
        """The score from which on a detection is hidden: whatever counts is."""
        return min(self.threshold, self.hide_threshold)

    @property
    def hides_large_from(self) -> float | None:
        """The score from which on a large box is hidden; None: as others."""
        if self.hide_threshold_large is not None:
            return self.hide_threshold_large
        return min(SURER * self.hides_from, self.threshold)

    @property
    def seeks_from(self) -> float:
        """The score from which on a detection is asked for: faint ones still tell where a track goes on."""
        return FAINT * self.hides_from

    @property
    def detectors(self) -> tuple[DetectConfig, ...]:
        """Each detector's settings."""
        return (self,)

    @property
    def sought(self) -> tuple[str, ...]:
        """All classes that any of the detectors looks for."""
        return tuple(dict.fromkeys(name for each in self.detectors for name in each.classes))

    def threshold_of(self, label: str) -> float:
        """The score from which on an object of a class counts: the least of those that look for it."""
        return min(
            (each.threshold for each in self.detectors if label in each.classes), default=self.threshold
        )

    def hide_threshold_of(self, label: str) -> float:
        """The score from which on an object of a class is hidden: the least of those that look for it."""
        return min(
            (each.hides_from for each in self.detectors if label in each.classes), default=self.hides_from
        )

    def seek_threshold_of(self, label: str) -> float:
        """The score from which on an object of a class is asked for."""
        return FAINT * self.hide_threshold_of(label)

    @model_validator(mode="after")
    def _hides_what_counts(self) -> DetectConfig:
        if self.hide_threshold > self.threshold and "hide_threshold" in self.model_fields_set:
            raise ValueError(
                f"hide_threshold is {self.hide_threshold:g}, above threshold ({self.threshold:g}): "
                "what counts as an object must be hidden"
            )
        large = self.hide_threshold_large
        if large is not None and not self.hides_from <= large <= self.threshold:
            raise ValueError(
                f"hide_threshold_large is {large:g}: expected from hide_threshold ({self.hides_from:g}) "
                f"to threshold ({self.threshold:g})"
            )
        return self

    @field_validator("classes")
    @classmethod
    def _known_classes(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        resolved: dict[str, None] = {}
        for name in names:
            if name not in CLASSES and name not in GROUPS:
                raise ValueError(f"unknown class {name!r}{suggest(name, [*CLASSES, *GROUPS])}")
            resolved.update(dict.fromkeys(GROUPS.get(name, (name,))))
        return tuple(resolved)


FOR_ALL = ("every", "mirror", "on_failure", "timeout")
"""Keys of ``detect`` that hold for all detectors of a list, and stand with the first."""


class EnsembleConfig(DetectConfig):
    """Several detectors at once: the first, with what holds for all, and the others."""

    others: tuple[DetectConfig, ...]

    @property
    def hides_large_from(self) -> float | None:
        """None: what one of them takes for large another may see well."""
        return None

    @property
    def detectors(self) -> tuple[DetectConfig, ...]:
        """Each detector's settings."""
        return (self, *self.others)


def one_or_several(value: object) -> object:
    """Read a list of detectors; anything else is left to ``DetectConfig``."""
    if not isinstance(value, list | tuple):
        return value
    if not value:
        raise ValueError("expected keys and values, or a list with those of each detector, found no detector")
    first, *others = TypeAdapter(tuple[DetectConfig, ...]).validate_python(tuple(value))
    for place, each in enumerate((first, *others) if others else ()):
        if each.hide_threshold_large is not None:
            raise mistake((place, "hide_threshold_large"), value, "stands where there is one detector alone")
    for place, other in enumerate(others, 1):
        for key in FOR_ALL:
            if key in other.model_fields_set:
                expected = "holds for all detectors of the list; give it with the first"
                raise mistake((place, key), value, expected)
    if not others:
        return first
    keys = {key: getattr(first, key) for key in DetectConfig.model_fields}
    return EnsembleConfig.model_construct(first.model_fields_set, **keys, others=tuple(others))


def override(defaults: Any, own: Any, where: str) -> Any:
    """Merge what a camera says of ``detect`` into the run's, which may be a list of detectors.

    Raises:
        ConfigError: it does not say which of the detectors it means.
    """
    if not isinstance(defaults, list):
        if isinstance(own, list):
            raise ConfigError(
                f"{where}.detect: expected keys and values, found a list; all cameras share the detectors, "
                "and the top level has one"
            )
        return merge(defaults, own) if isinstance(own, dict) else own
    if isinstance(own, dict):
        if "classes" in own and len(defaults) > 1:
            raise ConfigError(
                f"{where}.detect.classes: which of the {len(defaults)} detectors is meant? give a list with "
                "an entry for each of them; {} leaves one as it is"
            )
        rest = {key: value for key, value in own.items() if key not in FOR_ALL}
        return [merge(each, rest if place else own) for place, each in enumerate(defaults)]
    if not isinstance(own, list):
        return own
    if len(own) != len(defaults):
        raise ConfigError(
            f"{where}.detect: expected {len(defaults)} entries, one for each detector of the top level, "
            f"found {len(own)}"
        )
    return [
        merge(each, mine) if isinstance(mine, dict) else mine
        for each, mine in zip(defaults, own, strict=True)
    ]
