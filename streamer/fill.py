"""What a region is filled with: a Gaussian blur, a mosaic or a colour; the first two in few, dithered levels.

On a CPU OpenCV does the work, on CUDA torch does, and both compute the same. Gaussian: up to the standard
deviation at which it pays, the plain one; beyond it, the region is averaged down by a power of two, blurred
there with what remains of the variance, and interpolated up again.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from streamer.config import MaskConfig
from streamer.frame import Image

METHODS = ("gaussian", "pixelate", "solid")
"""From the one that leaves most to the one that leaves nothing."""

LEAST_SIGMA = 2.0
"""The least standard deviation after averaging down, in the small picture's pixels: less shows the grid."""


def spread(height: int, how: MaskConfig) -> float:
    """Return how far details are spread in a region of that height, in pixels: strength with its floor.

    A fixed kernel is converted as OpenCV does where it is given a kernel without a standard deviation.

    It is the Gaussian's standard deviation σ and the side of a pixelated cell alike. Readers trained on
    number plates hidden so read 70, 48, 25 and 1.2% of them at σ 8, 12, 16 and 24, and 59, 3.6 and 0.4%
    at cells of 8, 16 and 24 pixels: a cell hides no less than a Gaussian whose σ is the cell's side.
    """
    if how.kernel is not None and how.method == "gaussian":
        return 0.3 * ((how.kernel - 1) * 0.5 - 1) + 0.8
    return max(how.strength * height, how.floor)


