"""A small residual U-Net that starts out as the identity.

Plain 3x3 convolutions on an unshuffled picture: they are what a CPU does fastest (a NAFNet block of the same
arithmetic spends most of its time in depthwise convolutions and normalisation). The correction's last
layer starts at zero, so that training can only move away from "do nothing" where it pays.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from streamer.nets.network import Network, correction, fold, grey
from streamer.section import Section


class Options(Section):
    """The size of the network."""

    width: int = Field(default=32, ge=4, le=256)
    """Channels at the finest level; each level below has twice as many."""
    levels: int = Field(default=3, ge=1, le=5)
    """How many resolutions there are, each half the one above."""
    blocks: int = Field(default=1, ge=1, le=8)
    """Residual blocks per level on the way down, and as many on the way up."""
    shuffle: int = Field(default=2, ge=1, le=4)
    """Pixels per side that are folded into channels before the first level."""
    lean: bool = False
    """Whether the finest level, which costs most, has blocks on the way up only."""
    grey: bool = False
    """Whether it works on the brightness alone, and gives three equal channels."""


class Block(nn.Module):
    """Two convolutions and what they add to their input (He et al. 2016), without normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[B, C, H, W]`` onto the same shape."""
        added: Tensor = self.second(torch.relu(self.first(features)))
        return features + added


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(channels) for _ in range(count)))


class UNet(Network):
    """Adds a correction to its input; with fresh weights the correction is zero."""

    residual = True
    plain = True

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        options = options or Options()
        widths = [options.width * 2**level for level in range(options.levels)]
        channels = 1 if options.grey else 3
        self.grey = options.grey
        self.stride = options.shuffle * 2 ** (options.levels - 1)
        self.head = fold(channels, widths[0], options.shuffle)
        self.down = nn.ModuleList(
            _blocks(width, 0 if options.lean and level == 0 else options.blocks)
            for level, width in enumerate(widths[:-1])
        )
        self.shrink = nn.ModuleList(nn.Conv2d(width, 2 * width, 2, stride=2) for width in widths[:-1])
        self.middle = _blocks(widths[-1], options.blocks)
        self.grow = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * width, 4 * width, 1), nn.PixelShuffle(2)) for width in widths[:-1]
        )
        self.up = nn.ModuleList(_blocks(width, options.blocks) for width in widths[:-1])
        self.tail = correction(widths[0], channels, options.shuffle)

    def forward(self, images: Tensor) -> Tensor:
        """Map float32 ``[B, 3, H, W]`` in 0 to 1 onto the same; both sides are multiples of ``stride``."""
        shown = grey(images) if self.grey else images
        features = self.head(shown - 0.5)
        skips = []
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            features = blocks(features)
            skips.append(features)
            features = shrink(features)
        features = self.middle(features)
        for grow, blocks, skip in zip(reversed(self.grow), reversed(self.up), reversed(skips), strict=True):
            features = blocks(grow(features) + skip)
        restored: Tensor = (shown + self.tail(features)).clamp(0.0, 1.0)
        return restored.expand(-1, 3, -1, -1)
