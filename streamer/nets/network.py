"""What every network promises."""

from __future__ import annotations

from torch import Tensor, nn

from streamer.ycbcr import LUMA


class Network(nn.Module):
    """Maps float32 ``[B, inputs, H, W]``, RGB in 0 to 1 and what follows it, onto ``[B, 3, H, W]`` RGB."""

    stride: int
    """``H`` and ``W`` must be multiples of it."""
    residual: bool
    """Whether it adds a correction to its input instead of drawing the picture anew."""
    inputs: int = 3
    """Channels that it takes: RGB, or RGB and three of a colour hint (cb, cr, confidence)."""
    plain: bool = False
    """Whether nearly all of its work is convolutions with many channels, which 8 bits make faster."""
    grey: bool = False
    """Whether it works on the brightness alone, and gives three equal channels."""

    def fitting(self, side: int) -> int:
        """Return the least side that it takes of those of ``side`` pixels or more."""
        return -(-side // self.stride) * self.stride


def fold(channels: int, width: int, factor: int) -> nn.Sequential:
    """Return what folds squares of ``factor`` pixels a side into channels and mixes them to ``width``."""
    return nn.Sequential(nn.PixelUnshuffle(factor), nn.Conv2d(channels * factor**2, width, 3, padding=1))


def correction(width: int, channels: int, factor: int) -> nn.Sequential:
    """Return what undoes ``fold``; with fresh weights it gives zeros: training starts from the input."""
    last = nn.Conv2d(width, channels * factor**2, 3, padding=1)
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(last, nn.PixelShuffle(factor))


def grey(images: Tensor) -> Tensor:
    """Return the brightness of RGB pictures: ``[B, 3, H, W]`` to ``[B, 1, H, W]``, in the same range."""
    red, green, blue = images.unbind(dim=1)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(1)
