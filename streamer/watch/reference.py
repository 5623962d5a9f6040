"""What a camera's view looks like when all is well: learned from its looks, followed over day and night."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.watch.align import Shift
from streamer.watch.look import COLUMNS, HEIGHT, ROWS, WIDTH, Cells, Look, Map, cells, weighted_median
from streamer.watch.memory import Tree, array_of, number_of

LOOKS = 4
"""Looks from which on a reference says something."""

SECONDS = 1.0
"""Seconds from the first look on until it says something."""

SURE = 60.0
"""Seconds from the first look on until single looks move it little."""

FOLLOW = 300.0
"""Seconds in which it follows what changes slowly: dusk takes longer, and a thumb on the lens does not."""

TEXTURED = 0.02
"""Least mean square of a cell's steady edges for it to be compared by them."""


MIDDLE = 4
"""Pixels a side of a cell at which middle sizes are compared."""

EXCUSED = 0.5
"""Share of a cell's steady edges up to which an object that is found there hides them."""

PARKED = 0.5
"""Share of the time that an object stands in a cell from which on it is part of the view."""

TRACE = 0.02
"""Share of a cell's mean that may come from what was hidden for it to be kept: five levels of 255 at most."""

LEFT = 0.25
"""Share of the edges that must be left of a view without such cells for it to be kept."""

INTACT = 0.7
"""Share of a cell's steady edges from which on it counts as unharmed."""


class Difference(NamedTuple):
    """How a look differs from a reference, over the cells that are clear."""

    lost: float
    """Share of the steady edges, by strength, that are gone: 0 to 1."""
    softened: float
    """By how much the median cell is less sharp, in logarithms; below 0 where it is sharper."""
    likeness: float
    """Correlation of the cells' mean grey: -1 to 1."""
    flatter: float
    """By how much the median cell has less detail, in logarithms, beyond what it has less of contrast."""
    visible: float
    """Share of the steady edges, by strength, that no object stands in front of."""
    intact: float
    """Share of the clear cells with edges that kept nearly all of them."""
    varied: float
    """How much detail varies over the picture, as a share of how much it does in the reference."""
    busy: float
    """Share of the clear cells with outlines nearly as strong as the reference's median cell has."""
    clear: NDArray[np.bool_]
    """bool ``[ROWS, COLUMNS]``: cells that no object hides."""


