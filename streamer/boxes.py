"""Boxes as arrays: padding, clipping, joining, and unions without double counting."""

from __future__ import annotations

import itertools
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.int32]
"""int32 ``[R, 4]``: x0, y0, x1, y1 in whole pixels, x1 and y1 exclusive, inside the frame, none empty."""


def rounded(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return boxes, float32 ``[N, 4]``, to the hundredth of a pixel, as the log has them."""
    return np.round(boxes.astype(np.float64), 2).astype(np.float32)


def whole(width: int, height: int) -> Boxes:
    """Return the one box that covers a frame of ``width`` x ``height`` pixels."""
    return np.array([[0, 0, width, height]], np.int32)


def pad(boxes: NDArray[np.float32], width: int, height: int, padding: float, margin: float = 0.0) -> Boxes:
    """Grow boxes, round them outwards to whole pixels and clip them to the frame.

    Args:
        boxes: float32 ``[N, 4]``: x0 ≤ x1, y0 ≤ y1 in pixels; finite, but may reach off the frame.
        width: of the frame, in pixels.
        height: of the frame, in pixels.
        padding: how far each side moves out, as a share of the box's width or height.
        margin: how far it moves out beyond that, in pixels.

    Returns:
        int32 ``[R, 4]`` with R ≤ N: those that are not empty after clipping. A box thinner than a pixel
        that lies on the frame still covers the pixel it lies on.
    """
    if len(boxes) == 0:
        return np.zeros((0, 4), np.int32)
    exact = boxes.astype(np.float64)
    by = padding * np.maximum(exact[:, 2:] - exact[:, :2], 0.0) + margin
    limit = np.array([width, height], np.float64)
    start = np.floor(exact[:, :2] - by)
    end = np.maximum(np.ceil(exact[:, 2:] + by), start + 1)
    start, end = np.clip(start, 0.0, limit), np.clip(end, 0.0, limit)
    padded = np.concatenate([start, end], axis=1).astype(np.int32)
    return padded[(padded[:, 2] > padded[:, 0]) & (padded[:, 3] > padded[:, 1])]


def joined(boxes: Boxes, slack: float) -> Boxes:
    """Join boxes that cover nearly the same, or next to nothing more when they are one.

    A detector with a low threshold says three times where one object is, and a track says it once more:
    each would be hidden, and restored, on top of the others.

    Args:
        boxes: int32 ``[R, 4]``.
        slack: how much more than its boxes, as a share of their area, one that replaces them may cover.

    Returns:
        int32 ``[J, 4]`` with J ≤ R: between them they cover all that ``boxes`` do.
    """
    if len(boxes) < 2:
        return boxes
    # Python's own numbers: for the dozens of boxes that a frame has, arrays take several times as long
    left = [(x0, y0, x1, y1, (x1 - x0) * (y1 - y0)) for x0, y0, x1, y1 in boxes.tolist()]
    left.sort(key=itemgetter(4))  # smallest first, to be taken from the end
    kept: list[tuple[int, int, int, int, int]] = []
    while left:
        # last is what is surely covered by the boxes that it is made of
        x0, y0, x1, y1, covered = left.pop()
        least, best, both = 1 + slack, -1, 0
        for place, (a0, b0, a1, b1, known) in enumerate(kept):
            # conditions, where min and max would take most of the time
            across = (a1 if a1 > x1 else x1) - (a0 if a0 < x0 else x0)
            down = (b1 if b1 > y1 else y1) - (b0 if b0 < y0 else y0)
            if across * down > (known + covered) * least:
                continue  # apart, as most are
            shared = max(0, min(a1, x1) - max(a0, x0)) * max(0, min(b1, y1) - max(b0, y0))
            together = max(known + covered - shared, known, covered)
            waste = across * down / together
            if waste < least or (best < 0 and waste == least):
                least, best, both = waste, place, together
        if best < 0:
            kept.append((x0, y0, x1, y1, covered))
            continue
        a0, b0, a1, b1, _ = kept[best]
        # what grew may now take in others
        left.append((min(a0, x0), min(b0, y0), max(a1, x1), max(b1, y1), both))
        kept[best] = kept[-1]
        kept.pop()
    return np.array([box[:4] for box in kept], np.int32)


def disjoint(boxes: Boxes) -> Boxes:
    """Cut the union of boxes into boxes that do not overlap, so that sums over it count each pixel once.

    Args:
        boxes: int32 ``[R, 4]``.

    Returns:
        int32 ``[D, 4]`` that cover exactly the same pixels.
    """
    if len(boxes) < 2:
        return boxes
    # between two neighbouring edges nothing begins or ends: each horizontal band is a set of intervals
    edges = np.unique(boxes[:, [1, 3]])
    pieces: list[tuple[int, int, int, int]] = []
    for top, bottom in itertools.pairwise(edges.tolist()):
        band = boxes[(boxes[:, 1] <= top) & (boxes[:, 3] >= bottom)]
        end = -1
        for x0, x1 in sorted((int(box[0]), int(box[2])) for box in band):
            if x1 > end:
                pieces.append((max(x0, end), top, x1, bottom))
                end = x1
    return np.array(pieces, np.int32)
