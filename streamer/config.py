"""The YAML file as typed, validated objects; every error names the file, the key and what was expected."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from streamer import polygon
from streamer.address import mask
from streamer.errors import ConfigError

GROUPS: Mapping[str, tuple[str, ...]] = {
    "two-wheeler": ("bicycle", "motorcycle"),
    "vehicle": ("bicycle", "car", "motorcycle", "bus", "truck"),
}
"""Names that stand for several of COCO's classes."""

STREET = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
"""What is looked for when ``detect.classes`` is not given."""

COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard",
    "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase",
    "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""COCO's 80 class names, in the order that its 80-class detectors use."""

FACE = "face"
"""What face detectors find; it is none of COCO's classes."""

CLASSES = (*COCO, FACE)
"""All names of classes."""

HIDE_THRESHOLD = 0.2
"""Chosen with benchmarks/leak.py on clips that the README's table does not report on."""

FAINT = 0.5
"""Share of the score that hides from which on a detection goes on with a track, though it begins none."""

LOOKAHEAD = 0.5
"""Seconds that a frame of footage waits for what follows it, where nothing else is said."""

T = TypeVar("T")

NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_. -]{0,98}[A-Za-z0-9_-])?")
"""What a camera's name looks like: it becomes the name of a folder."""


class Section(BaseModel):
    """A part of the file: immutable, strict about types, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def as_tuple(value: object) -> object:
    """Read a list, which is what YAML and JSON have, as a tuple."""
    return tuple(value) if isinstance(value, list) else value


OnFailure: TypeAlias = Literal["hide", "drop"]
Level: TypeAlias = Annotated[int, Field(ge=0, le=255)]


def _tiles(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch("[1-8]x[1-8]", value):
        raise ValueError(f"expected columns and rows of tiles, from 1x1 to 8x8, found {_kind(value)}")
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
    every: int = Field(default=1, ge=1, le=100)
    """Look at every so manieth frame only; tracks say what to hide in the others."""
    on_failure: OnFailure = "hide"
    """What becomes of a frame in which finding or hiding failed: it leaves hidden whole, or not at all."""
    timeout: float = Field(default=30.0, gt=0.0, le=3600.0)
    """Seconds after which a detector that does not return is left behind; its first call has 60 more."""
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
        return self

    @field_validator("classes")
    @classmethod
    def _known_classes(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        resolved: dict[str, None] = {}
        for name in names:
            if name not in CLASSES and name not in GROUPS:
                raise ValueError(f"unknown class {name!r}{_suggest(name, [*CLASSES, *GROUPS])}")
            resolved.update(dict.fromkeys(GROUPS.get(name, (name,))))
        return tuple(resolved)


FOR_ALL = ("every", "on_failure", "timeout")
"""Keys of ``detect`` that hold for all detectors of a list, and stand with the first."""


class EnsembleConfig(DetectConfig):
    """Several detectors at once: the first, with what holds for all, and the others."""

    others: tuple[DetectConfig, ...]

    @property
    def detectors(self) -> tuple[DetectConfig, ...]:
        """Each detector's settings."""
        return (self, *self.others)


def _detectors(value: object) -> object:
    """Read a list of detectors; anything else is left to ``DetectConfig``."""
    if not isinstance(value, list | tuple):
        return value
    if not value:
        raise ValueError("expected keys and values, or a list with those of each detector, found no detector")
    first, *others = TypeAdapter(tuple[DetectConfig, ...]).validate_python(tuple(value))
    for place, other in enumerate(others, 1):
        for key in FOR_ALL:
            if key in other.model_fields_set:
                reason = ValueError("holds for all detectors of the list; give it with the first")
                wrong = InitErrorDetails(
                    type="value_error", loc=(place, key), input=value, ctx={"error": reason}
                )
                raise ValidationError.from_exception_data("detect", [wrong])
    if not others:
        return first
    keys = {key: getattr(first, key) for key in DetectConfig.model_fields}
    return EnsembleConfig.model_construct(first.model_fields_set, **keys, others=tuple(others))


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
                unknown = InitErrorDetails(type="extra_forbidden", loc=(str(key),), input=value)
                raise ValidationError.from_exception_data(cls.__name__, [unknown])
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
            f"expected a list of polygons, such as [[[0, 0], [0.2, 0], [0.2, 0.1]]], found {_kind(value)}"
        )
    polygons: list[Polygon] = []
    for number, corners in enumerate(value, 1):
        if not isinstance(corners, list | tuple):
            raise ValueError(f"polygon {number}: expected a list of [x, y] points, found {_kind(corners)}")
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


class RestoreConfig(Section):
    """How a picture is computed from the blurred one."""

    model: str = "bundled"
    """``bundled``, which means ``bundled:deblur``, or the path of a model file that ``trainer`` wrote."""
    mode: Literal["regions", "frame"] = "regions"
    """``regions`` works on what is hidden alone, ``frame`` on the whole picture."""


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


class Settings(Section):
    """What stands at the top level as defaults and what a camera may override."""

    detect: Annotated[DetectConfig, BeforeValidator(_detectors)] = DetectConfig()
    """One detector; an ``EnsembleConfig`` where the file has a list."""
    track: TrackConfig = TrackConfig()
    blur: BlurConfig = BlurConfig()
    restore: Annotated[RestoreConfig | None, BeforeValidator(_off)] = RestoreConfig()
    """None (``off`` in the file) where nothing is restored."""
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
            raise ValueError(f"expected 1, found {_kind(version)}")
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


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, which YAML's own would silently let win."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, Hashable) and key in seen:
            raise ConfigError(f"line {key_node.start_mark.line + 1}: key {key!r} is given twice")
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping, refusing repeated keys.

    Raises:
        ConfigError: the file is missing, unreadable, not YAML, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}") from error
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506, a SafeLoader
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(f"{path}: {where}not valid YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected keys and values, found {_kind(data)}")
    return data


