"""Where an object is between, after and before the moments at which it was seen.

Everything is in seconds and in the object's own size, so that frame rates and distances do not matter.
"""

from __future__ import annotations

import math
from typing import NamedTuple

JITTER = 0.06
"""Standard deviation of a detector's box about the object's, in sizes: of its centre, width and height."""

SPEED = 3.0
"""Standard deviation of what an object's speed may be when it is first seen, in sizes a second."""

AGILITY = 1.0
"""How speed spreads: white noise of acceleration, in sizes a second per root of a second."""

GROWTH = 0.25
"""Speeds of width and height are that much smaller than speeds of the centre."""

SWERVE = 2.0
"""The most that an object accelerates between two sightings, in sizes a second squared."""


class Box(NamedTuple):
    """A box by its centre and its sides, in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def size(self) -> float:
        """The root of its area, in pixels; never 0."""
        return math.sqrt(max(self.width, 1.0) * max(self.height, 1.0))

    def grown(self, margin: float) -> Box:
        """Return it with every side moved outwards by ``margin`` pixels."""
        return Box(self.x, self.y, self.width + 2 * margin, self.height + 2 * margin)

    def within(self, other: Box) -> bool:
        """Whether all of it lies in another box."""
        return (
            abs(self.x - other.x) <= (other.width - self.width) / 2
            and abs(self.y - other.y) <= (other.height - self.height) / 2
        )

    def edges(self) -> tuple[float, float, float, float]:
        """Return x0, y0, x1, y1; the middle where a side would be negative."""
        across, down = max(self.width, 0.0) / 2, max(self.height, 0.0) / 2
        return self.x - across, self.y - down, self.x + across, self.y + down


class Motion:
    """A Kalman filter of a box with constant velocity (Kalman 1960), for any steps of time, either way.

    Centre and sides share one covariance in units of the box's size; the sides' speeds are damped.
    """

    __slots__ = ("_both", "_place", "_speed", "box", "time", "velocity")

    def __init__(self, time: float, box: Box) -> None:
        self.time = time
        """Seconds at which the box was last seen."""
        self.box = box
        """The estimate for that time."""
        self.velocity = (0.0, 0.0, 0.0, 0.0)
        """Pixels a second of centre, width and height; against the time's sense where it is fed backwards."""
        self._place, self._both, self._speed = JITTER**2, 0.0, SPEED**2

    def _spread(self, gap: float) -> tuple[float, float, float]:
        """Return variance of place, covariance, variance of speed after ``gap`` seconds."""
        noise = AGILITY**2
        return (
            self._place + gap * (2 * self._both + gap * self._speed) + noise * gap**3 / 3,
            self._both + gap * self._speed + noise * gap**2 / 2,
            self._speed + noise * gap,
        )

    def at(self, time: float) -> tuple[Box, float]:
        """Return where the box should be at another time, and the standard deviation of that in pixels."""
        gap = abs(time - self.time)
        box, (vx, vy, vw, vh) = self.box, self.velocity
        # sides change with distance, but what was seen growing for a moment does not go on for ever
        damped = gap / (1.0 + 2.0 * gap)
        there = Box(
            box.x + vx * gap,
            box.y + vy * gap,
            max(box.width + vw * damped, box.width / 2),
            max(box.height + vh * damped, box.height / 2),
        )
        return there, math.sqrt(self._spread(gap)[0]) * box.size

    def see(self, time: float, seen: Box) -> None:
        """Take in where the box was seen at a time."""
        gap = abs(time - self.time)
        expected, _ = self.at(time)
        place, both, speed = self._spread(gap)
        total = place + JITTER**2
        gain, drift = place / total, both / total
        residual = [now - then for now, then in zip(seen, expected, strict=True)]
        self.box = Box(*(then + gain * by for then, by in zip(expected, residual, strict=True)))
        share = (1.0, 1.0, GROWTH, GROWTH)
        vx, vy, vw, vh = (
            old + drift * much * by for old, much, by in zip(self.velocity, share, residual, strict=True)
        )
        self.velocity = (vx, vy, vw, vh)
        self._place, self._both, self._speed = (1 - gain) * place, (1 - gain) * both, speed - drift * both
        self.time = time


def between(time: float, t0: float, box0: Box, t1: float, box1: Box, swerve: float = SWERVE) -> Box:
    """Return a box that holds an object at a time between two sightings.

    It lies on the straight line between them, grown by what an object that accelerates by ``swerve`` at most
    may be beside it, which is ``swerve (t - t0)(t1 - t) / 2``.
    """
    share = (time - t0) / (t1 - t0)
    box = Box(*(a + share * (b - a) for a, b in zip(box0, box1, strict=True)))
    return box.grown(box.size * swerve * (time - t0) * (t1 - time) / 2)
