"""Looking closer: the whole frame and overlapping tiles of it, and what was found in them as one.

What a detector misses in a frame is mostly what is small there; in a tile the same object is two or three
times as large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import batched_nms

from streamer.boxes import Boxes
from streamer.detect import Detector
from streamer.frame import Detections

OVERLAP = 0.25
"""How much of a tile its neighbour shows too, as a share of the tile's side."""

MARGIN = 0.01
"""A box that ends this close to a tile's inner edge, as a share of its side, is taken to be cut by it."""

IOU = 0.5
"""From which overlap on the lesser of two boxes of a kind is the same object."""

PART = 0.85
"""A box of which this share lies within a larger, surer one of its kind is taken for a part of that object: a
tile often shows no more than a car's front."""

Pass: TypeAlias = tuple[NDArray[np.int32], Detections]
"""A tile, int32 ``[4]``, and what was found in it, both in pixels of the frame."""


def tiles(width: int, height: int, columns: int, rows: int) -> Boxes:
    """Divide a frame into tiles that overlap.

    Args:
        width: of the frame, in pixels.
        height: of the frame, in pixels.
        columns: how many tiles there are beside each other.
        rows: how many there are below each other.

    Returns:
        int32 ``[columns * rows, 4]``, row by row; those at the frame's edges end there exactly.
    """
    across, down = _spans(width, columns), _spans(height, rows)
    return np.array([(x0, y0, x1, y1) for y0, y1 in down for x0, x1 in across], np.int32)


def _spans(length: int, count: int) -> list[tuple[int, int]]:
    side = length / (count - (count - 1) * OVERLAP)
    starts = [index * side * (1 - OVERLAP) for index in range(count)]
    return [(int(start), min(length, int(np.ceil(start + side)))) for start in starts]


def look(
    detector: Detector, images: Sequence[torch.Tensor], grids: Sequence[tuple[int, int]]
) -> list[list[Pass]]:
    """Find objects in all tiles of all pictures, in one call of the detector.

    Args:
        detector: what finds.
        images: uint8 ``[H, W, 3]``, RGB, on the detector's device.
        grids: columns and rows of tiles, for each of the passes; ``(1, 1)`` is the whole frame.

    Returns:
        For each picture, its tiles.

    Raises:
        ValueError: the detector returned what is not a number.
    """
    places = [
        np.concatenate([tiles(image.shape[1], image.shape[0], *grid) for grid in grids]) for image in images
    ]
    views = [
        image[y0:y1, x0:x1]
        for image, divided in zip(images, places, strict=True)
        for x0, y0, x1, y1 in divided.tolist()
    ]
    found = iter(detector.detect(views) if views else [])
    return [[(tile, _moved(next(found), tile)) for tile in divided] for divided in places]


def _moved(found: Detections, tile: NDArray[np.int32]) -> Detections:
    return Detections(found.boxes + np.tile(tile[:2], 2).astype(np.float32), found.scores, found.labels)


def uncut(boxes: NDArray[np.float32], tile: NDArray[np.int32], width: int, height: int) -> NDArray[np.bool_]:
    """Say which boxes are whole: those that no inner edge of their tile cuts.

    Args:
        boxes: float32 ``[N, 4]``, in pixels of the frame.
        tile: int32 ``[4]``: where they were found.
        width: of the frame, in pixels; an edge of the tile that is the frame's own cuts nothing.
        height: likewise.

    Returns:
        bool ``[N]``.
    """
    sides = np.tile(tile[2:] - tile[:2], 2) * MARGIN
    inner = tile != np.array([0, 0, width, height])
    limits = np.where(inner, tile + sides * [1, 1, -1, -1], [-np.inf, -np.inf, np.inf, np.inf])
    return np.asarray((boxes[:, :2] >= limits[:2]).all(axis=1) & (boxes[:, 2:] <= limits[2:]).all(axis=1))


def merge(found: Sequence[Pass], width: int, height: int, kinds: Mapping[str, str]) -> Detections:
    """Join what was found in tiles to objects, for labels: what a tile cuts says where no object ends.

    Args:
        found: of one frame.
        width: of the frame, in pixels.
        height: of the frame, in pixels.
        kinds: classes that are taken for one another, by name: what one object may be found as.

    Returns:
        Whole boxes, clipped to the frame, each object once, best score first.
    """
    parts = [each.keep(uncut(each.boxes, tile, width, height)) for tile, each in found]
    objects = _best(_clipped(parts, width, height), kinds)
    kind = _numbers(objects.labels, kinds).numpy()
    surer = np.tri(len(objects), k=-1, dtype=bool)
    held = _within(objects.boxes, objects.boxes) & surer & (kind[:, None] == kind[None, :])
    return objects.keep(~held.any(axis=1))


