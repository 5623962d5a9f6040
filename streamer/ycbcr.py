"""Brightness and colour apart: BT.601, full range, as JPEG has it."""

from __future__ import annotations

import torch

LUMA = (0.299, 0.587, 0.114)
"""The shares of red, green and blue in brightness."""

ROWS = (
    LUMA,
    (-0.299 / 1.772, -0.587 / 1.772, 0.886 / 1.772),
    (0.701 / 1.402, -0.587 / 1.402, -0.114 / 1.402),
)
"""What red, green and blue add to luma, cb and cr."""


def ycbcr(colours: torch.Tensor) -> torch.Tensor:
    """Return luma, cb and cr of RGB.

    Args:
        colours: float32 ``[..., 3]``, in any unit.

    Returns:
        The same shape and unit; cb and cr lie about 0, at most half as far from it as white does.
    """
    return colours @ torch.tensor(ROWS, device=colours.device).T
