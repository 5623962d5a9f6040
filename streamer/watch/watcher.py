"""What a watcher is: it is shown one camera's frames, and says when something begins and when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from streamer.frame import Hidden

Change: TypeAlias = Literal["start", "end"]


@dataclass(frozen=True, slots=True)
class Alert:
    """What a watcher says once: it has begun, or it is over."""

    change: Change
    kind: str
    """What happened; the same at the end as at the start."""
    start_s: float
    """When it began, in seconds of presentation time."""
    end_s: float | None
    """When it was over; None at the start."""
    score: float
    """How sure that is, 0 to 1; at the end the highest that it was."""
    evidence: Mapping[str, float]
    """What was measured, by name."""


class Watcher(Protocol):
    """Watches one camera for one thing; whatever it raises is said once and stops no frame."""

    @property
    def open(self) -> str | None:
        """The kind of what is going on; None where nothing is."""

    def see(self, item: Hidden) -> Alert | None:
        """Take in a frame, or pass it over; return what begins or ends with it, nearly always None."""

    def cut(self) -> None:
        """Say that the next frame does not continue the one before: a cut, a reconnect, the next file."""


class Shared(Protocol):
    """What the watchers of several cameras share, such as a network that takes many pictures at once."""

    def begin(self, items: Sequence[Hidden]) -> None:
        """Take note of a batch's frames, of all cameras, before watchers are asked about them.

        Work is done when the first of them asks, and its failures are raised to those who ask.
        """


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who watches."""

    of: Mapping[str, Mapping[str, Watcher]] = field(default_factory=dict)
    """By camera, and then by a name for messages."""
    shared: Sequence[Shared] = ()
    """What some of them ask."""
