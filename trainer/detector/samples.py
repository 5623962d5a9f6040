"""Training pictures: frames, zoomed, cut, turned round and put together at random, with what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from streamer.frame import Detections, Image
from trainer.detector.assign import Objects
from trainer.detector.config import ViewConfig
from trainer.images import read_image

PADDING = 114
"""The grey beside a frame."""

SHOWN = 0.3
"""An object of which less is left in the picture, as a share of its area, is in doubt."""

LEAST = 2.0
"""An object with a side of fewer pixels in the picture is in doubt."""

PIECES = 6
"""Most pieces of other frames that are pasted on a picture."""

PIECE = 0.04, 0.35
"""Least and most width of a piece, as a share of the picture's; it is 0.4 to 2.5 times as high as wide."""

UNDER = 0.5, 0.9
"""An object with more than the first share of it under pieces is in doubt, with more than the second gone."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sample:
    """A frame on disk and what is in it."""

    path: Path
    objects: Detections
    """In the frame's pixels."""


class Samples(Dataset[tuple[Tensor, Objects]]):
    """Endless pictures: what number N is follows from the seed and N alone, so that a resumed run goes on.

    An item is a uint8 ``[3, H, W]`` picture, RGB, and its objects.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        classes: Sequence[str],
        size: tuple[int, int],
        threshold: float,
        view: ViewConfig,
        seed: int,
    ) -> None:
        """Take note of what there is.

        Args:
            samples: frames.
            classes: in the order of their numbers; objects of others are left out.
            size: height and width of the pictures.
            threshold: the score below which an object is in doubt.
            view: how pictures are made.
            seed: of all chance.
        """
        self._samples = samples
        self._classes = tuple(classes)
        self._size = size
        self._threshold = threshold
        self._view = view
        self._seed = seed

    def __getitem__(self, index: int) -> tuple[Tensor, Objects]:
        random = np.random.default_rng([self._seed, index])
        height, width = self._size
        canvas = np.full((height, width, 3), PADDING, np.uint8)
        x = y = 0
        if random.random() < self._view.mosaic:
            x = int(width * random.uniform(0.3, 0.7))
            y = int(height * random.uniform(0.3, 0.7))
        parts = [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
        found = [
            self._draw(canvas[y0:y1, x0:x1], index if part == 3 else None, random).moved(x0, y0)
            for part, (x0, y0, x1, y1) in enumerate(parts)
            if x1 > x0 and y1 > y0
        ]
        if self._view.paste > 0 and random.random() < self._view.paste:
            found = self._paste_pieces(canvas, found, random)
        picture = _colour(canvas, self._view.colour, random)
        boxes = np.concatenate([each.boxes for each in found])
        classes = np.concatenate([each.classes for each in found])
        doubtful = np.concatenate([each.doubtful for each in found])
        objects = Objects(torch.from_numpy(boxes), torch.from_numpy(classes), torch.from_numpy(doubtful))
        return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))), objects

    def _paste_pieces(
        self, canvas: Image, found: Sequence[_Found], random: np.random.Generator
    ) -> list[_Found]:
        """Draw pieces of any frames over the picture, whatever is in them; returns what is to be seen then.

        A cut edge, or a thing out of its place, is no sign of an object: to learn that takes more scenes than
        there are, or scenes cut up (as in CutMix, Yun et al. 2019, arXiv:1905.04899).
        """
        height, width = canvas.shape[:2]
        layers = np.zeros((height, width), np.uint8)
        left = list(found)
        for layer in range(1, int(random.integers(1, PIECES + 1)) + 1):
            across = width * np.exp(random.uniform(*np.log(PIECE)))
            down = min(across * np.exp(random.uniform(-0.9, 0.9)), 0.6 * height)
            w, h = (max(int(LEAST), round(side)) for side in (across, down))
            x, y = int(random.integers(0, width - w + 1)), int(random.integers(0, height - h + 1))
            place = canvas[y : y + h, x : x + w]
            place[:] = PADDING  # where the frame does not reach
            left.append(self._draw(place, None, random, whole=(height, width)).moved(x, y))
            layers[y : y + h, x : x + w] = layer
        # the parts that the picture is made of lie beside each other, all of them below the pieces
        own = [0] * len(found) + list(range(1, len(left) - len(found) + 1))
        return [each.under(layers > layer) for each, layer in zip(left, own, strict=True)]

    def _draw(
        self,
        canvas: Image,
        index: int | None,
        random: np.random.Generator,
        whole: tuple[int, int] | None = None,
    ) -> _Found:
        """Draw a part of a frame on ``canvas``.

        Args:
            canvas: is drawn on.
            index: the frame is that of this number; None: any.
            random: gives the part.
            whole: height and width that the frame would fill at a zoom of 1; None: those of ``canvas``.
        """
        number = int(random.integers(len(self._samples))) if index is None else self._order(index)
        sample = self._samples[number]
        frame = read_image(sample.path).numpy()
        zoom = np.exp(random.uniform(*np.log(self._view.zoom)))
        stretch = np.exp(random.uniform(-0.5, 0.5) * self._view.stretch)
        height, width = whole or canvas.shape[:2]
        fit = min(height / frame.shape[0], width / frame.shape[1]) * zoom
        scale = np.array([fit * stretch, fit / stretch])
        shown = np.maximum(1, np.round(np.array(frame.shape[1::-1]) * scale)).astype(int)
        room = np.array(canvas.shape[1::-1]) - shown
        offset = np.round(random.uniform(np.minimum(room, 0), np.maximum(room, 0))).astype(int)
        mirrored = random.random() < 0.5
        _paste(canvas, frame, shown, offset)
        boxes = sample.objects.boxes * np.tile(shown / frame.shape[1::-1], 2) + np.tile(offset, 2)
        if mirrored:
            canvas[:] = canvas[:, ::-1].copy()
            boxes[:, [0, 2]] = canvas.shape[1] - boxes[:, [2, 0]]
        return self._sort(boxes.astype(np.float32), sample.objects, canvas.shape[1], canvas.shape[0])

    def _order(self, index: int) -> int:
        """Return the number of the frame for ``index``: each comes once before any comes again."""
        turn, place = divmod(index, len(self._samples))
        return int(np.random.default_rng([self._seed, turn, 0]).permutation(len(self._samples))[place])

    def _sort(self, boxes: Floats, objects: Detections, width: int, height: int) -> _Found:
        """Tell apart what is to be found, what is in doubt, and what is out of the picture."""
        clipped = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
        before, after = boxes[:, 2:] - boxes[:, :2], clipped[:, 2:] - clipped[:, :2]
        known = np.array([label in self._classes for label in objects.labels], bool)
        visible = (after > 0).all(axis=1) & known
        left = after.prod(axis=1) / np.maximum(before.prod(axis=1), 1e-6)
        sure = visible & (objects.scores >= self._threshold) & (left >= SHOWN) & (after >= LEAST).all(axis=1)
        classes = [self._classes.index(objects.labels[index]) for index in np.flatnonzero(sure)]
        return _Found(clipped[sure], np.array(classes, np.int64), clipped[visible & ~sure])


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What is in a part of a picture."""

    boxes: Floats
    classes: NDArray[np.int64]
    doubtful: Floats

    def moved(self, x: int, y: int) -> _Found:
        by = np.array([x, y, x, y], np.float32)
        return _Found(self.boxes + by, self.classes, self.doubtful + by)

    def under(self, covered: NDArray[np.bool_]) -> _Found:
        """Return what is left of it when something is drawn over pixels, bool ``[H, W]``, of the picture."""
        share, doubtful = (_share(covered, boxes) for boxes in (self.boxes, self.doubtful))
        seen, gone = UNDER
        half = (share > seen) & (share <= gone)
        doubts = np.concatenate([self.doubtful[doubtful <= gone], self.boxes[half]])
        return _Found(self.boxes[share <= seen], self.classes[share <= seen], doubts)


