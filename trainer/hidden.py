"""Squares around hidden regions, at the frame's own resolution, hidden as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.boxes import Boxes
from streamer.config import BlurConfig
from streamer.errors import ConfigError
from streamer.hide import grown, hide
from trainer.config import PairsConfig
from trainer.degrade import BoxesByName, varied
from trainer.pairs import Items
from trainer.store import Store


class HiddenCrops(Items):
    """Squares that each show a hidden region, or a part of a large one, and what is around it.

    An item is (degraded, clean, hidden): float32 ``[3, S, S]``, the same, and ``[1, S, S]``, 1 where nothing
    of the original shows. It follows from its index and the seed alone, as in ``Crops``.
    """

    def __init__(
        self,
        pictures: Store,
        boxes: BoxesByName,
        blur: BlurConfig,
        form: PairsConfig,
        *,
        each: int = 1,
        fixed: bool = False,
        seed: int = 0,
    ) -> None:
        """Prepare.

        Args:
            pictures: to cut from; those smaller than a square, and those without boxes, are left out.
            boxes: what to hide in them, by their names, in pixels of the stored pictures.
            blur: how.
            form: says the size, and how boxes and strength vary; the first of ``each`` is hidden exactly as
                a running streamer does.
            each: squares of each picture in an epoch.
            fixed: take the same in every epoch.
            seed: of everything random.

        Raises:
            ConfigError: nothing is left.
        """
        self._pictures = pictures
        self._boxes = [boxes[name] for name in pictures.names]
        self._blur = blur
        self._form = form
        self._each = each
        self._fixed = fixed
        self._seed = seed
        large = [i for i in range(len(pictures)) if min(pictures[i].shape[:2]) >= form.size]
        self.small = len(pictures) - len(large)
        """How many pictures are smaller than a square."""
        self._used = [i for i in large if len(self._regions(i))]
        if not large:
            raise ConfigError(f"pairs.size: all {len(pictures)} pictures are smaller than {form.size} pixels")
        if not self._used:
            raise ConfigError(f"pairs.size: nothing is to be hidden in those of {form.size} pixels or more")

    def __len__(self) -> int:
        return len(self._used) * self._each

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        epoch, item = divmod(index, len(self))
        random = np.random.default_rng([self._seed, 0 if self._fixed else epoch, item])
        variant, which = divmod(item, len(self._used))
        boxes, blur = self._boxes[self._used[which]], self._blur
        image = torch.from_numpy(self._pictures[self._used[which]])
        height, width = image.shape[:2]
        regions = self._regions(self._used[which])
        if variant > 0:
            moved, other = varied(boxes, blur, self._form, width, height, random)
            if len(there := grown(moved, other, width, height)):  # what lies at an edge may move off it
                boxes, blur, regions = moved, other, there
        alone = [grown(box[None], blur, width, height) for box in boxes]
        left, top = self._place(regions[random.integers(len(regions))].tolist(), width, height, random)
        square = (left, top, left + self._form.size, top + self._form.size)
        # only what reaches into the square, and what is joined with that, makes a difference
        seen = regions[_touch(regions, square)]
        chosen = [len(one) > 0 and bool(any(_touch(seen, one[0].tolist()))) for one in alone]
        picture, hidden, mask = hide(image, boxes[chosen], blur, random=random)
        weight = torch.zeros(height, width)
        if mask is not None:
            weight = torch.from_numpy(mask).float()
        for x0, y0, x1, y1 in hidden.tolist() if mask is None else ():
            weight[y0:y1, x0:x1] = 1.0
        rows, columns = slice(top, square[3]), slice(left, square[2])
        degraded, clean = (each[rows, columns].permute(2, 0, 1).float() / 255 for each in (picture, image))
        return degraded, clean, weight[None, rows, columns]

    def _regions(self, picture: int) -> Boxes:
        """Return what is hidden of a picture, exactly as a running streamer does: int32 ``[R, 4]``."""
        height, width = self._pictures[picture].shape[:2]
        return grown(self._boxes[picture], self._blur, width, height)

    def _place(
        self, region: Sequence[int], width: int, height: int, random: np.random.Generator
    ) -> tuple[int, int]:
        """Draw where a square begins, left and top, that holds a region, or lies in it where it is larger."""
        place = []
        for start, end, limit in ((region[0], region[2], width), (region[1], region[3], height)):
            least, most = sorted((start, end - self._form.size))
            least, most = max(0, least), min(limit - self._form.size, most)
            place.append(int(random.integers(least, max(least, most) + 1)))
        return place[0], place[1]


def _touch(regions: Boxes, other: Sequence[int]) -> NDArray[np.bool_]:
    """Say which of regions, int32 ``[R, 4]``, share pixels with another."""
    x0, y0, x1, y1 = other
    return np.asarray(
        (regions[:, 0] < x1) & (regions[:, 2] > x0) & (regions[:, 1] < y1) & (regions[:, 3] > y0)
    )
