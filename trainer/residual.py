"""What an autoencoder says of a picture: how strange it is to what learned what is normal.

A smooth picture is easier to draw than a sharp one, so that the error itself calls a picture strange for its
detail, and one out of focus normal. In gradients it is the other way round: of a sharp picture most are lost,
and where none is missing there was little to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamer.frame import Image
from streamer.nets import Network
from streamer.nets.network import grey
from trainer.images import resized

FAINT = 1e-6
"""Gradient energy that every picture is taken to have: that of noise of an eighth of a level."""


@dataclass(frozen=True, slots=True)
class Residual:
    """What a drawing and its picture differ by."""

    error: float
    """Mean squared error of values in 0 to 1: the reference's score."""
    gradients: float
    """Energy of the drawing's gradients as a share of the picture's: 1 where nothing is missing."""


def residual(picture: Tensor, drawn: Tensor) -> Residual:
    """Compare a picture with what was drawn of it; both float32 ``[1, 1, H, W]`` in 0 to 1."""
    share = _energy(drawn) / (_energy(picture) + FAINT)
    return Residual(float((picture - drawn).square().mean()), float(share))


def draw(network: Network, image: Image, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return a picture as the network sees it, and as it draws it.

    Args:
        network: in evaluation mode, on ``device``.
        image: uint8 ``[H, W, 3]``, RGB.
        size: side in pixels of the squares that it was trained on.
        device: where it runs.

    Returns:
        float32 ``[1, 1, size, size]`` twice, the brightness in 0 to 1, on the CPU.
    """
    square = torch.from_numpy(resized(image, size, size)).permute(2, 0, 1)[None].to(device).float() / 255
    with torch.inference_mode():
        drawn = network(square)
    return grey(square).cpu(), grey(drawn).cpu()


def _energy(images: Tensor) -> Tensor:
    """Return the mean of squared differences of neighbours, across and down."""
    return images.diff(dim=2).square().mean() + images.diff(dim=3).square().mean()
