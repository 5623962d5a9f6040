"""Sparse hints of colour: what one would dab onto a grey picture (Zhang et al. 2017, arXiv:1705.02999)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from streamer.nets.network import LUMA

LARGEST = 9
"""Most pixels a side of a spot, as in the paper."""


def chroma(picture: Tensor) -> Tensor:
    """Return cb and cr of a picture by BT.601: float32 ``[3, H, W]`` in 0 to 1 to ``[2, H, W]``, ±0.5."""
    red, green, blue = picture
    luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    return torch.stack([(blue - luma) / 1.772, (red - luma) / 1.402])


def spots(clean: Tensor, most: int, random: np.random.Generator) -> Tensor:
    """Give away the colour of some spots of a picture; each is of one colour, the mean of what it covers.

    Args:
        clean: float32 ``[3, H, W]``, RGB in 0 to 1.
        most: spots; their number is drawn from 0 to so many, alike.
        random: what places, sides and the number are drawn from.

    Returns:
        float32 ``[3, H, W]``: cb, cr and 1 where they are known, elsewhere zeros.
    """
    true = chroma(clean)
    height, width = clean.shape[1:]
    hints = torch.zeros_like(clean)
    for _ in range(random.integers(most + 1)):
        side = int(random.integers(1, min(LARGEST, height, width) + 1))
        top, left = (int(random.integers(extent - side + 1)) for extent in (height, width))
        where = slice(top, top + side), slice(left, left + side)
        hints[(slice(2), *where)] = true[(slice(2), *where)].mean(dim=(1, 2), keepdim=True)
        hints[(2, *where)] = 1.0
    return hints
