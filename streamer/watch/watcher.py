"""What a watcher is: it is shown one camera's frames, and says when something begins and when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from streamer.frame import Hidden
from streamer.watch.memory import Memory, Tree

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


@runtime_checkable
class Remembering(Protocol):
    """A watcher of which a live camera's next run may know what it knew."""

    def kept(self) -> Tree | None:
        """Return that, for ``resume``, with nothing of what is hidden; None where there is too little."""

    def resume(self, kept: Tree, time_s: float, shift: float, pause: float) -> None:
        """Go on with what an earlier run knew, before the first frame is seen.

        Args:
            kept: as ``kept`` gave it.
            time_s: of the first frame, in seconds of presentation time.
            shift: seconds by which times of the earlier run are moved for it to go on without a pause.
            pause: seconds that really passed between the runs.

        Raises:
            Exception: it did not give that; nothing has changed.
        """


class Shared(Protocol):
    """What the watchers of several cameras share, such as a network that takes many pictures at once."""

    def begin(self, items: Sequence[Hidden]) -> None:
        """Take note of a batch's frames, of all cameras, before watchers are asked about them.

        Work is done when the first of them asks, and its failures are raised to those who ask.
        """


@dataclass(frozen=True, slots=True)
class Keep:
    """That the next run of a camera is to know what this one knows."""

    source: str
    """The camera's address, without credentials."""
    earlier: Memory | None = None
    """What an earlier run has left."""


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who watches."""

    of: Mapping[str, Mapping[str, Watcher]] = field(default_factory=dict)
    """By camera, and then by a name for messages."""
    shared: Sequence[Shared] = ()
    """What some of them ask."""
    keep: Mapping[str, Keep] = field(default_factory=dict)
    """Cameras whose next run is to know; not footage, which is the same again."""
