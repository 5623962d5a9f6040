"""What every network promises."""

from __future__ import annotations

from torch import nn


class Network(nn.Module):
    """Maps float32 ``[B, inputs, H, W]``, RGB in 0 to 1 and what follows it, onto ``[B, 3, H, W]`` RGB."""

    stride: int
    """``H`` and ``W`` must be multiples of it."""
    residual: bool
    """Whether it adds a correction to its input instead of drawing the picture anew."""
    inputs: int = 3
    """Channels that it takes: RGB, or RGB and three of a colour hint (cb, cr, confidence)."""
