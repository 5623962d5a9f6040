"""Values over time, as sums over equal spans: two million frames of a day take no more than a minute's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

FINEST = 1 / 64
"""Seconds of the first spans; a power of two, so that doubles of it are exact."""

MOST = 400
"""Spans from the first to the last: as many as a page has room for."""


@dataclass(slots=True)
class Tally:
    """What was added of one thing."""

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf

    @property
    def mean(self) -> float:
        """The mean of it; there must be something."""
        return self.total / self.count

    def add(self, value: float) -> None:
        """Take in a value."""
        self.count += 1
        self.total += value
        if value < self.least:
            self.least = value
        if value > self.most:
            self.most = value

    def join(self, other: Tally) -> None:
        """Take in what another has."""
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)


Spans: TypeAlias = Sequence[tuple[float, Tally]]
"""Where spans begin, in seconds, rising; and what they hold."""


class Buckets:
    """Tallies by name in spans of time, of which there are never many: they are joined by twos instead."""

    def __init__(self) -> None:
        self.width = FINEST
        """Seconds of a span."""
        self.first: float | None = None
        """The least time that something was added with, in seconds; None as long as nothing was."""
        self.last = 0.0
        """The greatest one."""
        self.all: dict[str, Tally] = {}
        """Of the whole time, by name."""
        self._spans: dict[int, dict[str, Tally]] = {}

    def add(self, time_s: float, values: Mapping[str, float]) -> None:
        """Take in values by name, of a time in seconds."""
        if self.first is None:
            self.first = self.last = time_s
        if time_s < self.first or time_s > self.last:
            self.first, self.last = min(self.first, time_s), max(self.last, time_s)
            while self._place(self.last) - self._place(self.first) >= MOST:
                self._double()
        span = self._spans.setdefault(self._place(time_s), {})
        for name, value in values.items():
            if name not in span:
                span[name] = Tally()
                self.all.setdefault(name, Tally())
            span[name].add(value)
            self.all[name].add(value)

    def widen(self, width: float) -> None:
        """Join spans until each is so many seconds wide, but for the last two."""
        while self.width < width and len(self._spans) > 2:
            self._double()

    def spans(self, name: str) -> Spans:
        """Return one thing over time, where anything of it was added."""
        return [(n * self.width, span[name]) for n, span in sorted(self._spans.items()) if name in span]

    def runs(self, name: str, gap: int = 2) -> Iterator[Spans]:
        """Yield what is one line: spans with no more than ``gap`` empty ones between them."""
        run: list[tuple[float, Tally]] = []
        for start, tally in self.spans(name):
            if run and start - run[-1][0] > (gap + 1.5) * self.width:
                yield run
                run = []
            run.append((start, tally))
        if run:
            yield run

    def _place(self, time_s: float) -> int:
        return math.floor(time_s / self.width)

    def _double(self) -> None:
        self.width *= 2.0
        joined: dict[int, dict[str, Tally]] = {}
        for number, span in self._spans.items():
            into = joined.setdefault(number // 2, {})
            for name, tally in span.items():
                into.setdefault(name, Tally()).join(tally)
        self._spans = joined
