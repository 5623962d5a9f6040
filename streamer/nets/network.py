"""What every network promises."""

from __future__ import annotations

from torch import nn


class Network(nn.Module):
    """Maps float32 ``[B, 3, H, W]`` RGB in 0 to 1 onto the same shape and range."""

    stride: int
    """``H`` and ``W`` must be multiples of it."""
    residual: bool
    """Whether it adds a correction to its input instead of drawing the picture anew."""
