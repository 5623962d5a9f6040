"""Noise as ``task: denoise`` adds it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainer.config import NoiseConfig


def add(clean: Tensor, noise: NoiseConfig, random: np.random.Generator) -> Tensor:
    """Return a noisy picture; values go beyond 0 to 1 as the noise takes them.

    Args:
        clean: float32 ``[3, H, W]``, 0 to 1.
        noise: how much.
        random: what it is drawn from.
    """
    low, high = noise.sigma if isinstance(noise.sigma, list) else (noise.sigma, noise.sigma)
    sigma = random.uniform(low, high) / 255.0
    drawn = random.standard_normal(tuple(clean.shape), np.float32)
    return clean + sigma * torch.from_numpy(drawn)
