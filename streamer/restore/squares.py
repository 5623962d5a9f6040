"""Cut regions with their surroundings out of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from streamer.boxes import Boxes
from streamer.restore.engines import planes


def surroundings(region: Sequence[int], context: float, width: int, height: int) -> tuple[int, int, int, int]:
    """Grow a region by ``context`` times its width and height on each side, clipped to the frame."""
    x0, y0, x1, y1 = region
    across, down = round(context * (x1 - x0)), round(context * (y1 - y0))
    return max(0, x0 - across), max(0, y0 - down), min(width, x1 + across), min(height, y1 + down)


def squares(blurred: torch.Tensor, regions: Boxes, size: int, context: float) -> torch.Tensor:
    """Cut regions with their surroundings out of a hidden picture and bring them to one size.

    Args:
        blurred: uint8 ``[H, W, 3]``.
        regions: int32 ``[R, 4]``.
        size: side in pixels of the squares that come out; the aspect ratio is not kept.
        context: as in ``surroundings``.

    Returns:
        uint8 ``[R, size, size, 3]``, on the picture's device.
    """
    height, width = blurred.shape[:2]
    around = [surroundings(region, context, width, height) for region in regions.tolist()]
    if not around:
        return torch.zeros((0, size, size, 3), dtype=torch.uint8, device=blurred.device)
    if blurred.device.type != "cpu":
        return torch.stack([_resize_torch(blurred[y0:y1, x0:x1], size) for x0, y0, x1, y1 in around])
    image = blurred.numpy()
    return torch.from_numpy(
        np.stack([_resize_opencv(image[y0:y1, x0:x1], size) for x0, y0, x1, y1 in around])
    )


def cut(blurred: torch.Tensor, regions: Boxes, size: int, context: float) -> torch.Tensor:
    """Do the same as ``squares`` in the form that networks take: float32 ``[R, 3, size, size]``, 0 to 1."""
    return planes(squares(blurred, regions, size, context))


def _resize_opencv(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    shrinks = size * size < image.shape[0] * image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=how), np.uint8)


def _resize_torch(image: torch.Tensor, size: int) -> torch.Tensor:
    planes = image.permute(2, 0, 1)[None].float()
    resized = F.interpolate(planes, (size, size), mode="bilinear", align_corners=False, antialias=True)
    return resized[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8)
