"""What a strong, slow pass finds in a clip, kept on disk: the truth that ``leak.py`` measures against.

The teacher is a detector run on the whole frame and on overlapping tiles, 2x2 and 3x3 of them. Boxes that an
inner edge of a tile cuts are left out, since another tile or the whole frame has them entire, and of boxes
that overlap the best one stays.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
import torch
from torchvision.ops import batched_nms

from streamer import cut, source
from streamer.config import GROUPS, STREET, CameraConfig
from streamer.detect import Detector
from streamer.frame import Detections, Discontinuity, End, Frame

GRIDS = (2, 3)
"""Tiles a side."""

OVERLAP = 0.25
"""Of neighbouring tiles, as a share of a tile's side."""

IOU = 0.5
"""From which overlap on the lesser of two boxes of a group is dropped."""

LEAST = 0.01
"""The least score that is kept, of the teacher and of the detector that is judged."""


def group(label: str) -> str:
    """``vehicle`` for all of that group, otherwise the label."""
    return "vehicle" if label in GROUPS["vehicle"] else label


def tiles(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield x0, y0, x1, y1 of the whole frame and of every tile."""
    yield 0, 0, width, height
    for grid in GRIDS:
        across, down = (round(side / (grid - (grid - 1) * OVERLAP)) for side in (width, height))
        for row, column in itertools.product(range(grid), repeat=2):
            x0 = round(column * (width - across) / (grid - 1))
            y0 = round(row * (height - down) / (grid - 1))
            yield x0, y0, x0 + across, y0 + down


def teach(detector: Detector, image: torch.Tensor) -> Detections:
    """Find objects in a picture, uint8 ``[H, W, 3]``, as well as the detector can."""
    height, width = image.shape[:2]
    boxes, scores = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.float32)]
    labels: list[str] = []
    for x0, y0, x1, y1 in tiles(width, height):
        found = detector.detect([image[y0:y1, x0:x1].contiguous()])[0]
        edges = found.boxes + np.array([x0, y0, x0, y0], np.float32)
        near = 3.0  # pixels from an inner edge at which a box counts as cut
        cut = (
            ((x0 > 0) & (edges[:, 0] < x0 + near))
            | ((y0 > 0) & (edges[:, 1] < y0 + near))
            | ((x1 < width) & (edges[:, 2] > x1 - near))
            | ((y1 < height) & (edges[:, 3] > y1 - near))
        )
        kept = found.keep(~cut)
        boxes.append(edges[~cut])
        scores.append(kept.scores)
        labels += kept.labels
    numbers = {name: number for number, name in enumerate(sorted({group(label) for label in labels}))}
    groups = torch.tensor([numbers[group(label)] for label in labels], dtype=torch.int64)
    every, all_scores = np.concatenate(boxes), np.concatenate(scores)
    best = batched_nms(torch.from_numpy(every), torch.from_numpy(all_scores), groups, IOU).numpy()
    return Detections(every[best], all_scores[best], tuple(labels[index] for index in best))


@dataclass(frozen=True)
class Seen:
    """A clip with what two passes found in each of its frames; the pictures themselves are not kept."""

    items: list[Frame | Discontinuity | End]
    """The frames, black, with their times, and markers where the source or a cut has them."""
    truth: list[Detections]
    """The teacher's, by frame."""
    found: list[Detections]
    """A single pass of the detector, by frame."""


def look(clip: Path, teacher: Detector, detector: Detector, cache: Path) -> Seen:
    """Run teacher and detector over a clip, or take from ``cache`` what they found before.

    Args:
        clip: a video or a folder of numbered images.
        teacher: finds the truth, by a strong pass.
        detector: is judged, as it is.
        cache: a folder.
    """
    names = " ".join(dict.fromkeys([teacher.name, detector.name]))
    digest = hashlib.sha256(f"{names} {detector.engine} {GRIDS} {OVERLAP} {IOU} {LEAST}".encode())
    for path in sorted(clip.iterdir()) if clip.is_dir() else [clip]:
        digest.update(path.read_bytes())
    file = cache / f"{clip.stem}-{digest.hexdigest()[:16]}.npz"
    camera = CameraConfig(source=str(clip), fps=10.0)
    items: list[Frame | Discontinuity | End] = []
    passes: dict[str, list[Detections]] = {"truth": [], "found": []}
    if file.exists():
        with np.load(file) as data:
            passes = {name: _unpack(data[name], data[f"{name}_counts"]) for name in passes}
    known = file.exists()
    read = source.read(clip.stem, camera, Event(), source.SourceStats())
    for item in (item for batch in cut.stage([each] for each in read) for item in batch):
        if isinstance(item, Frame):
            if not known:
                image = torch.from_numpy(item.image)
                passes["truth"].append(teach(teacher, image))
                passes["found"].append(detector.detect([image])[0])
            item = black(item)
        items.append(item)
    if not known:
        cache.mkdir(parents=True, exist_ok=True)
        packed = {name: _pack(each) for name, each in passes.items()}
        counts = {f"{name}_counts": np.array([len(one) for one in each]) for name, each in passes.items()}
        np.savez_compressed(file, allow_pickle=False, **packed, **counts)
    return Seen(items, passes["truth"], passes["found"])


def black(frame: Frame) -> Frame:
    """The same frame without its picture: one black pixel, seen everywhere."""
    image = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), frame.image.shape, (0, 0, 0))
    return Frame(
        frame.camera, frame.index, image, frame.pts, frame.time_base, frame.read_at, frame.stream,
        frame.duration,
    )  # fmt: skip


def _pack(found: Sequence[Detections]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Rows of x0, y0, x1, y1, score, number of the class."""
    rows = [
        [*box, score, STREET.index(label)]
        for each in found
        for box, score, label in zip(each.boxes.tolist(), each.scores.tolist(), each.labels, strict=True)
    ]
    return np.array(rows, np.float32).reshape(-1, 6)


def _unpack(
    rows: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
) -> list[Detections]:
    parts = np.split(rows, np.cumsum(counts)[:-1])
    return [
        Detections(part[:, :4], part[:, 4], tuple(STREET[int(number)] for number in part[:, 5]))
        for part in parts
    ]
