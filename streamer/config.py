"""The YAML file as typed, validated objects; every error names the file, the key and what was expected."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from streamer import polygon, restorers
from streamer.classes import CLASSES, GROUPS
from streamer.detectors import DetectConfig, one_or_several, override
from streamer.errors import ConfigError
from streamer.event import TAMPER_KINDS, TamperKind
from streamer.restorers import RestoreConfig, in_order
from streamer.section import Section, as_tuple, kind, merge, mistake, suggest, validate
from streamer.yaml_file import read, require_version, substitute
from streamer.zeroshot import ZeroShotConfig

LOOKAHEAD = 0.5
"""Seconds that a frame of footage waits for what follows it, where nothing else is said."""

NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_. -]{0,98}[A-Za-z0-9_-])?")
"""What a camera's name looks like: it becomes the name of a folder."""


Level: TypeAlias = Annotated[int, Field(ge=0, le=255)]


class TrackConfig(Section):
    """How objects are followed over time."""

    lookahead: float | None = Field(default=None, ge=0.0, allow_inf_nan=False)
    """Seconds that a frame waits for what follows it; None: 0.5 for footage, 0 live."""
    hold: float = Field(default=1.0, ge=0.0, le=60.0)
    """Seconds after which an object that is no longer seen is given up, look-ahead included."""

    def seconds(self, live: bool) -> float:
        """Seconds that a frame of a source waits."""
        if self.lookahead is not None:
            return self.lookahead
        return 0.0 if live else LOOKAHEAD


class MaskConfig(Section):
    """How a region is hidden."""

    method: Literal["gaussian", "pixelate", "solid"] = "gaussian"
    """``solid`` alone leaves nothing of what was there."""
    strength: float = Field(default=0.1, gt=0.0, le=2.0)
    """Standard deviation of the Gaussian, or side of a pixelated cell, as a share of the region's height."""
    floor: float = Field(default=4.0, ge=1.0, le=500.0)
    """The least standard deviation or side of a cell, in pixels."""
    kernel: int | None = Field(default=None, ge=15, le=999)
    """A fixed Gaussian kernel of so many pixels (odd) instead of ``strength``: the reference uses 51."""
    quantise: Literal[1, 2, 4, 8, 16] = 8
    """Distance between the levels that a blurred or pixelated region keeps, dithered; 1 keeps them all."""
    colour: Annotated[tuple[Level, Level, Level], BeforeValidator(as_tuple)] = (114, 114, 114)
    """What ``solid`` fills with: red, green, blue, 0 to 255."""
    shape: Literal["box", "ellipse"] = "box"
    """``ellipse`` is inscribed in the scaled box: the corners between the two stay as they are."""
    scale: float = Field(default=1.1, ge=1.0, le=5.0)
    """How much larger than the detected box the hidden one is, in width and in height, about its middle."""
    margin: float = Field(default=0.004, ge=0.0, le=0.1)
    """How much further each side moves out, as a share of the frame's longer side: a detector is off by a
    pixel or two of the small picture that it sees, which is a good part of a small object."""
    edge: Literal["soft", "hard"] = "soft"
    """``soft`` fades out over some pixels outside the shape; inside nothing differs."""

    @field_validator("kernel")
    @classmethod
    def _odd_kernel(cls, kernel: int | None) -> int | None:
        if kernel is not None and kernel % 2 == 0:
            raise ValueError(f"a kernel has an odd number of pixels, {kernel} is even")
        return kernel

    @property
    def padding(self) -> float:
        """How far a box is grown on each side, as a share of its width and height."""
        return round((self.scale - 1.0) / 2.0, 9)  # 1.1 is to give 0.05, not 0.05000000000000004


