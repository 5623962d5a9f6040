"""Synthetic scenes: objects of noise whose boxes are known, and a detector that misses on request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from streamer import hide
from streamer.config import BlurConfig, CameraConfig, parse
from streamer.frame import Batch, Detected, Detections, Frame, Hidden, Stream
from streamer.track.stage import stage

WIDTH, HEIGHT = 320, 160

NOISE = np.random.default_rng(0).integers(0, 256, (2, HEIGHT, WIDTH, 3), np.uint8)
"""What objects look like, by their number."""

Edges = tuple[float, float, float, float]
Path = Callable[[float], Edges | None]
"""Where an object is at a time; None where it is not in the scene."""


def moving(x: float, y: float, speed: float, *, side: float = 40.0, since: float = 0.0) -> Path:
    """An object that moves to the right from a place; ``since`` is when it is there first."""

    def path(time: float) -> Edges | None:
        left = x + speed * time
        return (left, y, left + side, y + side) if time >= since else None

    return path


def scene(
    times: Sequence[float],
    objects: Sequence[Path],
    seen: Callable[[int, int], float],
    *,
    camera: str = "gate",
    looked: Callable[[int], bool] = lambda index: True,
    live: bool = False,
) -> list[Detected]:
    """Draw objects and detect them.

    Args:
        times: of the frames, in seconds.
        objects: what moves.
        seen: score of an object (its number) in a frame (its number); 0 where it is missed.
        camera: its name.
        looked: whether the detector looks at a frame.
        live: whether it comes from a live source.
    """
    stream = Stream(WIDTH, HEIGHT, live=live)
    items = []
    for index, time in enumerate(times):
        image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        found = []
        for number, path in enumerate(objects):
            if (edges := path(time)) is None:
                continue
            x0, y0, x1, y1 = pixels(edges)
            image[y0:y1, x0:x1] = NOISE[number][y0:y1, x0:x1]
            if looked(index) and (score := seen(index, number)) > 0:
                found.append((edges, score))
        frame = Frame(camera, index, image, round(time * 90000), Fraction(1, 90000), 0.0, stream)
        detections = Detections(
            np.array([edges for edges, _ in found], np.float32).reshape(-1, 4),
            np.array([score for _, score in found], np.float32),
            ("car",) * len(found),
            looked=looked(index),
        )
        items.append(Detected(frame, torch.from_numpy(image), detections))
    return items


def pixels(edges: Edges) -> tuple[int, int, int, int]:
    """The whole pixels of a box, within the frame."""
    x0, y0, x1, y1 = (round(edge) for edge in edges)
    return max(x0, 0), max(y0, 0), min(x1, WIDTH), min(y1, HEIGHT)


def settings(cameras: Sequence[str] = ("gate",), **sections: Any) -> dict[str, CameraConfig]:
    """Cameras by name with some settings."""
    data = {"version": 1, "cameras": {name: {"source": "x.mp4"} for name in cameras}, **sections}
    return dict(parse(data).cameras)


def hidden(batches: Iterable[Batch[Detected]], cameras: Mapping[str, CameraConfig]) -> list[Hidden]:
    """What comes out of tracking and hiding."""
    blurs = {name: BlurConfig(edge="hard") for name in cameras}
    leaving = hide.stage(stage(batches, cameras), blurs)
    return [item for batch in leaving for item in batch if isinstance(item, Hidden)]


def showing(item: Hidden, objects: Sequence[Path]) -> list[int]:
    """Numbers of the objects of which a single pixel's fine detail is left in a hidden frame."""
    left = []
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for x0, y0, x1, y1 in item.regions.tolist():
        mask[y0:y1, x0:x1] = True
    for number, path in enumerate(objects):
        if (edges := path(item.frame.time_s)) is None:
            continue
        x0, y0, x1, y1 = pixels(edges)
        if x0 >= x1 or y0 >= y1:
            continue
        before = item.image.numpy()[y0:y1, x0:x1].astype(float)
        after = item.blurred.numpy()[y0:y1, x0:x1].astype(float)
        if not mask[y0:y1, x0:x1].all() or after.std() > 0.5 * before.std():
            left.append(number)
    return left


def leaks(items: Sequence[Hidden], objects: Sequence[Path]) -> dict[int, list[int]]:
    """Objects that show, by the number of the frame."""
    return {item.frame.index: left for item in items if (left := showing(item, objects))}