class Reference:
    """One view of a camera."""

    def __init__(self) -> None:
        self._looks = 0
        self._seen: Cells = np.zeros((ROWS, COLUMNS), np.float32)
        self._first = self._last = 0.0
        self._across: Map = np.zeros((1, 1), np.float32)
        self._down: Map = self._across
        self.grey: Map = self._across
        """float32 ``[HEIGHT, WIDTH]``: the view itself, 0 to 255."""
        self._detail: Cells = self._across
        self._sharpness: Cells = self._across
        self._level: Cells = self._across
        self._occupied: Cells = np.zeros((ROWS, COLUMNS), np.float32)
        self._secret: Cells = np.ones((ROWS, COLUMNS), np.float32)
        self._white = self._black = 0.0
        self.spread = 0.0
        """By how much ``Difference.softened`` strays from 0 when all is well: its mean absolute value."""

    @property
    def begun(self) -> bool:
        """Whether it has seen anything."""
        return self._looks > 0

    @property
    def usable(self) -> bool:
        """Whether it has seen enough to say something."""
        return self._looks >= LOOKS and self.age >= SECONDS

    def takes(self, time_s: float) -> float:
        """Return the score below which it is to learn a look: what comes slowly would move a young one."""
        return 0.5 if time_s - self._first >= SURE else 0.1

    @property
    def age(self) -> float:
        """Seconds that it has seen."""
        return self._last - self._first

    @property
    def white(self) -> float:
        """Share of saturated pixels."""
        return self._white

    @property
    def black(self) -> float:
        """Share of dark pixels."""
        return self._black

    def learn(self, seen: Look, difference: Difference | None = None) -> None:
        """Take in a look at the view while all is well; what objects hide stays as it was.

        Args:
            seen: the look.
            difference: of it, where it is known.
        """
        clear = (seen.clear if difference is None else difference.clear).astype(np.float32)
        self._seen += clear
        if self._looks == 0:
            self._first = self._last = seen.time_s
            self._across, self._down, self.grey = seen.across, seen.down, seen.grey
            self._detail, self._sharpness, self._level = seen.detail, seen.sharpness, seen.level
            self._occupied = np.where(seen.clear, np.float32(0.0), np.float32(1.0))
            self._secret = np.where(seen.shown, np.float32(0.0), np.float32(1.0))
            self._white, self._black = seen.white, seen.black
            self._looks = 1
            return
        self._looks += 1
        passed = max(0.0, seen.time_s - self._last)
        self._last = max(self._last, seen.time_s)
        # the mean of all at first, later that of the last minutes
        slow = min(1.0, passed / FOLLOW)
        rate = max(1.0 / self._looks, slow)
        if difference is not None:
            self.spread += rate * (abs(difference.softened) - self.spread)
        by_cell = clear * np.maximum(1.0 / np.maximum(self._seen, 1.0), np.float32(slow))
        self._detail = self._detail + by_cell * (seen.detail - self._detail)
        self._sharpness = self._sharpness + by_cell * (seen.sharpness - self._sharpness)
        self._level = self._level + by_cell * (seen.level - self._level)
        self._secret = self._secret + by_cell * ((~seen.shown).astype(np.float32) - self._secret)
        self._occupied = self._occupied + np.float32(rate) * (~seen.clear - self._occupied)
        self._white += rate * (seen.white - self._white)
        self._black += rate * (seen.black - self._black)
        by_pixel = _spread_out(by_cell)
        self._across = self._across + by_pixel * (seen.across - self._across)
        self._down = self._down + by_pixel * (seen.down - self._down)
        self.grey = self.grey + by_pixel * (seen.grey - self.grey)

    def kept(self) -> Tree | None:
        """Return it for ``resumed``, without what was hidden; None where that leaves too little of it.

        Cells with more than ``TRACE`` of what was hidden are kept as one level of grey.
        """
        shown = self._secret <= TRACE
        by_pixel = _spread_out(shown.astype(np.float32)) > 0.0
        across, down = np.where(by_pixel, self._across, 0.0), np.where(by_pixel, self._down, 0.0)
        left, all_edges = (
            float(np.sum(a * a + d * d)) for a, d in ((across, down), (self._across, self._down))
        )
        if not self.usable or left < LEFT * all_edges:
            return None
        return {
            "across": across.astype(np.float32),
            "down": down.astype(np.float32),
            "grey": np.where(by_pixel, self.grey, _spread_out(self._level)).astype(np.float32),
            "detail": self._detail, "sharpness": self._sharpness, "level": self._level,
            "occupied": self._occupied,
            "seen": np.where(shown, self._seen, np.float32(0.0)),
            "looks": self._looks, "first": self._first, "last": self._last,
            "white": self._white, "black": self._black, "spread": self.spread,
        }  # fmt: skip

    @classmethod
    def resumed(cls, kept: Tree, shift: float) -> Reference:
        """Make it anew from what ``kept`` gave, its times moved by so many seconds.

        Raises:
            KeyError, TypeError, ValueError: it did not give that.
        """
        made = cls()
        made._across, made._down, made.grey = (
            array_of(kept[name], (HEIGHT, WIDTH)) for name in ("across", "down", "grey")
        )
        made._detail, made._sharpness, made._level, made._occupied, made._seen = (
            array_of(kept[name], (ROWS, COLUMNS))
            for name in ("detail", "sharpness", "level", "occupied", "seen")
        )
        made._secret = np.where(made._seen > 0.0, np.float32(0.0), np.float32(1.0))
        made._looks = int(kept["looks"])
        made._first, made._last, made._white, made._black, made.spread = (
            number_of(kept[name]) for name in ("first", "last", "white", "black", "spread")
        )
        made._first, made._last = made._first + shift, made._last + shift
        return made

    def differs(self, seen: Look) -> Difference:
        """Compare a look with what was learned."""
        steady = cells(self._across * self._across + self._down * self._down)
        # noise in what was learned is no edge
        counted = np.where(steady >= TEXTURED, steady, np.float32(0.0))
        kept = cells(self._across * seen.across + self._down * seen.down)
        # what is parked belongs to the view; what comes excuses that what was there is gone
        clear = seen.clear | (self._occupied > PARKED) | (kept > EXCUSED * counted) & (counted > 0.0)
        chosen = (counted > 0.0) & clear
        total, visible = float(counted.sum()), float(counted[chosen].sum())
        if visible == 0.0:
            return Difference(0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, clear)
        kept, weights = kept[chosen], counted[chosen]
        # headlights make a contrast that says nothing of the detail beside them
        dimmer = min(0.0, log(_spread(seen.level, clear) / _spread(self._level, clear)))
        return Difference(
            lost=_share(1.0 - float(np.clip(kept, 0.0, None).sum()) / visible),
            softened=weighted_median((self._sharpness - seen.sharpness)[chosen], weights),
            likeness=_correlation(self._level, seen.level, clear),
            flatter=weighted_median((self._detail - seen.detail)[chosen], weights) + 2.0 * dimmer,
            visible=visible / total,
            intact=float(np.count_nonzero(kept > INTACT * weights)) / weights.size,
            varied=_spread(seen.detail, clear) / _spread(self._detail, clear),
            busy=float((seen.outlines[clear] >= np.median(self._detail - self._sharpness) - 1.0).mean()),
            clear=clear,
        )

    def lost_after(self, by: Shift, seen: Look) -> float:
        """Return the share of the steady edges that are gone from where a shift would put them: 0 to 1."""
        here, there = by.overlap()
        across, down = self._across[here], self._down[here]
        steady = float((across * across).sum() + (down * down).sum())
        kept = float((across * seen.across[there]).sum() + (down * seen.down[there]).sum())
        return _share(1.0 - kept / steady) if steady > 0.0 else 1.0

    def resembles(self, seen: Look) -> float:
        """Return the median cell's correlation of what is of middle size, which a blur leaves: -1 to 1."""
        one, other = _middle(self.grey), _middle(seen.grey)
        energy, now = cells(one * one), cells(other * other)
        likeness = cells(one * other) / np.sqrt(energy * now + 1.0)
        return weighted_median(likeness.ravel(), energy.ravel())


def _middle(grey: Map) -> Map:
    """Return what is larger than a quarter of a cell and smaller than a cell or two."""
    small = cv2.resize(grey, (MIDDLE * COLUMNS, MIDDLE * ROWS), interpolation=cv2.INTER_AREA)
    return np.asarray(small - cv2.GaussianBlur(small, (0, 0), MIDDLE), np.float32)


def _spread(values: Cells, where: NDArray[np.bool_]) -> float:
    """Return the standard deviation, and never nothing."""
    return max(1e-3, float(values[where].std())) if where.any() else 1e-3


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _spread_out(values: Cells) -> Map:
    """Return the cells' values for each pixel, float32 ``[HEIGHT, WIDTH]``."""
    return np.asarray(cv2.resize(values, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST), np.float32)


def _correlation(one: Cells, other: Cells, where: NDArray[np.bool_]) -> float:
    if np.count_nonzero(where) < 2:
        return 1.0
    a, b = one[where] - one[where].mean(), other[where] - other[where].mean()
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / spread if spread > 1e-6 else 0.0
