"""PSNR per frame, of the hidden and of the restored picture, whole and inside the regions.

PSNR is ``10 log10(255² / MSE)`` over the uint8 RGB samples that the encoder gets, against the original.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import torch

from streamer.boxes import Boxes, disjoint
from streamer.frame import Batch, Image, Metrics, Restored, Result


def psnr(squared_error: int, samples: int) -> float | None:
    """Return the PSNR in dB of so many 8-bit samples with that sum of squared errors.

    Returns:
        ``inf`` where nothing differs; None where there is no sample.
    """
    if samples == 0:
        return None
    if squared_error == 0:
        return math.inf
    return 10.0 * math.log10(255.0**2 * samples / squared_error)


def squared_errors(
    original: torch.Tensor, others: Sequence[torch.Tensor], areas: Boxes
) -> list[tuple[int, int]]:
    """Return the sums of squared differences over the whole picture and over the areas, for each other one.

    Args:
        original: uint8 ``[H, W, 3]``.
        others: the same shape each, on the same device.
        areas: int32 ``[D, 4]``, not overlapping.
    """
    if original.device.type == "cpu":
        return [_opencv_errors(original.numpy(), other.numpy(), areas) for other in others]
    mask = torch.zeros(original.shape[:2], dtype=torch.bool, device=original.device)
    for x0, y0, x1, y1 in areas.tolist():
        mask[y0:y1, x0:x1] = True
    sums = []
    for other in others:
        squares = (original.int() - other.int()).square().sum(dim=2)
        sums += [squares.sum(), (squares * mask).sum()]
    flat = torch.stack(sums).tolist()  # waits for the device, once a frame
    return list(zip(flat[::2], flat[1::2], strict=True))


def _opencv_errors(original: Image, other: Image, areas: Boxes) -> tuple[int, int]:
    # OpenCV takes the root and squares it again: rounding makes the sum exact
    inside = sum(
        round(cv2.norm(original[y0:y1, x0:x1], other[y0:y1, x0:x1], cv2.NORM_L2SQR))
        for x0, y0, x1, y1 in areas.tolist()
    )
    return round(cv2.norm(original, other, cv2.NORM_L2SQR)), inside


def measure(item: Restored) -> Result:
    """Measure a frame, bring its outputs to the host, and let go of the original."""
    frame, hidden = item.hidden.frame, item.hidden
    areas = disjoint(hidden.regions)
    sides = areas[:, 2:] - areas[:, :2]
    pictures = [hidden.blurred] if item.restored is None else [hidden.blurred, item.restored]
    samples = hidden.blurred.numel(), 3 * int(np.prod(sides, axis=1, dtype=np.int64).sum())
    values = [
        (psnr(everywhere, samples[0]), psnr(inside, samples[1]))
        for everywhere, inside in squared_errors(hidden.image, pictures, areas)
    ]
    blurred, restored = values[0], values[1] if len(values) > 1 else (None, None)
    assert blurred[0] is not None  # noqa: S101, a frame has pixels
    return Result(
        camera=frame.camera,
        index=frame.index,
        pts=frame.pts,
        time_base=frame.time_base,
        duration=frame.duration,
        read_at=frame.read_at,
        stream=frame.stream,
        blurred=hidden.blurred.cpu().numpy(),
        restored=None if item.restored is None else item.restored.cpu().numpy(),
        detections=hidden.detections,
        regions=hidden.regions,
        metrics=Metrics(blurred[0], restored[0], blurred[1], restored[1]),
        failure=hidden.failure,
        audio=frame.audio,
    )


def stage(batches: Iterable[Batch[Restored]]) -> Iterator[Batch[Result]]:
    """Measure every frame; markers pass through."""
    for batch in batches:
        yield [measure(item) if isinstance(item, Restored) else item for item in batch]
