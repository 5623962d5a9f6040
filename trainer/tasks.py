"""What each task makes pairs of."""

from __future__ import annotations

from functools import partial

import numpy as np
from torch import Tensor

from trainer import colour, noise
from trainer.config import TrainConfig
from trainer.crops import Degrade


def degradation(config: TrainConfig) -> Degrade:
    """Return what makes a pair of a clean picture, or of two partners, for the tasks that hide nothing."""
    if config.task == "denoise":
        return partial(_noisy, config=config)
    if config.task == "paired":
        return given
    if config.task == "anomaly":
        return nothing
    if config.colour.hints == "sparse":
        return partial(colour.with_spots, most=config.colour.spots)
    return colour.with_plate if config.colour.hints == "plate" else colour.without


def _noisy(clean: Tensor, random: np.random.Generator, *, config: TrainConfig) -> Tensor:
    if not config.network.options.get("grey", False):
        return noise.add(clean, config.noise, random)
    bare = colour.without(clean, random)  # for a network without colour the noise has none either
    return noise.add(bare, config.noise, random)[:1].expand_as(bare)


def given(both: Tensor, random: np.random.Generator) -> Tensor:
    """Return the partner of a picture: float32 ``[6, H, W]`` to ``[3, H, W]``."""
    return both[3:]


def nothing(clean: Tensor, random: np.random.Generator) -> Tensor:
    """Return the picture as it is."""
    return clean
