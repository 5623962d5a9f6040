"""A small temporal head: from how vehicles moved in a few looks to whether that is an accident.

A camera is compared with itself. What one junction's traffic does all day would be an alarm on another, so
each feature counts as the logarithm of its mean over the window to what is usual on that camera, which is a
mean over all that came before, held near training's own as long as there is little of it.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from streamer.section import Section

DOUBT = 10.0
"""Looks of its own that a camera needs to count as much as training's mean does."""

FLOOR = 0.2
"""Of training's mean, what is added to both sides of a ratio, so that nothing is compared with nothing."""


class Options(Section):
    """What goes in."""

    features: int = Field(default=6, ge=1, le=64)
    """Numbers of each look."""
    window: int = Field(default=8, ge=2, le=64)
    """Looks that are judged together."""


class AccidentHead(nn.Module):
    """Maps a window of looks, and what came before it on the same camera, onto a logit.

    Of every feature more can only speak for an accident. It has so few weights because there are so few
    accidents to learn from.
    """

    mean: Tensor
    """float32 ``[F]``: of each feature over training's looks."""

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        options = options or Options()
        self.window = options.window
        self.register_buffer("mean", torch.ones(options.features))
        self.when = nn.Parameter(torch.zeros(options.window, options.features))
        """How much each look of the window counts, before a softmax over the looks."""
        self.share = nn.Parameter(torch.zeros(options.features))
        """How much each feature counts, before a softmax over the features."""
        self.gain = nn.Parameter(torch.zeros(()))
        """The logarithm of how steep the outcome is."""
        self.bias = nn.Parameter(torch.zeros(()))

    def above(self, looks: Tensor, before: Tensor, count: Tensor) -> Tensor:
        """Say how much more of each feature there is than usual, as logarithms ``[B, F]``.

        Args:
            looks: float32 ``[B, window, F]``, the oldest first.
            before: float32 ``[B, F]``: the mean over the looks before the window.
            count: float32 ``[B]``: how many these are.
        """
        known = (count / (count + DOUBT)).unsqueeze(1)
        usual = known * before + (1.0 - known) * self.mean
        now = (looks * self.when.softmax(dim=0)).sum(dim=1)
        return torch.log((now + FLOOR * self.mean) / (usual + FLOOR * self.mean))

    def excess(self, looks: Tensor, before: Tensor, count: Tensor) -> Tensor:
        """Put all features together: a weighted mean of ``above``, ``[B]``, which ranks windows."""
        return self.above(looks, before, count) @ self.share.softmax(dim=0)

    def forward(self, looks: Tensor, before: Tensor, count: Tensor) -> Tensor:
        """Judge windows; the arguments are those of ``above``, and what comes out are logits ``[B]``."""
        logits: Tensor = self.excess(looks, before, count) * self.gain.exp() + self.bias
        return logits
