"""How far a picture is shifted, by phase correlation.

Kuglin and Hines, "The phase correlation image alignment method", 1975. It finds shifts up to
some 40% of the picture; that it found one is to be verified, since it always finds something.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from streamer.watch.look import HEIGHT, WIDTH, Map

STEP = 2
"""Every so manyth pixel is enough to find a shift, which is then one of whole steps."""


class Shift(NamedTuple):
    """From one picture to another, in pixels of ``[HEIGHT, WIDTH]``."""

    right: int
    down: int

    @property
    def share(self) -> float:
        """The larger of the shares of the width and of the height."""
        return max(abs(self.right) / WIDTH, abs(self.down) / HEIGHT)

    def overlap(self) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return where what both pictures show lies in the first and in the second: rows and columns each."""
        rows, columns = _both(self.down, HEIGHT), _both(self.right, WIDTH)
        return (rows[0], columns[0]), (rows[1], columns[1])


def shift(before: Map, after: Map) -> Shift:
    """Return the most likely shift between two pictures, float32 ``[HEIGHT, WIDTH]``."""
    one, other = before[::STEP, ::STEP].copy(), after[::STEP, ::STEP].copy()
    (right, down), _ = cv2.phaseCorrelate(one, other, _window())
    return Shift(_within(right * STEP, WIDTH), _within(down * STEP, HEIGHT))


def _within(pixels: float, size: int) -> int:
    return max(1 - size, min(size - 1, round(pixels)))


def _both(by: int, size: int) -> tuple[slice, slice]:
    first, second = slice(0, size - abs(by)), slice(abs(by), size)
    return (first, second) if by >= 0 else (second, first)


@lru_cache
def _window() -> Map:
    return np.asarray(cv2.createHanningWindow((WIDTH // STEP, HEIGHT // STEP), cv2.CV_32F), np.float32)
