"""PSNR per frame, of the hidden and of the restored picture, whole and inside the regions.

PSNR is ``10 log10(255² / MSE)`` over the uint8 RGB samples that the encoder gets, against the original.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from streamer.boxes import Boxes, disjoint
from streamer.frame import Batch, Dropped, Image, Metrics, Restored, Result

STILL = 3
"""Levels of 255 by which a still scene differs from one frame to the next at most, for being compressed."""


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
    original: torch.Tensor,
    others: Sequence[torch.Tensor],
    areas: Boxes,
    mask: NDArray[np.uint8] | None = None,
) -> list[tuple[int, int]]:
    """Return the sums of squared differences over the whole picture and over the areas, for each other one.

    Args:
        original: uint8 ``[H, W, 3]``.
        others: the same shape each, on the same device.
        areas: int32 ``[D, 4]``, not overlapping.
        mask: uint8 ``[H, W]``, 1 for those pixels of the areas that count; None where all do.
    """
    if original.device.type == "cpu":
        return [_opencv_errors(original.numpy(), other.numpy(), areas, mask) for other in others]
    counted = torch.zeros(original.shape[:2], dtype=torch.bool, device=original.device)
    for x0, y0, x1, y1 in areas.tolist():
        counted[y0:y1, x0:x1] = True
    if mask is not None:
        counted &= torch.from_numpy(mask).to(original.device).bool()
    sums = []
    for other in others:
        squares = (original.int() - other.int()).square().sum(dim=2)
        sums += [squares.sum(), (squares * counted).sum()]
    flat = torch.stack(sums).tolist()  # waits for the device, once a frame
    return list(zip(flat[::2], flat[1::2], strict=True))


def samples(areas: Boxes, mask: NDArray[np.uint8] | None = None) -> int:
    """Count the samples, three to a pixel, that ``squared_errors`` sums over in the areas."""
    if mask is not None:
        return 3 * sum(int(np.count_nonzero(mask[y0:y1, x0:x1])) for x0, y0, x1, y1 in areas.tolist())
    return 3 * int(np.prod(areas[:, 2:] - areas[:, :2], axis=1, dtype=np.int64).sum())


def _opencv_errors(
    original: Image, other: Image, areas: Boxes, mask: NDArray[np.uint8] | None
) -> tuple[int, int]:
    inside = 0
    for x0, y0, x1, y1 in areas.tolist():
        counted = None if mask is None else mask[y0:y1, x0:x1]
        # OpenCV takes the root and squares it again: rounding makes the sum exact
        inside += round(cv2.norm(original[y0:y1, x0:x1], other[y0:y1, x0:x1], cv2.NORM_L2SQR, counted))
    return round(cv2.norm(original, other, cv2.NORM_L2SQR)), inside


def flicker(
    originals: Sequence[torch.Tensor], given: Sequence[torch.Tensor], restored: Sequence[torch.Tensor]
) -> float | None:
    """Return how much restored pictures flicker, relative to what they were made from.

    That is the mean absolute change from each frame to the next, over all samples of the pixels at which the
    original changes by at most ``STILL`` levels, divided by that of what was given.

    Args:
        originals: uint8 ``[H, W, 3]``, consecutive frames.
        given: what was restored, the same shapes, on the same device.
        restored: likewise.

    Returns:
        1 where they change alike; None where what was given does not change at all, or nothing is still.
    """
    changes = {"given": 0, "restored": 0}
    for n in range(1, len(originals)):
        still = ((originals[n].int() - originals[n - 1].int()).abs() <= STILL).all(dim=2)
        for name, pictures in (("given", given), ("restored", restored)):
            change = (pictures[n].int() - pictures[n - 1].int()).abs().sum(dim=2)
            changes[name] += int(change[still].sum())
    return changes["restored"] / changes["given"] if changes["given"] else None


def measure(item: Restored) -> Result:
    """Measure a frame, bring its outputs to the host, and let go of the original."""
    frame, hidden = item.hidden.frame, item.hidden
    areas = disjoint(hidden.regions)
    pictures = [hidden.blurred] if item.restored is None else [hidden.blurred, item.restored]
    counts = hidden.blurred.numel(), samples(areas, hidden.mask)
    values = [
        (psnr(everywhere, counts[0]), psnr(inside, counts[1]))
        for everywhere, inside in squared_errors(hidden.image, pictures, areas, hidden.mask)
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
        sighting=hidden.sighting,
        restorers=item.restorers,
        events=hidden.events,
        memory=hidden.memory,
    )


def stage(batches: Iterable[Batch[Restored | Dropped]]) -> Iterator[Batch[Result | Dropped]]:
    """Measure every frame; markers, and what stands for a dropped frame, pass through."""
    for batch in batches:
        yield [measure(item) if isinstance(item, Restored) else item for item in batch]
