"""How sure an alert is of what it sees, and from where on it is raised: found on labelled windows.

A margin becomes a probability by ``sigmoid(margin / temperature)``, the two-way softmax of ``streamer``. The
temperature has no bias beside it: where the margins of both sides lie off zero, which they do for most
descriptions, the threshold takes that up, so that alerts are right while the probability says which of two
windows is more likely, not how likely.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST, MOST = 1e-4, 1.0
"""Bounds of a temperature. Margins are differences of cosines, mostly of some hundredths: the least makes a
step of the softmax, and the most leaves everything near one half."""

FOLDS = 5

ROUNDS = 2000
"""Of the bootstrap over scenes."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of a class's clips and of normal ones: what a decision is made of."""

    margins: Floats
    """``[N]``: pooled over the window."""
    alert: Bools
    """``[N]``: whether it is of the class."""
    parts: NDArray[np.intp]
    """``[N]``: which part of a clip it is of; a part has one class."""
    scenes: Sequence[str]
    """``[N]``: of the clip. What shows one scene is never calibrated on and judged at once."""

    @property
    def weights(self) -> Floats:
        """Return ``[N]``: each part counts the same on its side however long it is, and each side is 1."""
        weights = 1.0 / np.bincount(self.parts)[self.parts]
        for side in (self.alert, ~self.alert):
            weights[side] /= weights[side].sum() or 1.0
        return np.asarray(weights, np.float64)

    def count(self, *, alert: bool) -> int:
        """Return how many parts of clips a side has."""
        return len(np.unique(self.parts[self.alert == alert]))

    def scenes_of(self, *, alert: bool) -> set[str]:
        """Return the scenes that a side has."""
        return {scene for scene, of in zip(self.scenes, self.alert, strict=True) if of == alert}

    def where(self, chosen: Bools) -> Windows:
        """Return some of them, ``[N]``."""
        scenes = [scene for scene, kept in zip(self.scenes, chosen, strict=True) if kept]
        return Windows(self.margins[chosen], self.alert[chosen], self.parts[chosen], scenes)


def probability(margins: Floats, temperature: float) -> Floats:
    """Return the two-way softmax of margins, ``[N]``."""
    return np.asarray(0.5 * (1.0 + np.tanh(margins / (2.0 * temperature))))


