"""The tracking stage: frames wait for what follows them, and leave with all that must be hidden in them."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count

from streamer.config import CameraConfig
from streamer.detect import hides_from
from streamer.frame import Batch, Detected, Discontinuity, End, Marker
from streamer.track.tracker import Tracker

logger = logging.getLogger(__name__)

WAITING_BYTES = 2 * 2**30
"""Most memory for the pictures that wait, of all cameras together."""

PATIENCE = 1.0
"""Seconds beyond the look-ahead after which a live frame leaves, though nothing came after it."""

EXACT = 1e-6
"""Seconds by which times may be off for being binary fractions."""

PIECE = 8
"""Most frames that leave at once, so that a window that is let go of takes no more memory than it did."""


def stage(
    batches: Iterable[Batch[Detected]],
    cameras: Mapping[str, CameraConfig],
    waits: Callable[[str, int], None] = lambda camera, change: None,
) -> Iterator[Batch[Detected]]:
    """Follow objects over time; in every frame what was seen and what tracks say is hidden.

    Args:
        batches: frames in which was looked, or not (``Detections.looked``), and markers.
        cameras: their settings.
        waits: told a camera and by how many more (or fewer) of its frames wait in here.
    """
    windows = {name: Window(name, config, WAITING_BYTES // len(cameras)) for name, config in cameras.items()}
    for batch in batches:
        before = {name: len(window) for name, window in windows.items()}
        leaving: list[Detected | Marker] = []
        for item in batch:
            if isinstance(item, End | Discontinuity):
                leaving += windows[item.camera].close()
                leaving.append(item)
            else:
                leaving += windows[item.frame.camera].take(item)
        for name, window in windows.items():
            leaving += window.stalled(time.monotonic())
            if (change := len(window) - before[name]) != 0:
                waits(name, change)
        for start in range(0, len(leaving) or 1, PIECE):
            yield leaving[start : start + PIECE]


class Window:
    """One camera's frames that wait, and its objects."""

    def __init__(self, name: str, config: CameraConfig, most_bytes: int) -> None:
        """Begin with nothing.

        Args:
            name: of the camera.
            config: of the camera.
            most_bytes: that waiting pictures may take.
        """
        self._name = name
        self._config = config
        self._most_bytes = most_bytes
        self._numbers = count(1)
        self._tracker = self._begin()
        self._waiting: deque[Detected] = deque()
        self._said = False

    def __len__(self) -> int:
        return len(self._waiting)

    def _begin(self) -> Tracker:
        return Tracker(self._numbers, self._config.track.hold, mirror=self._config.detect.mirror)

    def take(self, item: Detected) -> list[Detected]:
        """Take in a frame; returns those that need wait no longer, in order."""
        frame = item.frame
        self._waiting.append(self._followed(item) if item.detections.looked else item)
        ahead = self._config.track.seconds(frame.stream.live)
        leaving = []
        while self._waiting and frame.time_s - self._waiting[0].frame.time_s > ahead - EXACT:
            leaving.append(self._leave())
        while len(self._waiting) * frame.image.nbytes > self._most_bytes:
            if not self._said:
                self._said = True
                logger.warning(
                    "%s: of %g s of look-ahead %.2g s fit into memory (%.0f MiB)",
                    self._name, ahead, frame.time_s - self._waiting[0].frame.time_s, self._most_bytes / 2**20,
                )  # fmt: skip
            leaving.append(self._leave())
        return leaving

    def _followed(self, item: Detected) -> Detected:
        """Give objects their tracks, and leave out those that need not be hidden."""
        stream = item.frame.stream
        least = hides_from(item.detections, self._config.detect, stream.width, stream.height)
        found = self._tracker.look(item.frame.time_s, item.detections, least)
        assert found.tracks is not None  # noqa: S101, the tracker gives them
        sighting = None if item.sighting is None else replace(item.sighting, found=found)
        return replace(item, detections=found.keep(found.tracks >= 0), sighting=sighting)

    def close(self) -> list[Detected]:
        """Let go of all frames and forget all objects: what follows has nothing to do with them."""
        leaving = [self._leave() for _ in range(len(self._waiting))]
        self._tracker = self._begin()
        return leaving

    def stalled(self, now: float) -> list[Detected]:
        """Return the frames of a live camera that have waited too long, since nothing comes after them.

        Args:
            now: seconds of ``time.monotonic()``.
        """
        leaving = []
        while self._waiting and (oldest := self._waiting[0].frame).stream.live:
            if now - oldest.read_at <= self._config.track.seconds(live=True) + PATIENCE:
                break
            leaving.append(self._leave())
        return leaving

    def _leave(self) -> Detected:
        """Let the oldest frame go, with what is known by now."""
        item = self._waiting.popleft()
        carried = self._tracker.carried(item.frame.time_s)
        return replace(item, detections=item.detections.and_carried(carried))
