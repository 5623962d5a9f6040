"""Near-duplicates across the sides of a split: pictures of one scene under several names.

Each picture's hash has 64 bits that say where brightness rises from left to right (dHash, N. Krawetz 2013,
"Kind of Like That"); it hardly changes with size, compression and brightness.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from streamer.errors import ConfigError
from trainer import cache
from trainer.config import DataConfig
from trainer.data import SIDES, Picture, Split

THRESHOLD = 6
"""Bits, of 64, up to which two pictures are near-duplicates.

Of the Kaggle frames nine in ten that follow each other in a clip are as near, and none of two clips: those
differ in 13 bits or more, be it two views of one scene, which ``data.groups`` is for."""

FLATTEST = 4
"""Levels, of 255, between the darkest and the brightest of a picture's 9x8 means, below which its hash says
nothing: night, fog, a lens cap."""

_AT_ONCE = 512
"""Hashes that are compared with all others at once, which bounds memory."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that look alike, on two sides."""

    kept: Picture
    kept_side: str
    """The one of the two sides that comes first in ``SIDES``."""
    other: Picture
    other_side: str
    distance: int
    """How many bits of their hashes differ."""


def check(split: Split, config: DataConfig, console: Console) -> Split:
    """Refuse near-duplicates across the sides of a split, or leave them out, as ``data.duplicates`` says.

    Args:
        split: frames by side.
        config: says what to do, and where hashes are kept.
        console: where progress goes.

    Returns:
        The split; where duplicates are dropped, without those pictures for training that look like one for
        validation or test, and without those for validation that look like one for test.

    Raises:
        ConfigError: there are any and they are refused; names the nearest, and what to do.
        SinkError: the cache cannot be written.
    """
    pairs = find(split, Path(config.cache), console)
    if not pairs:
        return split
    if config.duplicates == "refuse":
        nearest = min(pairs, key=lambda pair: pair.distance)
        one, other = nearest.kept, nearest.other
        raise ConfigError(
            f"data: {other.name} for {nearest.other_side} looks like {one.name} for {nearest.kept_side} "
            f"({nearest.distance} of 64 bits differ), and {len(pairs) - 1} other pairs do too: if they show "
            f"one scene put {sorted({one.clip, other.clip})} into data.groups, or one into data.exclude; "
            "`data: {duplicates: drop}` leaves such frames out of training and validation"
        )
    dropped = {(pair.other_side, pair.other.name) for pair in pairs}
    sides = {
        side: [p for p in getattr(split, side) if (side, p.name) not in dropped]
        for side in ("train", "validation", "test")
    }
    for side, pictures in sides.items():
        if not pictures:
            raise ConfigError(f"data.duplicates: every frame for {side} looks like one of another side")
    counts = Counter(split.counts)
    counts["near-duplicates across sides"] += len(dropped)
    return replace(split, **sides, counts=counts)


def find(split: Split, caches: Path, console: Console) -> list[Pair]:
    """Return all pairs of pictures on different sides that look alike.

    Pictures that cannot be read are passed over, and so are those that show next to nothing.

    Raises:
        SinkError: the cache cannot be written.
    """
    hashes = _hashes(split.pictures, caches, console)
    found = []
    for index, kept_side in enumerate(SIDES):
        kept = [p for p in getattr(split, kept_side) if p.digest in hashes]
        for other_side in SIDES[index + 1 :]:
            others = [p for p in getattr(split, other_side) if p.digest in hashes]
            one, other = (np.array([hashes[p.digest] for p in side], np.uint64) for side in (kept, others))
            found += [
                Pair(kept[i], kept_side, others[j], other_side, distance)
                for i, j, distance in near(one, other)
            ]
    return found


def near(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> list[tuple[int, int, int]]:
    """Return the indices of those hashes that differ in ``THRESHOLD`` bits or fewer, and in how many."""
    found = []
    for start in range(0, len(one), _AT_ONCE):
        part = one[start : start + _AT_ONCE]
        distances = np.bitwise_count(part[:, None] ^ other[None, :])
        found += [
            (start + int(i), int(j), int(distances[i, j])) for i, j in np.argwhere(distances <= THRESHOLD)
        ]
    return found


def dhash(grey: NDArray[np.uint8]) -> int | None:
    """Return the hash of a grey picture, uint8 ``[H, W]``; None where it shows next to nothing."""
    small = np.asarray(cv2.resize(grey.astype(np.float32), (9, 8), interpolation=cv2.INTER_AREA))
    if small.max() - small.min() < FLATTEST:
        return None
    rises = (small[:, 1:] > small[:, :-1]).ravel()
    return int.from_bytes(np.packbits(rises).tobytes(), "big")


def _hashes(pictures: Sequence[Picture], caches: Path, console: Console) -> dict[str, int]:
    """Return the hash of each picture that has one, by the picture's digest, as found before or anew."""
    ingredients = {
        "code": cache.digest([Path(__file__)]),
        "pictures": sorted({picture.digest for picture in pictures}),
    }

    def make(folder: Path) -> None:
        quiet = not console.is_terminal
        shown = track(pictures, "looking for duplicates", console=console, transient=True, disable=quiet)
        hashes = {picture.digest: _hash(picture.path) for picture in shown}
        (folder / "hashes.json").write_text(json.dumps(hashes), encoding="utf-8")

    folder = cache.folder(caches / f"hashes-{cache.key(ingredients)}", make)
    found = json.loads((folder / "hashes.json").read_text(encoding="utf-8"))
    return {digest: value for digest, value in found.items() if value is not None}


def _hash(path: Path) -> int | None:
    """Hash a file; None where it is no picture, which whoever decodes it counts."""
    try:
        with PIL.Image.open(path) as image:
            image.draft("L", (72, 64))  # a JPEG need not be decoded at its full size
            return dhash(np.asarray(image.convert("L")))
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError):
        return None
