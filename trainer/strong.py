"""A strong pass of a weak detector: the whole frame and overlapping tiles of it, merged.

What a detector misses in a frame is mostly what is small there; in a tile the same object is two or three
times as large. It takes 14 times as long, which is for making labels, not for a camera.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import batched_nms

from streamer.boxes import Boxes
from streamer.detect import Detector
from streamer.frame import Detections

GRIDS = (1, 2, 3)
"""Tiles along each side of the frame, for each of the passes."""

OVERLAP = 0.25
"""How much of a tile its neighbour shows too, as a share of the tile's side."""

MARGIN = 0.01
"""A box that ends this close to a tile's inner edge, as a share of its side, is taken to be cut by it."""

IOU = 0.5
"""From which overlap on the lesser of two boxes of a kind is the same object."""

KINDS = {"bus": "car", "truck": "car", "motorcycle": "bicycle"}
"""Classes that a detector takes for one another: one object is often found as both."""

PART = 0.85
"""A box of which this share lies within a larger, surer one of its kind is taken for a part of that object: a
tile often shows no more than a car's front."""


def tiles(width: int, height: int, grid: int) -> Boxes:
    """Divide a frame into ``grid`` x ``grid`` tiles that overlap.

    Args:
        width: of the frame, in pixels.
        height: of the frame, in pixels.
        grid: how many there are along each side.

    Returns:
        int32 ``[grid², 4]``, row by row; those at the frame's edges end there exactly.
    """
    columns, rows = _spans(width, grid), _spans(height, grid)
    return np.array([(x0, y0, x1, y1) for y0, y1 in rows for x0, x1 in columns], np.int32)


def _spans(length: int, count: int) -> list[tuple[int, int]]:
    side = length / (count - (count - 1) * OVERLAP)
    starts = [index * side * (1 - OVERLAP) for index in range(count)]
    return [(int(start), min(length, int(np.ceil(start + side)))) for start in starts]


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


def merge(found: Sequence[tuple[NDArray[np.int32], Detections]], width: int, height: int) -> Detections:
    """Join what was found in tiles.

    Args:
        found: each tile, int32 ``[4]``, with what was found in it, in pixels of the frame.
        width: of the frame, in pixels.
        height: of the frame, in pixels.

    Returns:
        Whole boxes, clipped to the frame, each object once, best score first.
    """
    parts = [each.keep(uncut(each.boxes, tile, width, height)) for tile, each in found]
    boxes = np.concatenate([part.boxes for part in parts])
    boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    scores = np.concatenate([part.scores for part in parts])
    labels = [label for part in parts for label in part.labels]
    kinds = [KINDS.get(label, label) for label in labels]
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    indices = torch.tensor([numbers[kind] for kind in kinds], dtype=torch.int64)
    kept = batched_nms(torch.from_numpy(boxes), torch.from_numpy(scores), indices, IOU).numpy()
    empty = (boxes[kept, 2:] <= boxes[kept, :2]).any(axis=1)
    kept = kept[~empty]
    kept = kept[~_parts(boxes[kept], indices.numpy()[kept])]
    return Detections(boxes[kept], scores[kept], tuple(labels[index] for index in kept))


def _parts(boxes: NDArray[np.float32], kinds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which boxes are parts of others; the surest come first."""
    start = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    end = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    within = np.clip(end - start, 0, None).prod(axis=2) >= PART * area[:, None]
    larger = area[None, :] > area[:, None]
    surer = np.tri(len(boxes), k=-1, dtype=bool)
    return np.asarray((within & larger & surer & (kinds[:, None] == kinds[None, :])).any(axis=1))


def detect(detector: Detector, image: torch.Tensor) -> Detections:
    """Find objects in a frame and in tiles of it.

    Args:
        detector: what finds.
        image: uint8 ``[H, W, 3]``, RGB, on the detector's device.

    Returns:
        As ``merge``.

    Raises:
        ValueError: the detector returned what is not a number.
    """
    height, width = image.shape[:2]
    places = np.concatenate([tiles(width, height, grid) for grid in GRIDS])
    found = detector.detect([image[y0:y1, x0:x1] for x0, y0, x1, y1 in places.tolist()])
    moved = [
        Detections(each.boxes + np.tile(tile[:2], 2).astype(np.float32), each.scores, each.labels)
        for tile, each in zip(places, found, strict=True)
    ]
    return merge(list(zip(places, moved, strict=True)), width, height)
