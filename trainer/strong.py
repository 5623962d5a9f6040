"""A strong pass of a weak detector: the whole frame and overlapping tiles of it, merged.

It takes 14 times as long as a single pass, which is for making labels, not for a camera.
"""

from __future__ import annotations

import torch

from streamer.detect import Detector, tiles
from streamer.frame import Detections

GRIDS = (1, 2, 3)
"""Tiles along each side of the frame, for each of the passes."""

KINDS = {"bus": "car", "truck": "car", "motorcycle": "bicycle"}
"""Classes that a detector takes for one another: one object is often found as both."""


def detect(detector: Detector, image: torch.Tensor) -> Detections:
    """Find objects in a frame and in tiles of it.

    Args:
        detector: what finds.
        image: uint8 ``[H, W, 3]``, RGB, on the detector's device.

    Returns:
        Whole boxes, clipped to the frame, each object once, best score first.

    Raises:
        ValueError: the detector returned what is not a number.
    """
    (found,) = tiles.look(detector, [image], [(grid, grid) for grid in GRIDS])
    return tiles.merge(found, image.shape[1], image.shape[0], KINDS)
