"""What training makes small. Each is a mean over pairs, and within a pair over what is weighted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from trainer import similarity

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(restored, clean, weight) → scalar: float32 in 0 to 1, ``[B, 3, H, W]`` twice and ``[B, 1, H, W]``."""

EPSILON = 1e-3
"""Where Charbonnier turns from squared to absolute, as in Lai et al. 2017."""

ADVERSARIAL = "adversarial"
"""The term of a mix that ``trainer.adversary`` computes; no loss of its own."""


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return each picture's mean over channels and pixels: ``[B, C, H, W]`` and ``[B, 1, H, W]`` to ``[B]``.

    A picture without any weight has the mean 0.
    """
    total = (values * weight).sum(dim=(1, 2, 3))
    return total / (values.shape[1] * weight.sum(dim=(1, 2, 3))).clamp_min(1e-6)


def composite(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """Return what is restored where there is weight, and what is clean elsewhere, as if it were pasted back.

    For what looks at more than one pixel at a time, so that pixels without weight make no difference.
    """
    return torch.lerp(clean, restored.to(clean.dtype), weight.to(clean.dtype))


def mse(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """Squared error."""
    return weighted_mean((restored - clean).square(), weight).mean()


def l1(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """Absolute error."""
    return weighted_mean((restored - clean).abs(), weight).mean()


def charbonnier(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """Absolute error, rounded off at zero (Charbonnier et al. 1994)."""
    return weighted_mean(((restored - clean).square() + EPSILON**2).sqrt(), weight).mean()


def ssim(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """1 - SSIM of the composite, over the windows around what is weighted."""
    return (1 - similarity.ssim(composite(restored, clean, weight), clean, weight)).mean()


def ms_ssim(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """1 - MS-SSIM of the composite, over the windows around what is weighted, with the scales that fit."""
    return (1 - similarity.ms_ssim(composite(restored, clean, weight), clean, weight)).mean()


LOSSES: Mapping[str, Loss] = {
    "mse": mse,
    "l1": l1,
    "charbonnier": charbonnier,
    "ssim": ssim,
    "ms_ssim": ms_ssim,
}
"""By the name that ``fit.loss`` gives."""


def terms(loss: object) -> dict[str, float]:
    """Return what a configuration's ``fit.loss`` means: names, and how much each counts.

    Args:
        loss: a name, or a mapping of names to weights.

    Raises:
        ValueError: it is neither, or a name is unknown, or a weight is no number above 0, or there is nothing
            beside an adversarial term.
    """
    known = [repr(name) for name in (*LOSSES, ADVERSARIAL)]
    shares = {loss: 1.0} if isinstance(loss, str) else loss
    if not isinstance(shares, Mapping) or not shares:
        raise ValueError(f"expected a name, or a mix such as {{ms_ssim: 0.84, l1: 0.16}}, found {loss!r}")
    for name, share in shares.items():
        if repr(name) not in known:
            raise ValueError(f"expected {', '.join(known[:-1])} or {known[-1]}, found {name!r}")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < math.inf:
            raise ValueError(f"{name}: expected a weight above 0, found {share!r}")
    if set(shares) == {ADVERSARIAL}:
        raise ValueError("adversarial: expected another loss beside it, such as {l1: 100, adversarial: 1}")
    return {name: float(share) for name, share in shares.items()}


def build(loss: str | Mapping[str, float]) -> Loss:
    """Return the loss that ``fit.loss`` means, without its adversarial term.

    Raises:
        ValueError: as ``terms``.
    """
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]
    parts = [(LOSSES[name], share) for name, share in terms(loss).items() if name != ADVERSARIAL]

    def mixed(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
        return torch.stack([share * part(restored, clean, weight) for part, share in parts]).sum()

    return mixed


def psnr(restored: Tensor, clean: Tensor, weight: Tensor) -> Tensor:
    """Return each picture's PSNR in dB over what is weighted, ``[B]``; at most 100."""
    errors = weighted_mean((restored - clean).square(), weight)
    return -10.0 * torch.log10(errors.clamp_min(1e-10))
