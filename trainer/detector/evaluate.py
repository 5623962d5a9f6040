"""What a detector is worth for hiding: what it leaves uncovered, and what it hides for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from streamer.boxes import pad
from streamer.classes import GROUPS
from streamer.detect import Detector
from streamer.frame import Detections
from trainer.data import Picture
from trainer.images import read_image

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7)

PADDING = 0.05
"""How far boxes are grown on each side before they are hidden: streamer's default."""

LEAST_AREA = 0.0008
"""Objects smaller than this share of the frame are left out."""

COVERED = 0.9
"""An object of which less is hidden, as a share of its area, is left uncovered."""

NEAR = 0.2
"""The score from which on a label makes hiding its surroundings no waste."""

AROUND = 0.15
"""How far those surroundings reach on each side, as a share of the label's sides."""

KINDS: Mapping[str, tuple[str, ...]] = {"vehicles": GROUPS["vehicle"], "persons": ("person",)}


@dataclass(frozen=True, slots=True)
class Row:
    """What one threshold gives."""

    threshold: float
    uncovered: Mapping[str, float]
    """Share of the labelled objects that are left uncovered, by kind; NaN where there is none."""
    needless: float
    """Share of the frames' area that is hidden where no label is."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found over all frames."""

    frames: int
    objects: Mapping[str, int]
    """How many labelled objects there are, by kind."""
    rows: Sequence[Row]
    """By threshold."""

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        rows = [
            {"threshold": row.threshold, "uncovered": _finite(row.uncovered), "needless": row.needless}
            for row in self.rows
        ]
        return {"frames": self.frames, "objects": dict(self.objects), "thresholds": rows}

    def table(self, title: str) -> Table:
        """Return it for people."""
        made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for column in ("threshold", *(f"{kind} uncovered" for kind in self.objects), "hidden needlessly"):
            made.add_column(column, justify="right")
        for row in self.rows:
            shares = [f"{share:.1%}" for share in row.uncovered.values()]
            made.add_row(f"{row.threshold:g}", *shares, f"{row.needless:.1%}")
        counts = ", ".join(f"{count} {kind}" for kind, count in self.objects.items())
        made.caption = (
            f"{self.frames} frames, {counts} larger than {LEAST_AREA:.2%} of the frame; uncovered: less than "
            f"{COVERED:.0%} of the labelled box is hidden; needlessly: share of the area"
        )
        made.caption_justify = "left"
        return made


def evaluate(
    pictures: Iterable[Picture],
    labels: Mapping[str, Detections],
    detector: Detector,
    threshold: float,
    device: torch.device,
) -> Evaluation:
    """Measure a detector against labels, frame by frame.

    Args:
        pictures: frames.
        labels: what is in them, by name.
        detector: loaded with the least of ``THRESHOLDS``.
        threshold: the score from which on a label is an object.
        device: where the detector runs.
    """
    frames = 0
    counts = dict.fromkeys(KINDS, 0)
    missed = np.zeros((len(THRESHOLDS), len(KINDS)))
    needless = np.zeros(len(THRESHOLDS))
    for picture in pictures:
        image = read_image(picture.path)
        height, width = image.shape[:2]
        found, truth = detector.detect([image.to(device)])[0], labels[picture.name]
        frames += 1
        objects = truth.keep(
            (truth.scores >= threshold) & (_areas(truth.boxes) >= LEAST_AREA * width * height)
        )
        kinds = [np.array([label in KINDS[kind] for label in objects.labels], bool) for kind in KINDS]
        for kind, chosen in zip(KINDS, kinds, strict=True):
            counts[kind] += int(chosen.sum())
        near = truth.boxes[truth.scores >= NEAR]
        wanted = _mask(near, AROUND, width, height)
        for index, least in enumerate(THRESHOLDS):
            hidden = _mask(found.boxes[found.scores >= least], PADDING, width, height)
            bare = uncovered(objects.boxes, hidden)
            missed[index] += [(bare & chosen).sum() for chosen in kinds]
            needless[index] += (hidden & ~wanted).mean()
    shares = missed / np.array([count or np.nan for count in counts.values()])
    rows = [
        Row(least, dict(zip(KINDS, share.tolist(), strict=True)), float(wasted) / max(1, frames))
        for least, share, wasted in zip(THRESHOLDS, shares, needless, strict=True)
    ]
    return Evaluation(frames, counts, rows)


def uncovered(boxes: NDArray[np.float32], hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which boxes are less than ``COVERED`` hidden.

    Args:
        boxes: float32 ``[N, 4]`` in pixels, inside the frame.
        hidden: bool ``[H, W]``.

    Returns:
        bool ``[N]``.
    """
    whole = pad(boxes, hidden.shape[1], hidden.shape[0], 0.0)
    return np.array([hidden[y0:y1, x0:x1].mean() < COVERED for x0, y0, x1, y1 in whole.tolist()], bool)


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), np.float32)


def _mask(boxes: NDArray[np.float32], padding: float, width: int, height: int) -> NDArray[np.bool_]:
    mask = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in pad(boxes, width, height, padding).tolist():
        mask[y0:y1, x0:x1] = True
    return mask


def _finite(shares: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {kind: None if np.isnan(share) else share for kind, share in shares.items()}
