"""Frames and what stages make of them, for tests of a stage on a list."""

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import torch

from streamer.boxes import Boxes
from streamer.frame import Detected, Detections, Frame, Hidden, Image, Stream


def street(height: int = 240, width: int = 320) -> Image:
    """Smooth shapes with hard edges, as pictures have."""
    rng = np.random.default_rng(1)
    image = np.full((height, width, 3), 90, np.uint8)
    for _ in range(60):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        cv2.rectangle(image, (x, y), (x + int(rng.integers(5, 60)), y + int(rng.integers(5, 40))), colour, -1)
    return image


def frame(image: Image | None = None, *, camera: str = "gate", index: int = 0, **fields: Any) -> Frame:
    """A frame at 25 per second."""
    picture = np.zeros((48, 64, 3), np.uint8) if image is None else image
    height, width = picture.shape[:2]
    values: dict[str, Any] = {
        "pts": index,
        "time_base": Fraction(1, 25),
        "read_at": 0.0,
        "stream": Stream(width, height, Fraction(25)),
        "duration": 1,
    }
    return Frame(camera, index, picture, **{**values, **fields})


def detections(
    *boxes: tuple[float, float, float, float], label: str = "car", score: float = 0.9
) -> Detections:
    """Objects of one class and score."""
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.full(count, score, np.float32), (label,) * count
    )


Object = tuple[float, float, float, float, float, str]
"""x0, y0, x1, y1, score and class."""


def found(*objects: Object) -> Detections:
    """Objects of any scores and classes."""
    return Detections(
        np.array([each[:4] for each in objects], np.float32).reshape(-1, 4),
        np.array([each[4] for each in objects], np.float32),
        tuple(each[5] for each in objects),
    )


def detected(image: Image, *boxes: tuple[float, float, float, float], failure: str | None = None) -> Detected:
    """A frame in which objects were found."""
    return Detected(frame(image), torch.from_numpy(image), detections(*boxes), failure)


def hidden(image: torch.Tensor, blurred: torch.Tensor, regions: Boxes) -> Hidden:
    """A frame that was hidden."""
    return Hidden(frame(image.numpy()), image, Detections.none(), blurred, regions)