def temperature(windows: Windows) -> float:
    """Return the temperature of the least log loss, between ``LEAST`` and ``MOST``.

    The loss is convex in its reciprocal, so that its one minimum is found by halving. What it is to say of
    each side is not quite 0 or 1 but Platt's (1999, "Probabilistic outputs for support vector machines") of
    so many clips, without which sides that do not overlap would ask for a temperature of nothing.
    """
    ones, zeros = windows.count(alert=True), windows.count(alert=False)
    target = np.where(windows.alert, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    weights, margins = windows.weights, windows.margins

    def slope(inverse: float) -> float:
        return float((weights * margins * (probability(margins, 1.0 / inverse) - target)).sum())

    low, high = 1.0 / MOST, 1.0 / LEAST
    if slope(low) >= 0:
        return MOST
    if slope(high) <= 0:
        return LEAST
    while high - low > 1e-9 * low:
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 2.0 / (low + high)


def cut(windows: Windows) -> float:
    """Return the margin from which on an alert gives the best balanced accuracy.

    Of several it is the middle of the widest gap between margins, of equal gaps the highest. Infinite, which
    raises nothing, where no margin does better than guessing.
    """
    margins, place = np.unique(windows.margins, return_inverse=True)
    if len(margins) < 2:
        return math.inf
    weights = windows.weights
    ones = np.bincount(place, weights * windows.alert, len(margins))
    zeros = np.bincount(place, weights * ~windows.alert, len(margins))
    # of a cut between margin i and the next: what is above of the one side, what is below of the other
    right = (ones.sum() - np.cumsum(ones)[:-1] + np.cumsum(zeros)[:-1]) / 2
    best = np.flatnonzero(right > right.max() - 1e-9)
    if right.max() <= 0.5 + 1e-9:
        return math.inf
    gaps = np.diff(margins)[best]
    chosen = best[np.flatnonzero(gaps > gaps.max() * (1 - 1e-9))[-1]]
    return float((margins[chosen] + margins[chosen + 1]) / 2)


def folds(windows: Windows, seed: int = 0) -> Mapping[str, int]:
    """Divide scenes into ``FOLDS`` or fewer, so that what is outside of each has both sides.

    Args:
        windows: with two scenes or more of either side.
        seed: of which scenes go together.

    Returns:
        The fold of each scene.
    """
    ones, zeros = windows.scenes_of(alert=True), windows.scenes_of(alert=False)
    count = min(FOLDS, len(ones), len(zeros))

    def order(scene: str) -> tuple[int, str]:
        # dealt like cards: those of either side stand together, with those of both between them
        digest = hashlib.sha256(f"{seed}/{scene}".encode()).hexdigest()
        return (scene in zeros) - (scene in ones), digest

    return {scene: index % count for index, scene in enumerate(sorted(ones | zeros, key=order))}


def judge(windows: Windows, seed: int = 0) -> Bools:
    """Return which windows would raise an alert, ``[N]``, each by a threshold found on other scenes."""
    of = folds(windows, seed)
    fold = np.array([of[scene] for scene in windows.scenes])
    raised = np.zeros(len(fold), np.bool_)
    for held_out in range(max(of.values()) + 1):
        inside = fold == held_out
        raised[inside] = windows.margins[inside] >= cut(windows.where(~inside))
    return raised


def draw(scenes: Sequence[str], seed: int = 0) -> Floats:
    """Draw scenes anew, with replacement, as many as there are (Efron 1979).

    Args:
        scenes: ``[N]``, of each window or picture.
        seed: of the drawing.

    Returns:
        How often each of them was drawn, ``[ROUNDS, N]``.
    """
    names, place = np.unique(np.asarray(scenes), return_inverse=True)
    each = np.full(len(names), 1 / len(names))
    drawn = np.random.default_rng(seed).multinomial(len(names), each, ROUNDS)
    return drawn[:, place].astype(np.float64)


def auroc(margins: Floats, alert: Bools, weights: Floats) -> Floats:
    """Return how likely a margin of the one side is above one of the other, equals counting half.

    Args:
        margins: ``[N]``.
        alert: ``[N]``, which side.
        weights: ``[R, N]``.

    Returns:
        ``[R]``; not a number where a side weighs nothing.
    """
    order = np.argsort(margins)
    starts = np.flatnonzero(np.diff(margins[order], prepend=-np.inf))  # of what is equal
    ones, zeros = (np.add.reduceat((weights * side)[:, order], starts, axis=1) for side in (alert, ~alert))
    below = np.cumsum(zeros, axis=1) - zeros / 2
    with np.errstate(invalid="ignore"):
        pairs = ones.sum(axis=1) * zeros.sum(axis=1)
        return np.asarray((ones * below).sum(axis=1) / pairs).clip(max=1.0)  # beyond which rounding may be


def mean_of_sides(right: Bools, sides: NDArray[np.intp], weights: Floats) -> Floats:
    """Return the mean over sides of the share that is right: balanced accuracy.

    Args:
        right: ``[N]``.
        sides: ``[N]``, from 0 on.
        weights: ``[R, N]``.

    Returns:
        ``[R]``; not a number where a side weighs nothing.
    """
    each = np.eye(int(sides.max()) + 1)[sides]
    with np.errstate(invalid="ignore"):
        return np.asarray((((weights * right) @ each) / (weights @ each)).mean(axis=1))


def bounds(drawn: Floats) -> tuple[float, float] | None:
    """Return the 95% interval of what was drawn, ``[R]``; None where no drawing had both sides."""
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return None
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def threshold(margin: float, temperature: float) -> float:
    """Return the probability of a margin to cut at, inside of 0 and 1."""
    (found,) = probability(np.array([margin]), temperature)
    return float(np.clip(found, 1e-6, 1 - 1e-6))
