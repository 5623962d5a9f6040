"""A live camera: connected to, read, and connected to again for ever."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import av

from streamer.address import mask
from streamer.config import CameraConfig
from streamer.errors import SourceError
from streamer.frame import Discontinuity, End, Frame
from streamer.source.decode import Decoder
from streamer.source.framer import Framer
from streamer.source.input import describe, open_url
from streamer.source.stats import SourceStats, Stop

logger = logging.getLogger("streamer.source")

PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds to wait before each further try; the last one holds for all that follow."""
BACKLOG = 1024
"""The most audio packets that wait for a picture, about twenty seconds."""


def read_live(
    camera: str, config: CameraConfig, stop: Stop, stats: SourceStats
) -> Iterator[Frame | Discontinuity | End]:
    """Read a camera until ``stop`` is set; a lost or unreachable one is tried again, with growing pauses.

    Raises:
        SourceError: it was stopped without ever having been reached, and at least one try had failed.
    """
    framer = Framer(camera, stats, joined=True, live=True)
    address = mask(config.source)
    failures, said, failed = 0, "", ""
    while not stop.is_set():
        delivered = False
        try:
            for item in connect(config, framer, stop, stats):
                if not delivered:
                    delivered, failures, said = True, 0, ""
                    stats.connections += 1
                    logger.info("%s: connected to %s", camera, address)
                yield item
            reason = f"{address}: the stream ended"
        except SourceError as error:
            reason = failed = str(error)
        if stop.is_set():
            break
        yield from framer.interrupt()
        if reason != said:
            state = "lost" if delivered else "not reached"
            logger.warning("%s: %s, trying until it answers: %s", camera, state, reason)
            said = reason
        stop.wait(PAUSES[min(failures, len(PAUSES) - 1)])
        failures += 1
    if failed and stats.connections == 0:
        raise SourceError(f"never reached: {failed}")
    yield End(camera, framer.take_held())


def connect(
    config: CameraConfig, framer: Framer, stop: Stop, stats: SourceStats
) -> Iterator[Frame | Discontinuity]:
    """Read one connection to its end.

    Raises:
        SourceError: it cannot be opened, fails, or sends nothing for ``config.timeout`` seconds.
    """
    with open_url(config.source, config.transport, config.timeout) as source:
        decoder = Decoder(source, stats, patience=config.timeout, backlog=BACKLOG)
        framer.begin(source)
        try:
            for picture in decoder.pictures(stop):
                yield from framer.frame(source, picture, decoder.take_audio())
        except (av.FFmpegError, OSError) as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"{source.name}: {describe(error, config.timeout)}") from None
        framer.hold(source, decoder.take_audio())
