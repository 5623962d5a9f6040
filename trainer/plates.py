"""A fixed camera's plate for each clip: learnt from every frame of its first half, to colour the second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from streamer import nets, plate
from streamer.modelfile import Header
from streamer.plate import Plate
from trainer import colour
from trainer.data import Picture
from trainer.evaluate import Pairing
from trainer.images import read_image
from trainer.store import decode
from trainer.system import System

LEAST = 6
"""Frames of a clip below which it has no second half worth to speak of."""


def halves(pictures: Iterable[Picture]) -> tuple[dict[str, list[Picture]], list[Picture]]:
    """Divide each clip in the order in which its pictures come.

    Args:
        pictures: of any clips, each clip's in order.

    Returns:
        The first half of each clip by its name, and the second halves of all; without clips of fewer than
        ``LEAST`` pictures.
    """
    clips: dict[str, list[Picture]] = {}
    for picture in pictures:
        clips.setdefault(picture.clip, []).append(picture)
    long = {clip: members for clip, members in clips.items() if len(members) >= LEAST}
    first = {clip: members[: len(members) // 2] for clip, members in long.items()}
    return first, [picture for clip, members in long.items() for picture in members[len(members) // 2 :]]


def pairing(first: dict[str, list[Picture]]) -> Pairing:
    """Return what takes a picture's colour away and gives its clip's plate as a hint.

    Args:
        first: what plates are learnt from, by clip; pictures of other sizes than the first one teach nothing.
    """
    plates: dict[str, Plate | None] = {}

    def pair(picture: Picture) -> tuple[Tensor, Tensor]:
        both = decode(picture)
        original = both[..., :3].contiguous()
        if picture.clip not in plates:
            plates[picture.clip] = _learn(first[picture.clip])
        bare = colour.without(both.permute(2, 0, 1).float() / 255, np.random.default_rng(0))
        # as streamer sees it, in 8 bits
        grey = (bare * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
        return original, torch.cat([bare, plate.hints(grey, plates[picture.clip])])

    return pair


def alone(device: torch.device) -> System:
    """Return what gives a picture its plate's colours where that is sure, and else none."""
    fresh = nets.build("chroma", {"hints": True}).eval()
    return System("plate alone", fresh, Header("chroma", {"hints": True}, "colourise"), device)


def _learn(pictures: Sequence[Picture]) -> Plate | None:
    known: Plate | None = None
    for picture in pictures:
        image = read_image(picture.path)
        if known is not None and known.colours.shape[:2] != plate.reduce(image).shape[:2]:
            continue
        known = plate.learn(known, image, torch.zeros(image.shape[:2], dtype=torch.bool))
    return known
