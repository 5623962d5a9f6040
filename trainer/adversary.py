"""A second network that learns to tell restored pictures from clean ones, for the first to be judged by.

As pix2pix has it (Isola et al. 2017, arXiv:1611.07004): it sees the degraded picture too, and judges each
patch of 70x70 pixels on its own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 64
"""Channels of the first layer."""

STRIDED = 3
"""Layers that halve the sides, where pictures are large enough: they make patches of 70x70."""

BETAS = (0.5, 0.999)
"""Adam's for both networks; the usual first one of 0.9 lets them swing about each other."""


class Discriminator(nn.Module):
    """PatchGAN: maps a degraded picture and one that may be clean onto logits for each patch."""

    def __init__(self, inputs: int, size: int) -> None:
        """Make one with fresh weights.

        Args:
            inputs: channels of degraded pictures.
            size: side of the pictures in pixels, at least 8; those under 32 get fewer layers.
        """
        super().__init__()
        strided = min(STRIDED, size.bit_length() - 3)
        widths = [WIDTH * 2**level for level in range(strided + 1)]
        layers: list[nn.Module] = [
            nn.Conv2d(inputs + 3, widths[0], 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        ]
        for level in range(1, strided + 1):
            stride = 2 if level < strided else 1
            layers += [
                nn.Conv2d(widths[level - 1], widths[level], 4, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(widths[level]),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, padding=1))
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.02)  # the paper's

    def forward(self, degraded: Tensor, shown: Tensor) -> Tensor:
        """Say how much each patch looks clean.

        Args:
            degraded: float32 ``[B, inputs, S, S]``.
            shown: float32 ``[B, 3, S, S]`` in 0 to 1, clean or restored.

        Returns:
            Logits, ``[B, 1, P, P]``.
        """
        logits: Tensor = self.layers(2 * torch.cat([degraded, shown], dim=1) - 1)
        return logits


def judging(discriminator: Discriminator, degraded: Tensor, clean: Tensor, restored: Tensor) -> Tensor:
    """Return what the discriminator is to make small: how often it is wrong, half for each kind of picture.

    Args:
        discriminator: in training.
        degraded: float32 ``[B, inputs, S, S]``.
        clean: float32 ``[B, 3, S, S]``.
        restored: likewise; nothing of the loss goes back to the network that made it.
    """
    for_clean = _cross_entropy(discriminator(degraded, clean), 1.0)
    return 0.5 * (for_clean + _cross_entropy(discriminator(degraded, restored.detach()), 0.0))


def fooling(discriminator: Discriminator, degraded: Tensor, restored: Tensor) -> Tensor:
    """Return what the restoring network is to make small: how surely its pictures are recognised.

    Arguments as for ``judging``; nothing of the loss goes to the discriminator's weights.
    """
    discriminator.requires_grad_(False)
    try:
        return _cross_entropy(discriminator(degraded, restored), 1.0)
    finally:
        discriminator.requires_grad_(True)


def _cross_entropy(logits: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(
        logits.float(), torch.full_like(logits, label, dtype=torch.float32)
    )
