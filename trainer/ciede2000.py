"""CIEDE2000: how different two colours look.

Sharma, Wu and Dalal 2005, "The CIEDE2000 color-difference formula", whose notation this keeps.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Lab: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
"""``[..., 3]``: L* in 0 to 100, a* and b*."""


def lab(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn sRGB, float32 ``[H, W, 3]`` in 0 to 1, into CIELAB under D65."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2Lab), np.float32)


def difference(one: Lab, other: Lab) -> NDArray[np.floating]:
    """Return the difference of each pair of colours, ``[...]``; 1 is about what an eye just tells apart."""
    l1, a1, b1 = np.moveaxis(one, -1, 0)
    l2, a2, b2 = np.moveaxis(other, -1, 0)
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    grey = c1 * c2 == 0

    turn = (h2 - h1 + 180) % 360 - 180
    # of two opposite hues the formula goes up where the second is the larger one
    turn = np.where((turn == -180) & (h2 > h1), 180.0, turn)
    turn = np.where(grey, 0.0, turn)
    dl, dc = l2 - l1, c2 - c1
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)

    l_mean, c_mean = (l1 + l2) / 2, (c1 + c2) / 2
    apart, total = np.abs(h1 - h2), h1 + h2
    h_mean = np.where(apart <= 180, total / 2, np.where(total < 360, total / 2 + 180, total / 2 - 180))
    h_mean = np.radians(np.where(grey, total, h_mean))
    t = (
        1
        - 0.17 * np.cos(h_mean - np.radians(30))
        + 0.24 * np.cos(2 * h_mean)
        + 0.32 * np.cos(3 * h_mean + np.radians(6))
        - 0.20 * np.cos(4 * h_mean - np.radians(63))
    )
    rotation = np.radians(30) * np.exp(-(((np.degrees(h_mean) - 275) / 25) ** 2))
    r_c = 2 * np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7))
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / np.sqrt(20 + (l_mean - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    r_t = -np.sin(2 * rotation) * r_c
    squares = (dl / s_l) ** 2 + (dc / s_c) ** 2 + (dh / s_h) ** 2 + r_t * (dc / s_c) * (dh / s_h)
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))
