"""A camera's zones as pixels: what is always hidden, what is never touched, where objects count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from streamer.boxes import pad
from streamer.config import ZonesConfig
from streamer.polygon import Corners
from streamer.stencil import Stencil

Mask = NDArray[np.uint8]
"""uint8 ``[H, W]``, 0 or 1."""

_BITS = 8
"""Of fraction in the coordinates that OpenCV is given."""


@dataclass(frozen=True, slots=True, eq=False)
class Zones:
    """The zones of a camera in frames of one size; the arrays are shared and not to be written to."""

    hide: tuple[Stencil, ...]
    """In them nothing may show."""
    keep: Mask | None
    """1 where nothing may change; None where there is no such pixel."""
    only: Mask | None
    """1 where objects count; None where they count everywhere."""

    def counts(self, boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Say which boxes, float32 ``[N, 4]``, reach into where objects count; bool ``[N]``."""
        if self.only is None:
            return np.ones(len(boxes), np.bool_)
        height, width = self.only.shape
        found = np.zeros(len(boxes), np.bool_)
        for i in range(len(boxes)):
            for x0, y0, x1, y1 in pad(boxes[i : i + 1], width, height, 0.0).tolist():
                found[i] = self.only[y0:y1, x0:x1].any()
        return found

    def put_back(self, original: torch.Tensor, hidden: torch.Tensor) -> None:
        """Copy what is never touched from one picture, uint8 ``[H, W, 3]``, into another."""
        if self.keep is None:
            return
        x, y, across, down = cv2.boundingRect(self.keep)
        rows, columns = slice(y, y + down), slice(x, x + across)
        kept = torch.from_numpy(self.keep[rows, columns]).to(hidden.device).bool()[..., None]
        hidden[rows, columns] = torch.where(kept, original[rows, columns], hidden[rows, columns])


@lru_cache(maxsize=64)
def rasterise(config: ZonesConfig, edge: str, width: int, height: int) -> Zones:
    """Return zones as pixels of a frame.

    Args:
        config: polygons in shares of the frame.
        edge: ``soft`` or ``hard``, of what is always hidden.
        width: of the frame, in pixels.
        height: of the frame, in pixels.
    """
    hide = [touched([corners], width, height) for corners in config.hide]
    keep = None
    if config.keep:
        keep = covered(config.keep, width, height)
        for mask in hide:  # hiding wins
            keep[mask == 1] = 0
    return Zones(
        hide=tuple(Stencil.polygon(mask, edge) for mask in hide),
        keep=keep if keep is not None and keep.any() else None,
        only=touched(config.only, width, height) if config.only else None,
    )


def covered(polygons: Iterable[Corners], width: int, height: int) -> NDArray[np.uint8]:
    """Return which pixels of a frame have their middle in polygons: uint8 ``[height, width]``, 0 or 1."""
    return np.ascontiguousarray(_drawn(polygons, width, height)[1:-1, 1:-1])


def touched(polygons: Iterable[Corners], width: int, height: int) -> NDArray[np.uint8]:
    """Return which pixels of a frame polygons touch, be it by a corner: uint8 ``[height, width]``, 0 or 1."""
    # OpenCV draws the sides too: what is touched was filled or lies next to what was
    near = cv2.dilate(_drawn(polygons, width, height), np.ones((3, 3), np.uint8))
    return np.ascontiguousarray(near[1:-1, 1:-1], np.uint8)


def _drawn(polygons: Iterable[Corners], width: int, height: int) -> NDArray[np.uint8]:
    """Fill polygons in a frame with a pixel more on each side, where a corner at 0 or 1 may come to lie."""
    mask = np.zeros((height + 2, width + 2), np.uint8)
    for corners in polygons:
        # pixel i spans i to i + 1 and OpenCV means its middle
        points = np.array(corners, np.float64) * (width, height) - 0.5 + 1
        cv2.fillPoly(mask, [np.rint(points * 2**_BITS).astype(np.int32)], 1, shift=_BITS)
    return mask
