"""How sure an alert is of what it sees, and from where on it is raised: found on labelled windows.

A margin becomes a probability by ``sigmoid((margin - offset) / temperature)``, the two-way softmax of
``streamer``. Margins of most descriptions lie off zero on both sides. Without the offset the best temperature
makes all of them say nearly the same, so that no normal window is far enough below the threshold for what is
raised to be over again. The probability takes it that both sides are as frequent; of what hardly ever happens
it is far less.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer import bootstrap

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


def probability(margins: Floats, temperature: float, offset: float = 0.0) -> Floats:
    """Return the two-way softmax of margins, ``[N]``."""
    return np.asarray(0.5 * (1.0 + np.tanh((margins - offset) / (2.0 * temperature))))


def fit(windows: Windows) -> tuple[float, float]:
    """Return the temperature, between ``LEAST`` and ``MOST``, and the offset of the least log loss.

    What they are to say of each side is not quite 0 or 1 but what Platt (1999, "Probabilistic outputs for
    support vector machines") asks of so many clips, without which sides that do not overlap would ask for a
    temperature of nothing. The loss is convex in the temperature's reciprocal, with the best offset for each,
    so that its one minimum is found by halving.
    """
    ones, zeros = windows.count(alert=True), windows.count(alert=False)
    target = np.where(windows.alert, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    weights, margins = windows.weights, windows.margins

    def error(temperature: float, offset: float) -> Floats:
        return weights * (probability(margins, temperature, offset) - target)

    def best(temperature: float) -> float:
        spread = 10 * temperature  # beyond which all would be said to be of one side
        return _zero(
            lambda offset: -float(error(temperature, offset).sum()),
            float(margins.min()) - spread,
            float(margins.max()) + spread,
        )

    def slope(inverse: float) -> float:
        # less the least, which changes nothing, so that rounding gives what is constant no slope either
        return float(((margins - margins.min()) * error(1 / inverse, best(1 / inverse))).sum())

    temperature = 1 / _zero(slope, 1 / MOST, 1 / LEAST)
    return temperature, best(temperature)


def _zero(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that rises is zero, or the end that is nearest to it."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


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
    return bootstrap.bounds(drawn) if len(drawn) else None


def threshold(margin: float, temperature: float, offset: float) -> float:
    """Return the probability of a margin to cut at, inside of 0 and 1."""
    (found,) = probability(np.array([margin]), temperature, offset)
    return float(np.clip(found, 1e-6, 1 - 1e-6))
