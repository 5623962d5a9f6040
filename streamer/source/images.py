"""A folder of numbered images, played at a given rate."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from streamer.errors import SourceError
from streamer.frame import Discontinuity, End, Frame, Image, Stream
from streamer.source.input import check_size
from streamer.source.picture import HD_LINES
from streamer.source.stats import SourceStats, Stop


def read_images(
    camera: str, paths: Sequence[Path], fps: float, stop: Stop, stats: SourceStats
) -> Iterator[Frame | Discontinuity | End]:
    """Read images as one camera: the n-th is shown at n / ``fps``.

    One that cannot be decoded is skipped and counted; its time stays empty.

    Raises:
        SourceError: none of them can be read, or one has far too many pixels.
    """
    time_base = 1 / Fraction(fps).limit_denominator(1001)
    stream: Stream | None = None
    for number, path in enumerate(paths):
        if stop.is_set():
            break
        image = _load(path)
        if image is None:
            stats.corrupt += 1
            continue
        height, width = image.shape[:2]
        check_size(str(path), width, height)
        if stream is None or (width, height) != (stream.width, stream.height):
            if stream is not None:
                yield Discontinuity(camera)
            matrix = "bt709" if height >= HD_LINES else "bt601"
            stream = Stream(width, height, rate=1 / time_base, matrix=matrix, frames=len(paths))
        index = stats.frames
        stats.frames += 1
        yield Frame(camera, index, image, number, time_base, time.monotonic(), stream, duration=1)
    if stream is None and not stop.is_set():
        raise SourceError(f"{paths[0].parent}: none of its {len(paths)} images can be read")
    yield End(camera)


def _load(path: Path) -> Image | None:
    """An image as RGB, upright by its EXIF; None where it cannot be decoded."""
    try:
        # not imread, which cannot take every file name on every system
        data = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error):
        return None
    return None if image is None else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
