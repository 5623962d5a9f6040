"""Pairs that are made as they are asked for: a square of a picture, and what a task makes of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from streamer.errors import ConfigError
from trainer.images import resized
from trainer.pairs import Items
from trainer.store import Store

Degrade: TypeAlias = Callable[[Tensor, np.random.Generator], Tensor]
"""(clean, random) → degraded: float32 ``[3, H, W]`` in 0 to 1, and ``[inputs, H, W]``. Where pictures have
partners the first has six channels, the partner's RGB after the clean picture's."""


class Crops(Items):
    """Squares of pictures at their own resolution, or whole pictures as squares.

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
        of: Literal["crops", "frames"] = "crops",
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
            of: ``crops`` cuts squares out, ``frames`` resizes whole pictures, whatever their aspect ratio.
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
        self._of = of
        self._each = each
        self._augment: frozenset[str] = frozenset() if fixed else frozenset(augment)
        self._fixed = fixed
        self._seed = seed
        self._large = list(range(len(pictures)))
        if of == "crops":
            self._large = [i for i in self._large if min(pictures[i].shape[:2]) >= size]
        if not self._large:
            raise ConfigError(f"pairs.size: all {len(pictures)} pictures are smaller than {size} pixels")

    @property
    def small(self) -> int:
        """How many pictures are left out."""
        return len(self._pictures) - len(self._large)

    def __len__(self) -> int:
        return len(self._large) * self._each

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        epoch, item = divmod(index, len(self))
        random = np.random.default_rng([self._seed, 0 if self._fixed else epoch, item])
        picture = self._pictures[self._large[item % len(self._large)]]
        cut = torch.from_numpy(self._cut(picture, random)).permute(2, 0, 1)
        square = varied(cut, self._augment, random)
        return self._degrade(square, random), square[:3], torch.ones(1, self._size, self._size)

    def _cut(self, picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """Cut a square anywhere, of up to three times the size where pictures may be scaled."""
        if self._of == "frames":
            return resized(picture, self._size, self._size)
        height, width = picture.shape[:2]
        side = self._size
        if self._fixed:
            top, left = (height - side) // 2, (width - side) // 2
        else:
            if "scale" in self._augment:
                side = round(random.uniform(self._size, min(3 * self._size, height, width)))
            top, left = (int(random.integers(extent - side + 1)) for extent in (height, width))
        return resized(picture[top : top + side, left : left + side], self._size, self._size)


def varied(square: Tensor, kinds: Collection[str], random: np.random.Generator) -> Tensor:
    """Change a square at random.

    Args:
        square: uint8 ``[C, S, S]``.
        kinds: of ``mirror``, ``flip`` and ``colour``, as ``FitConfig.augment`` says.
        random: what happens is drawn from it, not by torchvision's own classes: they draw from torch's one
            generator, which an item would have to put aside, seed and put back, for a third of the speed.

    Returns:
        float32 ``[C, S, S]`` in 0 to 1.
    """
    if "mirror" in kinds and random.random() < 0.5:
        square = transforms.horizontal_flip(square)
    if "flip" in kinds and random.random() < 0.5:
        square = transforms.vertical_flip(square)
    square = transforms.to_dtype(square, torch.float32, scale=True)
    return _coloured(square, random) if "colour" in kinds else square


def _coloured(square: Tensor, random: np.random.Generator) -> Tensor:
    """Change contrast and brightness at random, of all channels alike.

    Not torchvision's, whose brightness is a factor, which leaves black black, and which clips in between.
    """
    factor, offset = np.exp(random.uniform(-0.4, 0.4)), random.uniform(-0.1, 0.1)
    mean = square.mean()
    return ((square - mean) * float(factor) + mean + float(offset)).clamp(0.0, 1.0)
