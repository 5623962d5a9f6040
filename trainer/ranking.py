"""How well scores put what misbehaves before what is normal: AUROC, and the reference's precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainer.bootstrap import bounds

Scores: TypeAlias = NDArray[np.float64]

Scene: TypeAlias = tuple[Scores, Scores]
"""Scores of a scene's misbehaving pictures, and of its normal ones; each ``[N]``."""

RANKED = 100
"""The first so many of a ranking count, of which ``SHARE`` are misbehaving: the reference's measure."""

SHARE = 0.076
"""Of all pictures."""

OBVIOUS = ("defocus 2", "defocus 4", "defocus 8", "defocus 16", "wall", "cover")
"""What the ranking's misbehaving pictures are: the reference's blurred, walls and covered."""

DRAWS = 20
"""Rankings that are drawn."""

ROUNDS = 1000
"""Of the bootstrap over scenes."""


def auroc(bad: Scores, good: Scores) -> float:
    """Return how likely one of ``bad`` is above one of ``good``, equals counting half; both ``[N]``."""
    ordered = np.sort(good)
    below = np.searchsorted(ordered, bad, "left") + np.searchsorted(ordered, bad, "right")
    return float(below.mean() / (2 * len(good)))


def pooled(scenes: Sequence[Scene]) -> float:
    """Return the AUROC of all scenes' pictures together."""
    return auroc(np.concatenate([bad for bad, _ in scenes]), np.concatenate([good for _, good in scenes]))


def precision(scenes: Sequence[Scene], random: np.random.Generator) -> float:
    """Return the share of misbehaving pictures among the ``RANKED`` highest scores, at ``SHARE``.

    A mean over ``DRAWS`` rankings, drawn with replacement, since there may be fewer pictures than one takes.
    """
    normal = np.concatenate([good for _, good in scenes])
    bad = np.concatenate([bad for bad, _ in scenes])
    found: list[float] = []
    for _ in range(DRAWS):
        some = random.choice(bad, RANKED)
        scores = np.concatenate([random.choice(normal, round(RANKED / SHARE) - RANKED), some])
        # of equal scores the normal ones come first
        best = np.argsort(-scores, kind="stable")[:RANKED]
        found.append(float((best >= len(scores) - RANKED).mean()))
    return fmean(found)


def interval(scenes: Sequence[Scene], measure: Callable[[Sequence[Scene]], float]) -> tuple[float, float]:
    """Return an interval of a measure, by a bootstrap over scenes (Efron 1979)."""
    random = np.random.default_rng(0)
    drawn = [
        measure([scenes[place] for place in random.integers(0, len(scenes), len(scenes))])
        for _ in range(ROUNDS)
    ]
    return bounds(drawn)