def cover(found: Sequence[Pass], width: int, height: int) -> Detections:
    """Join what was found in tiles so that nothing is lost, for hiding.

    As ``merge``, but a box that a tile cuts stays, unless it is part of a whole one; a box with parts grows
    to hold them, and is at least as sure as they are, so that it is hidden wherever they would be. Classes
    stay apart, since cameras ask for different ones. What is ``_astray`` is returned as it was found, for the
    stage to judge whether the detector can be trusted with the frame.

    Args:
        found: of one frame.
        width: of the frame, in pixels.
        height: of the frame, in pixels.

    Returns:
        Boxes, best score first, clipped to the frame unless they are astray.
    """
    entire = [uncut(each.boxes, tile, width, height) for tile, each in found]
    parts = [each.keep(chosen) for (_, each), chosen in zip(found, entire, strict=True)]
    rest = [each.keep(~chosen) for (_, each), chosen in zip(found, entire, strict=True)]
    # apart from each other, so that no piece of an object stands for all of it
    objects, pieces = (_best(_clipped(each, width, height), {}) for each in (parts, rest))
    both = Detections.join([objects, pieces])
    labels = np.array(both.labels, object)
    held = np.zeros(len(both), np.bool_)
    # class by class: a low threshold finds thousands of boxes, whose pairs would fill gigabytes
    for label in dict.fromkeys(both.labels):
        chosen = np.flatnonzero(labels == label)
        held[chosen] = _taken_in(both.boxes, both.scores, chosen, int((chosen < len(objects)).sum()))
    strays = [each.keep(_astray(each.boxes, width, height)) for _, each in found]
    everything = Detections.join([both.keep(~held), *strays])
    return everything.take(np.argsort(-everything.scores, kind="stable"))


def _taken_in(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], chosen: NDArray[np.intp], entire: int
) -> NDArray[np.bool_]:
    """Grow whole boxes of one class so that they hold their parts.

    Args:
        boxes: float32 ``[N, 4]``; those that have parts are changed.
        scores: float32 ``[N]``.
        chosen: places of the class's M boxes among them.
        entire: how many of these, the first ones, are whole.

    Returns:
        bool ``[M]``: which are parts of another.
    """
    own, surety = boxes[chosen], scores[chosen]
    holds = _within(own, own) & (surety[None, :] >= surety[:, None])
    holds &= (np.arange(len(chosen)) < entire)[None, :]
    for part in np.argsort((own[:, 2:] - own[:, :2]).prod(axis=1)):
        if holds[part].any():  # what holds it is larger, so that it comes later itself
            holder = own[holds[part].argmax()]
            holder[:2] = np.minimum(holder[:2], own[part, :2])
            holder[2:] = np.maximum(holder[2:], own[part, 2:])
    boxes[chosen] = own
    return np.asarray(holds.any(axis=1))


class Tiled:
    """A detector that looks at the whole frame and at tiles of it; satisfies ``streamer.detect.Detector``."""

    def __init__(self, detector: Detector, columns: int, rows: int) -> None:
        """Put tiles before a detector.

        Args:
            detector: what finds; it gets all tiles of all pictures at once.
            columns: how many tiles there are beside each other.
            rows: how many there are below each other.
        """
        self.name = f"{detector.name} in {columns}x{rows} tiles"
        self.engine = detector.engine
        self.batch_size = max(1, detector.batch_size // (columns * rows + 1))
        self._detector = detector
        self._grids = [(1, 1), (columns, rows)]

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find objects; see ``streamer.detect.Detector``."""
        return [
            cover(found, image.shape[1], image.shape[0])
            for image, found in zip(images, look(self._detector, images, self._grids), strict=True)
        ]


def _clipped(parts: Sequence[Detections], width: int, height: int) -> Detections:
    """Join boxes, clipped to the frame, without those that are astray."""
    joined = Detections.join(parts)
    joined = joined.keep(~_astray(joined.boxes, width, height))
    return replace(joined, boxes=_in_frame(joined.boxes, width, height))


def _astray(boxes: NDArray[np.float32], width: int, height: int) -> NDArray[np.bool_]:
    """Say which boxes clipping would make something else of: nothing at all, or less by more than a frame."""
    clipped = _in_frame(boxes, width, height)
    empty = (clipped[:, 2:] <= clipped[:, :2]).any(axis=1)
    return np.asarray(empty | (np.abs(boxes - clipped) > [width, height, width, height]).any(axis=1))


def _in_frame(boxes: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    return np.clip(boxes, 0, np.array([width, height, width, height], np.float32))


def _best(found: Detections, kinds: Mapping[str, str]) -> Detections:
    """Of boxes that overlap leave the surest, best score first."""
    numbers = _numbers(found.labels, kinds)
    kept = batched_nms(torch.from_numpy(found.boxes), torch.from_numpy(found.scores), numbers, IOU)
    return found.take(kept.numpy())


def _numbers(labels: Sequence[str], kinds: Mapping[str, str]) -> torch.Tensor:
    """Number the kinds of ``labels``: int64 ``[N]``."""
    named = [kinds.get(label, label) for label in labels]
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(named))}
    return torch.tensor([numbers[kind] for kind in named], dtype=torch.int64)


def _within(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Say which ``boxes``, rows, are parts of which larger ``others``, columns."""
    start = np.maximum(boxes[:, None, :2], others[None, :, :2])
    end = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    other = (others[:, 2:] - others[:, :2]).prod(axis=1)
    inside = np.clip(end - start, 0, None).prod(axis=2) >= PART * area[:, None]
    return np.asarray(inside & (other[None, :] > area[:, None]))
