"""Small frames on disk with a car each, and the command line over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

from streamer import detect
from streamer.frame import Detections
from tests.standin import Outcome, invoke

WIDTH, HEIGHT = 96, 72
CAR = (20.0, 16.0, 60.0, 48.0)
"""Where the stand-in finds a car in every frame."""

SMALL: dict[str, Any] = {
    "version": 1,
    "device": "cpu",
    "detect": {"model": "stand-in", "classes": ["car"], "threshold": 0.5},
    "pairs": {"of": "regions", "size": 16, "context": 0.25},
    "network": {"name": "unet", "width": 4, "levels": 2},
    "fit": {"epochs": 2, "batch": 4, "rate": 0.01},
}
"""A configuration that trains in a moment."""


class StandIn:
    """Finds the same boxes in every picture, and counts how many it looked at."""

    name = "stand-in"
    engine = "none"
    batch_size = 1

    def __init__(self, boxes: Sequence[tuple[float, float, float, float]] = (CAR,)) -> None:
        self.boxes = np.array(boxes, np.float32).reshape(-1, 4)
        self.seen = 0

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find them."""
        self.seen += len(images)
        n = len(self.boxes)
        return [Detections(self.boxes, np.full(n, 0.9, np.float32), ("car",) * n) for _ in images]


def install(monkeypatch: pytest.MonkeyPatch, detector: StandIn | None = None) -> StandIn:
    """Put a stand-in in the place of every detector."""
    chosen = detector or StandIn()
    monkeypatch.setattr(detect, "load", lambda *_, **__: chosen)
    return chosen


def picture(seed: int) -> NDArray[np.uint8]:
    """uint8 ``[HEIGHT, WIDTH, 3]``: blocks of random grey, no two seeds alike."""
    blocks = np.random.default_rng(seed).integers(30, 226, (HEIGHT // 4, WIDTH // 4, 1), np.uint8)
    return np.ascontiguousarray(np.repeat(np.kron(blocks, np.ones((4, 4, 1), np.uint8)), 3, axis=2))


def seed_of(clip: str, number: int) -> int:
    """The seed of a clip's picture."""
    return 1000 * sum(clip.encode()) + number


def frames(folder: Path, clips: Sequence[str] = ("a", "b", "c", "d"), each: int = 4) -> Path:
    """A folder with ``CLIP_NUMBER.png`` for every clip."""
    folder.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        for j in range(each):
            cv2.imwrite(str(folder / f"{clip}_{j}.png"), picture(seed_of(clip, j)))
    return folder


def configuration(folder: Path, **sections: Any) -> Path:
    """Write ``small.yaml`` beside the frames in ``folder / "pictures"``: ``SMALL`` with sections changed."""
    data = {
        "folder": str(folder / "pictures"),
        "cache": str(folder / "cache"),
        "validation": ["b"],
        "test": ["c"],
    }
    facts = {**SMALL, "data": data}
    for name, section in sections.items():
        facts[name] = {**facts.get(name, {}), **section} if isinstance(section, dict) else section
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(facts), encoding="utf-8")
    return path


def command(*arguments: str | Path) -> Outcome:
    """Run ``trainer`` in this process."""
    from trainer.cli import app

    return invoke(app, *arguments)
