"""Frames of a clip at a distance in time, read as ``streamer`` reads it."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

from streamer import source
from streamer.config import CameraConfig
from streamer.frame import Frame


def sampled(name: str, path: Path, every: float) -> Iterator[Frame]:
    """Yield the first frame of a clip, and each that comes ``every`` seconds after the one before it.

    Args:
        name: of the camera that it counts as.
        path: of the clip.
        every: seconds of its own time.

    Raises:
        SourceError: it cannot be read.
    """
    config = CameraConfig(source=str(path))
    due: float | None = None
    with closing(_frames(name, config)) as frames:
        for frame in frames:
            if due is None or frame.time_s >= due:
                yield frame
                due = frame.time_s + every


def _frames(name: str, config: CameraConfig) -> Generator[Frame, None, None]:
    for item in source.read(name, config, threading.Event(), source.SourceStats()):
        if isinstance(item, Frame):
            yield item
