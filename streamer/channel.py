"""Channels, credits and the threads that own them: the only module that knows threads.

A camera may have so many frames in flight. Its source takes a credit for each frame, and whoever is last
done with the frame gives it back; so the channels between the stages need no bound of their own, a shared
stage never blocks on one camera, and memory is bounded by the number of credits. Frames that wait for
look-ahead hold none: the stage in which they wait bounds them by their memory.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Generic, TypeVar, cast

from streamer.errors import HungError, StageError
from streamer.frame import Frame, Marker

logger = logging.getLogger(__name__)

WARM_UP = 60.0
"""Seconds that the first use of a guarded tool may take on top: kernels and engines are built in it."""

SLICE = 0.5
"""Most seconds that are waited for at a time: a process that is stopped for a while loses one of these."""

T = TypeVar("T")
R = TypeVar("R")


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

    def close(self) -> None:
        """Let nothing further in; what is waiting can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self) -> T | None:
        """Wait for the next item and take it; None when the channel has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            if not self._items:
                return None
            self._takes += 1
            self._waiting += len(self._items)
            return self._items.popleft()

    def __iter__(self) -> Iterator[T]:
        """Yield item by item until the channel has ended."""
        while (item := self.take()) is not None:
            yield item

    @property
    def fill(self) -> float:
        """How many items were waiting on average whenever some were taken."""
        return self._waiting / self._takes if self._takes else 0.0


class Intake:
    """Where the frames of all cameras wait for the shared stages, in a lane for each camera.

    Lanes are served in turn, so that a camera waits for as many others as there are, not for as many frames
    as they have waiting.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        """Make the lanes.

        Args:
            cameras: names; each may put from one thread of its own.
        """
        self._lanes: dict[str, deque[Frame | Marker]] = {camera: deque() for camera in cameras}
        self._turn = deque(self._lanes.values())
        self._changed = threading.Condition()
        self._takes = 0
        self._waiting = 0

    def put(self, item: Frame | Marker) -> None:
        """Append an item to its camera's lane."""
        with self._changed:
            self._lanes[item.camera].append(item)
            self._changed.notify()

    def put_for_oldest(self, frame: Frame, most_audio: int) -> int | None:
        """Append a frame to its lane for the oldest frame in there, whose audio goes to the one that follows.

        Args:
            frame: what to append.
            most_audio: packets of audio that a frame may inherit; older ones are let go of.

        Returns:
            How many packets were let go of; None where there was no frame to let go of, and ``frame`` was not
            appended.
        """
        with self._changed:
            lane = self._lanes[frame.camera]
            oldest = next((item for item in lane if isinstance(item, Frame)), None)
            if oldest is None:
                return None
            lane.append(frame)
            following = next(item for item in lane if isinstance(item, Frame) and item is not oldest)
            audio = oldest.audio + following.audio
            lane[lane.index(following)] = replace(following, audio=audio[-most_audio:])
            lane.remove(oldest)
            self._changed.notify()
            return max(0, len(audio) - most_audio)

    def batches(self, most: int, tick: float) -> Iterator[list[Frame | Marker]]:
        """Yield what is waiting, at most ``most`` items, for ever.

        Args:
            most: how many at most.
            tick: seconds after which an empty list comes when nothing else does.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: any(self._turn), tick)
                waiting = sum(map(len, self._turn))
                self._takes += waiting > 0
                self._waiting += waiting
                batch: list[Frame | Marker] = []
                while len(batch) < most and any(self._turn):
                    if self._turn[0]:
                        batch.append(self._turn[0].popleft())
                    self._turn.rotate(-1)
            yield batch

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
        self._waiting = 0
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
            if self._left <= 0 or self._cancelled:
                return False
            self._left -= 1
            return True

    def wait(self, change: int) -> None:
        """Lend the credits of so many more frames out again, or of fewer where ``change`` is negative.

        Frames that wait for those after them must not keep these from coming, so that they hold no credit;
        how many wait is bounded by whoever lets them. When many go on at once, none is given out until as
        many have come back.
        """
        with self._changed:
            self._left += change
            self._waiting += change
            self._changed.notify()

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
        """How many frames are in flight, those that wait included."""
        return self.count - self._left + self._waiting


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


class Guarded(Generic[T]):
    """A tool that may hang, used in a thread of its own and with a deadline; a context manager.

    A native call cannot be interrupted. One that does not return is left behind with its thread, which keeps
    no process alive, and with its tool, which may be stuck in the middle of anything. Another one takes its
    place, once. A call costs two handovers between threads, 0.02 ms.
    """

    def __init__(self, tool: T, renew: Callable[[], T], name: str, seconds: float) -> None:
        """Start the thread.

        Args:
            tool: used in that thread alone.
            renew: makes the one that takes its place, in the thread that will use it.
            name: of the stage, for messages.
            seconds: that a use may take, as ``detect.timeout`` says; the first one of each tool may take
                ``WARM_UP`` longer.
        """
        self._renew = renew
        self._name = name
        self._seconds = seconds
        self._replaced = False
        self._attendant: _Attendant[T] = _Attendant(name, lambda: tool)

    def __enter__(self) -> Guarded[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._attendant.dismiss()
        if not self._attendant.hangs:
            self._attendant.join()

    def use(self, work: Callable[[T], R]) -> R:
        """Let the tool do some work and wait for the outcome; for one thread at a time.

        Raises:
            HungError: it did not return in time; the next use is that of another tool.
            StageError: it hung for the second time, or no other tool can be had.
            BaseException: whatever the work raised.
        """
        seconds = self._seconds + (0.0 if self._attendant.is_warm else WARM_UP)
        try:
            return self._attendant.do(work, seconds)
        except HungError as error:
            hung = error
        limit = f"detect.timeout is {self._seconds:g}"
        self._attendant.dismiss()
        if self._replaced:
            raise StageError(self._name, HungError(f"{hung}, for the second time ({limit})"))
        self._replaced = True
        logger.error("%s: %s (%s): left behind, another one takes its place", self._name, hung, limit)
        try:
            self._attendant = _Attendant(self._name, self._another)
        except RuntimeError as error:  # no further thread can be started
            raise StageError(self._name, error) from error
        raise hung

    def _another(self) -> T:
        try:
            return self._renew()
        except Exception as error:
            raise StageError(self._name, error) from error


class _Attendant(threading.Thread, Generic[T]):
    """A thread that uses one tool, and does not keep the process alive."""

    def __init__(self, name: str, load: Callable[[], T]) -> None:
        super().__init__(name=f"{name}, guarded", daemon=True)
        self.is_warm = False
        """Whether the tool was used before."""
        self.hangs = False
        """Whether it did not return in time."""
        self._load = load
        self._todo: SimpleQueue[Callable[[T], object] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[object, BaseException | None]] = SimpleQueue()
        self.start()

    def do(self, work: Callable[[T], R], seconds: float) -> R:
        """Have work done.

        Raises:
            HungError: it takes longer than that.
            BaseException: whatever it raises.
        """
        self._todo.put(work)
        slices = math.ceil(seconds / SLICE)
        for _ in range(slices):
            try:
                value, error = self._done.get(timeout=seconds / slices)
            except Empty:
                continue
            self.is_warm = True
            if error is None:
                return cast(R, value)
            try:
                raise error
            finally:
                del error  # it knows this frame, which must not know it: what it holds is freed at once
        self.hangs = True
        raise HungError(f"no answer within {seconds:g} s")

    def dismiss(self) -> None:
        """Let the thread end, now or whenever what it does returns."""
        self._todo.put(None)

    def run(self) -> None:
        """Do what is to be done, until dismissed."""
        tools: list[T] = []
        while (work := self._todo.get()) is not None:
            self._done.put(self._outcome(work, tools))
            del work  # and the pictures in it

    def _outcome(self, work: Callable[[T], object], tools: list[T]) -> tuple[object, BaseException | None]:
        try:
            if not tools:
                tools.append(self._load())
            return work(tools[0]), None
        except BaseException as error:  # raised again where the work was asked for
            return None, error


def is_hanging() -> bool:
    """Whether a thread was left behind that has not returned; for when nothing is guarded any more."""
    return any(isinstance(thread, _Attendant) for thread in threading.enumerate())
