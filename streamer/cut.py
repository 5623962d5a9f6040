"""Scene cuts: a frame that does not continue the one before it gets a ``Discontinuity`` in front.

A camera that turns to a preset, a recorder that switches between cameras and an edited clip cut; a light
that is switched on, a passing truck and an iris that adapts do not, since what stays keeps its structure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from streamer.frame import Batch, Discontinuity, End, Frame, Image, Marker

SIDE = 48
"""Most pixels a side that two frames are compared by."""

CHANGED = 0.5
"""A cut changes more than this share of the pixels, by more than ``STEP``."""

STEP = 16
"""Of 255 levels."""

LIKENESS = 0.5
"""Across a cut the correlation of the luma is below this."""


def thumbnail(image: Image) -> NDArray[np.float32]:
    """Return luma at some pixels of a picture; float32, at most ``[SIDE, SIDE]``.

    Args:
        image: uint8 ``[H, W, 3]``.
    """
    height, width = image.shape[:2]
    picked = image[:: -(-height // SIDE), :: -(-width // SIDE)]
    return np.asarray(picked @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def is_cut(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Whether a frame shows another scene than the one before it, by their thumbnails."""
    if before.shape != after.shape:
        return True
    if np.count_nonzero(np.abs(after - before) > STEP) <= CHANGED * after.size:
        return False
    one, other = before - before.mean(), after - after.mean()
    spread = float(np.sqrt((one * one).sum() * (other * other).sum()))
    # a plain picture is like nothing
    return float((one * other).sum()) < LIKENESS * spread or spread == 0.0


def stage(batches: Iterable[Batch[Frame]]) -> Iterator[Batch[Frame]]:
    """Put a ``Discontinuity`` in front of every frame that follows a cut."""
    last: dict[str, NDArray[np.float32]] = {}
    for batch in batches:
        marked: list[Frame | Marker] = []
        for item in batch:
            if isinstance(item, End | Discontinuity):
                last.pop(item.camera, None)
            else:
                now = thumbnail(item.image)
                if is_cut(last.get(item.camera, now), now):
                    marked.append(Discontinuity(item.camera))
                last[item.camera] = now
            marked.append(item)
        yield marked
