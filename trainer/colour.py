"""Colour taken away as ``task: colourise`` does it, and what may be left of it as a hint."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from streamer.cells import grow, shrink
from streamer.nets.network import grey
from streamer.ycbcr import ycbcr

MOST_HOLES = 6
"""Rectangles of a picture, at most, in which its plate says nothing: what moves."""

LARGEST_SPOT = 9
"""Most pixels a side of a spot."""


def without(clean: Tensor, random: np.random.Generator) -> Tensor:
    """Return a picture, or its partner where it has one, without colour, still in three channels.

    Args:
        clean: float32 ``[3, H, W]``, or ``[6, H, W]`` with the partner's RGB behind.
        random: is not used.

    Returns:
        float32 ``[3, H, W]``.
    """
    return grey(clean[None, -3:])[0].expand(3, -1, -1)


def with_plate(clean: Tensor, random: np.random.Generator) -> Tensor:
    """Return a picture without its colour, half of the time with a plate's hints.

    Args:
        clean: as in ``without``, 0 to 1.
        random: what is drawn from.

    Returns:
        float32 ``[6, H, W]``: the grey picture, then cb, cr and how sure they are; zeros without a plate.
    """
    bare = without(clean, random)
    _, height, width = clean.shape
    sure = torch.zeros(1, height, width)
    if random.random() < 0.5:
        sure += 1
        for _ in range(random.integers(MOST_HOLES + 1)):
            h, w = (int(random.uniform(0.05, 0.5) * side) for side in (height, width))
            top, left = random.integers(height - h + 1), random.integers(width - w + 1)
            sure[:, top : top + h, left : left + w] = 0
    coarse = grow(shrink(chroma(clean[:3]).permute(1, 2, 0)).permute(2, 0, 1), height, width)
    return torch.cat([bare, coarse * sure, sure])


def with_spots(clean: Tensor, random: np.random.Generator, *, most: int) -> Tensor:
    """Return a picture without its colour, and the colour of some spots, as one would dab it on.

    Each spot is of one colour, the mean of what it covers (Zhang et al. 2017, arXiv:1705.02999).

    Args:
        clean: as in ``without``, 0 to 1.
        random: what sides and places of the spots are drawn from, and their number, from 0 to ``most`` alike.
        most: spots.

    Returns:
        As ``with_plate``, sure of the spots alone.
    """
    true = chroma(clean[:3])
    height, width = clean.shape[1:]
    hints = torch.zeros(3, height, width)
    for _ in range(random.integers(most + 1)):
        side = int(random.integers(1, min(LARGEST_SPOT, height, width) + 1))
        top, left = (int(random.integers(extent - side + 1)) for extent in (height, width))
        rows, columns = slice(top, top + side), slice(left, left + side)
        hints[:2, rows, columns] = true[:, rows, columns].mean(dim=(1, 2), keepdim=True)
        hints[2, rows, columns] = 1.0
    return torch.cat([without(clean, random), hints])


def chroma(picture: Tensor) -> Tensor:
    """Return cb and cr of BT.601 at full range: float32 ``[3, H, W]`` to ``[2, H, W]``, -0.5 to 0.5."""
    return ycbcr(picture.permute(1, 2, 0))[..., 1:].permute(2, 0, 1)
