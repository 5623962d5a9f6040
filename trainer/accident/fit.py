"""The weights of a temporal head: within a clip, looks at an accident are to rank above the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from streamer.errors import ConfigError
from streamer.nets import AccidentHead
from streamer.nets.accident import Options
from trainer.accident.config import AccidentFitConfig
from trainer.accident.samples import Samples, tensors

RARE = 1e-3
"""Least mean of a feature, so that one which training hardly had is no alarm wherever there is any of it."""

CALIBRATION = 400
"""Steps that it takes to find gain and bias, which are two numbers."""


def fit(samples: Samples, options: AccidentFitConfig) -> AccidentHead:
    """Train a head to rank.

    By a pairwise logistic loss (Burges et al. 2005, RankNet) over pairs of one clip: what sets cameras apart
    is nothing to learn from so few.

    Args:
        samples: of the clips to learn from.
        options: steps, rate and decay.

    Returns:
        It, in evaluation mode; its probabilities mean nothing before ``calibrate``.

    Raises:
        ConfigError: no clip has looks of both kinds.
    """
    head = AccidentHead(Options(features=samples.looks.shape[2], window=samples.looks.shape[1]))
    head.mean.copy_(torch.from_numpy(samples.looks[:, -1].mean(axis=0)).clamp(min=RARE))
    inputs = tensors(samples)
    above, below, weights = _pairs(samples)
    shapes = [head.when, head.share, head.gain]

    def misranked() -> torch.Tensor:
        logits = head(*inputs)
        loss = (weights * softplus(logits[below] - logits[above])).sum()
        return loss + options.decay * torch.stack([shape.square().sum() for shape in shapes]).sum()

    _descend(shapes, options.steps, options.rate, misranked)
    return head.eval()


def calibrate(head: AccidentHead, excess: NDArray[np.float64], accident: NDArray[np.bool_]) -> None:
    """Make probabilities of what a head says (Platt 1999), as if every other look were at an accident.

    Args:
        head: gets its gain and its bias.
        excess: ``[N]``, of looks at scenes that the heads which said so had not seen.
        accident: ``[N]``, their labels, of both kinds.
    """
    given, wanted = torch.from_numpy(excess).float(), torch.from_numpy(accident).float()
    balance = torch.where(wanted > 0, 0.5 / wanted.mean(), 0.5 / (1 - wanted.mean()))
    _descend(
        [head.gain, head.bias],
        CALIBRATION,
        0.05,
        lambda: binary_cross_entropy_with_logits(given * head.gain.exp() + head.bias, wanted, balance),
    )


def _descend(
    parameters: Sequence[nn.Parameter], steps: int, rate: float, loss: Callable[[], torch.Tensor]
) -> None:
    """Take so many of Adam's steps down a loss."""
    optimizer = torch.optim.Adam(parameters, rate)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(loss())
        optimizer.step()


def _pairs(samples: Samples) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the places of pairs of one clip, with and without an accident, and how much each counts."""
    same = samples.clips[:, None] == samples.clips[None]
    above, below = np.nonzero(same & samples.accident[:, None] & ~samples.accident[None])
    if len(above) == 0:
        raise ConfigError("data: no clip to train on has looks both with and without an accident")
    # a clip counts by its length, and not by its pairs, which are more by the square
    weights = 1.0 / same.sum(axis=1)[above]
    total = torch.from_numpy(weights / weights.sum()).float()
    return torch.from_numpy(above), torch.from_numpy(below), total
