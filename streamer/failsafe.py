"""Failing closed: what a stage does when its work on a batch raises (rule 1 of the design)."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from streamer.detectors import OnFailure
from streamer.errors import HungError, StageError, one_line
from streamer.frame import Batch, Discontinuity, End, Frame, Marker

logger = logging.getLogger(__name__)

A = TypeVar("A")
B = TypeVar("B")


def all_or_each(
    batch: Batch[A],
    work: Callable[[Sequence[A]], list[B]],
    otherwise: Callable[[A, Exception], B],
    log: FailureLog,
) -> list[B | Marker]:
    """Apply ``work`` to all items of a batch at once; where that raises, to each alone; then give up on it.

    A batch may fail for one bad picture, or for want of memory that a single picture does without. One that
    hung is given up at once: what hung with all would take as long to hang with each.

    Args:
        batch: items and markers; markers pass through in their places.
        work: takes items, returns as many results in their order.
        otherwise: makes a result of an item on which ``work`` raised when it was alone.
        log: told of a failure that trying again made up for.

    Raises:
        StageError: ``work`` raised that: the run is to end.
    """
    items = [item for item in batch if not isinstance(item, End | Discontinuity)]
    try:
        results = _checked(work, items) if items else []
        failure = None
    except StageError:
        raise
    except Exception as error:
        logger.debug("a batch of %d failed", len(items), exc_info=True)
        failure = error.with_traceback(None)
    # outside of the except block: the traceback holds on to all that the failed work had allocated
    if isinstance(failure, HungError):
        results = [otherwise(item, failure) for item in items]
    elif failure is not None:
        _free(failure)
        given_up: list[A] = []

        def give_up(item: A, error: Exception) -> B:
            given_up.append(item)
            return otherwise(item, error)

        # an item that was alone is tried again too: what failed may have been passing
        results = [_once_more(item, work, give_up) for item in items]
        if not given_up:
            log.made_up_for(failure)
    done = iter(results)
    return [item if isinstance(item, End | Discontinuity) else next(done) for item in batch]


def _once_more(item: A, work: Callable[[Sequence[A]], list[B]], otherwise: Callable[[A, Exception], B]) -> B:
    try:
        return _checked(work, [item])[0]
    except StageError:
        raise
    except Exception as error:
        failure = error.with_traceback(None)
    _free(failure)
    return otherwise(item, failure)


def _checked(work: Callable[[Sequence[A]], list[B]], items: Sequence[A]) -> list[B]:
    results = work(items)
    if len(results) != len(items):
        raise RuntimeError(f"{len(results)} results for {len(items)} frames")
    return results


def _free(failure: Exception) -> None:
    """After running out of memory, give back what the failed work had allocated."""
    if isinstance(failure, MemoryError | torch.OutOfMemoryError):
        failure.__context__ = None  # whose traceback may hold on to it too
        torch.cuda.empty_cache()


class FailureLog:
    """Says that frames could not be hidden, once a second at most, and how many since it last said so."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._since: Counter[str] = Counter()
        self._said_at = float("-inf")
        self._made_up_for = 0
        self._made_up_for_said_at = float("-inf")

    def count(self, frame: Frame, error: Exception, on_failure: OnFailure) -> None:
        """Take note of one frame that was given up.

        Args:
            frame: which one.
            error: what was raised last.
            on_failure: what becomes of it.
        """
        self._since["dropped" if on_failure == "drop" else "hidden whole"] += 1
        now = time.monotonic()
        if now - self._said_at >= 1.0:
            fates = ", ".join(f"{count} frame(s) {fate}" for fate, count in self._since.items())
            logger.error(
                "%s failed, %s, the last frame %d of %s: %s",
                self._doing, fates, frame.index, frame.camera, one_line(error),
            )  # fmt: skip
            self._since.clear()
            self._said_at = now

    def made_up_for(self, error: Exception) -> None:
        """Take note of one batch that failed, of which every frame went well when it was tried again."""
        self._made_up_for += 1
        now = time.monotonic()
        if now - self._made_up_for_said_at >= 1.0:
            logger.warning(
                "%s failed %d time(s) and succeeded when it was tried again: %s",
                self._doing, self._made_up_for, one_line(error),
            )  # fmt: skip
            self._made_up_for = 0
            self._made_up_for_said_at = now
