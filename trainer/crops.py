"""Pairs that are made as they are asked for: a square of a picture, and what a task makes of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.errors import ConfigError
from trainer.pairs import Items
from trainer.store import Store

Degrade: TypeAlias = Callable[[Tensor, np.random.Generator], Tensor]
"""(clean, random) → degraded: float32 ``[3, H, W]`` in 0 to 1, and ``[inputs, H, W]``."""


class Crops(Items):
    """Squares of pictures at their own resolution.

    An item is (degraded, clean, weight): float32 ``[inputs, S, S]``, ``[3, S, S]``, ``[1, S, S]`` of ones.
    It follows from its index and the seed alone; index ``epoch * len(self) + i``
    gives what item i is in that epoch.
    """

    def __init__(
        self,
        pictures: Store,
        degrade: Degrade,
        size: int,
        *,
        each: int = 1,
        augment: Collection[str] = (),
        fixed: bool = False,
        seed: int = 0,
    ) -> None:
        """Prepare.

        Args:
            pictures: to cut from; those smaller than a square are left out.
            degrade: what makes a pair of a clean square.
            size: side of a square in pixels.
            each: squares of each picture in an epoch.
            augment: of ``mirror``, ``flip``, ``colour`` and ``scale``, as ``FitConfig.augment`` says.
            fixed: take the middle of each picture, and degrade it alike in every epoch.
            seed: of everything random.

        Raises:
            ConfigError: every picture is smaller than a square.
        """
        self._pictures = pictures
        self._degrade = degrade
        self._size = size
        self._each = each
        self._augment = frozenset(augment)
        self._fixed = fixed
        self._seed = seed
        self._large = [i for i in range(len(pictures)) if min(pictures[i].shape[:2]) >= size]
        if not self._large:
            raise ConfigError(f"pairs.size: all {len(pictures)} pictures are smaller than {size} pixels")

    def __len__(self) -> int:
        return len(self._large) * self._each

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        epoch, item = divmod(index, len(self))
        random = np.random.default_rng([self._seed, 0 if self._fixed else epoch, item])
        picture = self._pictures[self._large[item % len(self._large)]]
        if self._fixed:
            top, left = ((side - self._size) // 2 for side in picture.shape[:2])
            square = picture[top : top + self._size, left : left + self._size]
        else:
            square = self._cut(picture, random)
        clean = torch.from_numpy(square.transpose(2, 0, 1).astype(np.float32) / 255)
        if "colour" in self._augment and not self._fixed:
            clean = _coloured(clean, random)
        return self._degrade(clean, random), clean, torch.ones(1, self._size, self._size)

    def _cut(self, picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """Cut a square anywhere, of up to three times the size where pictures may be scaled."""
        height, width = picture.shape[:2]
        side = self._size
        if "scale" in self._augment:
            side = round(random.uniform(self._size, min(3 * self._size, height, width)))
        top, left = random.integers(height - side + 1), random.integers(width - side + 1)
        square = picture[top : top + side, left : left + side]
        if side != self._size:
            square = np.asarray(
                cv2.resize(square, (self._size, self._size), interpolation=cv2.INTER_AREA), np.uint8
            )
        if "mirror" in self._augment and random.random() < 0.5:
            square = square[:, ::-1]
        if "flip" in self._augment and random.random() < 0.5:
            square = square[::-1]
        return square


def _coloured(clean: Tensor, random: np.random.Generator) -> Tensor:
    """Change contrast and brightness at random."""
    factor, offset = np.exp(random.uniform(-0.4, 0.4)), random.uniform(-0.1, 0.1)
    mean = clean.mean()
    return ((clean - mean) * float(factor) + mean + float(offset)).clamp(0.0, 1.0)
