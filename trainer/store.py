"""Decoded pictures on disk: read as they are asked for, so that a set may be larger than memory."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from streamer.errors import SourceError
from trainer import cache, images
from trainer.data import Picture
from trainer.images import read_image, resized

LONGEST = 1920
"""Pixels of the longer side beyond which a picture is reduced: enormous ones are photographs that are sharp
at a fraction of their size only, and would fill the disk."""

_DECODING = Path(inspect.getfile(images))
"""The code that decodes; when it changes pictures are decoded again."""


class Store:
    """Pictures one after the other in one file, mapped into memory; with their partners if they have any."""

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "pictures.json").read_text(encoding="utf-8"))
        self.unreadable: list[str] = facts["unreadable"]
        """Names of the pictures that are no images, damaged or truncated."""
        self.names: list[str] = facts["names"]
        """Of all others, in the order in which they are numbered."""
        self._shapes: list[tuple[int, int, int]] = [(h, w, channels) for h, w, channels in facts["shapes"]]
        ends = np.cumsum([height * width * channels for height, width, channels in self._shapes])
        self._starts: list[int] = [0, *ends.tolist()]
        # copied where it is written to, which nobody does: torch takes what cannot be written with a warning
        self._pixels: NDArray[np.uint8] = np.memmap(folder / "pixels", np.uint8, "c")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Return a picture: uint8 ``[H, W, 3]``, RGB, or ``[H, W, 6]`` with its partner's RGB behind."""
        return self._pixels[self._starts[index] : self._starts[index + 1]].reshape(self._shapes[index])


def store(
    pictures: Sequence[Picture], caches: Path, doing: str, console: Console, longest: int | None = LONGEST
) -> Store:
    """Decode pictures, or find them decoded before.

    Args:
        pictures: to decode; those that cannot be are named in the outcome.
        caches: folder of all caches.
        doing: what a progress bar says.
        console: where it is drawn.
        longest: pixels of the longer side beyond which a picture is reduced; None reduces none.

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
                    image = _reduced(decode(picture).numpy(), longest)
                except SourceError:
                    unreadable.append(picture.name)
                    continue
                pixels.write(image.tobytes())
                names.append(picture.name)
                shapes.append(image.shape)
        if not names:
            raise SourceError(f"{doing}: none of {len(pictures)} pictures can be read, {unreadable[0]} first")
        facts = {"names": names, "shapes": shapes, "unreadable": unreadable}
        (folder / "pictures.json").write_text(json.dumps(facts), encoding="utf-8")

    frames = [[p.name, p.digest, p.partner.digest if p.partner else None] for p in pictures]
    ingredients = {"longest": longest, "frames": frames, "code": cache.digest([_DECODING, Path(__file__)])}
    return Store(cache.folder(caches / f"pictures-{cache.key(ingredients)}", make))


def decode(picture: Picture) -> torch.Tensor:
    """Return a picture: uint8 ``[H, W, 3]``, RGB, or ``[H, W, 6]`` with its partner's RGB behind.

    Raises:
        SourceError: one of the two cannot be read.
    """
    image = read_image(picture.path)
    if picture.partner is None:
        return image
    return torch.cat([image, read_image(picture.partner.path)], dim=2)


def _reduced(image: NDArray[np.uint8], longest: int | None) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if longest is None or longest >= max(height, width):
        return image
    scale = longest / max(height, width)
    return resized(image, max(1, round(width * scale)), max(1, round(height * scale)))
