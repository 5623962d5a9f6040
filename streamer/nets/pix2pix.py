"""The generator of pix2pix: a deep U-Net that draws the picture anew (Isola et al. 2017, arXiv:1611.07004).

Normalisation in use has the statistics of training, and dropout is for training alone, so that the same
picture always comes out the same; the paper keeps both as in training, for variety.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import Field
from torch import Tensor, nn

from streamer.nets.network import Network
from streamer.section import Section

WIDEST = 8
"""From the fourth level on there are so many times ``width`` channels."""

DROPPED = 3
"""Layers with dropout on the way up, the coarsest ones."""


class Options(Section):
    """The size of the network; the paper has 8 levels for 256x256, its authors' code 7 for 128x128."""

    width: int = Field(default=64, ge=4, le=256)
    """Channels of the first level; each level below has twice as many, up to eight times."""
    levels: int = Field(default=7, ge=2, le=9)
    """How often the sides are halved."""
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Share of values that training drops, in the three coarsest layers on the way up."""


class Pix2Pix(Network):
    """4x4 convolutions of stride 2 down, transposed ones up, and at each level the skip beside them."""

    residual = False

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        options = options or Options()
        self.stride = 2**options.levels
        widths = [options.width * min(2**level, WIDEST) for level in range(options.levels)]
        self.down = nn.ModuleList([nn.Conv2d(3, widths[0], 4, stride=2, padding=1)])
        for narrow, wide in pairwise(widths):
            self.down.append(_down(narrow, wide, norm=len(self.down) < options.levels - 1))
        self.up = nn.ModuleList()
        for wide, narrow in pairwise(reversed(widths)):
            inputs = 2 * wide if len(self.up) else wide  # what comes from below, and the skip
            self.up.append(_up(inputs, narrow, options.dropout if len(self.up) < DROPPED else 0.0))
        self.last = nn.ConvTranspose2d(2 * widths[0], 3, 4, stride=2, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Map float32 ``[B, 3, H, W]`` in 0 to 1 onto the same; both sides are multiples of ``stride``."""
        features = 2.0 * images - 1.0
        skips = []
        for down in self.down:
            features = down(features)
            skips.append(features)
        features = skips.pop()
        for up in self.up:
            features = torch.cat([up(features), skips.pop()], dim=1)
        drawn: Tensor = self.last(torch.relu(features))
        return 0.5 * torch.tanh(drawn) + 0.5


def _down(inputs: int, outputs: int, *, norm: bool) -> nn.Sequential:
    layers = [nn.LeakyReLU(0.2), nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)]
    # at the bottom a picture may be one value for each channel, which normalisation would leave nothing of
    return nn.Sequential(*layers, nn.BatchNorm2d(outputs)) if norm else nn.Sequential(*layers)


def _up(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    layers = [nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.Dropout(dropout)) if dropout > 0.0 else nn.Sequential(*layers)
