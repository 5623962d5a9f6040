"""Polygons in shares of a frame, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TypeAlias

Corners: TypeAlias = Sequence[tuple[float, float]]
"""x, y in shares of the frame's width and height, in order around the polygon."""


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
