"""A camera's traffic: its last looks, and what was usual before them."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from streamer.frame import Detections, Image
from streamer.watch.kinematics import LEAST, MEMORY, NAMES, Features, Kinematics

LONGEST = 1500
"""Looks that what is usual is a mean over: five minutes; what is older counts ever less."""

BLIND = LEAST + 2
"""First looks after a cut, in which nothing has a past to be compared with, so that they teach nothing."""


class Window(NamedTuple):
    """What an ``AccidentHead`` is asked about."""

    looks: Features
    """float32 ``[window, F]``, the oldest first."""
    before: Features
    """float32 ``[F]``: the mean over the looks before these."""
    known: float
    """How many those are, ``LONGEST`` at most."""


class Habit:
    """Remembers one camera's looks."""

    def __init__(self, window: int) -> None:
        """Begin with nothing.

        Args:
            window: looks that are judged together.
        """
        self._size = window
        self._looks: deque[Features] = deque()
        self._since_cut = 0
        self._mean = np.zeros(len(NAMES), np.float64)
        self._count = 0.0

    def cut(self) -> None:
        """Say that what follows does not continue what came; what is usual there stays so."""
        self._looks.clear()
        self._since_cut = 0

    def see(self, look: Features, *, learn: bool = True) -> Window | None:
        """Take in a look.

        Args:
            look: float32 ``[F]``.
            learn: whether what leaves the window is usual; not while an accident is in view.

        Returns:
            The window that ends with it; None where a cut is too near.
        """
        self._looks.append(look)
        self._since_cut += 1
        if len(self._looks) > self._size:
            left = self._looks.popleft()
            if learn and self._since_cut - self._size > BLIND:
                self._count = min(LONGEST, self._count + 1)
                self._mean += (left - self._mean) / self._count
        if len(self._looks) < self._size:
            return None
        return Window(np.stack(self._looks), self._mean.astype(np.float32), self._count)


class Traffic:
    """Turns one camera's pictures into windows."""

    def __init__(self, window: int) -> None:
        """Begin with nothing.

        Args:
            window: looks that are judged together.
        """
        self._kinematics = Kinematics()
        self._habit = Habit(window)
        self._last_s: float | None = None

    def cut(self) -> None:
        """Say that what follows does not continue what came."""
        self._kinematics.cut()
        self._habit.cut()
        self._last_s = None

    def see(
        self, image: Image, detections: Detections, time_s: float, *, learn: bool = True
    ) -> Window | None:
        """Look at a picture; the arguments are those of ``Kinematics.see`` and ``Habit.see``."""
        if self._last_s is not None and not 0.0 < time_s - self._last_s <= MEMORY:
            self.cut()
        self._last_s = time_s
        return self._habit.see(self._kinematics.see(image, detections, time_s), learn=learn)
