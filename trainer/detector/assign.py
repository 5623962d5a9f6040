"""Which cell is to find which object.

By FCOS's rule with centre sampling (Tian et al. 2019, arXiv:1904.01355), and overlapping ranges of sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

RANGES = {8: (0.0, 64.0), 16: (48.0, 160.0), 32: (128.0, float("inf"))}
"""For each stride, the lengths in pixels of an object's longer side that its cells find."""

RADIUS = 1.5
"""How far from the object's centre a cell's may be along either axis, in strides."""

BACKGROUND = -1
"""The class of a cell that is to find nothing."""

IGNORED = -2
"""The class of a cell that may find what it likes."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """What is in a picture, in its pixels."""

    boxes: Tensor
    """float32 ``[M, 4]``: x0, y0, x1, y1."""
    classes: Tensor
    """int64 ``[M]``."""
    doubtful: Tensor
    """float32 ``[D, 4]``: where something is that may or may not be found."""


def assign(objects: Objects, centres: Tensor, strides: Tensor) -> tuple[Tensor, Tensor]:
    """Say what each cell is to find; of several objects the smallest.

    Args:
        objects: of one picture.
        centres: of the cells, float32 ``[N, 2]``, in pixels.
        strides: of their grids, float32 ``[N, 1]``.

    Returns:
        Classes, int64 ``[N]``, or ``BACKGROUND`` or ``IGNORED``; and boxes, float32 ``[N, 4]``, zero where
        there is none.
    """
    classes = torch.full((len(centres),), BACKGROUND, device=centres.device)
    classes[_inside(centres, objects.doubtful).any(dim=1)] = IGNORED
    targets = centres.new_zeros(len(centres), 4)
    if len(objects.boxes) == 0:
        return classes, targets
    boxes = objects.boxes
    sides = boxes[:, 2:] - boxes[:, :2]
    away = (centres[:, None] - (boxes[:, :2] + boxes[:, 2:]) / 2).abs().amax(dim=2) / strides
    # the cell that holds the centre finds even what is smaller than itself
    fits = (away <= 0.5) | ((away <= RADIUS) & _inside(centres, boxes))
    limits = torch.tensor([RANGES[int(stride)] for stride in strides.flatten().tolist()]).to(centres)
    longer = sides.amax(dim=1)
    fits &= (longer >= limits[:, :1]) & (longer <= limits[:, 1:])
    area = torch.where(fits, sides.prod(dim=1), torch.inf)
    smallest, index = area.min(dim=1)
    chosen = smallest.isfinite()
    classes[chosen] = objects.classes[index[chosen]]
    targets[chosen] = boxes[index[chosen]]
    return classes, targets


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Return which of ``[N, 2]`` points lie in which of ``[M, 4]`` boxes: bool ``[N, M]``."""
    points = points[:, None]
    return ((points > boxes[:, :2]) & (points < boxes[:, 2:])).all(dim=2)
