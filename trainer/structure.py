"""SSIM and MS-SSIM as they are reported: those of ``torchmetrics``, in a twentieth of its time.

Wang et al. 2004 and 2003. ``trainer.similarity`` has them as losses, which are differentiable and take small
pictures; tests hold both to ``torchmetrics``.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.similarity import BETAS, C1, C2, SIGMA, WINDOW

Picture = NDArray[np.float32]
"""float32 ``[H, W, 3]``, 0 to 1."""

SMALLEST = 176
"""Shorter side in pixels from which there is an MS-SSIM: a whole window at the coarsest scale."""


def ssim_map(original: Picture, other: Picture) -> NDArray[np.float32]:
    """Return the SSIM of the window around each pixel, the mean over the channels: float32 ``[H, W]``."""
    luminance, structure = _maps(original, other)
    return np.asarray((luminance * structure).mean(axis=2), np.float32)


def ms_ssim(original: Picture, other: Picture) -> float | None:
    """Return the MS-SSIM; None for pictures with a side below ``SMALLEST``."""
    if min(original.shape[:2]) < SMALLEST:
        return None
    result = 1.0
    for scale, beta in enumerate(BETAS):
        luminance, structure = _maps(original, other)
        if scale == len(BETAS) - 1:
            found = float((luminance * structure).mean(dtype=np.float64))
        else:
            inner = slice(WINDOW // 2, -(WINDOW // 2))
            found = float(structure[inner, inner].mean(dtype=np.float64))
            original, other = _halved(original), _halved(other)
        result *= max(0.0, found) ** beta
    return result


def _maps(original: Picture, other: Picture) -> tuple[Picture, Picture]:
    """Return luminance, and contrast times structure, of the window around each value."""
    mean, mean_other = _blurred(original), _blurred(other)
    square, square_other, product = mean * mean, mean_other * mean_other, mean * mean_other
    variances = np.maximum(_blurred(original * original) - square, 0) + np.maximum(
        _blurred(other * other) - square_other, 0
    )
    covariance = _blurred(original * other) - product
    luminance = (2 * product + C1) / (square + square_other + C1)
    structure = (2 * covariance + C2) / (variances + C2)
    return np.asarray(luminance, np.float32), np.asarray(structure, np.float32)


def _blurred(values: Picture) -> Picture:
    window = (WINDOW, WINDOW)
    return np.asarray(cv2.GaussianBlur(values, window, SIGMA, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _halved(values: Picture) -> Picture:
    height, width = (side // 2 for side in values.shape[:2])
    even = values[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.float32)
