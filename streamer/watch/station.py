"""One camera's watchers in the stage: their events, their failures, and what the next run is to know."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
import torch

from streamer.errors import one_line
from streamer.event import Event, thumbnail_of
from streamer.frame import End, Frame, Hidden, Image
from streamer.watch.memory import Known, Memory
from streamer.watch.watcher import Alert, Keep, Remembering, Watcher

logger = logging.getLogger(__name__)

THUMBNAIL = 320
"""Longest side of an event's picture, in pixels."""

FIRST_KEPT, KEPT_EVERY = 10.0, 60.0
"""Seconds of the camera's time after which its memory is kept, and from then on; an event is kept at once."""

LEARNED_FOR = 3600.0
"""Seconds after which what was learned is of another time of day, and learned anew."""

OPEN_FOR = 86400.0
"""The same while an event is open: nothing else tells whether it is over."""


class Station:
    """A camera's watchers."""

    def __init__(self, camera: str, watchers: Mapping[str, Watcher], keep: Keep | None) -> None:
        """Begin to watch.

        Args:
            camera: its name.
            watchers: by a name for messages.
            keep: None where nothing is to be kept, as of footage, which is the same again.
        """
        self._camera, self._keep = camera, keep
        self._posts = {name: _Post(camera, name, watcher) for name, watcher in watchers.items()}
        self._begun = False
        self._due = FIRST_KEPT
        self._last: Frame | None = None

    def see(self, item: Hidden) -> Hidden:
        """Take in a frame; return it with what starts and ends with it, and what is to be kept."""
        frame = item.frame
        events = [] if self._begun else self._begin(frame)
        events += [event for post in self._posts.values() if (event := post.see(item)) is not None]
        self._last = frame
        memory = self._memory() if events or frame.time_s >= self._due else None
        if memory is not None:
            self._due = frame.time_s + KEPT_EVERY
        if not events and memory is None:
            return item
        return replace(item, events=(*item.events, *events), memory=memory)

    def cut(self) -> None:
        """Pass on that what follows does not continue what came."""
        for post in self._posts.values():
            if self._begun:  # before the first frame there is nothing that could be continued
                post.cut()

    def end(self, item: End) -> End:
        """Say what is left to say; return the end with what is to be kept."""
        memory = self._memory()
        known = {} if memory is None else memory.known
        for name, post in self._posts.items():
            post.end(stays=name in known and known[name].event is not None)
        return item if memory is None else replace(item, memory=memory)

    def _begin(self, frame: Frame) -> list[Event]:
        """Let the watchers go on with what an earlier run knew; return the events that are still open."""
        self._begun = True
        self._due += frame.time_s
        earlier = None if self._keep is None else self._keep.earlier
        if earlier is None:
            return []
        shift = frame.time_s - earlier.time_s
        pause = max(0.0, _zero(frame) + frame.time_s - earlier.zero - earlier.time_s)
        events = []
        for name, known in earlier.known.items():
            if (post := self._posts.get(name)) is None:  # it is not watched for any more
                continue
            if reason := _no_use(earlier, known, frame, pause):
                logger.warning("%s: what was learned %s, learned anew (%s)", self._camera, reason, name)
            elif post.resume(known, frame.time_s, shift, pause) and post.event is not None:
                ago = frame.time_s - post.event.start_s
                logger.warning("%s: %s since %.0f s ago, still open", self._camera, post.event.kind, ago)
                events.append(post.event)
        return events

    def _memory(self) -> Memory | None:
        frame = self._last
        if self._keep is None or frame is None:
            return None
        known = {name: each for name, post in self._posts.items() if (each := post.known()) is not None}
        size = frame.stream.width, frame.stream.height
        # even where nothing is known: what an earlier run knew holds no more
        return Memory(self._keep.source, size, _zero(frame), frame.time_s, known)


class _Post:
    """One watcher, whose failures are its own."""

    def __init__(self, camera: str, name: str, watcher: Watcher) -> None:
        self._camera, self._name, self._watcher = camera, name, watcher
        self.event: Event | None = None
        """What is open: how it started, with its picture."""
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
        if alert.change == "end":
            logger.warning("%s: %s until %.1f s", self._camera, alert.kind, alert.end_s)
            started, self.event = self.event, None
            thumbnail = None if started is None else started.thumbnail
            return self._event(uuid.uuid4().hex if started is None else started.id, alert, thumbnail)
        event = self._event(uuid.uuid4().hex, alert, None)
        logger.warning(
            "%s: %s since %.1f s (score %.2f)", self._camera, event.kind, event.start_s, event.score
        )
        try:
            event = replace(event, picture=_thumbnail(item.blurred), thumbnail=thumbnail_of(event.id))
        except Exception as error:  # the event itself is known all the same
            self._failed(error)
        self.event = event
        return event

    def cut(self) -> None:
        """Pass on that what follows does not continue what came."""
        try:
            self._watcher.cut()
        except Exception as error:
            self._failed(error)

    def end(self, *, stays: bool) -> None:
        """Say what is left to say; ``stays``: what is open goes on in the next run."""
        if self._watcher.open is not None:
            how = "is still open" if stays else "until the end"
            logger.warning("%s: %s %s", self._camera, self._watcher.open, how)
        if self._failures > 1:
            logger.warning("%s: watching failed for %d frames (%s)", self._camera, self._failures, self._name)

    def known(self) -> Known | None:
        """Return what the next run is to know; None where there is nothing."""
        try:
            kept = self._watcher.kept() if isinstance(self._watcher, Remembering) else None
        except Exception as error:
            self._failed(error)
            return None
        return None if kept is None else Known(kept, self.event)

    def resume(self, known: Known, time_s: float, shift: float, pause: float) -> bool:
        """Go on with what an earlier run knew; return whether that could be."""
        if not isinstance(self._watcher, Remembering):
            return False
        try:
            self._watcher.resume(known.watcher, time_s, shift, pause)
        except Exception as error:
            logger.warning("%s: what was learned is damaged, learned anew (%s)", self._camera, self._name)
            logger.debug("details", exc_info=error)
            return False
        if known.event is not None:
            start_s = known.event.start_s + shift - pause
            self.event = replace(known.event, camera=self._camera, start_s=start_s, again=True)
        return True

    def _event(self, identity: str, alert: Alert, thumbnail: str | None) -> Event:
        return Event(
            identity, self._camera, alert.kind, alert.change, alert.start_s, alert.end_s, alert.score,
            alert.evidence, thumbnail,
        )  # fmt: skip

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            said = one_line(error)
            logger.error("%s: watching failed (%s), frames go on without: %s", self._camera, self._name, said)
            logger.debug("details", exc_info=error)


def _no_use(earlier: Memory, known: Known, frame: Frame, pause: float) -> str:
    """Say why what a watcher knew is no use now; nothing where it is."""
    if (frame.stream.width, frame.stream.height) != earlier.size:
        return f"is of pictures of {earlier.size[0]}x{earlier.size[1]}"
    if pause > (LEARNED_FOR if known.event is None else OPEN_FOR):
        return f"is {pause / 3600.0:.1f} hours old"
    return ""


def _zero(frame: Frame) -> float:
    """Return when second 0 of the camera's time was, in seconds of ``time.time()``."""
    return time.time() - (time.monotonic() - frame.read_at) - frame.time_s


def _thumbnail(blurred: torch.Tensor) -> Image:
    """Return a small copy of a hidden picture, uint8 ``[H, W, 3]``."""
    height, width = blurred.shape[:2]
    scale = min(1.0, THUMBNAIL / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(blurred.cpu().numpy(), size, interpolation=cv2.INTER_AREA), np.uint8)
