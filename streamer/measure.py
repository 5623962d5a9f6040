"""PSNR per frame, of the hidden and of the restored picture, whole and inside the regions.

PSNR is ``10 log10(255² / MSE)`` over the uint8 RGB samples that the encoder gets, against the original.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import torch

from streamer.boxes import Boxes, disjoint
from streamer.frame import Batch, Metrics, Restored, Result


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


def squared_errors(original: torch.Tensor, other: torch.Tensor, areas: Boxes) -> tuple[int, int]:
    """Return the sums of squared differences over the whole picture and over the areas.

    Args:
        original: uint8 ``[H, W, 3]``.
        other: the same shape, on the same device.
        areas: int32 ``[D, 4]``, not overlapping.
    """
    if original.device.type == "cpu":
        a, b = original.numpy(), other.numpy()
        # OpenCV takes the root and squares it again: rounding makes the sum exact
        inside = sum(
            round(cv2.norm(a[y0:y1, x0:x1], b[y0:y1, x0:x1], cv2.NORM_L2SQR))
            for x0, y0, x1, y1 in areas.tolist()
        )
        return round(cv2.norm(a, b, cv2.NORM_L2SQR)), inside
    squares = (original.int() - other.int()).square().sum(dim=2)
    mask = torch.zeros(squares.shape, dtype=torch.bool, device=squares.device)
    for x0, y0, x1, y1 in areas.tolist():
        mask[y0:y1, x0:x1] = True
    whole, inside = torch.stack([squares.sum(), (squares * mask).sum()]).tolist()
    return whole, inside


def measure(item: Restored) -> Result:
    """Measure a frame, bring its outputs to the host, and let go of the original."""
    frame, hidden = item.hidden.frame, item.hidden
    areas = disjoint(hidden.regions)
    sides = areas[:, 2:] - areas[:, :2]
    whole_samples = hidden.blurred.numel()
    inside_samples = 3 * int(np.prod(sides, axis=1, dtype=np.int64).sum())
    blurred, blurred_roi = _pair(hidden.image, hidden.blurred, areas, whole_samples, inside_samples)
    restored, restored_roi = (
        (None, None)
        if item.restored is None
        else _pair(hidden.image, item.restored, areas, whole_samples, inside_samples)
    )
    assert blurred is not None  # noqa: S101, a frame has pixels
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
        metrics=Metrics(blurred, restored, blurred_roi, restored_roi),
        failure=hidden.failure,
        audio=frame.audio,
    )


def _pair(
    original: torch.Tensor, other: torch.Tensor, areas: Boxes, whole_samples: int, inside_samples: int
) -> tuple[float | None, float | None]:
    whole, inside = squared_errors(original, other, areas)
    return psnr(whole, whole_samples), psnr(inside, inside_samples)


def stage(batches: Iterable[Batch[Restored]]) -> Iterator[Batch[Result]]:
    """Measure every frame; markers pass through."""
    for batch in batches:
        yield [measure(item) if isinstance(item, Restored) else item for item in batch]
