"""How vehicles move, look by look: what an accident does to them, in a few numbers.

A vehicle that nothing happens to goes on much as it did. So each is compared with where its last second would
have brought it, and with what it looked like; a look's number is that of the vehicle with the most of it. All
are in shares of the picture's size: what a large vehicle does counts more than the same of a far one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.classes import GROUPS
from streamer.frame import Detections, Image

Features: TypeAlias = NDArray[np.float32]
"""float32 ``[len(NAMES)]``: a look's numbers, in the order of ``NAMES``, none negative."""

NAMES = ("swerve", "stop", "warp", "contact", "change", "debris")
"""How far a vehicle is from where it should be; how much slower it became; how its box's shape changed; the
sum of these for two vehicles that touch; how its picture changed; what moves where nothing was found."""

EVERY = 0.2
"""Seconds from one look to the next; what is trained on has as many."""

MEMORY = 1.25
"""Seconds of an object's past that count."""

RECENT = 0.35
"""Seconds before a look that say how it is, and not how it was."""

LEAST = 3
"""Sightings that it takes to say how an object moved."""

BORDER = 0.01
"""Share of the picture's sides within which a box may be cut off, so that its shape means nothing."""

TOUCH = 0.02
"""Share of the smaller of two boxes that lies in the other from which on they touch."""

SIZE = 160, 90
"""Width and height in pixels at which motion is looked for."""

STILL = 6
"""Levels by which a pixel may change from look to look though nothing moves."""

PATCH = 24
"""Side in pixels of a vehicle's picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A vehicle at a look."""

    time_s: float
    place: NDArray[np.float64]
    """Centre in pixels, then the logarithms of width and height."""
    whole: bool
    """Whether all of it is in the picture."""
    patch: NDArray[np.float32]
    """float32 ``[PATCH * PATCH]``: its grey, of mean 0 and norm 1."""


