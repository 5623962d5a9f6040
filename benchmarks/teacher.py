"""What passes over a clip find, kept on disk; the teacher's is the truth that ``leak.py`` measures against.

The teacher is a detector run on the whole frame and on overlapping tiles, 2x2 and 3x3 of them, as ``trainer
label`` runs it (``trainer/strong.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
from torchvision.ops import box_iou

from streamer import cut, detect, source
from streamer.classes import GROUPS, STREET
from streamer.config import CameraConfig
from streamer.detect.mirror import mirrored
from streamer.detectors import DetectConfig
from streamer.frame import Detections, Discontinuity, End, Frame
from trainer import strong

SAME = 0.5
"""From which IoU on a box of the teacher's and one that somebody drew are of one object."""

LEAST = 0.01
"""The least score of the teacher's that is kept."""


def group(label: str) -> str:
    """``vehicle`` for all of that group, otherwise the label."""
    return "vehicle" if label in GROUPS["vehicle"] else label


@dataclass(frozen=True)
class Seen:
    """A clip with what two passes found in each of its frames; the pictures themselves are not kept."""

    items: list[Frame | Discontinuity | End]
    """The frames, blackened, with their times, and markers where the source or a cut has them."""
    truth: list[Detections]
    """The teacher's, by frame."""
    found: list[Detections]
    """A single pass of the detector, by frame."""
    mirrored: list[Detections]
    """One over the mirrored frames, in their pixels; without it none, and nothing may ask for it."""


@dataclass(frozen=True)
class Pass:
    """A way to look at frames."""

    name: str
    """Of the detector."""
    engine: str
    find: Callable[[torch.Tensor], Detections]
    """Looks at a picture, uint8 ``[H, W, 3]``."""
    identity: str
    """What its findings depend on."""

    @classmethod
    def single(cls, config: DetectConfig, threshold: float) -> Pass:
        """A detector as a run would use it, but for the least score that it returns."""
        detector = detect.load(config, torch.device("cpu"), classes=STREET, threshold=threshold)
        identity = f"{_content(config)} {detector.engine} {config.tiles} {threshold}"
        return cls(detector.name, detector.engine, lambda image: detector.detect([image])[0], identity)

    def in_mirror(self) -> Pass:
        """The same over mirrored pictures; what it finds is where it is in the mirror."""
        find = self.find
        return replace(self, find=lambda image: find(mirrored(image)), identity=f"{self.identity} mirrored")

    @classmethod
    def teacher(cls, model: str) -> Pass:
        """A detector as well as it can see."""
        config = DetectConfig(model=model)
        detector = detect.load(config, torch.device("cpu"), classes=STREET, threshold=LEAST)
        identity = f"strong {_content(config)} {detector.engine} {strong.GRIDS} {LEAST}"
        return cls(detector.name, detector.engine, lambda image: strong.detect(detector, image), identity)


def _content(config: DetectConfig) -> str:
    path = detect.bundled_path() if config.model == "bundled" else Path(config.model)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else config.model


def look(clip: Path, teacher: Pass, single: Pass, cache: Path, *, mirror: bool = False) -> Seen:
    """Let two passes go over a clip, or take from ``cache`` what they found before.

    Args:
        clip: a video or a folder of numbered images.
        teacher: finds the truth.
        single: is judged.
        cache: a folder.
        mirror: whether the second is judged in a mirror too.
    """
    items = [black(item) if isinstance(item, Frame) else item for item in read(clip)]
    return Seen(
        items,
        findings(clip, teacher, cache),
        findings(clip, single, cache),
        findings(clip, single.in_mirror(), cache) if mirror else [],
    )


def with_missed(seen: Seen, objects: Sequence[Mapping[str, Any]]) -> Seen:
    """Add objects to the truth that the teacher does not see, or not whole: they replace what it saw of them.

    Args:
        seen: a clip.
        objects: each with a ``label`` and its ``boxes``, x0, y0, x1, y1 in pixels, by the frame's number;
            between two the box moves steadily, before the first and after the last there is none.
    """
    paths = []
    for each in objects:
        keys = sorted((int(number), box) for number, box in each["boxes"].items())
        paths.append((each["label"], [number for number, _ in keys], np.array([box for _, box in keys]).T))
    truth = []
    for number, found in enumerate(seen.truth):
        boxes, labels = [], []
        for label, numbers, edges in paths:
            if numbers[0] <= number <= numbers[-1]:
                boxes.append([np.interp(number, numbers, edge) for edge in edges])
                labels.append(label)
        there = np.array(boxes, np.float32).reshape(-1, 4)
        added = Detections(there, np.ones(len(labels), np.float32), tuple(labels))
        shared = box_iou(torch.from_numpy(found.boxes), torch.from_numpy(there)).numpy()
        truth.append(Detections.join([found.keep(~(shared >= SAME).any(axis=1)), added]))
    return replace(seen, truth=truth)


def findings(clip: Path, by: Pass, cache: Path) -> list[Detections]:
    """Return what a pass finds in the frames of a clip, or found in them before."""
    digest = hashlib.sha256(by.identity.encode())
    for path in sorted(clip.iterdir()) if clip.is_dir() else [clip]:
        digest.update(path.read_bytes())
    file = cache / f"{clip.stem}-{digest.hexdigest()[:16]}.npz"
    if file.exists():
        with np.load(file) as data:
            return _unpack(data["rows"], data["counts"])
    found = [by.find(torch.from_numpy(item.image)) for item in read(clip) if isinstance(item, Frame)]
    cache.mkdir(parents=True, exist_ok=True)
    counts = np.array([len(each) for each in found])
    np.savez_compressed(file, allow_pickle=False, rows=_pack(found), counts=counts)
    return found


def read(clip: Path) -> Iterator[Frame | Discontinuity | End]:
    """Yield the frames of a clip, and markers where the source or a cut has them."""
    items = source.read(clip.stem, CameraConfig(source=str(clip), fps=10.0), Event(), source.SourceStats())
    for batch in cut.stage([each] for each in items):
        yield from batch


def black(frame: Frame) -> Frame:
    """The same frame without its picture: a black row, seen everywhere, whose end is white.

    That tells it from one that was mirrored, at next to no memory.
    """
    row = np.zeros(frame.image.shape[1], np.uint8)
    row[-1] = 255
    image = np.lib.stride_tricks.as_strided(row, frame.image.shape, (0, 1, 0))
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
