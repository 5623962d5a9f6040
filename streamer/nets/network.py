"""What every network promises."""

from __future__ import annotations

from torch import Tensor, nn

LUMA = (0.299, 0.587, 0.114)
"""The shares of red, green and blue in brightness (BT.601)."""


class Network(nn.Module):
    """Maps float32 ``[B, inputs, H, W]``, RGB in 0 to 1 and what follows it, onto ``[B, 3, H, W]`` RGB."""

    stride: int
    """``H`` and ``W`` must be multiples of it."""
    residual: bool
    """Whether it adds a correction to its input instead of drawing the picture anew."""
    inputs: int = 3
    """Channels that it takes: RGB, or RGB and three of a colour hint (cb, cr, confidence)."""
    grey: bool = False
    """Whether it works on the brightness alone, and gives three equal channels."""


def grey(images: Tensor) -> Tensor:
    """Return the brightness of RGB pictures: ``[B, 3, H, W]`` to ``[B, 1, H, W]``, in the same range."""
    red, green, blue = images.unbind(dim=1)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(1)