def substitute(value: Any, environment: Mapping[str, str], key: str = "") -> Any:
    """Replace ``${NAME}`` in every string of ``value`` by the environment's.

    Raises:
        ConfigError: a variable is not set; names it and the key.
    """
    if isinstance(value, dict):
        return {k: substitute(v, environment, f"{key}.{k}" if key else str(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [substitute(v, environment, f"{key}[{i}]") for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def lookup(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise ConfigError(f"{key}: the environment variable {match[1]} is not set")
        return environment[match[1]]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", lookup, value)


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


def read(path: Path, parse: Callable[[Mapping[str, Any]], T]) -> T:
    """Return what ``parse`` makes of a YAML file; errors as in ``read_yaml``, its own with the path."""
    data = read_yaml(path)
    try:
        return parse(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def require_version(data: Mapping[str, Any]) -> None:
    """Refuse a configuration that does not say for which version of this program it is."""
    if "version" not in data:
        raise ConfigError("version: is missing; this program reads `version: 1`")


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
                f"cameras.{name}: expected keys such as `source: gate.mp4`, found {_kind(camera)}"
            )
        where = f"cameras.{name}"
        for section, key in PER_RUN:
            said = camera.get(section)
            for place, own in enumerate(said) if isinstance(said, list) else [(None, said)]:
                if isinstance(own, dict) and key in own:
                    path = ".".join(str(part) for part in (where, section, place, key) if part is not None)
                    raise ConfigError(f"{path}: all cameras share one; set it at the top level")
        merged[str(name)] = _merge(defaults, camera)
        if "detect" in camera:
            merged[str(name)]["detect"] = _override(defaults.get("detect", {}), camera["detect"], where)
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


def _merge(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**defaults, **own}
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(defaults.get(key), dict):
            merged[key] = _merge(defaults[key], value)
    return merged


def _override(defaults: Any, own: Any, where: str) -> Any:
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
        return _merge(defaults, own) if isinstance(own, dict) else own
    if isinstance(own, dict):
        if "classes" in own and len(defaults) > 1:
            raise ConfigError(
                f"{where}.detect.classes: which of the {len(defaults)} detectors is meant? give a list with "
                "an entry for each of them; {} leaves one as it is"
            )
        rest = {key: value for key, value in own.items() if key not in FOR_ALL}
        return [_merge(each, rest if place else own) for place, each in enumerate(defaults)]
    if not isinstance(own, list):
        return own
    if len(own) != len(defaults):
        raise ConfigError(
            f"{where}.detect: expected {len(defaults)} entries, one for each detector of the top level, "
            f"found {len(own)}"
        )
    return [
        _merge(each, mine) if isinstance(mine, dict) else mine
        for each, mine in zip(defaults, own, strict=True)
    ]


S = TypeVar("S", bound=Section)


def validate(model: type[S], data: Mapping[str, Any], also: tuple[str, ...] = ()) -> S:
    """Build ``model`` from ``data``.

    Args:
        model: the section to build.
        data: what the file says.
        also: further keys that are known at this level, for the message about an unknown one.

    Raises:
        ConfigError: one line that names the first wrong key and what was expected there.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # a mistyped key says more than the one that is missing for it
        first = min(error.errors(), key=lambda each: each["type"] == "missing")
        # unions add the tried type to the path, which is no key of the file
        path = [part for part in first["loc"] if not (isinstance(part, str) and part.endswith("]"))]
        where = ".".join(str(part) for part in path)
        if first["type"] == "extra_forbidden":
            section = _section(model, path[:-1])
            known = [*(also if len(path) == 1 else ()), *section.model_fields]
            classes = [*GROUPS, *CLASSES] if section is BlurConfig else []
            if classes and isinstance(first["input"], dict):  # only a class has keys of its own there
                found = f"unknown class{_suggest(str(path[-1]), classes)}; known: {', '.join(classes)}"
            else:
                suggestion = _suggest(str(path[-1]), [*known, *classes])
                found = f"unknown key{suggestion}; known here: {', '.join(known)}"
                found += " and the names of classes" if classes else ""
        elif first["type"] == "missing":
            found = "is missing"
        elif first["type"] == "value_error":
            found = str(first["ctx"]["error"])
        elif first["type"] in ("model_type", "dict_type"):
            found = f"expected keys and values, found {_kind(first['input'])}"
        elif first["type"] == "string_pattern_mismatch" and where == "device":
            found = f"expected auto, cpu, cuda or cuda:N, found {_kind(first['input'])}"
        else:
            message = first["msg"].replace("Input should be", "expected").replace("a valid tuple", "a list")
            found = f"{message}, found {_kind(first['input'])}"
        raise ConfigError(f"{where}: {found}") from None


def _section(model: type[BaseModel], path: list[Any]) -> type[BaseModel]:
    """Return the section at ``path`` below ``model``."""
    here: type[BaseModel] = model
    for part in path:
        if isinstance(part, int):  # a place in a list
            continue
        if part not in here.model_fields:  # the name of a class or of a camera
            here = MaskConfig if here is BlurConfig else CameraConfig
            continue
        candidates = [here.model_fields[part].annotation, *get_args(here.model_fields[part].annotation)]
        here = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), here)
    return here


def _suggest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "keys and values" if isinstance(value, dict) else "a list"
    return repr(mask(value)) if isinstance(value, str) else repr(value)
