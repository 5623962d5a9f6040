"""Decoded pictures on disk: read as they are asked for, so that a set may be larger than memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from streamer.errors import SourceError
from trainer import cache
from trainer.data import Picture
from trainer.images import read_image

LONGEST = 1920
"""Pixels of the longer side beyond which a picture is reduced: enormous ones are photographs that are sharp
at a fraction of their size only, and would fill the disk."""


class Store:
    """Pictures one after the other in one file, mapped into memory."""

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "pictures.json").read_text(encoding="utf-8"))
        self.unreadable: list[str] = facts["unreadable"]
        """Names of the pictures that are no images, damaged or truncated."""
        self.names: list[str] = facts["names"]
        """Of all others, in the order in which they are numbered."""
        self._shapes: list[tuple[int, int]] = [(height, width) for height, width in facts["shapes"]]
        ends = np.cumsum([3 * height * width for height, width in self._shapes])
        self._starts: list[int] = [0, *ends.tolist()]
        self._pixels: NDArray[np.uint8] = np.memmap(folder / "pixels", np.uint8, "r")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Return a picture: uint8 ``[H, W, 3]``, RGB, not writable."""
        height, width = self._shapes[index]
        return self._pixels[self._starts[index] : self._starts[index + 1]].reshape(height, width, 3)


def store(pictures: Sequence[Picture], caches: Path, doing: str, console: Console) -> Store:
    """Decode pictures, or find them decoded before.

    Args:
        pictures: to decode; those that cannot be are named in the outcome.
        caches: folder of all caches.
        doing: what a progress bar says.
        console: where it is drawn.

    Raises:
        SinkError: the disk is full or cannot be written.
        SourceError: no picture can be read.
    """

    def make(folder: Path) -> None:
        names, shapes, unreadable = [], [], []
        shown = track(pictures, doing, console=console, transient=True, disable=not console.is_terminal)
        with (folder / "pixels").open("wb") as pixels:
            for picture in shown:
                try:
                    image = _reduced(read_image(picture.path).numpy())
                except SourceError:
                    unreadable.append(picture.name)
                    continue
                pixels.write(image.tobytes())
                names.append(picture.name)
                shapes.append(image.shape[:2])
        if not names:
            raise SourceError(f"{doing}: none of {len(pictures)} pictures can be read, {unreadable[0]} first")
        facts = {"names": names, "shapes": shapes, "unreadable": unreadable}
        (folder / "pictures.json").write_text(json.dumps(facts), encoding="utf-8")

    ingredients = {"longest": LONGEST, "frames": [[picture.name, picture.digest] for picture in pictures]}
    return Store(cache.folder(caches / f"pictures-{cache.key(ingredients)}", make))


def _reduced(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = LONGEST / max(height, width)
    if scale >= 1.0:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