def _share(pixels: NDArray[np.bool_], boxes: Floats) -> NDArray[np.float64]:
    """Return the share of each box that some pixels take."""
    start = np.floor(boxes[:, :2])
    corners = np.hstack([start, np.maximum(np.ceil(boxes[:, 2:]), start + 1)]).astype(int).tolist()
    return np.array([pixels[y0:y1, x0:x1].mean() for x0, y0, x1, y1 in corners], np.float64)


def _paste(canvas: Image, frame: Image, size: NDArray[np.int64], offset: NDArray[np.int64]) -> None:
    """Draw ``frame``, resized to ``size``, with its corner at ``offset``, which may lie off the canvas."""
    start = np.maximum(offset, 0)
    end = np.minimum(offset + size, canvas.shape[1::-1])
    matrix = np.hstack([np.diag(size / frame.shape[1::-1]), (offset - start)[:, None]]).astype(np.float64)
    # of what is shown alone: a part of a frame that is four times as large would be resized whole
    first = np.floor((start - offset) / size * frame.shape[1::-1]).astype(int)
    last = np.ceil((end - offset) / size * frame.shape[1::-1]).astype(int)
    matrix[:, 2] += np.diag(matrix[:, :2]) * first
    part = frame[first[1] : last[1], first[0] : last[0]]
    shown = end - start
    if (shown <= 0).any():
        return
    # as INTER_LINEAR resizes: pixels' centres, not their corners, lie on the grid
    scale = np.diag(matrix[:, :2])
    matrix[:, 2] += 0.5 * scale - 0.5
    drawn = cv2.warpAffine(
        part, matrix, (int(shown[0]), int(shown[1])),
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    canvas[start[1] : end[1], start[0] : end[0]] = drawn


def _colour(picture: Image, amount: float, random: np.random.Generator) -> Image:
    """Change contrast, brightness and each channel's share."""
    factor = np.exp(random.uniform(-amount, amount) + random.uniform(-amount / 4, amount / 4, 3))
    offset = 255 * random.uniform(-amount / 4, amount / 4)
    table = (np.arange(256)[:, None] - 128) * factor + 128 + offset
    shades = np.clip(np.round(table), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, shades[:, None]), np.uint8)


def collate(items: Sequence[tuple[Tensor, Objects]]) -> tuple[Tensor, list[Objects]]:
    """Stack pictures; their objects stay a list."""
    return torch.stack([picture for picture, _ in items]), [objects for _, objects in items]
