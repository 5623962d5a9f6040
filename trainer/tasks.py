"""What each task makes pairs of."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from trainer import noise
from trainer.config import TrainConfig
from trainer.crops import Degrade

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the grey of a colour, by BT.601."""


def degradation(config: TrainConfig) -> Degrade:
    """Return what makes a pair of a clean picture, for the tasks that hide nothing."""
    if config.task == "denoise":
        return partial(_noisy, config=config)
    return grey


def _noisy(clean: Tensor, random: np.random.Generator, *, config: TrainConfig) -> Tensor:
    return noise.add(clean, config.noise, random)


def grey(clean: Tensor, random: np.random.Generator) -> Tensor:
    """Return a picture without its colour, still in three channels: float32 ``[3, H, W]``."""
    luma: Tensor = torch.tensordot(torch.tensor(LUMA), clean, dims=1)
    return luma.expand_as(clean)
