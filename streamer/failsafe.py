"""Failing closed: what a stage does when its work on a batch raises (rule 1 of the design)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from streamer.errors import one_line
from streamer.frame import Batch, Discontinuity, End, Frame, Marker

logger = logging.getLogger(__name__)

A = TypeVar("A")
B = TypeVar("B")


def all_or_each(
    batch: Batch[A],
    work: Callable[[Sequence[A]], list[B]],
    otherwise: Callable[[A, Exception], B],
) -> list[B | Marker]:
    """Apply ``work`` to all items of a batch at once; where that raises, to each alone; then give up on it.

    A batch may fail for one bad picture, or for want of memory that a single picture does without.

    Args:
        batch: items and markers; markers pass through in their places.
        work: takes items, returns as many results in their order.
        otherwise: makes a result of an item on which ``work`` raised when it was alone.
    """
    items = [item for item in batch if not isinstance(item, End | Discontinuity)]
    results: list[B] | None = None
    try:
        results = _checked(work, items) if items else []
    except Exception:
        logger.debug("a batch of %d failed, trying one by one", len(items), exc_info=True)
    if results is None:
        # outside of the except block, whose traceback holds on to all that the failed work had allocated;
        # an item that was alone is tried again too: what failed may have been passing
        results = [_once_more(item, work, otherwise) for item in items]
    done = iter(results)
    return [item if isinstance(item, End | Discontinuity) else next(done) for item in batch]


def _once_more(item: A, work: Callable[[Sequence[A]], list[B]], otherwise: Callable[[A, Exception], B]) -> B:
    try:
        return _checked(work, [item])[0]
    except Exception as error:
        failure = error.with_traceback(None)
    return otherwise(item, failure)


def _checked(work: Callable[[Sequence[A]], list[B]], items: Sequence[A]) -> list[B]:
    results = work(items)
    if len(results) != len(items):
        raise RuntimeError(f"{len(results)} results for {len(items)} frames")
    return results


class FailureLog:
    """Says that frames were hidden whole, once a second at most, and how many since it last said so."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._since = 0
        self._said_at = float("-inf")

    def count(self, frame: Frame, error: Exception) -> None:
        """Take note of one frame on which ``error`` was raised twice."""
        self._since += 1
        now = time.monotonic()
        if now - self._said_at >= 1.0:
            logger.error(
                "%s failed, %d frame(s) hidden whole, the last frame %d of %s: %s",
                self._doing, self._since, frame.index, frame.camera, one_line(error),
            )  # fmt: skip
            self._since = 0
            self._said_at = now
