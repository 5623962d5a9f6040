"""Recordings: one file, or several played one after the other as one camera."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import av

from streamer.errors import SourceError
from streamer.frame import Discontinuity, End, Frame
from streamer.source.decode import Decoder
from streamer.source.framer import Framer
from streamer.source.input import open_file
from streamer.source.stats import SourceStats, Stop
from streamer.source.whole import missing_bytes

logger = logging.getLogger("streamer.source")


def read_recording(
    camera: str, paths: Sequence[Path], stop: Stop, stats: SourceStats
) -> Iterator[Frame | Discontinuity | End]:
    """Read files as one camera.

    A single file keeps its own times and time base. Several are put on one timeline, each starting where
    the one before it ended; one that cannot be read is skipped, and makes the camera fail at the end.

    Raises:
        SourceError: a file cannot be read, or only in part; after all good frames were given.
    """
    framer = Framer(camera, stats, joined=len(paths) > 1)
    failures: list[SourceError] = []
    for path in paths:
        if stop.is_set():
            break
        yield from framer.interrupt()
        try:
            yield from _play(path, framer, stop, stats)
        except SourceError as error:
            failures.append(error)
            if len(paths) > 1:
                logger.warning("%s", error)
    if failures:
        others = f" ({len(failures)} of {len(paths)} files failed)" if len(paths) > 1 else ""
        raise SourceError(f"{failures[0]}{others}")
    yield End(camera, framer.take_held())


def _play(path: Path, framer: Framer, stop: Stop, stats: SourceStats) -> Iterator[Frame | Discontinuity]:
    with open_file(path) as source:
        decoder = Decoder(source, stats)
        framer.begin(source)
        broken: str | None = None
        try:
            for picture in decoder.pictures(stop):
                yield from framer.frame(source, picture, decoder.take_audio())
        except av.FFmpegError as error:
            broken = error.strerror
        framer.hold(source, decoder.take_audio())
        if stop.is_set():
            return
        if decoder.frames == 0:
            raise SourceError(f"{path}: not one frame of it can be read")
        if broken or decoder.cut_off or missing_bytes(path):
            raise SourceError(
                f"{path} ends early: {decoder.frames} frames could be read, "
                f"what follows is {broken or 'missing or damaged'}"
            )
