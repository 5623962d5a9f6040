"""Where values and times stand on a chart, and what is written beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SIZE = 1000
"""Width and height of all drawings, in units of their own: pages stretch them to the room that there is."""

_STEPS = (
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    10800.0, 21600.0, 43200.0, 86400.0, 172800.0, 604800.0, 2592000.0,
)  # fmt: skip
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis."""

    place: int
    """0 to ``SIZE``; from the left, or from the top."""
    text: str


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Time, from left to right."""

    first: float
    """Seconds at the left end."""
    last: float
    """Seconds at the right end; greater."""
    began: datetime | None = None
    """When second 0 was, where that is known: then clock times are written."""

    @property
    def title(self) -> str:
        """What the axis shows."""
        if self.began is None:
            return "time in the video, h:mm:ss" if self.last >= 3600.0 else "time in the video, m:ss"
        return f"time of day ({self.began:%d %B %Y}, UTC{self.began:%z})"

    def place(self, time_s: float) -> int:
        """Return where a time stands, 0 to ``SIZE``; what is outside stands at the end."""
        share = (time_s - self.first) / (self.last - self.first)
        return round(SIZE * min(1.0, max(0.0, share)))

    def ticks(self, most: int = 6) -> Sequence[Tick]:
        """Return round times, no more than ``most``."""
        length = self.last - self.first
        step = next((step for step in _STEPS if length / step < most), math.ceil(length / most / _DAY) * _DAY)
        offset = 0.0 if self.began is None else (self.began - _midnight(self.began)).total_seconds()
        number = math.ceil((self.first + offset) / step - 1e-9)
        ticks = []
        while (time_s := number * step - offset) <= self.last + 1e-9 * length:
            ticks.append(Tick(self.place(time_s), self.text(time_s, step)))
            number += 1
        return ticks

    def text(self, time_s: float, step: float = 1.0) -> str:
        """Return a time as it is written, where others are ``step`` seconds away."""
        if self.began is None:
            return clock(time_s, step)
        moment = self.began + timedelta(seconds=round(time_s, 3))
        if step >= _DAY or (step >= 60.0 and moment == _midnight(moment) and time_s > self.first):
            return f"{moment:%d %b}"
        return f"{moment:%H:%M}" if step >= 60.0 else f"{moment:%H:%M:%S}"


def clock(time_s: float, step: float = 1.0) -> str:
    """Return seconds as m:ss or h:mm:ss, with tenths where steps are as fine."""
    sign = "\N{MINUS SIGN}" if round(time_s, 1) < 0 else ""
    tenths = round(abs(time_s) * 10)
    minutes, seconds = divmod(tenths // 10 if step < 1.0 else round(abs(time_s)), 60)
    hours, minutes = divmod(minutes, 60)
    end = f".{tenths % 10}" if step < 1.0 else ""
    return f"{sign}{hours}:{minutes:02}:{seconds:02}{end}" if hours else f"{sign}{minutes}:{seconds:02}{end}"


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """Values, from the bottom to the top."""

    low: float
    high: float
    step: float

    @classmethod
    def around(cls, low: float, high: float, *, from_zero: bool, whole: bool = False) -> ValueAxis:
        """Make one with round ends that holds both.

        Args:
            low: the least value.
            high: the greatest.
            from_zero: begin at 0.
            whole: write whole numbers alone.
        """
        if from_zero:
            low = min(0.0, low)
        elif high - low < 1.0:  # what hardly changes is a level line in the middle
            low, high = (low + high) / 2 - 0.5, (low + high) / 2 + 0.5
        length = max(high - low, 1e-3)
        size = 10.0 ** math.floor(math.log10(length / 4))
        step = next(size * factor for factor in (1.0, 2.0, 5.0, 10.0) if length / (size * factor) <= 4.0)
        if whole:
            step = max(1.0, math.ceil(step))
        bottom = math.floor(low / step + 1e-9) * step
        top = max(math.ceil(high / step - 1e-9) * step, bottom + step)
        return cls(bottom, top, step)

    def place(self, value: float) -> int:
        """Return how far from the top a value stands, 0 to ``SIZE``."""
        return round(SIZE * (self.high - value) / (self.high - self.low))

    def ticks(self) -> Sequence[Tick]:
        """Return round values from the bottom up."""
        count = round((self.high - self.low) / self.step)
        digits = max(0, -math.floor(math.log10(self.step) + 1e-9))
        values = [self.low + number * self.step for number in range(count + 1)]
        return [Tick(self.place(value), f"{value:,.{digits}f}") for value in values]
