"""A street with one car that drives on, or hits what is not there; and a detector that finds it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from streamer.frame import Detections, Image

WIDTH, HEIGHT = 320, 180
Box = tuple[float, float, float, float]


def picture(*boxes: Box) -> Image:
    """A dark street with bright cars."""
    image = np.random.default_rng(7).integers(40, 60, (HEIGHT, WIDTH, 1), np.uint8).repeat(3, axis=2)
    for x0, y0, x1, y1 in boxes:
        rows, columns = slice(round(y0), round(y1)), slice(round(x0), round(x1))
        y, x = np.mgrid[rows, columns]
        image[rows, columns] = (220 + 30 * np.sin((x - x0) / 5) * np.cos((y - y0) / 4))[..., None]
    return image


def driving(looks: int, crash: int | None = None, speed: float = 6.0, offset: float = 10.0) -> list[Box]:
    """Where a car of 40 by 30 pixels is, look by look.

    Args:
        looks: how many.
        crash: the look at which it stops at once, and then turns until it stands across; None: it drives on.
        speed: pixels from one look to the next.
        offset: of its left side at the first look.
    """
    boxes = []
    for look in range(looks):
        passed = look if crash is None else min(look, crash)
        x, y = offset + speed * passed, 80.0
        turned = 0 if crash is None else min(max(0, look - crash), 5)
        boxes.append((x + turned, y - 2 * turned, x + 40 - turned, y + 30 + 2 * turned))
    return boxes


class Finder:
    """Finds the bright car of a picture, as a ``streamer.detect.Detector``."""

    name = "finder"
    engine = "none"
    batch_size = 4

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find it."""
        return [self._find(image.numpy()) for image in images]

    def _find(self, image: Image) -> Detections:
        bright = image.min(axis=2) > 150
        rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
        if rows.size == 0:
            return Detections.none()
        box = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float32)
        return Detections(box, np.array([0.9], np.float32), ("car",))
