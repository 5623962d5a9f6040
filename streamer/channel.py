"""Channels, credits and the threads that own them: the only module that knows threads.

A camera may have so many frames in flight. Its source takes a credit for each frame, and whoever is last
done with the frame gives it back; so the channels between the stages need no bound of their own, a shared
stage never blocks on one camera, and memory is bounded by the number of credits.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Channel(Generic[T]):
    """A first-in, first-out queue between threads that ends when it is closed and empty."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._takes = 0
        self._waiting = 0

    def put(self, item: T) -> None:
        """Append an item; on a closed channel it is let go of."""
        with self._changed:
            if not self._closed:
                self._items.append(item)
                self._changed.notify()

    def put_in_place(self, item: T, same: Callable[[T], bool], merge: Callable[[T, T], T]) -> T | None:
        """Append an item after removing the oldest one that is ``same``, and return the removed one.

        Args:
            item: what to append.
            same: tells which items may make room.
            merge: given the removed item and what follows it of the same kind (at the least ``item``),
                makes what stands in the latter's place.

        Returns:
            The removed item; None where there was none to remove, and then ``item`` was not appended.
        """
        with self._changed:
            found = [position for position, other in enumerate(self._items) if same(other)]
            if not found:
                return None
            oldest = self._items[found[0]]
            if len(found) > 1:
                self._items[found[1]] = merge(oldest, self._items[found[1]])
                self._items.append(item)
            else:
                self._items.append(merge(oldest, item))
            del self._items[found[0]]
            self._changed.notify()
            return oldest

    def close(self) -> None:
        """Let nothing further in; what is waiting can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, most: int, tick: float | None = None) -> list[T] | None:
        """Take what is waiting, at most ``most`` items.

        Args:
            most: how many items at most.
            tick: seconds to wait for the first one; None waits for ever.

        Returns:
            The items; an empty list when the tick passed and nothing came; None when the channel has ended.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, tick)
            if not self._items:
                return None if self._closed else []
            self._takes += 1
            self._waiting += len(self._items)
            return [self._items.popleft() for _ in range(min(most, len(self._items)))]

    def batches(self, most: int, tick: float) -> Iterator[list[T]]:
        """Yield what ``take`` gives until the channel has ended."""
        while (items := self.take(most, tick)) is not None:
            yield items

    def __iter__(self) -> Iterator[T]:
        """Yield item by item until the channel has ended."""
        while (items := self.take(1)) is not None:
            yield from items

    @property
    def fill(self) -> float:
        """How many items were waiting on average whenever some were taken."""
        return self._waiting / self._takes if self._takes else 0.0


class Credits:
    """How many more frames a camera may have in flight."""

    def __init__(self, count: int) -> None:
        self.count = count
        """All there are."""
        self._left = count
        self._changed = threading.Condition()
        self._cancelled = False

    def take(self) -> bool:
        """Wait for a credit and take it; False, without one, once ``cancel`` was called."""
        with self._changed:
            self._changed.wait_for(lambda: self._left > 0 or self._cancelled)
            if self._cancelled:
                return False
            self._left -= 1
            return True

    def try_take(self) -> bool:
        """Take a credit if there is one."""
        with self._changed:
            if self._left == 0 or self._cancelled:
                return False
            self._left -= 1
            return True

    def give(self) -> None:
        """Return a credit."""
        with self._changed:
            self._left += 1
            self._changed.notify()

    def cancel(self) -> None:
        """Wake whoever waits; from now on no credit is given out."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    @property
    def in_flight(self) -> int:
        """How many credits are out."""
        return self.count - self._left


class Countdown:
    """Runs an action once, in the thread that is the last of so many to be done."""

    def __init__(self, count: int, action: Callable[[], None]) -> None:
        self._left = count
        self._action = action
        self._lock = threading.Lock()

    def done(self) -> None:
        """Say that one of them is done."""
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last:
            self._action()


class Stop(threading.Event):
    """A request to end soon, which a waiting source sees at once."""


class Worker:
    """A named thread whose exception is handed to somebody instead of being printed."""

    def __init__(self, name: str, work: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
        """Start the thread.

        Args:
            name: of the thread, for debuggers.
            work: what it does.
            failed: called in the thread with what ``work`` raised.
        """
        self._work = work
        self._failed = failed
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # whatever it is, somebody must hear of it
            logger.debug("%s failed", self._thread.name, exc_info=True)
            self._failed(error)

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()


@contextmanager
def ahead(items: Iterable[T], most: int, name: str) -> Iterator[Iterator[T]]:
    """Let ``items`` be made in a thread of their own, while whoever iterates works on the ones before.

    Args:
        items: iterated in the thread.
        most: how many may be made and not yet be done with.
        name: of the thread.

    Yields:
        An iterator over the same items, which raises what making them raised. Leaving the context ends the
        thread, once ``items`` has come out with its next.
    """
    channel: Channel[T] = Channel()
    credits = Credits(most)
    failures: list[BaseException] = []

    def make() -> None:
        try:
            for item in items:
                if not credits.take():
                    return
                channel.put(item)
        except BaseException as error:  # raised again where the items are used
            failures.append(error)
        finally:
            channel.close()

    def made() -> Iterator[T]:
        for item in channel:
            yield item
            credits.give()
        if failures:
            raise failures[0]

    worker = Worker(name, make, failures.append)
    try:
        yield made()
    finally:
        credits.cancel()
        worker.join()
