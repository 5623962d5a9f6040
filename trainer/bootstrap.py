"""How far a mean over clips may be off: what it comes to when the clips are drawn anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLINGS = 10_000
CONFIDENCE = 0.95


def interval(
    values: Sequence[float],
    weights: Sequence[float] | None = None,
    *,
    resamplings: int = RESAMPLINGS,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Return a percentile bootstrap interval of a weighted mean (Efron 1979).

    The same clips are drawn for every list of one length, so that intervals of several measures go together.

    Args:
        values: one for each clip.
        weights: how much each counts; None: all alike.
        resamplings: how often as many clips as there are are drawn, each of them any number of times.
        confidence: share of the resamplings' means that lie in the interval.
        seed: of the drawing.

    Returns:
        The lower and the upper bound; None for a single clip, which says nothing of others.
    """
    count = len(values)
    if count < 2:
        return None
    drawn = np.random.default_rng(seed).integers(count, size=(resamplings, count))
    every = np.asarray(values, np.float64)
    share = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    totals = share[drawn].sum(axis=1)
    means = (every * share)[drawn].sum(axis=1)[totals > 0] / totals[totals > 0]
    return bounds(means, confidence)


def bounds(
    drawn: Sequence[float] | NDArray[np.float64], confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return between what so large a share of a measure's resamplings lies, as much below it as above."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)
