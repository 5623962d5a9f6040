"""Regions to hidden pixels: a Gaussian blur of the union of the padded boxes.

On a CPU OpenCV does the work, on CUDA torch does, and both compute the same: up to the standard deviation at
which it pays, the plain Gaussian; beyond it, the region is averaged down by a power of two, blurred there
with what remains of the variance, and interpolated up again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from streamer.boxes import Boxes, pad, whole
from streamer.config import BlurConfig
from streamer.failsafe import FailureLog, all_or_each
from streamer.frame import Batch, Detected, Frame, Hidden, Image

GREY = 114
"""The value of every pixel of a frame that is hidden whole."""

LEAST_SIGMA = 2.0
"""The least standard deviation after averaging down, in the small picture's pixels: less shows the grid."""

SOFT = 0.08
"""Width of a soft edge as a share of the region's shorter side; it lies outside the padded box."""


def hide(image: torch.Tensor, boxes: NDArray[np.float32], blur: BlurConfig) -> tuple[torch.Tensor, Boxes]:
    """Blur what lies in the boxes.

    Args:
        image: uint8 ``[H, W, 3]``, RGB, on any device; not changed.
        boxes: float32 ``[N, 4]``: x0, y0, x1, y1 in pixels, may reach off the frame.
        blur: how.

    Returns:
        The hidden picture, uint8 ``[H, W, 3]`` on the same device, and the padded boxes, int32 ``[R, 4]``:
        inside them every pixel is blurred, beyond them (and their soft edges) every pixel is the original's.
    """
    height, width = image.shape[:2]
    regions = pad(boxes, width, height, blur.padding)
    # where regions overlap the stronger blur comes last and wins
    regions = regions[np.argsort(regions[:, 3] - regions[:, 1], kind="stable")]
    hidden = image.clone()
    soften = _soften_opencv if image.device.type == "cpu" else _soften_torch
    for region in regions.tolist():
        soften(image, hidden, region, blur)
    return hidden, regions


def cover(frame: Frame) -> torch.Tensor:
    """Return a picture of the frame's size with nothing of it left: uint8 ``[H, W, 3]``, on the CPU."""
    return torch.full((frame.stream.height, frame.stream.width, 3), GREY, dtype=torch.uint8)


def stage(batches: Iterable[Batch[Detected]], blur: Mapping[str, BlurConfig]) -> Iterator[Batch[Hidden]]:
    """Hide what was detected; a frame for which that fails, or detection failed, is hidden whole.

    Args:
        batches: detected frames and markers.
        blur: how, by camera.
    """
    log = FailureLog("hiding")

    def work(items: Sequence[Detected]) -> list[Hidden]:
        return [_hide_one(item, blur[item.frame.camera]) for item in items]

    def otherwise(item: Detected, error: Exception) -> Hidden:
        log.count(item.frame, error)
        return hidden_whole(item, "hider")

    for batch in batches:
        hidden = all_or_each(batch, work, otherwise)
        yield hidden


def hidden_whole(item: Detected, failure: str) -> Hidden:
    """Give up on a frame: cover all of it, on the host, since the device may be what failed."""
    stream = item.frame.stream
    regions = whole(stream.width, stream.height)
    image = torch.from_numpy(item.frame.image)
    return Hidden(item.frame, image, item.detections, cover(item.frame), regions, failure)


def _hide_one(item: Detected, blur: BlurConfig) -> Hidden:
    if item.failure is not None:
        return hidden_whole(item, item.failure)
    blurred, regions = hide(item.image, item.detections.boxes, blur)
    return Hidden(item.frame, item.image, item.detections, blurred, regions)


def _sigma(region: Sequence[int], blur: BlurConfig) -> tuple[float, int, int]:
    """Return the standard deviation, the kernel's size (odd) and the factor to average down by first."""
    if blur.kernel is not None:
        # what OpenCV takes for a kernel given without a standard deviation
        return 0.3 * ((blur.kernel - 1) * 0.5 - 1) + 0.8, blur.kernel, 1
    sigma = max(blur.strength * (region[3] - region[1]), blur.floor)
    factor = 2 ** max(0, math.floor(math.log2(sigma / LEAST_SIGMA)))
    if factor > 1:
        # averaging over f pixels and interpolating between f pixels are blurs themselves, of variance
        # f²/12 and f²/6: the Gaussian between them supplies the rest
        sigma = math.sqrt((sigma / factor) ** 2 - 0.25)
    return sigma, 2 * math.ceil(3 * sigma) + 1, factor


def _soft_border(region: Sequence[int], blur: BlurConfig, width: int, height: int) -> tuple[list[int], int]:
    """Return the region grown by its soft edge and clipped to the frame, and the width of that edge."""
    x0, y0, x1, y1 = region
    soft = 0 if blur.edge == "hard" else max(2, round(SOFT * min(x1 - x0, y1 - y0)))
    return [max(0, x0 - soft), max(0, y0 - soft), min(width, x1 + soft), min(height, y1 + soft)], soft