def noise(height: int, width: int, how: MaskConfig, random: np.random.Generator) -> Image | None:
    """Draw what is added to a region before its levels are rounded down to multiples of ``quantise``.

    That is non-subtractive dither of uniform density (Lipshitz et al., 1992): the mean of each pixel stays,
    but for the last step below white; what it is off by is less than a step and another in every frame, and
    inverting the blur amplifies that.

    Returns:
        uint8 ``[height, width, 3]``, uniform from 0 to ``quantise`` - 1; None where nothing is quantised.
    """
    if how.method == "solid" or how.quantise == 1:
        return None
    count = height * width * 3
    # whole words are drawn seven times as fast as bytes, and each half of a byte has the bits for a sample
    bits = random.integers(0, 2**64, -(-count // 16), np.uint64).view(np.uint8)
    drawn = np.empty((2, bits.size), np.uint8)
    np.bitwise_and(bits, how.quantise - 1, out=drawn[0])
    np.bitwise_and(np.right_shift(bits, 4, out=bits), how.quantise - 1, out=drawn[1])
    return drawn.reshape(-1)[:count].reshape(height, width, 3)


def fill_opencv(area: Image, height: int, how: MaskConfig, drawn: Image | None) -> Image:
    """Compute what hides an area.

    Args:
        area: uint8 ``[h, w, 3]``: the region and its soft edge; nothing else is used.
        height: of the region.
        how: method and strength.
        drawn: by ``noise``.

    Returns:
        uint8, the same shape.
    """
    if how.method == "solid":
        row = np.full((1, *area.shape[1:]), how.colour, np.uint8)
        return np.ascontiguousarray(np.broadcast_to(row, area.shape))
    part = (_pixelate_opencv if how.method == "pixelate" else _blur_opencv)(area, height, how)
    if drawn is None:
        return part
    coarse = np.asarray(cv2.add(part, drawn), np.uint8)  # saturates
    return np.bitwise_and(coarse, 256 - how.quantise, out=coarse)


def fill_torch(area: torch.Tensor, height: int, how: MaskConfig, drawn: Image | None) -> torch.Tensor:
    """Do the same as ``fill_opencv``, on any device."""
    if how.method == "solid":
        return torch.tensor(how.colour, dtype=torch.uint8, device=area.device).expand(area.shape)
    planes = area.permute(2, 0, 1)[:, None].float()  # [3, 1, h, w]: one picture a colour
    planes = (_pixelate_torch if how.method == "pixelate" else _blur_torch)(planes, height, how)
    part = planes[:, 0, : area.shape[0], : area.shape[1]].permute(1, 2, 0).round().clamp(0, 255)
    if drawn is not None:
        part = (part + torch.from_numpy(drawn).to(area.device)).clamp(max=255)
        part = (part / how.quantise).floor() * how.quantise
    return part.to(torch.uint8)


def _sigma(height: int, how: MaskConfig) -> tuple[float, int, int]:
    """Return the standard deviation, the kernel's size (odd) and the factor to average down by first."""
    sigma = spread(height, how)
    if how.kernel is not None:
        return sigma, how.kernel, 1
    factor = 2 ** max(0, math.floor(math.log2(sigma / LEAST_SIGMA)))
    if factor > 1:
        # averaging over f pixels and interpolating between f pixels are blurs themselves, of variance
        # f²/12 and f²/6: the Gaussian between them supplies the rest
        sigma = math.sqrt((sigma / factor) ** 2 - 0.25)
    return sigma, 2 * math.ceil(3 * sigma) + 1, factor


def _average_opencv(area: NDArray[Any], factor: int) -> NDArray[Any]:
    height, width = area.shape[:2]
    area = cv2.copyMakeBorder(area, 0, -height % factor, 0, -width % factor, cv2.BORDER_REFLECT_101)
    size = (area.shape[1] // factor, area.shape[0] // factor)
    return np.asarray(cv2.resize(area, size, interpolation=cv2.INTER_AREA))


def _grow_opencv(small: NDArray[Any], factor: int, how: int, height: int, width: int) -> Image:
    size = (small.shape[1] * factor, small.shape[0] * factor)
    return np.asarray(cv2.resize(small, size, interpolation=how)[:height, :width], np.uint8)


def _blur_opencv(area: Image, height: int, how: MaskConfig) -> Image:
    sigma, kernel, factor = _sigma(height, how)
    part: NDArray[Any] = area if factor == 1 else _average_opencv(area, factor)
    part = np.asarray(cv2.GaussianBlur(part, (kernel, kernel), sigma), np.uint8)
    return part if factor == 1 else _grow_opencv(part, factor, cv2.INTER_LINEAR, *area.shape[:2])


def _pixelate_opencv(area: Image, height: int, how: MaskConfig) -> Image:
    cell = math.ceil(spread(height, how))
    # not INTER_NEAREST, which takes a row or a column from the cell before it at sides such as 49
    return _grow_opencv(_average_opencv(area, cell), cell, cv2.INTER_NEAREST_EXACT, *area.shape[:2])


def _reflect(length: int, before: int, after: int, device: torch.device) -> torch.Tensor:
    """Positions of a row of ``length`` pixels continued by reflection about its end pixels; int64."""
    position = torch.arange(-before, length + after, device=device)
    if length == 1:
        return torch.zeros_like(position)
    period = 2 * (length - 1)
    position = position.remainder(period)
    return torch.minimum(position, period - position)


def _average_torch(planes: torch.Tensor, factor: int) -> torch.Tensor:
    height, width = planes.shape[2:]
    planes = planes[:, :, _reflect(height, 0, -height % factor, planes.device)]
    return F.avg_pool2d(planes[:, :, :, _reflect(width, 0, -width % factor, planes.device)], factor)


def _blur_torch(planes: torch.Tensor, height: int, how: MaskConfig) -> torch.Tensor:
    sigma, kernel, factor = _sigma(height, how)
    device = planes.device
    if factor > 1:
        planes = _average_torch(planes, factor)
    radius = kernel // 2
    offset = torch.arange(-radius, radius + 1, device=device, dtype=torch.float32)
    weight = torch.exp(-0.5 * (offset / sigma) ** 2)
    weight = weight / weight.sum()
    planes = F.conv2d(
        planes[:, :, _reflect(planes.shape[2], radius, radius, device)], weight[None, None, :, None]
    )
    planes = F.conv2d(
        planes[:, :, :, _reflect(planes.shape[3], radius, radius, device)], weight[None, None, None, :]
    )
    if factor > 1:
        planes = F.interpolate(planes, scale_factor=factor, mode="bilinear", align_corners=False)
    return planes


def _pixelate_torch(planes: torch.Tensor, height: int, how: MaskConfig) -> torch.Tensor:
    cell = math.ceil(spread(height, how))
    return _average_torch(planes, cell).repeat_interleave(cell, 2).repeat_interleave(cell, 3)