class BlurConfig(MaskConfig):
    """How what was found is hidden; a class or group of classes may be a key, with settings of its own."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, MaskConfig] = Field(init=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        for key, value in given.items() if isinstance(given, dict) else ():
            if key not in cls.model_fields and key not in CLASSES and key not in GROUPS:
                names = [*GROUPS, *CLASSES]
                if isinstance(value, dict):  # only a class has keys of its own
                    found = f"unknown class{suggest(str(key), names)}; known: {', '.join(names)}"
                else:
                    known = ", ".join(cls.model_fields)
                    found = f"unknown key{suggest(str(key), [*cls.model_fields, *names])}"
                    found += f"; known here: {known} and the names of classes"
                raise mistake((str(key),), value, found)
        return given

    @property
    def by_class(self) -> Mapping[str, MaskConfig]:
        """What was set for classes and groups; of each only the keys that were given count."""
        return self.__pydantic_extra__ or {}

    def of(self, label: str) -> MaskConfig:
        """Return what holds for a class: its own keys before its groups', a smaller group's first."""
        if not self.by_class:
            return self
        names = [name for name in sorted(GROUPS, key=lambda n: -len(GROUPS[n])) if label in GROUPS[name]]
        given: dict[str, Any] = {}
        for own in (self.by_class[name] for name in [*names, label] if name in self.by_class):
            given.update({key: getattr(own, key) for key in own.model_fields_set})
        return MaskConfig.model_construct(
            **{**{key: getattr(self, key) for key in MaskConfig.model_fields}, **given}
        )


Point: TypeAlias = tuple[float, float]
Polygon: TypeAlias = tuple[Point, ...]


def _polygons(value: object) -> object:
    """Check a list of polygons and return it as tuples of numbers."""
    if not isinstance(value, list | tuple):
        raise ValueError(
            f"expected a list of polygons, such as [[[0, 0], [0.2, 0], [0.2, 0.1]]], found {kind(value)}"
        )
    polygons: list[Polygon] = []
    for number, corners in enumerate(value, 1):
        if not isinstance(corners, list | tuple):
            raise ValueError(f"polygon {number}: expected a list of [x, y] points, found {kind(corners)}")
        points = [_point(point, f"polygon {number}, point {i}") for i, point in enumerate(corners, 1)]
        if len(corners) < 3:
            raise ValueError(f"polygon {number}: needs at least 3 points, has {len(corners)}")
        if (fault := polygon.fault(points)) is not None:
            raise ValueError(f"polygon {number}: {fault}")
        polygons.append(tuple(points))
    return tuple(polygons)


def _point(value: object, where: str) -> Point:
    pair = value if isinstance(value, list | tuple) else ()
    numbers = [n for n in pair if isinstance(n, int | float) and not isinstance(n, bool) and 0 <= n <= 1]
    if not len(numbers) == len(pair) == 2:
        flat = " (a polygon is a list of points, and this is a list of polygons)"
        raise ValueError(
            f"{where}: expected [x, y] from 0 to 1 of the frame's width and height, found {value!r}"
            + (flat if isinstance(value, int | float) else "")
        )
    return float(numbers[0]), float(numbers[1])


Polygons: TypeAlias = Annotated[tuple[Polygon, ...], BeforeValidator(_polygons)]


class ZonesConfig(Section):
    """Parts of a camera's picture, as polygons in shares of its width and height from the top left corner."""

    hide: Polygons = ()
    """Always hidden, whatever is found: a window, a neighbour's door."""
    keep: Polygons = ()
    """Never touched, whatever is found there: a clock. Where it meets ``hide``, that wins."""
    only: Polygons = ()
    """Where given, what does not reach into one of them is neither hidden nor counted."""


class OutputConfig(Section):
    """Where and how results are written."""

    directory: str = "out"
    """Each camera gets a folder of its name in here; relative to where the command runs."""
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = "ultrafast"
    """x264's trade of time for size."""
    crf: int = Field(default=23, ge=0, le=51)
    """x264's constant rate factor: less is better and larger."""
    restored_audio: bool = False
    """Whether the restored video carries the audio too; the blurred one always does."""


def _off(value: object) -> object:
    """Read YAML's ``off``, which arrives as false (or as a word in quotes), as None."""
    return None if value is False or value == "off" else value


