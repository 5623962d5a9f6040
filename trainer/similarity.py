"""SSIM and MS-SSIM as losses need them: differentiable, weighted, and for small pictures too.

Wang et al. 2004 and 2003, with their constants. The map of SSIM is that of ``torchmetrics``, which has no
weights. Its MS-SSIM takes no less than 176 pixels a side, and leaves out what is within 5 pixels of the edge
at each scale, which would be most of a small picture; here every pixel counts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 11
"""Side in pixels of the Gaussian window; no picture may be smaller."""

SIGMA = 1.5
"""Of that window."""

C1, C2 = 0.01**2, 0.03**2
"""What keeps the quotients finite, for values of 0 to 1."""

BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""How much each scale counts, the finest first."""

FLOOR = 0.05
"""Contrast and structure below it go on to zero along an exponential, see ``_positive``."""


def ssim(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """Return each picture's SSIM, ``[B]``, as the weighted mean over its pixels' windows.

    Args:
        restored: float32 ``[B, C, H, W]`` in 0 to 1; both sides are at least ``WINDOW``.
        clean: likewise.
        weight: float32 ``[B, 1, H, W]``: how much the window around each pixel counts. A picture without any
            has the SSIM 1.
    """
    luminance, structure = _maps(restored, clean)
    return _mean(luminance * structure, weight)


def ms_ssim(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """Return each picture's MS-SSIM, ``[B]``; arguments as for ``ssim``.

    There are as many of the five scales as leave a whole window of the picture: 5 from 176 pixels a side, 4
    from 88, 3 from 44, 2 from 22. The exponents of those that there are add up to 1, as all five do.
    """
    count = scales(min(restored.shape[2:]))
    betas = [beta / sum(BETAS[:count]) for beta in BETAS[:count]]
    similarity = restored.new_ones(len(restored), dtype=torch.float32)
    for scale, beta in enumerate(betas):
        luminance, structure = _maps(restored, clean)
        last = scale == count - 1
        found = _mean(luminance * structure if last else structure, weight)
        similarity = similarity * _positive(found) ** beta
        if not last:
            restored, clean, weight = (F.avg_pool2d(part, 2) for part in (restored, clean, weight))
    return similarity


def scales(side: int) -> int:
    """Return how many scales there are for pictures whose shorter side has so many pixels; at least 1."""
    return max(1, min(len(BETAS), (side // WINDOW).bit_length()))


def _maps(restored: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    """Return luminance, and contrast times structure, of the window around each value: ``[B, C, H, W]``."""
    # 16 bits are too few for a variance as a difference of squares
    with torch.autocast(restored.device.type, enabled=False):
        restored, clean = restored.float(), clean.float()
        moments = torch.cat([restored, clean, restored * restored, clean * clean, restored * clean])
        mean, mean_clean, square, square_clean, product = _blurred(moments).chunk(5)
        variances = (square - mean**2).clamp_min(0) + (square_clean - mean_clean**2).clamp_min(0)
        covariance = product - mean * mean_clean
        luminance = (2 * mean * mean_clean + C1) / (mean**2 + mean_clean**2 + C1)
        return luminance, (2 * covariance + C2) / (variances + C2)


def _blurred(planes: Tensor) -> Tensor:
    """Return ``[B, C, H, W]`` blurred by the window, mirrored at the edges."""
    offsets = torch.arange(WINDOW, device=planes.device) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    window = (window / window.sum()).expand(planes.shape[1], 1, 1, WINDOW)
    padded = F.pad(planes, (WINDOW // 2,) * 4, mode="reflect")
    across = F.conv2d(padded, window, groups=planes.shape[1])
    return F.conv2d(across, window.transpose(2, 3), groups=planes.shape[1])


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return each picture's weighted mean of what is 1 at best; 1 for a picture without weight."""
    missing = ((1 - values) * weight).sum(dim=(1, 2, 3))
    return 1 - missing / (values.shape[1] * weight.sum(dim=(1, 2, 3))).clamp_min(1e-6)


def _positive(similarity: Tensor) -> Tensor:
    """Return what can be raised to a power: itself, or below ``FLOOR`` what nears zero and never gets there.

    A network's first pictures have hardly anything in common with the clean ones, or less than nothing. Cut
    off at zero, as is usual, they would have no gradient that leads them away from there.
    """
    beyond = FLOOR * torch.exp(similarity.clamp_max(FLOOR) / FLOOR - 1)
    return torch.where(similarity < FLOOR, beyond, similarity)
