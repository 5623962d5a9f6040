"""A training side in parts that take turns, for sets too large to decode, or to look through, at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from streamer.errors import StreamerError
from trainer.config import SubsetsConfig
from trainer.data import Picture
from trainer.pairs import Items

logger = logging.getLogger(__name__)


class Subsets(Items):
    """One subset of the pictures in each epoch, made when the first of its items is asked for.

    Every epoch is as long as one over the first subset. Where another has more items, each turn
    goes on where the one before ended; where it has fewer, they come again.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        subsets: SubsetsConfig,
        make: Callable[[list[Picture]], Items],
        seed: int,
    ) -> None:
        """Make the first subset.

        Args:
            pictures: of all subsets.
            subsets: how many, and how large.
            make: makes items of a subset's pictures, or finds those that it made before.
            seed: of what is in which.

        Raises:
            StreamerError: as ``make`` does; a later subset of which nothing comes is passed over.
        """
        self._parts = divide(pictures, subsets, seed)
        self._make = make
        self._at = 0
        self._items = make(self._parts[0])
        self._length = len(self._items)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        epoch, item = divmod(index, len(self))
        turn, which = divmod(epoch, len(self._parts))
        if which != self._at:
            self._items, self._at = self._find(which), which
        count = len(self._items)
        return self._items[epoch * count + (turn * len(self) + item) % count]

    def _find(self, which: int) -> Items:
        """Make a subset, or the last one before it of which something comes; of the first it did."""
        try:
            return self._make(self._parts[which])
        except StreamerError as error:
            if which == 0:
                raise
            logger.warning("subset %d of %d is passed over: %s", which + 1, len(self._parts), error)
            return self._find(which - 1)


def divide(pictures: Sequence[Picture], subsets: SubsetsConfig, seed: int) -> list[list[Picture]]:
    """Draw subsets: none holds a picture twice, and none comes again before all have come."""
    order = np.random.default_rng(seed).permutation(len(pictures))
    each = min(subsets.each, len(pictures))
    # round and round through one order
    parts = [np.arange(number * each, (number + 1) * each) % len(order) for number in range(subsets.count)]
    return [[pictures[index] for index in sorted(order[part])] for part in parts]
