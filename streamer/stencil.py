"""Where a region is hidden and how opaquely: a box, an ellipse or a polygon, and the soft edge around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from streamer.frame import Image

Box: TypeAlias = tuple[int, int, int, int]
Opacity: TypeAlias = NDArray[np.float32]

SOFT = 0.08
"""Width of a soft edge as a share of the region's shorter side; it lies outside the shape."""


@dataclass(frozen=True, slots=True, eq=False)
class Stencil:
    """A shape to hide a region by."""

    region: Box
    """x0, y0, x1, y1 in pixels: what bounds the shape."""
    area: Box
    """The region grown by its soft edge and clipped to the frame: beyond it nothing changes."""
    soft: int
    """Width of the soft edge in pixels; 0 where it is hard."""
    opacity: Opacity | None
    """float32 ``[h, w]`` over the area: 1 where nothing may show, 0 where nothing changes; None for a box."""

    @classmethod
    def box(cls, region: Sequence[int], edge: str, width: int, height: int) -> Stencil:
        """All of a region, in a frame of ``width`` x ``height`` pixels."""
        x0, y0, x1, y1 = region
        soft = _soft(region, edge)
        area = max(0, x0 - soft), max(0, y0 - soft), min(width, x1 + soft), min(height, y1 + soft)
        return cls((x0, y0, x1, y1), area, soft, None)

    @classmethod
    def ellipse(cls, region: Sequence[int], edge: str, width: int, height: int) -> Stencil:
        """The ellipse inscribed in a region; it includes every pixel that it touches.

        Where the region ends at the frame's edge its object goes on beyond, and so does the ellipse: it is
        half of one, or where it ends at both sides a band.
        """
        bounds = cls.box(region, edge, width, height)
        x0, y0, x1, y1 = bounds.area
        across = _offsets(x0, x1, region[0], region[2], width)
        down = _offsets(y0, y1, region[1], region[3], height)
        squared = (down[0] ** 2)[:, None] + (across[0] ** 2)[None, :]  # 1 on the ellipse
        pixels = (down[1] ** 2)[:, None] + (across[1] ** 2)[None, :]
        # to the ellipse along the ray from its middle, which is no less than the least distance to it;
        # as with boxes, the first pixel outside is off by one
        distance = np.sqrt(pixels) - np.sqrt(pixels / np.maximum(squared, np.float32(1)))
        distance += squared >= 1 - 1e-6
        return cls(bounds.region, bounds.area, bounds.soft, _fall(distance, bounds.soft))

    @classmethod
    def polygon(cls, mask: NDArray[np.uint8], edge: str) -> Stencil:
        """What is set in a mask, uint8 ``[H, W]``, of the frame's size, with at least one pixel set."""
        left, top, across, down = cv2.boundingRect(mask)
        region = left, top, left + across, top + down
        bounds = cls.box(region, edge, mask.shape[1], mask.shape[0])
        x0, y0, x1, y1 = bounds.area
        distance = cv2.distanceTransform(1 - np.minimum(mask, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return cls(bounds.region, bounds.area, bounds.soft, _fall(distance[y0:y1, x0:x1], bounds.soft))

    def mark(self, mask: NDArray[np.uint8]) -> None:
        """Set the pixels of a mask, uint8 ``[H, W]``, in which nothing may show."""
        if self.opacity is None:
            x0, y0, x1, y1 = self.region
            mask[y0:y1, x0:x1] = 1
        else:
            x0, y0, x1, y1 = self.area
            mask[y0:y1, x0:x1] |= self.opacity == 1


def lay_opencv(target: Image, part: Image, stencil: Stencil) -> None:
    """Put the filling of a stencil's area, uint8 ``[h, w, 3]``, into a picture."""
    x0, y0, x1, y1 = stencil.area
    if stencil.opacity is not None:
        _blend(target[y0:y1, x0:x1], part, stencil.opacity)
        return
    left, top, right, bottom = stencil.region
    target[top:bottom, left:right] = part[top - y0 : bottom - y0, left - x0 : right - x0]
    if stencil.soft == 0:
        return
    down, across = _box_ramps(stencil)
    # the four strips around the box; what is inside is done
    for up, low, west, east in (
        (y0, top, x0, x1), (bottom, y1, x0, x1), (top, bottom, x0, left), (top, bottom, right, x1)
    ):  # fmt: skip
        if up < low and west < east:
            rows, columns = slice(up - y0, low - y0), slice(west - x0, east - x0)
            opacity = np.minimum(down[rows, None], across[None, columns])
            _blend(target[up:low, west:east], part[rows, columns], opacity)


def lay_torch(target: torch.Tensor, part: torch.Tensor, stencil: Stencil) -> None:
    """Do the same as ``lay_opencv``, on any device."""
    x0, y0, x1, y1 = stencil.area
    below = target[y0:y1, x0:x1]
    if stencil.opacity is None and stencil.soft == 0:
        below[:] = part
        return
    opacity = stencil.opacity
    if opacity is None:
        down, across = _box_ramps(stencil)
        opacity = np.minimum(down[:, None], across[None, :])
    weight = torch.from_numpy(opacity).to(target.device)[..., None]
    below[:] = torch.lerp(below.float(), part.float(), weight).round().clamp(0, 255).to(torch.uint8)


def _blend(below: Image, part: Image, opacity: Opacity) -> None:
    # with weights of 8 bits, a third of what cv2.blendLinear takes: 255 leaves nothing of what is below
    weight = cv2.merge([cv2.convertScaleAbs(opacity, alpha=255.0)] * 3)
    over = cv2.multiply(part, weight, scale=1 / 255)
    below[:] = cv2.add(over, cv2.multiply(below, cv2.bitwise_not(weight), scale=1 / 255))


def _soft(region: Sequence[int], edge: str) -> int:
    return 0 if edge == "hard" else max(2, round(SOFT * min(region[2] - region[0], region[3] - region[1])))


def _box_ramps(stencil: Stencil) -> tuple[Opacity, Opacity]:
    """Opacity of a box with a soft edge, down and across; that of a pixel is the lesser of its two."""
    ramps = []
    for axis in (1, 0):
        position = np.arange(stencil.area[axis], stencil.area[axis + 2], dtype=np.float32)
        start, end = stencil.region[axis], stencil.region[axis + 2]
        outside = np.maximum(np.maximum(start - position, position - (end - 1)), 0)
        ramps.append(_fall(outside, stencil.soft))
    return ramps[0], ramps[1]


def _fall(distance: NDArray[Any], soft: int) -> Opacity:
    """Opacity by distance from the shape in pixels: 1 in it, falling to 0 over ``soft`` pixels outside."""
    opacity = np.maximum(1 - distance / (soft + 1), 0) if soft else distance <= 0
    return np.asarray(opacity, np.float32)


def _offsets(
    start: int, end: int, inner_start: int, inner_end: int, limit: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Distances of pixels from an ellipse's middle along one axis: in half axes, and in pixels."""
    first, last = float(inner_start), float(inner_end)
    if inner_start == 0 and inner_end == limit:
        return np.zeros(end - start, np.float32), np.zeros(end - start, np.float32)
    if inner_start == 0:
        first = -last
    elif inner_end == limit:
        last += last - first
    half = (last - first) / 2
    position = np.abs(np.arange(start, end) + 0.5 - (first + last) / 2)
    pixels = np.maximum(position - 0.5, 0.0).astype(np.float32)  # the nearest of the pixel to the middle
    return np.asarray(pixels / half, np.float32), pixels
