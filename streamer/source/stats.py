"""What a running source is handed: when to stop, and where to count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Stop(Protocol):
    """The wish to end, which ``threading.Event`` satisfies."""

    def is_set(self) -> bool:
        """Whether to end now."""
        ...

    def wait(self, timeout: float) -> bool:
        """Sleep until it is set, ``timeout`` seconds at most; returns whether it is."""
        ...


@dataclass(slots=True)
class SourceStats:
    """Running counts of one source, for the run's report. One thread writes, others may read."""

    frames: int = 0
    """Pictures decoded."""
    corrupt: int = 0
    """Damaged packets, unreadable stretches and images that were skipped."""
    retimed: int = 0
    """Frames whose time was missing, ran backwards or jumped, and was set by us."""
    connections: int = 0
    """Times that a live camera was connected to and delivered; above 1, it was lost in between."""
    audio_dropped: int = 0
    """Audio packets left out, since they fit neither the track nor the timeline, or no picture came."""
