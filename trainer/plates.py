"""What a fixed camera knows of its view's colours by the second half of a clip."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from streamer.plate import Plate, hints, learn
from trainer import colour
from trainer.data import Picture
from trainer.images import read_image


def in_order(pictures: Sequence[Picture]) -> list[Picture]:
    """Sort pictures by clip, and in a clip by their numbers: 9 comes before 10."""

    def key(picture: Picture) -> tuple[str, list[int], str]:
        return picture.clip, [int(number) for number in re.findall(r"\d+", picture.path.stem)], picture.name

    return sorted(pictures, key=key)


def halves(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Return the first and the second half of every clip; a clip with one frame is in neither."""
    clips: dict[str, list[Picture]] = {}
    for picture in in_order(pictures):
        clips.setdefault(picture.clip, []).append(picture)
    first, second = [], []
    for members in clips.values():
        if len(members) > 1:
            first += members[: len(members) // 2]
            second += members[len(members) // 2 :]
    return first, second


class Plated:
    """Makes pairs of grey pictures, each with the hints of its clip's plate."""

    def __init__(self, teaching: Sequence[Picture]) -> None:
        """Learn a plate for each clip, as streamer does while a camera is in colour.

        Args:
            teaching: the pictures that plates are learnt from, each clip's in order; none that is measured.
        """
        self._plates: dict[str, Plate] = {}
        for picture in teaching:
            image = read_image(picture.path)
            before = self._plates.get(picture.clip)
            if before is not None and not _fits(before, image):
                before = None
            shown = torch.zeros(image.shape[:2], dtype=torch.bool)
            self._plates[picture.clip] = learn(before, image, shown)

    def __call__(self, picture: Picture) -> tuple[Tensor, Tensor]:
        """Return the picture, uint8 ``[H, W, 3]``, and it in grey with hints, float32 ``[6, H, W]``."""
        original = read_image(picture.path)
        grey = colour.without(original.permute(2, 0, 1).float() / 255, np.random.default_rng())
        plate = self._plates.get(picture.clip)
        if plate is not None and not _fits(plate, original):
            plate = None
        shown = (grey * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
        return original, torch.cat([grey, hints(shown, plate)])


def _fits(plate: Plate, image: Tensor) -> bool:
    return all(-(-side // 4) == cells for side, cells in zip(image.shape, plate.samples.shape, strict=False))
