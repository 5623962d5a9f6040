"""What `trainer calibrate` found out about zero-shot classes, as a JSON file that `watch.zeroshot` reads."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from streamer.errors import ConfigError
from streamer.sink import replace

VERSION = 1
"""Of the file's form; one of a later version is refused."""


class Calibrated(NamedTuple):
    """What holds for a class."""

    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    """By which a margin, less the offset, is divided before the sigmoid makes a probability of it."""
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)]
    """The probability, pooled over the window, from which on it is raised."""
    offset: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """The margin that is as likely as not: descriptions of one class may be nearer to any picture at all."""


@dataclasses.dataclass(frozen=True, slots=True)
class Calibration:
    """Temperatures and thresholds of classes, and what they were found with."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    classes: Mapping[str, Calibrated]
    """By name; the classes that were calibrated."""
    scorer: Mapping[str, str]
    """``Scorer.fingerprint`` of what scored the clips: of any other, the numbers mean nothing."""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """How they were found: clips, window, metrics; as JSON can hold it."""
    version: int = VERSION


def write(path: Path, calibration: Calibration) -> None:
    """Write a calibration file; an existing one, which a run may be reading, stays until all is written.

    Raises:
        SinkError: it cannot be written.
    """
    content = TypeAdapter(Calibration).dump_python(calibration, mode="json")
    for name, found in calibration.classes.items():  # by name, as a person reads it
        content["classes"][name] = found._asdict()
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    replace.write(path, text.encode())


def read(path: Path) -> Calibration:
    """Read a calibration file.

    Raises:
        ConfigError: it is missing, or not such a file; names the path and what is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ConfigError(f"{path}: cannot be read: {reason}; `trainer calibrate` writes one") from None
    try:
        found = TypeAdapter(Calibration).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: not a calibration file: {where or 'JSON'}: {first['msg']}") from None
    if found.version > VERSION:
        raise ConfigError(f"{path}: is of version {found.version}, this program reads up to {VERSION}")
    return found


def require_same(path: Path, found: Mapping[str, str], scorer: Mapping[str, str]) -> None:
    """Refuse a calibration of another scorer.

    Args:
        path: of the file, for the message.
        found: ``Calibration.scorer`` of it.
        scorer: ``Scorer.fingerprint`` of the one that is to use it.

    Raises:
        ConfigError: they differ; says in what.
    """
    for what, here in scorer.items():
        if found.get(what) != here:
            raise ConfigError(
                f"{path}: was calibrated with other {what} ({found.get(what, 'none')}, here {here}); "
                "run `trainer calibrate` again"
            )
