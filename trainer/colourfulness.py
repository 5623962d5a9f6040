"""How colourful a picture is, and how much its colours change from one frame to the next."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def colourfulness(picture: NDArray[np.uint8] | NDArray[np.float32]) -> float:
    """Return the measure of Hasler and Süsstrunk 2003: 0 for grey, about 60 for an ordinary photograph.

    Args:
        picture: ``[H, W, 3]``, RGB, 0 to 255.
    """
    red, green, blue = np.moveaxis(picture.astype(np.float32), -1, 0)
    across, along = red - green, (red + green) / 2 - blue
    spread = np.hypot(across.std(dtype=np.float64), along.std(dtype=np.float64))
    middle = np.hypot(across.mean(dtype=np.float64), along.mean(dtype=np.float64))
    return float(spread + 0.3 * middle)


def chroma(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return cr and cb, uint8 ``[H, W, 2]``, of uint8 ``[H, W, 3]``."""
    return np.ascontiguousarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)[..., 1:], np.uint8)


def change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Return the mean absolute difference, in levels of 255, of two frames' ``chroma`` of one size."""
    return float(cv2.norm(before, after, cv2.NORM_L1)) / before.size
