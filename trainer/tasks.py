"""What each task makes pairs of."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from streamer.nets.network import LUMA
from trainer import noise
from trainer.config import TrainConfig
from trainer.crops import Degrade
from trainer.spots import spots


def degradation(config: TrainConfig) -> Degrade:
    """Return what makes a pair of a clean picture, or of two partners, for the tasks that hide nothing."""
    if config.task == "denoise":
        return partial(_noisy, config=config)
    if config.task == "paired":
        return given
    if config.colour.hints == "sparse":
        return partial(_hinted, config=config)
    return grey


def _noisy(clean: Tensor, random: np.random.Generator, *, config: TrainConfig) -> Tensor:
    return noise.add(clean, config.noise, random)


def given(both: Tensor, random: np.random.Generator) -> Tensor:
    """Return the partner of a picture: float32 ``[6, H, W]`` to ``[3, H, W]``."""
    return both[3:]


def grey(clean: Tensor, random: np.random.Generator) -> Tensor:
    """Return a picture, or its partner where it has one, without its colour, still in three channels.

    Args:
        clean: float32 ``[3, H, W]`` or ``[6, H, W]``.
        random: for what is certain, nothing.
    """
    luma: Tensor = torch.tensordot(torch.tensor(LUMA), clean[-3:], dims=1)
    return luma.expand(3, *luma.shape)


def _hinted(clean: Tensor, random: np.random.Generator, *, config: TrainConfig) -> Tensor:
    return torch.cat([grey(clean, random), spots(clean[:3], config.colour.spots, random)])
