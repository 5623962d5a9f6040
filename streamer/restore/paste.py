"""Paste corrected regions into a picture, fading in from their edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

Mask: TypeAlias = NDArray[np.uint8]
Opacity: TypeAlias = NDArray[np.float32]

FEATHER = 0.06
"""Over which share of a region's shorter side, inside it, a restoration fades in from the blurred pixels."""


def paste_opencv(
    blurred: torch.Tensor,
    restored: torch.Tensor,
    region: Sequence[int],
    around: Sequence[int],
    correction: torch.Tensor,
    alpha: Opacity,
) -> None:
    """Correct one region and fade the result in from its edges; outside nothing changes.

    Args:
        blurred: uint8 ``[H, W, 3]``, what is corrected.
        restored: the same shape, what is pasted into; where regions overlap it was already.
        region: x0, y0, x1, y1.
        around: the region with its surroundings, which is what the correction covers.
        correction: int16 ``[h, w, 3]``, of any resolution.
        alpha: float32, of the region's size: how much of the correction is seen.
    """
    x0, y0, x1, y1 = region
    left, top, right, bottom = around
    grown = cv2.resize(correction.numpy(), (right - left, bottom - top))[
        y0 - top : y1 - top, x0 - left : x1 - left
    ]
    target = cv2.add(blurred.numpy()[y0:y1, x0:x1], grown, dtype=cv2.CV_8U)
    below = restored.numpy()[y0:y1, x0:x1]
    below[:] = cv2.blendLinear(target, np.ascontiguousarray(below), alpha, 1 - alpha)


def paste_torch(
    blurred: torch.Tensor,
    restored: torch.Tensor,
    region: Sequence[int],
    around: Sequence[int],
    correction: torch.Tensor,
    alpha: Opacity,
) -> None:
    """Do the same as ``paste_opencv``, on any device."""
    x0, y0, x1, y1 = region
    left, top, right, bottom = around
    grown = F.interpolate(
        correction.permute(2, 0, 1)[None].float(), (bottom - top, right - left), mode="bilinear"
    )[0, :, y0 - top : y1 - top, x0 - left : x1 - left].permute(1, 2, 0)
    target = (blurred[y0:y1, x0:x1].float() + grown).clamp(0, 255)
    weight = torch.from_numpy(alpha).to(blurred.device)[..., None]
    mixed = torch.lerp(restored[y0:y1, x0:x1].float(), target, weight)
    restored[y0:y1, x0:x1] = mixed.round().clamp(0, 255).to(torch.uint8)


def fade(region: Sequence[int], mask: Mask | None) -> Opacity:
    """Opacity of a restoration in its region: 0 off the mask, 1 on it but for a ramp along its edges."""
    x0, y0, x1, y1 = region
    soft = round(FEATHER * min(x1 - x0, y1 - y0))
    across, down = (
        np.minimum(1.0, (1 + np.minimum(np.arange(n), np.arange(n)[::-1])) / (soft + 1)).astype(np.float32)
        for n in (x1 - x0, y1 - y0)
    )
    alpha = np.minimum(down[:, None], across[None, :])
    if mask is None or mask[y0:y1, x0:x1].all():
        return alpha
    distance = cv2.distanceTransform(mask[y0:y1, x0:x1], cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(np.minimum(alpha, distance / (soft + 1)), np.float32)
