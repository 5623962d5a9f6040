"""What training makes small. Each is a mean over pairs, and within a pair over what is weighted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(restored, clean, weight) → scalar: float32 in 0 to 1, ``[B, 3, H, W]`` twice and ``[B, 1, H, W]``."""

EPSILON = 1e-3
"""Where Charbonnier turns from squared to absolute, as in Lai et al. 2017."""


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return each picture's mean over channels and pixels: ``[B, C, H, W]`` and ``[B, 1, H, W]`` to ``[B]``.

    A picture without any weight has the mean 0.
    """
    total = (values * weight).sum(dim=(1, 2, 3))
    return total / (values.shape[1] * weight.sum(dim=(1, 2, 3))).clamp_min(1e-6)


def mse(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """Squared error."""
    return weighted_mean((restored - clean).square(), weight).mean()


def l1(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """Absolute error."""
    return weighted_mean((restored - clean).abs(), weight).mean()


def charbonnier(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """Absolute error, rounded off at zero (Charbonnier et al. 1994)."""
    return weighted_mean(((restored - clean).square() + EPSILON**2).sqrt(), weight).mean()


LOSSES: Mapping[str, Loss] = {"mse": mse, "l1": l1, "charbonnier": charbonnier}
"""By the name that ``fit.loss`` gives."""


def psnr(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """Return each picture's PSNR in dB over what is weighted, ``[B]``; at most 100."""
    errors = weighted_mean((restored - clean).square(), weight)
    return -10.0 * torch.log10(errors.clamp_min(1e-10))