class TamperConfig(Section):
    """When a camera counts as tampered with."""

    every: float = Field(default=0.2, ge=0.04, le=2.0)
    """Seconds of the source's time from one look to the next."""
    seconds: float = Field(default=3.0, gt=0.0, le=600.0)
    """Seconds of the last ``window`` that look wrong, from which on it does; certain ones count 3.5 times."""
    window: float = Field(default=5.0, gt=0.0, le=600.0)
    """Seconds that are looked back."""
    kinds: Annotated[tuple[TamperKind, ...], BeforeValidator(as_tuple)] = TAMPER_KINDS
    """What to raise; leave ``moved`` out for a camera that is turned by hand."""

    @model_validator(mode="after")
    def _window_holds_seconds(self) -> TamperConfig:
        if self.seconds > self.window:
            raise ValueError(f"window: is shorter than seconds ({self.window:g} and {self.seconds:g})")
        return self


def _model(value: object) -> object:
    """Read the name of a model alone as the setting ``model``."""
    return {"model": value} if isinstance(value, str) and value != "off" else value


class AccidentConfig(Section):
    """When there is an accident in view; an experiment, see the README for how often it is right."""

    model: str = Field(default="bundled", min_length=1)
    """The path of a file that ``trainer fit configs/accident.yaml`` wrote; none is ``bundled`` so far."""
    threshold: float | None = Field(default=None, gt=0.0, lt=1.0)
    """The probability from which on it is one; None: the model's own."""


class WatchConfig(Section):
    """What somebody should be told of."""

    accident: Annotated[AccidentConfig | None, BeforeValidator(_off), BeforeValidator(_model)] = None
    """None (``off`` in the file, or absent) where nobody watches for it; a model's name is enough."""

    tamper: Annotated[TamperConfig | None, BeforeValidator(_off)] = None
    """None (``off`` in the file, or absent) where nobody watches for it."""
    zeroshot: Annotated[ZeroShotConfig | None, BeforeValidator(_off)] = None
    """The same of what sentences describe, such as accidents."""

    @property
    def on(self) -> bool:
        """Whether anything is watched for."""
        return any(getattr(self, name) is not None for name in type(self).model_fields)


class Settings(Section):
    """What stands at the top level as defaults and what a camera may override."""

    detect: Annotated[DetectConfig, BeforeValidator(one_or_several)] = DetectConfig()
    """One detector; an ``EnsembleConfig`` where the file has a list."""
    track: TrackConfig = TrackConfig()
    blur: BlurConfig = BlurConfig()
    restore: Annotated[tuple[RestoreConfig, ...], BeforeValidator(in_order)] = (RestoreConfig(),)
    """One after the other; empty (``off`` in the file) where nothing is restored."""
    watch: WatchConfig = WatchConfig()
    output: Annotated[OutputConfig | None, BeforeValidator(_off)] = OutputConfig()
    """None (``off`` in the file) where no files are written and results only go to the Python caller."""


class CameraConfig(Settings):
    """One camera with everything that applies to it: the defaults of the top level, overridden."""

    source: str = Field(min_length=1)
    """``rtsp://…``, a file, a folder of footage, or a folder of numbered images."""
    transport: Literal["tcp", "udp"] = "tcp"
    """What RTSP runs over."""
    timeout: float = Field(default=10.0, gt=0.0, le=600.0)
    """Seconds after which opening or reading a live source counts as failed."""
    fps: float = Field(default=25.0, gt=0.0, le=1000.0)
    """Pictures per second of a folder of numbered images, which has no time of its own."""
    zones: ZonesConfig = ZonesConfig()
    """Where always, never or only to hide."""

    @model_validator(mode="after")
    def _finds_what_it_watches(self) -> CameraConfig:
        if self.watch.accident is not None and not set(GROUPS["vehicle"]) & set(self.detect.sought):
            raise ValueError("watch.accident: is about vehicles, and detect.classes has none")
        return self


