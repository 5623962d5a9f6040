"""Frozen pictures: a camera whose picture always changes a little, and then not at all."""

from __future__ import annotations

import cv2

from streamer.watch.look import Grey
from streamer.watch.memory import Tree, number_of
from streamer.watch.reference import FOLLOW

LEAST = 3.0
"""Seconds without a change from which on a picture is frozen, where none so long was seen before."""

LONGER = 3.0
"""Else so many times the longest such time that passed by itself: encoders repeat still pictures."""

SURE = 5.0
"""Seconds of changes from which on it is known what is usual."""

NOTHING = 0.03
"""A change below this share of the usual one is none."""

LIVELY = 0.05
"""Usual change, in levels a pixel, below which nobody can tell a still scene from a frozen picture."""


class Stillness:
    """How long a camera's picture has not changed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """For how long nothing has changed."""
        self.since = 0.0
        """Since when, in seconds of presentation time."""
        self.usual = 0.0
        """Mean absolute change from look to look, in levels a pixel."""
        self._longest = 0.0
        self._looks = 0
        self._last: tuple[float, Grey] | None = None
        self._first = 0.0
        self._goes_on = False

    @property
    def frozen(self) -> bool:
        """Whether that is long enough to be sure."""
        return self.seconds >= max(LEAST, LONGER * self._longest)

    def see(self, fine: Grey, time_s: float) -> None:
        """Take in a look's picture, uint8 ``[h, w]``, and its time in seconds."""
        if self._goes_on:  # after a restart, whose first picture has nothing to be compared with
            self._last, self._goes_on = (time_s, fine), False
            return
        if self._last is None or self._last[1].shape != fine.shape:
            self._last, self._first = (time_s, fine), time_s
            self.seconds = 0.0
            return
        before, picture = self._last
        self._last = time_s, fine
        passed = max(0.0, time_s - before)
        change = cv2.norm(fine, picture, cv2.NORM_L1) / fine.size
        known = time_s - self._first >= SURE and self.usual >= LIVELY
        if known and change < NOTHING * self.usual:
            self.since = before if self.seconds == 0.0 else self.since
            self.seconds += passed
            return
        self._longest = max(self._longest, self.seconds)
        self.seconds = 0.0
        self._looks += 1
        self.usual += max(1.0 / self._looks, min(1.0, passed / FOLLOW)) * (change - self.usual)

    def cut(self) -> None:
        """Say that what follows does not continue what came."""
        self._last, self.seconds, self._goes_on = None, 0.0, False

    def kept(self) -> Tree:
        """Return what is known for ``resumed``, without the last picture, which nobody may see."""
        return {
            "seconds": self.seconds, "since": self.since, "usual": self.usual, "longest": self._longest,
            "looks": self._looks,
        }  # fmt: skip

    @classmethod
    def resumed(cls, kept: Tree, shift: float) -> Stillness:
        """Make it anew, its times moved by so many seconds.

        A picture that was frozen is so until one changes.

        Raises:
            KeyError, TypeError, ValueError: ``kept`` did not give that.
        """
        made = cls()
        made.seconds, made.usual = number_of(kept["seconds"]), number_of(kept["usual"])
        made.since = number_of(kept["since"]) + shift
        made._longest, made._looks = number_of(kept["longest"]), int(kept["looks"])
        made._first, made._goes_on = float("-inf"), True
        return made
