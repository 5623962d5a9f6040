"""Pictures by cells of 4 by 4 pixels: averaged down to them, and interpolated back."""

from __future__ import annotations

import cv2
import torch
import torch.nn.functional as F

CELL = 4
"""Pixels a side."""


def shrink(values: torch.Tensor) -> torch.Tensor:
    """Average over cells.

    Args:
        values: float32 ``[H, W, C]``; where a side is no multiple of a cell its last pixels count more.

    Returns:
        float32 ``[ceil(H / 4), ceil(W / 4), C]``.
    """
    height, width, channels = values.shape
    down, across = -height % CELL, -width % CELL
    if down or across:
        rows = torch.arange(height + down, device=values.device).clamp(max=height - 1)
        columns = torch.arange(width + across, device=values.device).clamp(max=width - 1)
        values = values[rows][:, columns]
    # rows first, over their whole length, which is what a CPU adds fastest
    bands = values.reshape((height + down) // CELL, CELL, -1).sum(dim=1)
    parts = bands.view(bands.shape[0], -1, CELL, channels)
    return (parts[:, :, 0] + parts[:, :, 1] + parts[:, :, 2] + parts[:, :, 3]) / CELL**2


def grow(cells: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Interpolate between the middles of cells.

    Args:
        cells: float32 ``[C, ceil(H / 4), ceil(W / 4)]``.
        height: H.
        width: W.

    Returns:
        float32 ``[C, H, W]``.
    """
    down, across = CELL * cells.shape[1], CELL * cells.shape[2]
    if cells.device.type != "cpu":
        planes = F.interpolate(cells[None], (down, across), mode="bilinear", align_corners=False)[0]
        return planes[:, :height, :width]
    planes = torch.empty((len(cells), down, across))
    for small, plane in zip(cells, planes, strict=True):
        cv2.resize(small.contiguous().numpy(), (across, down), dst=plane.numpy())
    return planes[:, :height, :width]
