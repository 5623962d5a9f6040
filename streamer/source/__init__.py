"""Source: a file, a folder or an address becomes Frames, timed and upright.

``read`` is one blocking generator per camera. It starts no thread, opens on the first ``next`` and closes
when it ends or is closed; a live camera is tried again in here and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from streamer.address import is_live
from streamer.config import CameraConfig
from streamer.errors import SourceError
from streamer.frame import Discontinuity, End, Frame, Stream
from streamer.source.footage import expand, images_in, videos_in
from streamer.source.framer import Framer
from streamer.source.images import read_images
from streamer.source.live import connect, read_live
from streamer.source.recording import read_recording
from streamer.source.stats import SourceStats, Stop

__all__ = ["SourceStats", "Stop", "expand", "is_live", "probe", "read"]


def read(
    camera: str, config: CameraConfig, stop: Stop, stats: SourceStats
) -> Iterator[Frame | Discontinuity | End]:
    """Read a camera: its frames in order, and one ``End`` when it is done or ``stop`` is set.

    A folder with videos is played in natural order on one timeline; one without is taken for numbered
    images. A live camera ends by ``stop`` alone. Between two reads a stop is immediate, within one it waits
    for ``config.timeout`` at most.

    Args:
        camera: the camera's name.
        config: what to read and how.
        stop: ends the reading, from any thread.
        stats: counts, kept up to date while reading.

    Raises:
        SourceError: the camera has failed; one line that says where and why. All good frames came before.
    """
    if is_live(config.source):
        return read_live(camera, config, stop, stats)
    path = Path(config.source)
    if not path.is_dir():
        return read_recording(camera, [path], stop, stats)
    if videos := videos_in(path):
        return read_recording(camera, videos, stop, stats)
    if images := images_in(path):
        return read_images(camera, images, config.fps, stop, stats)
    raise SourceError(f"{path}: holds neither a video nor numbered images")


def probe(config: CameraConfig) -> Stream:
    """Open a camera, decode one frame and tell what it is; a live one is tried once.

    Raises:
        SourceError: as ``read``, and when a live camera cannot be reached.
    """
    stop, stats = _Never(), SourceStats()
    items: Iterator[Frame | Discontinuity | End]
    if is_live(config.source):
        items = connect(config, Framer("probe", stats, joined=True, live=True), stop, stats)
    else:
        items = read("probe", config, stop, stats)
    for item in items:
        if isinstance(item, Frame):
            return item.stream
    raise SourceError(f"{config.source}: sent no picture")


class _Never:
    """A stop that never comes."""

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float) -> bool:
        time.sleep(timeout)
        return False