class Kinematics:
    """Turns one camera's looks into features, from what came before alone."""

    def __init__(self) -> None:
        self._vehicles: dict[int, deque[Sighting]] = {}
        self._before: NDArray[np.uint8] | None = None

    def cut(self) -> None:
        """Forget everything: what follows has nothing to do with it."""
        self._vehicles.clear()
        self._before = None

    def see(self, image: Image, detections: Detections, time_s: float) -> Features:
        """Measure a look.

        Args:
            image: uint8 ``[H, W, 3]``, RGB.
            detections: with tracks; what they say of objects that were not seen is left out.
            time_s: presentation time in seconds, more than in the call before.
        """
        height, width = image.shape[:2]
        scale = float(np.sqrt(width * height))
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        if detections.carried is not None:
            detections = detections.keep(~detections.carried)
        boxes = _vehicles(detections)
        found = {number: self._sighted(number, box, grey, time_s) for number, box in boxes.items()}
        self._vehicles = {
            number: past for number, past in self._vehicles.items() if time_s - past[-1].time_s <= MEMORY
        }
        most = dict.fromkeys(NAMES, 0.0)
        restless: dict[int, float] = {}
        for number, now in found.items():
            measured = _departure(self._vehicles[number], now, scale)
            restless[number] = sum(measured.get(name, 0.0) for name in ("swerve", "stop", "warp"))
            for name, value in measured.items():
                most[name] = max(most[name], value)
        for one, other in combinations(boxes, 2):
            if _touch(boxes[one], boxes[other]):
                most["contact"] = max(most["contact"], restless[one] + restless[other])
        most["debris"] = self._debris(grey, detections.boxes)
        return np.array([most[name] for name in NAMES], np.float32)

    def _sighted(
        self, number: int, box: NDArray[np.float32], grey: NDArray[np.uint8], time_s: float
    ) -> Sighting:
        height, width = grey.shape
        x0, y0, x1, y1 = (float(value) for value in box)
        sides = np.log(np.maximum([x1 - x0, y1 - y0], 2.0))
        across, down = BORDER * width, BORDER * height
        whole = x0 > across and x1 < width - across and y0 > down and y1 < height - down
        place = np.array([(x0 + x1) / 2, (y0 + y1) / 2, *sides])
        seen = Sighting(time_s, place, whole, _patch(grey, x0, y0, x1, y1))
        past = self._vehicles.setdefault(number, deque())
        past.append(seen)
        while time_s - past[0].time_s > MEMORY:
            past.popleft()
        return seen

    def _debris(self, grey: NDArray[np.uint8], boxes: NDArray[np.float32]) -> float:
        """Return how much changes where nothing was found: glass, smoke, a wheel; and trees in the wind."""
        height, width = grey.shape
        small = np.asarray(cv2.resize(grey, SIZE, interpolation=cv2.INTER_AREA), np.uint8)
        before, self._before = self._before, small
        if before is None:
            return 0.0
        moved = np.maximum(cv2.absdiff(small, before).astype(np.float32) - STILL, 0.0)
        scaled = np.maximum(boxes * np.array([SIZE[0] / width, SIZE[1] / height] * 2, np.float32), 0.0)
        for x0, y0, x1, y1 in scaled.tolist():
            moved[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = 0.0
        return float(moved.mean()) / 255


def _vehicles(detections: Detections) -> dict[int, NDArray[np.float32]]:
    """Return the boxes of vehicles by track, the best of each."""
    found: dict[int, NDArray[np.float32]] = {}
    if detections.tracks is None:
        return found
    tracks = detections.tracks.tolist()
    for number, label, box in zip(tracks, detections.labels, detections.boxes, strict=True):
        if number >= 0 and label in GROUPS["vehicle"]:
            found.setdefault(number, box)
    return found


def _departure(past: Sequence[Sighting], now: Sighting, scale: float) -> dict[str, float]:
    """Return how a vehicle departs from its own past, in shares of the picture's size."""
    size = float(np.exp(now.place[2:].mean())) / scale
    before = [each for each in past if each.whole and now.time_s - each.time_s >= RECENT]
    if not now.whole or not before:
        return {}
    measured = {"change": size * (1.0 - float(now.patch @ before[0].patch)) / 2}
    if len(before) < LEAST:
        return measured
    times = np.array([each.time_s - now.time_s for each in before])
    places = np.array([each.place for each in before])
    mean, offsets = places.mean(axis=0), times - times.mean()
    slope = offsets @ (places - mean) / (offsets @ offsets)
    slope[2:] /= 2  # sides change less than a box that jitters says
    off = now.place - (mean - slope * times.mean())
    was = float(np.hypot(*slope[:2]))
    last = before[-1]
    recent = float(np.hypot(*(now.place[:2] - last.place[:2]))) / (now.time_s - last.time_s)
    slower = max(0.0, was - recent) * (now.time_s - last.time_s)
    shape = abs(off[2] - off[3]) + abs(off[2] + off[3]) / 2
    # no more than the vehicle itself, since a track may jump to another one
    measured["swerve"] = size * float(np.tanh(np.hypot(*off[:2]) / (size * scale)))
    measured["stop"] = size * float(np.tanh(slower / (size * scale)))
    measured["warp"] = size * float(np.tanh(shape))
    return measured


def _touch(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    if (sides <= 0).any():
        return False
    smaller = min(float(np.prod(box[2:] - box[:2])) for box in (one, other))
    return float(np.prod(sides)) > TOUCH * smaller


def _patch(grey: NDArray[np.uint8], x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float32]:
    height, width = grey.shape
    rows = slice(max(0, min(height - 1, int(y0))), max(1, min(height, int(np.ceil(y1)))))
    columns = slice(max(0, min(width - 1, int(x0))), max(1, min(width, int(np.ceil(x1)))))
    small = cv2.resize(grey[rows, columns], (PATCH, PATCH), interpolation=cv2.INTER_AREA)
    values = np.asarray(small, np.float32).ravel()
    values -= values.mean()
    norm = float(np.linalg.norm(values))
    return values / norm if norm > 0 else values
