"""NAFNet: a U-Net of gated blocks without activation functions (Chen et al. 2022, arXiv:2204.04676).

Two things are ours: the picture may be unshuffled first, which quarters the cost for little quality, and the
last layer starts at zero, so that a fresh network is the identity. Channel attention takes its mean over the
whole picture, however large: the authors cut that to the size of the training crops at test time (Chu et al.
2022), which costs more than it gains where crops and pictures are much alike.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from torch import Tensor, nn

from streamer.nets.network import Network, correction, fold
from streamer.section import Section, as_tuple

Blocks = Annotated[int, Field(ge=0, le=64)]


class Options(Section):
    """The size of the network; the paper's for GoPro is 32 wide, ``encoder`` [1, 1, 1, 28], ``shuffle`` 1."""

    width: int = Field(default=16, ge=4, le=256)
    """Channels at the finest level; each level below has twice as many."""
    encoder: Annotated[tuple[Blocks, ...], BeforeValidator(as_tuple)] = Field(
        default=(1, 1, 1), min_length=1, max_length=5
    )
    """Blocks at each level on the way down, the finest first."""
    middle: int = Field(default=1, ge=0, le=64)
    """Blocks at the coarsest level, below those."""
    decoder: Annotated[tuple[Blocks, ...], BeforeValidator(as_tuple)] = Field(
        default=(1, 1, 1), min_length=1, max_length=5, validate_default=True
    )
    """Blocks at each level on the way up, the coarsest first; as many levels as ``encoder`` has."""
    shuffle: int = Field(default=2, ge=1, le=4)
    """Pixels per side that are folded into channels before the first level."""

    @field_validator("decoder")
    @classmethod
    def _mirrored(cls, decoder: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        encoder = info.data.get("encoder", decoder)  # missing where it is wrong itself
        if len(decoder) != len(encoder):
            raise ValueError(
                f"expected as many levels as encoder has, which is {len(encoder)}, found {list(decoder)}"
            )
        return decoder


class ChannelNorm(nn.LayerNorm):
    """Normalisation of each pixel over its channels."""

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[B, C, H, W]`` onto the same shape."""
        # no copy where channels are last in memory, as they are when streamer runs it
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Gate(nn.Module):
    """The product of one half of the channels and the other, in place of an activation (SimpleGate)."""

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[B, 2C, H, W]`` onto ``[B, C, H, W]``."""
        one, other = features.chunk(2, dim=1)
        return one * other


class Attention(nn.Module):
    """Each channel times a number that follows from the means of all (simplified channel attention)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[B, C, H, W]`` onto the same shape."""
        weights: Tensor = self.mix(features.mean(dim=(2, 3), keepdim=True))
        return features * weights


class Block(nn.Module):
    """A gated depthwise convolution with attention, then a gated mixture of channels, each with a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.spatial = nn.Sequential(
            ChannelNorm(channels, eps=1e-6),
            nn.Conv2d(channels, wide, 1),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide),
            Gate(),
            Attention(channels),
            nn.Conv2d(channels, channels, 1),
        )
        self.pointwise = nn.Sequential(
            ChannelNorm(channels, eps=1e-6),
            nn.Conv2d(channels, wide, 1),
            Gate(),
            nn.Conv2d(channels, channels, 1),
        )
        # how much each adds, by channel; nothing at first
        self.beta = nn.Parameter(torch.zeros(channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[B, C, H, W]`` onto the same shape."""
        features = features + self.beta * self.spatial(features)
        added: Tensor = self.gamma * self.pointwise(features)
        return features + added


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(channels) for _ in range(count)))


class NAFNet(Network):
    """Adds a correction to its input; with fresh weights the correction is zero."""

    residual = True

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        options = options or Options()
        levels = len(options.encoder)
        widths = [options.width * 2**level for level in range(levels + 1)]
        self.stride = options.shuffle * 2**levels
        self.head = fold(3, widths[0], options.shuffle)
        fine, coarse = widths[:-1], widths[1:]
        self.down = nn.ModuleList(_blocks(*level) for level in zip(fine, options.encoder, strict=True))
        self.shrink = nn.ModuleList(nn.Conv2d(width, 2 * width, 2, stride=2) for width in fine)
        self.middle = _blocks(widths[-1], options.middle)
        self.grow = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, 2 * width, 1, bias=False), nn.PixelShuffle(2))
            for width in reversed(coarse)
        )
        self.up = nn.ModuleList(
            _blocks(*level) for level in zip(reversed(fine), options.decoder, strict=True)
        )
        self.tail = correction(widths[0], 3, options.shuffle)

    def forward(self, images: Tensor) -> Tensor:
        """Map float32 ``[B, 3, H, W]`` in 0 to 1 onto the same; both sides are multiples of ``stride``."""
        features = self.head(images)
        skips = []
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            features = blocks(features)
            skips.append(features)
            features = shrink(features)
        features = self.middle(features)
        for grow, blocks in zip(self.grow, self.up, strict=True):
            features = blocks(grow(features) + skips.pop())
        restored: Tensor = (images + self.tail(features)).clamp(0.0, 1.0)
        return restored
