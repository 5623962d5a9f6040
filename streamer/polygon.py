"""Polygons in shares of a frame: what is wrong with one, and which pixels it covers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Corners: TypeAlias = Sequence[tuple[float, float]]
"""x, y in shares of the frame's width and height, in order around the polygon."""

_BITS = 8
"""Of fraction in the coordinates that OpenCV is given."""


def fault(corners: Corners) -> str | None:
    """Say why corners make no polygon: they enclose nothing, or its sides cross; None where they do."""
    sides = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    if any(_cross(*one, *other) for one, other in combinations(sides, 2)):
        # the inside of such a one is a matter of opinion, which nothing that hides should rest on
        return "its sides cross; list the points in order around it"
    if abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in sides)) < 1e-9:
        return "encloses no area"
    return None


def _cross(a: Sequence[float], b: Sequence[float], c: Sequence[float], d: Sequence[float]) -> bool:
    """Whether the segments ab and cd cross inside both; touching is no crossing."""

    def turn(p: Sequence[float], q: Sequence[float], r: Sequence[float]) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0


def covered(polygons: Iterable[Corners], width: int, height: int) -> NDArray[np.uint8]:
    """Return which pixels of a frame have their middle in polygons: uint8 ``[height, width]``, 0 or 1."""
    return np.ascontiguousarray(_drawn(polygons, width, height)[1:-1, 1:-1])


def touched(polygons: Iterable[Corners], width: int, height: int) -> NDArray[np.uint8]:
    """Return which pixels of a frame polygons touch, be it by a corner: uint8 ``[height, width]``, 0 or 1."""
    # OpenCV draws the sides too: what is touched was filled or lies next to what was
    near = cv2.dilate(_drawn(polygons, width, height), np.ones((3, 3), np.uint8))
    return np.ascontiguousarray(near[1:-1, 1:-1], np.uint8)


def _drawn(polygons: Iterable[Corners], width: int, height: int) -> NDArray[np.uint8]:
    """Fill polygons in a frame with a pixel more on each side, where a corner at 0 or 1 may come to lie."""
    mask = np.zeros((height + 2, width + 2), np.uint8)
    for corners in polygons:
        # pixel i spans i to i + 1 and OpenCV means its middle
        points = np.array(corners, np.float64) * (width, height) - 0.5 + 1
        cv2.fillPoly(mask, [np.rint(points * 2**_BITS).astype(np.int32)], 1, shift=_BITS)
    return mask
