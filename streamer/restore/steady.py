"""Steadiness over time: where nothing moves, a restored picture is averaged with those before it.

A recursive filter that follows motion, as cameras' own noise reduction does. Restorers turn small changes of
their input, such as noise and the dither of hidden pixels, into larger ones of their output, which flickers.
What decides is the restorer's input alone, so that what it invents cannot keep itself alive.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from streamer.boxes import Boxes

CELL = 4
"""Pixels a side over which change is judged."""

FLOOR = 2.0
"""Of 255 levels: the least standard deviation that a pixel's noise is taken to have."""

QUIET, EXPECTED = 0.2, 0.687
"""Noise is what this share of the cells has at most, since the others may move; of cells with noise alone the
variance there is this share of the mean one (chi-squared of 15)."""

MEAN, POWER = 3.0, 2.2
"""A cell is still where its mean changed by at most so many standard deviations of the noise's mean, and its
variance is at most so many times the noise's (one in 400 has more of it by chance)."""


class Steady:
    """One camera's restored pictures over time."""

    def __init__(self, share: float) -> None:
        """Begin with nothing.

        Args:
            share: of what was before that is kept where nothing moves, 0 to 1.
        """
        self._share = share
        self._given: torch.Tensor | None = None
        """What the average is the restoration of: the inputs' own, float32 ``[H, W, 3]``."""
        self._average = torch.empty(0)
        self._hidden = torch.empty(0)

    def forget(self) -> None:
        """Begin anew: what follows does not continue what came."""
        self._given = None

    def blend(
        self, given: torch.Tensor, restored: torch.Tensor, hidden: torch.Tensor, areas: Boxes, *, within: bool
    ) -> torch.Tensor:
        """Average a restored picture with those before it.

        Nothing is averaged where a pixel is hidden that was not, or the other way round: what was seen there
        before may have been the original.

        Args:
            given: what it was restored from, uint8 ``[H, W, 3]``.
            restored: the same shape; not changed.
            hidden: bool ``[H, W]``: what is hidden of it.
            areas: int32 ``[A, 4]``, not overlapping: where to look.
            within: whether only what is hidden was restored, so that the rest stays as it is.

        Returns:
            uint8, the same shape.
        """
        first = self._given is None or self._given.shape != given.shape
        if self._given is None or first:
            self._given, self._average = given.float(), restored.float()
            self._hidden = hidden
            return restored
        result = restored.clone()
        same = hidden & self._hidden if within else hidden == self._hidden
        for x0, y0, x1, y1 in areas.tolist():
            part = slice(y0, y1), slice(x0, x1)
            now = given[part].float()
            keep = self._share * stillness(now - self._given[part]) * same[part]
            # what moved away leaves with its whole weight, what crept accumulates until it shows
            self._given[part] = now.lerp_(self._given[part], keep[..., None])
            average = restored[part].float().lerp_(self._average[part], keep[..., None])
            self._average[part] = average
            result[part] = average.round().to(torch.uint8)
        self._hidden = hidden
        return result


def stillness(change: torch.Tensor) -> torch.Tensor:
    """Say where a picture did not change but for noise.

    Args:
        change: float32 ``[H, W, 3]``, in levels of 255.

    Returns:
        float32 ``[H, W]``: 1 where it did not, 0 where it did, and in the cells around that.
    """
    height, width = change.shape[:2]
    planes = change.permute(2, 0, 1)[None]

    def cells(values: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(values, CELL, ceil_mode=True, count_include_pad=False)

    mean, power = cells(planes), cells(planes.square())
    spread = (power - mean.square()).flatten(2)
    rank = max(1, round(QUIET * spread.shape[2]))
    noise = (spread.kthvalue(rank, dim=2).values / EXPECTED).clamp(min=FLOOR**2)[..., None, None]
    by_mean = mean.abs() / (MEAN / CELL * noise.sqrt())
    moved = torch.maximum(by_mean, power / (POWER * noise)).amax(dim=1, keepdim=True)
    moved = F.max_pool2d(moved, 3, stride=1, padding=1)
    still = (2 - moved).clamp(0, 1)
    size = (CELL * still.shape[2], CELL * still.shape[3])
    return F.interpolate(still, size, mode="bilinear", align_corners=False)[0, 0, :height, :width]
