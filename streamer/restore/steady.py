"""Steadiness over time: where nothing moves, a restored picture is averaged with those before it.

A recursive filter that follows motion, as cameras' own noise reduction does. Restorers turn small changes of
their input, such as noise and the dither of hidden pixels, into larger ones of their output, which flickers.
What decides is the restorer's input alone, so that what it invents cannot keep itself alive.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from streamer.boxes import Boxes
from streamer.cells import CELL, grow, shrink

FLOOR, DITHER = 2.0, 5.7
"""Of 255 levels: the least standard deviation that noise is taken to give the change of a pixel, and of a
hidden one, whose dither (``blur.quantise: 8``) gives it up to 8 / √2, by how far its level is from a step."""

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
        self._memory: _Memory | None = None

    def forget(self) -> None:
        """Begin anew: what follows does not continue what came."""
        self._memory = None

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
        memory = self._memory
        if memory is None or memory.given.shape != given.shape:
            self._memory = _Memory(given.float(), restored.float(), hidden)
            return restored
        result = restored.clone()
        same = hidden & memory.hidden if within else hidden == memory.hidden
        for x0, y0, x1, y1 in areas.tolist():
            part = slice(y0, y1), slice(x0, x1)
            now = given[part].float()
            still = self._share * stillness(now - memory.given[part], hidden[part]) * same[part]
            keep = still[..., None].expand(now.shape).contiguous()
            # what crept along adds up here until it shows
            memory.given[part] = now.lerp_(memory.given[part], keep)
            average = restored[part].float().lerp_(memory.average[part], keep)
            memory.average[part] = average
            result[part] = average.round_().to(torch.uint8)
        memory.hidden = hidden
        return result


@dataclass(slots=True)
class _Memory:
    given: torch.Tensor
    """What the average is the restoration of, the average of the inputs: float32 ``[H, W, 3]``."""
    average: torch.Tensor
    """Of the restored pictures: float32 ``[H, W, 3]``; with regions alone, of what was hidden."""
    hidden: torch.Tensor
    """bool ``[H, W]``: what was, in the picture before."""


def stillness(change: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Say where a picture did not change but for noise.

    Args:
        change: float32 ``[H, W, 3]``, in levels of 255.
        hidden: bool ``[H, W]``: where it is that of hidden pixels.

    Returns:
        float32 ``[H, W]``: 1 where it did not, 0 where it did, and in the cells around that.
    """
    mean = shrink(change)
    green = change[..., 1:2]  # most of the brightness; any of the three shows what moves within a cell
    power = shrink(green * green)
    spread = (power - mean[..., 1:2].square()).flatten()
    rank = max(1, round(QUIET * len(spread)))
    dithered = shrink(hidden[..., None].float())[..., 0] > 0
    floor = torch.where(dithered, DITHER**2, FLOOR**2)
    noise = torch.maximum(spread.kthvalue(rank).values / EXPECTED, floor)
    by_mean = mean.abs().amax(dim=2) / (MEAN / CELL * noise.sqrt())
    moved = torch.maximum(by_mean, power[..., 0] / (POWER * noise))
    moved = F.max_pool2d(moved[None], 3, stride=1, padding=1)
    return grow((2 - moved).clamp_(0, 1), *change.shape[:2])[0]
