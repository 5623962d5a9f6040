"""Looking at a picture in a mirror: what is missed as it stands is often found the other way round.

Two looks of a detector at one picture differ only where it is not sure. A look costs too much to take two of
every frame; the next frame shows nearly the same, and what is found in one its track carries over the other.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch

from streamer.frame import Detections


def mirrored(image: torch.Tensor) -> torch.Tensor:
    """Turn a picture left to right: uint8 ``[H, W, 3]`` to the same, on its device."""
    if image.device.type == "cpu":
        return torch.from_numpy(cv2.flip(image.numpy(), 1))  # torch takes longer
    return image.flip(1)


def back(found: Detections, width: int) -> Detections:
    """Turn what was found in a mirrored picture back.

    Args:
        found: in pixels of the mirrored picture.
        width: of the picture, in pixels.
    """
    boxes = found.boxes.copy()
    boxes[:, [0, 2]] = np.float32(width) - found.boxes[:, [2, 0]]
    return replace(found, boxes=boxes)
