"""Raised when so many of the last looks say so, over when as many say it is: what flickers does neither."""

from __future__ import annotations

from collections import deque
from enum import Enum

from streamer.watch.memory import Tree, number_of
from streamer.watch.watcher import Change


class Says(Enum):
    """What a look says."""

    YES = "counts towards a start"
    UNSURE = "counts for nothing"
    NO = "counts towards an end"


class Hysteresis:
    """Counts looks; ``needed`` of the ``last`` change something."""

    def __init__(self, needed: int, last: int) -> None:
        self.raised = False
        self.since = 0.0
        """When what is raised, or was last, began: in seconds of presentation time."""
        self.until = 0.0
        """When it was over."""
        self._needed = needed
        self._looks: deque[tuple[float, Says]] = deque(maxlen=last)

    def hear(self, time_s: float, says: Says) -> Change | None:
        """Take in a look and say what it changes."""
        self._looks.append((time_s, says))
        sought = Says.NO if self.raised else Says.YES
        times = [at for at, said in self._looks if said is sought]
        if says is not sought or len(times) < self._needed:
            return None
        self.raised = not self.raised
        self._looks.clear()  # what was said before does not change it back
        if self.raised:
            self.since = times[0]
            return "start"
        self.until = times[0]
        return "end"

    def kept(self) -> Tree:
        """Return what is raised, for ``resume``."""
        return {"raised": self.raised, "since": self.since}

    def resume(self, kept: Tree, shift: float) -> None:
        """Go on with what an earlier run had raised, its time moved by so many seconds.

        Raises:
            KeyError, TypeError, ValueError: ``kept`` did not give that.
        """
        since = number_of(kept["since"]) + shift
        self.raised, self.since = bool(kept["raised"]), since

    def cut(self) -> None:
        """Forget the looks, but not what they led to."""
        self._looks.clear()