class Config(Section):
    """The whole file."""

    version: Literal[1] = 1
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    cameras: dict[str, CameraConfig] = Field(min_length=1)
    """By name, each with the defaults merged in."""

    @field_validator("version", mode="before")
    @classmethod
    def _is_a_number(cls, version: object) -> object:
        if version == 1 and type(version) is not int:  # true and 1.0 equal it
            raise ValueError(f"expected 1, found {kind(version)}")
        return version

    @field_validator("cameras")
    @classmethod
    def _names(cls, cameras: dict[str, CameraConfig]) -> dict[str, CameraConfig]:
        seen: dict[str, str] = {}
        for name in cameras:
            if not NAME.fullmatch(name) or ".." in name:
                raise ValueError(
                    f"camera name {name!r} cannot be a folder's name: "
                    "use letters, digits, '_', '-', '.' and spaces"
                )
            # two folders that differ in case alone are one folder on macOS and Windows
            if (other := seen.setdefault(name.casefold(), name)) != name:
                raise ValueError(f"camera names {other!r} and {name!r} differ in case alone")
        return cameras


PER_RUN = tuple(("detect", key) for key in ("model", "weights", "engine", "timeout", "tiles"))
"""Keys of those sections that hold for all cameras, since they share one detector."""


def load(
    path: Path,
    *,
    sources: Mapping[str, str] | None = None,
    device: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Config:
    """Read and validate a configuration file.

    Args:
        path: of the YAML file.
        sources: cameras by name that replace the file's, with the file's defaults.
        device: replaces the file's.
        environment: where ``${NAME}`` is looked up.

    Raises:
        ConfigError: anything about it is wrong; one line with the file, the key and what was expected.
    """
    return read(path, lambda data: parse(data, sources=sources, device=device, environment=environment))


def parse(
    given: Mapping[str, Any],
    *,
    sources: Mapping[str, str] | None = None,
    device: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Config:
    """Validate a configuration that is already a mapping, as the YAML file would give it.

    Args:
        given: keys and values.
        sources: as in ``load``.
        device: as in ``load``.
        environment: as in ``load``.

    Raises:
        ConfigError: as ``load``, without the file's name.
    """
    data = dict(given)
    if device is not None:
        data["device"] = device
    if sources:
        data.pop("cameras", None)  # what is replaced may name variables that are not set
    data = substitute(data, environment)
    if sources:
        data["cameras"] = {name: {"source": source} for name, source in sources.items()}
    own_keys = ("version", "device", "cameras")
    require_version(data)
    defaults = {key: value for key, value in data.items() if key not in own_keys}
    # the defaults are checked on their own first, so that an error names the top level, not a camera
    validate(Settings, defaults, also=own_keys)
    cameras = data.get("cameras")
    if not isinstance(cameras, dict) or not cameras:
        raise ConfigError("cameras: expected at least one, such as `gate: {source: gate.mp4}`")
    merged: dict[str, Any] = {}
    for name, camera in cameras.items():
        if str(name) in merged:  # as 1 and "1" are, or no and False
            raise ConfigError(f"cameras: the name {str(name)!r} is given twice")
        if not isinstance(camera, dict):
            raise ConfigError(
                f"cameras.{name}: expected keys such as `source: gate.mp4`, found {kind(camera)}"
            )
        where = f"cameras.{name}"
        for section, key in PER_RUN:
            said = camera.get(section)
            for place, own in enumerate(said) if isinstance(said, list) else [(None, said)]:
                if isinstance(own, dict) and key in own:
                    path = ".".join(str(part) for part in (where, section, place, key) if part is not None)
                    raise ConfigError(f"{path}: all cameras share one; set it at the top level")
        merged[str(name)] = merge(defaults, camera)
        if "detect" in camera:
            merged[str(name)]["detect"] = override(defaults.get("detect", {}), camera["detect"], where)
        if "restore" in camera:
            said = defaults.get("restore", {})
            merged[str(name)]["restore"] = restorers.override(said, camera["restore"], where)
    return validate(Config, {**{key: data[key] for key in own_keys if key in data}, "cameras": merged})


def into(config: Config, directory: str) -> Config:
    """Return the configuration with the outputs of all cameras in another folder; what is off stays off."""
    cameras = {
        name: camera
        if camera.output is None
        else camera.model_copy(update={"output": camera.output.model_copy(update={"directory": directory})})
        for name, camera in config.cameras.items()
    }
    return config.model_copy(update={"cameras": cameras})
