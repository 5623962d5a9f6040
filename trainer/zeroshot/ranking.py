"""Sentences ranked for a picture, as the reference does it: is one of the best of the right class?"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray


def hits(
    similarities: NDArray[np.float32], owners: Sequence[str], labels: Sequence[str], best: int
) -> NDArray[np.bool_]:
    """Say for each picture whether any of its best sentences is of its class.

    Args:
        similarities: ``[N, S]``, of each picture with each sentence; of equal ones the first is better.
        owners: ``[S]``, the class of each sentence.
        labels: ``[N]``, the class of each picture.
        best: how many sentences count.

    Returns:
        ``[N]``.
    """
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :best]
    return np.asarray((np.asarray(owners)[order] == np.asarray(labels)[:, None]).any(axis=1))


def floor(owners: Sequence[str], classes: Sequence[str], best: int) -> float:
    """Return what a ranking by chance scores on as many pictures of each class.

    None of the best k is of a class that has s of the S sentences with probability C(S - s, k) / C(S, k), by
    the hypergeometric distribution.

    Args:
        owners: ``[S]``, the class of each sentence.
        classes: of the pictures.
        best: how many sentences count.
    """
    count = len(owners)
    best = min(best, count)
    missed = [comb(count - list(owners).count(name), best) / comb(count, best) for name in classes]
    return 1.0 - sum(missed) / len(missed)
