"""Detectors that go wrong in every way that has been thought of.

`python -m tests.faulty run cam.yaml` is the command line with one whose second and fifth call never return
from the operating system.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from streamer.frame import Detections
from tests.standin import StandIn


class Faulty(StandIn):
    """A stand-in that goes wrong at some of its calls, counted from 1 over all detectors of a ``Factory``."""

    def __init__(self, factory: Factory, batch_size: int) -> None:
        super().__init__(batch_size=batch_size)
        self._factory = factory

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find the one object of each picture, or do what the fault does to that."""
        self._factory.calls += 1
        found = super().detect(images)
        return self._factory.fault(found) if self._factory.when(self._factory.calls) else found


Fault = Callable[[list[Detections]], list[Detections]]
"""Is given what was found, and returns something else, raises, or does not return."""


class Factory:
    """Loads detectors with one fault, in the place of ``streamer.detect.load``."""

    def __init__(self, fault: Fault, when: Callable[[int], bool], batch_size: int = 2) -> None:
        """Set up.

        Args:
            fault: what goes wrong.
            when: told the number of a call, over all detectors, from 1; whether it goes wrong.
            batch_size: of the detectors.
        """
        self.fault = fault
        self.when = when
        self.calls = 0
        self.loaded: list[Faulty] = []
        self.threads: list[str] = []
        self._batch_size = batch_size

    def __call__(self, *_: object, **__: object) -> Faulty:
        """Load another detector."""
        self.threads.append(threading.current_thread().name)
        self.loaded.append(Faulty(self, self._batch_size))
        return self.loaded[-1]


def raising(error: BaseException) -> Fault:
    """A fault that raises."""

    def fault(found: list[Detections]) -> list[Detections]:
        raise error

    return fault


def hanging(released: threading.Event) -> Fault:
    """A fault that does not return before it is released, and then as if nothing had been."""

    def fault(found: list[Detections]) -> list[Detections]:
        released.wait()
        return [Detections.none() for _ in found]

    return fault


def returning(
    box: tuple[float, float, float, float], score: float = 0.9, dtype: type[np.generic] = np.float32
) -> Fault:
    """A fault that returns one such box for each picture."""

    def fault(found: list[Detections]) -> list[Detections]:
        boxes: Any = np.array([box], dtype)
        return [Detections(boxes, np.array([score], np.float32), ("car",)) for _ in found]

    return fault


RETURNS: dict[str, Fault] = {
    "a box that is not a number": returning((1.0, float("nan"), 9.0, 9.0)),
    "a score that is not a number": returning((1.0, 1.0, 9.0, 9.0), score=float("nan")),
    "an infinite box": returning((1.0, 1.0, float("inf"), 9.0)),
    "an inverted box": returning((9.0, 1.0, 1.0, 9.0)),
    "a box to the right of the frame": returning((900.0, 1.0, 950.0, 9.0)),
    "a box above the frame": returning((1.0, -90.0, 9.0, -50.0)),
    "a box out of all proportion": returning((-1e30, -1e30, 1e30, 1e30)),
    "doubles": returning((1.0, 1.0, 9.0, 9.0), dtype=np.float64),
    "too few results": lambda found: found[1:],
    "too many results": lambda found: [*found, *found],
    "nothing at all": lambda found: None,  # type: ignore[dict-item, return-value]  # that is it
    "something else": lambda found: ["car" for _ in found],  # type: ignore[misc]  # that is the fault
}
"""What a detector may return that cannot be meant."""

RAISES: dict[str, BaseException] = {
    "an error": RuntimeError("cuDNN error"),
    "out of memory": MemoryError("no room"),
    "out of the device's memory": torch.OutOfMemoryError("CUDA out of memory"),
    "the end of an iterator": StopIteration(),
}
"""What a detector may raise."""


def pause(found: list[Detections]) -> list[Detections]:
    """A fault that waits in native code for ever."""
    while True:
        ctypes.CDLL(None).pause()


if __name__ == "__main__":
    from streamer import detect
    from streamer.cli import main

    detect.load = Factory(pause, lambda call: call in (2, 5))
    sys.argv[0] = "streamer"
    main()