def _ramp(start: int, end: int, inner_start: int, inner_end: int, soft: int) -> NDArray[np.float32]:
    """Opacity along one axis: 1 inside, falling to 0 over ``soft`` pixels outside; float32."""
    position = np.arange(start, end, dtype=np.float32)
    outside = np.maximum(np.maximum(inner_start - position, position - (inner_end - 1)), 0)
    return np.asarray(1 - outside / (soft + 1), np.float32)


def _soften_opencv(
    source: torch.Tensor, target: torch.Tensor, region: Sequence[int], blur: BlurConfig
) -> None:
    image: Image = source.numpy()
    hidden: Image = target.numpy()
    height, width = image.shape[:2]
    (x0, y0, x1, y1), soft = _soft_border(region, blur, width, height)
    sigma, kernel, factor = _sigma(region, blur)
    part: NDArray[Any] = image[y0:y1, x0:x1]
    if factor > 1:
        part = cv2.copyMakeBorder(
            part, 0, -(y1 - y0) % factor, 0, -(x1 - x0) % factor, cv2.BORDER_REFLECT_101
        )
        size = (part.shape[1] // factor, part.shape[0] // factor)
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    part = cv2.GaussianBlur(part, (kernel, kernel), sigma)
    if factor > 1:
        size = (part.shape[1] * factor, part.shape[0] * factor)
        part = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
    part = part[: y1 - y0, : x1 - x0]
    inner = (slice(region[1], region[3]), slice(region[0], region[2]))
    hidden[inner] = part[region[1] - y0 : region[3] - y0, region[0] - x0 : region[2] - x0]
    if soft:
        across = _ramp(x0, x1, region[0], region[2], soft)
        down = _ramp(y0, y1, region[1], region[3], soft)
        # the four strips around the padded box; what is inside is done
        for top, bottom, left, right in (
            (y0, region[1], x0, x1),
            (region[3], y1, x0, x1),
            (region[1], region[3], x0, region[0]),
            (region[1], region[3], region[2], x1),
        ):
            if top == bottom or left == right:
                continue
            strip = hidden[top:bottom, left:right]
            alpha = np.minimum(down[top - y0 : bottom - y0, None], across[None, left - x0 : right - x0])
            strip[:] = cv2.blendLinear(
                np.ascontiguousarray(part[top - y0 : bottom - y0, left - x0 : right - x0]),
                np.ascontiguousarray(strip), alpha, 1 - alpha,
            )  # fmt: skip


def _reflect(length: int, before: int, after: int, device: torch.device) -> torch.Tensor:
    """Positions of a row of ``length`` pixels continued by reflection about its end pixels; int64."""
    position = torch.arange(-before, length + after, device=device)
    if length == 1:
        return torch.zeros_like(position)
    period = 2 * (length - 1)
    position = position.remainder(period)
    return torch.minimum(position, period - position)


def _soften_torch(
    source: torch.Tensor, target: torch.Tensor, region: Sequence[int], blur: BlurConfig
) -> None:
    height, width = source.shape[:2]
    device = source.device
    (x0, y0, x1, y1), soft = _soft_border(region, blur, width, height)
    sigma, kernel, factor = _sigma(region, blur)
    part = source[y0:y1, x0:x1].permute(2, 0, 1)[:, None].float()  # [3, 1, h, w]: one picture a colour
    if factor > 1:
        part = part[:, :, _reflect(y1 - y0, 0, -(y1 - y0) % factor, device)]
        part = part[:, :, :, _reflect(x1 - x0, 0, -(x1 - x0) % factor, device)]
        part = F.avg_pool2d(part, factor)
    radius = kernel // 2
    offset = torch.arange(-radius, radius + 1, device=device, dtype=torch.float32)
    weight = torch.exp(-0.5 * (offset / sigma) ** 2)
    weight = weight / weight.sum()
    part = F.conv2d(part[:, :, _reflect(part.shape[2], radius, radius, device)], weight[None, None, :, None])
    part = F.conv2d(
        part[:, :, :, _reflect(part.shape[3], radius, radius, device)], weight[None, None, None, :]
    )
    if factor > 1:
        part = F.interpolate(part, scale_factor=factor, mode="bilinear", align_corners=False)
    part = part[:, 0, : y1 - y0, : x1 - x0].permute(1, 2, 0)
    if soft:
        across = torch.from_numpy(_ramp(x0, x1, region[0], region[2], soft)).to(device)
        down = torch.from_numpy(_ramp(y0, y1, region[1], region[3], soft)).to(device)
        alpha = torch.minimum(down[:, None], across[None, :])[..., None]
        part = torch.lerp(target[y0:y1, x0:x1].float(), part, alpha)
    target[y0:y1, x0:x1] = part.round().clamp(0, 255).to(torch.uint8)
