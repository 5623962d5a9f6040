"""Pictures to learn what is normal from: nearly all normal, and a few that misbehave, as a camera's are."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.config import AnomalyConfig
from trainer.crops import varied
from trainer.images import resized
from trainer.misdeeds import MISDEEDS
from trainer.pairs import Items
from trainer.ranking import OBVIOUS
from trainer.store import Store


class Mixture(Items):
    """Subsets of whole pictures as squares; training takes one after the other, each for some epochs.

    An item is (picture, picture, weight): float32 ``[3, S, S]`` twice, and ``[1, S, S]`` of ones. It follows
    from its index and the seed alone; index ``epoch * len(self) + i`` gives what item i is in that epoch.
    """

    def __init__(
        self,
        pictures: Store,
        config: AnomalyConfig,
        size: int,
        *,
        epochs: int,
        augment: Collection[str] = (),
        seed: int = 0,
    ) -> None:
        """Prepare.

        Args:
            pictures: normal ones, to draw from.
            config: how many of what there are.
            size: side of a square in pixels; whole pictures are resized, whatever their aspect ratio.
            epochs: of all subsets together.
            augment: of ``mirror``, ``flip`` and ``colour``, anew in each epoch.
            seed: of everything random.
        """
        self._pictures = pictures
        self._config = config
        self._size = size
        self._epochs = epochs
        self._augment = frozenset(augment)
        self._seed = seed
        self._at: int | None = None
        self._squares: list[NDArray[np.uint8]] = []

    def __len__(self) -> int:
        return self._config.pictures

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        epoch, item = divmod(index, len(self))
        subset = epoch * self._config.subsets // self._epochs
        if subset != self._at:
            # a subset is held, so that what takes long is done once for its epochs
            self._squares, self._at = self._make(subset), subset
        random = np.random.default_rng([self._seed, epoch, item])
        square = varied(torch.from_numpy(self._squares[item]).permute(2, 0, 1), self._augment, random)
        return square, square, torch.ones(1, self._size, self._size)

    def _make(self, subset: int) -> list[NDArray[np.uint8]]:
        squares = []
        for item, (which, misdeed) in enumerate(
            draw(len(self._pictures), self._config, [self._seed, subset])
        ):
            picture = self._pictures[which]
            if misdeed is not None:
                random = np.random.default_rng([self._seed, subset, item])
                picture = MISDEEDS[misdeed].deed(picture, 1.0, random)
            squares.append(resized(picture, self._size, self._size))
        return squares


def draw(count: int, config: AnomalyConfig, seed: list[int]) -> list[tuple[int, str | None]]:
    """Draw a subset.

    Args:
        count: pictures there are.
        config: how many are drawn, and how many of them misbehave.
        seed: of the drawing.

    Returns:
        A picture's number, and the misdeed that is done to it or None; of the normal ones none comes again
        before all have come.
    """
    random = np.random.default_rng(seed)
    normal = config.pictures - config.misbehaving
    rounds = [random.permutation(count) for _ in range(-(-normal // count))]
    numbers = np.concatenate(rounds)[:normal].tolist()
    bad = zip(
        random.integers(count, size=config.misbehaving).tolist(),
        random.choice(OBVIOUS, config.misbehaving).tolist(),
        strict=True,
    )
    return [*((number, None) for number in numbers), *bad]
