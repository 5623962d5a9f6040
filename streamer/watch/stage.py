"""The watching stage: events are raised from originals and detections, and shown by hidden pictures alone."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np
import torch

from streamer.errors import one_line
from streamer.event import Event, thumbnail_of
from streamer.frame import Batch, Discontinuity, Dropped, End, Hidden, Image, Marker
from streamer.watch.watcher import Alert, Watcher, Watchers

logger = logging.getLogger(__name__)

THUMBNAIL = 320
"""Longest side of an event's picture, in pixels."""


def stage(
    batches: Iterable[Batch[Hidden | Dropped]], watchers: Watchers
) -> Iterator[Batch[Hidden | Dropped]]:
    """Put events to the frames with which they start and end.

    A watcher that raises is counted and said once; its frames go on as if it did not watch.

    Args:
        batches: hidden frames, what stands for dropped ones, and markers.
        watchers: of each camera, and what they share.
    """
    posts = {
        camera: [_Post(camera, name, watcher) for name, watcher in named.items()]
        for camera, named in watchers.of.items()
        if named
    }

    def watched(item: Hidden | Dropped | Marker) -> Hidden | Dropped | Marker:
        if isinstance(item, Hidden):
            seen = (post.see(item) for post in posts.get(item.frame.camera, ()))
            events = tuple(event for event in seen if event is not None)
            return replace(item, events=(*item.events, *events)) if events else item
        for post in posts.get(item.camera, ()):
            if isinstance(item, Discontinuity):
                post.cut()
            elif isinstance(item, End):
                post.end()
        return item

    for batch in batches:
        frames = [item for item in batch if isinstance(item, Hidden) and item.frame.camera in posts]
        for shared in watchers.shared:
            shared.begin(frames)
        yield [watched(item) for item in batch] if posts else batch


class _Post:
    """A camera's watcher, whose failures are its own."""

    def __init__(self, camera: str, name: str, watcher: Watcher) -> None:
        self._camera, self._name, self._watcher = camera, name, watcher
        self._open = ""
        self._thumbnail: str | None = None
        self._failures = 0

    def see(self, item: Hidden) -> Event | None:
        """Take in a frame; return what starts or ends with it."""
        try:
            alert = self._watcher.see(item)
        except Exception as error:
            self._failed(error)
            return None
        if alert is None:
            return None
        event = self._event(alert)
        if event.state == "end":
            logger.warning("%s: %s until %.1f s", self._camera, event.kind, event.end_s)
            return event
        logger.warning(
            "%s: %s since %.1f s (score %.2f)", self._camera, event.kind, event.start_s, event.score
        )
        try:
            picture = _thumbnail(item.blurred)
        except Exception as error:  # the event itself is known all the same
            self._failed(error)
            return event
        self._thumbnail = thumbnail_of(event.id)
        return replace(event, picture=picture, thumbnail=self._thumbnail)

    def cut(self) -> None:
        """Pass on that what follows does not continue what came."""
        try:
            self._watcher.cut()
        except Exception as error:
            self._failed(error)

    def end(self) -> None:
        """Say what is left to say."""
        if self._watcher.open is not None:
            logger.warning("%s: %s until the end", self._camera, self._watcher.open)
        if self._failures > 1:
            logger.warning("%s: watching failed for %d frames (%s)", self._camera, self._failures, self._name)

    def _event(self, alert: Alert) -> Event:
        if alert.change == "start":
            self._open, self._thumbnail = uuid.uuid4().hex, None
        return Event(
            self._open, self._camera, alert.kind, alert.change, alert.start_s, alert.end_s, alert.score,
            alert.evidence, self._thumbnail,
        )  # fmt: skip

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            said = one_line(error)
            logger.error("%s: watching failed (%s), frames go on without: %s", self._camera, self._name, said)
            logger.debug("details", exc_info=error)


def _thumbnail(blurred: torch.Tensor) -> Image:
    """Return a small copy of a hidden picture, uint8 ``[H, W, 3]``."""
    height, width = blurred.shape[:2]
    scale = min(1.0, THUMBNAIL / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(blurred.cpu().numpy(), size, interpolation=cv2.INTER_AREA), np.uint8)
