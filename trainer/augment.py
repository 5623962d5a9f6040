"""More pairs out of few: changes that a pair survives as a pair."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

CONTRAST = 0.4
"""Largest change of contrast, as the logarithm of the factor."""

BRIGHTNESS = 0.1
"""Largest change of brightness; 1.0 is from black to white."""


def augment(
    batch: tuple[Tensor, Tensor, Tensor], kinds: Collection[str], seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Change pairs at random, both pictures of a pair in the same way.

    Args:
        batch: (degraded, clean, hidden), float32 ``[B, 3, H, W]`` twice and ``[B, 1, H, W]``, all 0 to 1.
        kinds: of ``mirror``, ``flip`` and ``colour``, as ``FitConfig.augment`` describes them.
        seed: what happens to each pair follows from it alone, so that a resumed run does the same.
    """
    degraded, clean, hidden = batch
    generator = torch.Generator().manual_seed(seed)
    count, device = len(degraded), degraded.device

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        """Return float32 ``[B, channels, 1, 1]``."""
        drawn = torch.rand(count, channels, 1, 1, generator=generator)
        return (low + (high - low) * drawn).to(device)

    for kind, axis in (("mirror", 3), ("flip", 2)):
        if kind in kinds:
            chosen = uniform(0.0, 1.0) < 0.5
            degraded, clean, hidden = (
                torch.where(chosen, part.flip(axis), part) for part in (degraded, clean, hidden)
            )
    if "colour" in kinds:
        order = torch.rand(count, 3, generator=generator).argsort(dim=1).to(device)[:, :, None, None]
        factor = (uniform(-CONTRAST, CONTRAST) + uniform(-CONTRAST / 4, CONTRAST / 4, channels=3)).exp()
        offset = uniform(-BRIGHTNESS, BRIGHTNESS)
        mean = clean.mean(dim=(1, 2, 3), keepdim=True)
        degraded, clean = (
            ((part.gather(1, order.expand_as(part)) - mean) * factor + mean + offset).clamp(0.0, 1.0)
            for part in (degraded, clean)
        )
    return degraded, clean, hidden
