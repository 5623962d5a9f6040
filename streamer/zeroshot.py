"""What `watch.zeroshot` may be in the YAML file: what to tell apart by descriptions, and when to raise it."""

from __future__ import annotations

import re
from math import ceil
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from streamer.event import TAMPER_KINDS
from streamer.section import Section, as_tuple, kind

WEIGHTS = "datacomp_s34b_b86k"
"""Of the default model: 72.8% on ImageNet without training on it."""

ACCIDENT = (
    "a car accident",
    "a car crash",
    "two vehicles that have collided",
    "a damaged car standing across the road",
    "a car that has rolled over",
    "a motorcycle lying on the road after a crash",
    "a car hitting a pedestrian",
)
"""Descriptions of an accident, unless the file has its own."""

NORMAL = (
    "normal traffic",
    "cars driving on a road",
    "cars waiting at a traffic light",
    "an intersection without an accident",
    "an empty road",
    "parked cars",
    "people walking along a street",
)
"""Descriptions of what every class is told apart from."""

TEMPLATES = (
    "{}",
    "a photo of {}",
    "CCTV footage of {}",
    "a blurry picture of {} from a surveillance camera",
)
"""Ways to say each of them, whose embeddings are averaged."""

NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
"""What a class may be called: it becomes the kind of an event."""

Sentences: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]


class ZeroShotConfig(Section):
    """When a picture looks more like the descriptions of a class than like those of what is normal."""

    model: str = Field(default="ViT-B-32-256", min_length=1)
    """A name that open_clip knows, or a folder with an ``open_clip_config.json`` and weights."""
    weights: str = Field(default=WEIGHTS, min_length=1)
    """One of open_clip's tags for the model, downloaded once, or the path of a file; a folder has its own."""
    required: bool = True
    """Whether a run stops before it starts where the model cannot be had; else it goes on without."""
    normalise: Literal["model", "half"] = "model"
    """By the model's own mean and deviation; or by 0.5 and 0.5, as the reference does and SigLIP wants."""
    classes: dict[str, Sentences] = Field(default={"accident": ACCIDENT, "normal": NORMAL})
    """Descriptions by class, each of which is raised by its name; ``normal`` need not be described."""
    normal: str = "normal"
    """The class that all others are told apart from, which is never raised."""
    templates: Sentences = Field(default=TEMPLATES, min_length=1)
    """Sentences with ``{}`` in the place of a description."""
    temperature: float = Field(default=0.01, gt=0.0, le=10.0)
    """What a difference of cosines is divided by before the sigmoid; 0.01 is what CLIP was trained with."""
    threshold: float = Field(default=0.5, gt=0.0, lt=1.0)
    """The probability from which on a class counts."""
    calibration: str | None = None
    """Path of what ``trainer calibrate`` wrote: temperatures and thresholds of the classes in it."""
    every: float = Field(default=1.0, ge=0.1, le=60.0)
    """Seconds of the source's time from one look to the next."""
    window: float = Field(default=3.0, gt=0.0, le=600.0)
    """Seconds of looks that are averaged."""
    seconds: float = Field(default=3.0, gt=0.0, le=600.0)
    """Seconds of the last ``of`` that count, from which on the class is raised; so many end it, too."""
    of: float = Field(default=5.0, gt=0.0, le=600.0)
    """Seconds that are looked back."""
    release: float = Field(default=0.8, gt=0.0, le=1.0)
    """Share of the threshold below which a look counts towards the end."""

    @property
    def alerts(self) -> tuple[str, ...]:
        """The classes that are raised: all but the normal one."""
        return tuple(name for name in self.classes if name != self.normal)

    @property
    def looks(self) -> tuple[int, int]:
        """How many looks raise a class, and of how many: ``seconds`` and ``of``, in looks."""
        needed, last = (max(1, ceil(each / self.every - 1e-6)) for each in (self.seconds, self.of))
        return needed, last

    @model_validator(mode="before")
    @classmethod
    def _knows_normal(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("normal", "normal") != "normal":
            return given
        classes = given.get("classes")
        if not isinstance(classes, dict) or "normal" in classes:
            return given
        return {**given, "classes": {**classes, "normal": NORMAL}}

    @model_validator(mode="after")
    def _fits_together(self) -> ZeroShotConfig:
        if self.normal not in self.classes:
            raise ValueError(
                f"normal: is {self.normal!r}, and classes has no descriptions of it, only of "
                f"{', '.join(self.classes) or 'nothing'}"
            )
        if not self.alerts:
            raise ValueError(f"classes: needs one to raise beside {self.normal!r}")
        if self.seconds > self.of:
            raise ValueError(f"of: is shorter than seconds ({self.seconds:g} and {self.of:g})")
        return self

    @field_validator("classes")
    @classmethod
    def _described(cls, classes: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, sentences in classes.items():
            if not NAME.fullmatch(name) or name in TAMPER_KINDS:
                why = "is a kind of camera tamper" if name in TAMPER_KINDS else "use letters, digits, _ and -"
                raise ValueError(f"a class cannot be called {name!r}: {why}")
            if not sentences or not all(sentence.strip() for sentence in sentences):
                raise ValueError(f"{name}: expected descriptions such as [smoke over a road], found none")
        return classes

    @field_validator("templates")
    @classmethod
    def _hold_a_description(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if template.count("{}") != 1:
                raise ValueError(f"expected a sentence with {{}} in it, found {kind(template)}")
        return templates
