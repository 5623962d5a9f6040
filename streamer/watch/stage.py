"""The watching stage: events are raised from originals and detections, and shown by hidden pictures alone."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import cv2
import numpy as np
import torch

from streamer.config import WatchConfig
from streamer.errors import one_line
from streamer.event import Event, thumbnail_of
from streamer.frame import Batch, Discontinuity, Dropped, End, Hidden, Image, Marker
from streamer.watch.tamper import Alert, Tamper

logger = logging.getLogger(__name__)

THUMBNAIL = 320
"""Longest side of an event's picture, in pixels."""


def stage(
    batches: Iterable[Batch[Hidden | Dropped]], watch: Mapping[str, WatchConfig]
) -> Iterator[Batch[Hidden | Dropped]]:
    """Put events to the frames with which they start and end.

    A watcher that raises is counted and said once; its frames go on as if nobody watched.

    Args:
        batches: hidden frames, what stands for dropped ones, and markers.
        watch: what to watch for, by camera.
    """
    watchers = {
        name: _Watcher(name, Tamper(config.tamper))
        for name, config in watch.items()
        if config.tamper is not None
    }

    def watched(item: Hidden | Dropped | Marker) -> Hidden | Dropped | Marker:
        camera = item.frame.camera if isinstance(item, Hidden) else item.camera
        watcher = watchers.get(camera)
        if watcher is None:
            return item
        if isinstance(item, Hidden):
            event = watcher.see(item)
            return item if event is None else replace(item, events=(*item.events, event))
        if isinstance(item, Discontinuity):
            watcher.tamper.cut()
        elif isinstance(item, End):
            watcher.end()
        return item

    for batch in batches:
        yield [watched(item) for item in batch] if watchers else batch


class _Watcher:
    """One camera's watcher, whose failures are its own."""

    def __init__(self, camera: str, tamper: Tamper) -> None:
        self.tamper = tamper
        self._camera = camera
        self._open = ""
        self._thumbnail: str | None = None
        self._failures = 0

    def see(self, item: Hidden) -> Event | None:
        """Take in a frame; return what starts or ends with it."""
        try:
            alert = self.tamper.see(item.frame.image, item.detections, item.frame.time_s)
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

    def end(self) -> None:
        """Say what is left to say."""
        if self.tamper.open is not None:
            logger.warning("%s: %s until the end", self._camera, self.tamper.open)
        if self._failures > 1:
            logger.warning("%s: watching failed for %d frames", self._camera, self._failures)

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
            logger.error("%s: watching failed, frames go on without: %s", self._camera, one_line(error))
            logger.debug("details", exc_info=error)


def _thumbnail(blurred: torch.Tensor) -> Image:
    """Return a small copy of a hidden picture, uint8 ``[H, W, 3]``."""
    height, width = blurred.shape[:2]
    scale = min(1.0, THUMBNAIL / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(blurred.cpu().numpy(), size, interpolation=cv2.INTER_AREA), np.uint8)
