"""A camera's ``summary.json`` read back, as far as pages show it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError
from streamer.plain import real, short


def load(file: Path) -> Mapping[str, Any] | None:
    """Return what a summary says; None where there is none.

    Raises:
        ConfigError: it cannot be read, or something in it that is shown cannot be meant.
    """
    if not file.is_file():
        return None
    try:
        said = json.loads(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{file}: no JSON") from None
    if not isinstance(said, dict):
        raise ConfigError(f"{file}: expected keys and values in braces, found {short(said)}")
    for key, expected in _SUMMARY.items():
        if key in said and not expected(said[key]):
            raise ConfigError(f"{file}: {key}: not expected: {short(said[key])}")
    return said


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _counts(value: object) -> bool:
    return isinstance(value, dict) and all(_count(each) for each in value.values())


def _words(value: object) -> bool:
    return value is None or isinstance(value, str)


_SUMMARY: Mapping[str, Callable[[object], bool]] = {
    "frames_read": _count, "frames_written": _count, "reconnects": _count, "corrupt_packets": _count,
    "frames_dropped": _counts, "frames_hidden_whole": _counts,
    "fps": real, "seconds": real, "live": lambda value: isinstance(value, bool),
    "source": _words, "error": _words, "run_error": _words, "stopped_by": _words, "device": _words,
    "detector": _words, "engine": _words, "began": lambda value: value is None or moment(value) is not None,
    "versions": lambda value: isinstance(value, dict),
}  # fmt: skip
"""What is shown of it, where it is there."""


def moment(said: object) -> datetime | None:
    """Return a time of day with its time zone; None where it is none."""
    try:
        found = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return None if found is None or found.tzinfo is None else found
