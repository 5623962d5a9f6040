"""What a camera's watchers raise: a value with a start and an end, and its line in ``events.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeGuard, get_args

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ConfigError
from streamer.plain import real

TamperKind: TypeAlias = Literal["defocused", "covered", "moved", "frozen", "black", "glare"]
TAMPER_KINDS: tuple[TamperKind, ...] = get_args(TamperKind)

State: TypeAlias = Literal["start", "end"]

FURTHEST_S = 1e10
"""Seconds: nothing that is read back is later or earlier than that."""


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One of the two times that something is said of what happened: when it starts, and when it is over."""

    id: str
    """The same in both; of no other event, of whatever run."""
    camera: str
    kind: str
    """What happened: one of ``TAMPER_KINDS``, or whatever else somebody watches for."""
    state: State
    start_s: float
    """When it began, in seconds of the camera's presentation time; it takes a while to be sure of it."""
    end_s: float | None
    """When it was over; None at the start."""
    score: float
    """How sure that is, 0 to 1; at the end the highest that it was."""
    evidence: Mapping[str, float] = field(default_factory=dict)
    """What was measured, by name."""
    thumbnail: str | None = None
    """Path of a hidden picture of it within the camera's folder; None where there is none."""
    picture: NDArray[np.uint8] | None = None
    """The thumbnail itself, uint8 ``[h, w, 3]``, RGB, with everything hidden; None at the end."""
    again: bool = False
    """Whether an earlier run has said it: it is written, so that the file is whole, and told to nobody."""

    def line(self) -> str:
        """Return its line, without the line's end."""
        return json.dumps(
            {
                "id": self.id,
                "camera": self.camera,
                "kind": self.kind,
                "state": self.state,
                "start_s": round(self.start_s, 6),
                "end_s": None if self.end_s is None else round(self.end_s, 6),
                "score": round(self.score, 4),
                "evidence": {name: round(value, 4) for name, value in self.evidence.items()},
                "thumbnail": self.thumbnail,
            },
            allow_nan=False,
        )


def read(line: str, where: str) -> dict[str, Any]:
    """Return what a line says, as ``Event.line`` wrote it.

    Args:
        line: one of ``events.jsonl``.
        where: the file and line, for messages.

    Raises:
        ConfigError: it is not such a line.
    """
    try:
        said = json.loads(line)
    except ValueError:
        raise ConfigError(f"{where}: not JSON") from None
    wanted: dict[str, type | tuple[type, ...]] = {
        "id": str, "camera": str, "kind": str, "start_s": (int, float), "score": (int, float),
    }  # fmt: skip
    for key, kinds in wanted.items():
        if not isinstance(said, dict) or not isinstance(said.get(key), kinds):
            raise ConfigError(f"{where}: {key} is missing or of the wrong kind")
    if said.get("state") not in get_args(State):
        raise ConfigError(f"{where}: state: expected start or end")
    event: dict[str, Any] = said
    end_s = event.get("end_s")
    if not seconds(event["start_s"]) or not (end_s is None or seconds(end_s)):
        raise ConfigError(f"{where}: start_s and end_s: expected seconds")
    return event


def seconds(value: object) -> TypeGuard[float]:
    """Whether a value that is read back can be a time."""
    return real(value) and abs(value) <= FURTHEST_S


def thumbnail_of(identity: str) -> str:
    """Return where an event's picture goes, within the camera's folder."""
    return f"events/{identity}.jpg"
