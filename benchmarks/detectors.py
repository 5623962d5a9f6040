"""What detectors find and what they cost: recall, precision, AP50 and CPU time a frame, each by engine.

    python -m benchmarks.detectors CLIP... [--models bundled,mine.safetensors] [--tiled yolox.onnx]
        [--random ssdlite320_mobilenet_v3_large] [--truth yolox.onnx] [--json results.json]

The truth is the same as in ``leak.py``: what ``--truth`` finds on the whole frame and on tiles of it
(``teacher.py``), kept in ``--cache``. Counted are its boxes with a score of ``--teacher`` at least that are
larger than 0.08% of the frame; finding one of the others is neither right nor wrong. Vehicles of any kind are
one class here, as they are for hiding, and an object is found where a box covers it with an IoU of 0.5.

``--tiled`` names models whose strong pass (``trainer/strong.py``) is measured too, ``--random`` those of
torchvision's whose cost is measured with random weights. Recall and precision are at ``--threshold``, AP50
(the area under the precision's envelope over recall) is from the score on that a run asks for by default.
Cost is of the whole process in one thread, from the picture to the boxes: the median over the frames.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torchvision.models import get_model
from torchvision.ops import box_iou

from benchmarks.leak import SMALLEST
from benchmarks.script import save, start
from benchmarks.teacher import Pass, findings, group, read
from streamer import detect
from streamer.classes import STREET
from streamer.detect import Detector
from streamer.detect.engines import FASTEST_FIRST
from streamer.detect.zoo import TorchvisionDetector
from streamer.detectors import DetectConfig
from streamer.errors import ConfigError
from streamer.frame import Detections, Frame
from streamer.pipeline import one_thread_each
from trainer import strong

KINDS = ("vehicle", "person")

IOU = 0.5
"""From which overlap on a box has found an object."""

CPU = torch.device("cpu")


@dataclass
class Judged:
    """What became of the boxes of one kind, over all frames."""

    objects: int = 0
    scores: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)

    def add(self, found: Detections, sure: Detections, doubtful: Detections) -> None:
        """Judge the boxes of one frame, best score first: each object is found once."""
        overlaps = _overlaps(found, sure)
        near_doubtful = np.asarray((_overlaps(found, doubtful) >= IOU).any(axis=1))
        self.objects += len(sure)
        for index in np.argsort(-found.scores, kind="stable"):
            best = int(overlaps[index].argmax()) if len(sure) else 0
            hit = bool(len(sure) and overlaps[index, best] >= IOU)
            if hit:
                overlaps[:, best] = 0.0
            elif near_doubtful[index]:
                continue
            self.scores.append(float(found.scores[index]))
            self.right.append(hit)

    def facts(self, threshold: float) -> dict[str, float | int | None]:
        """Shares; None where there is nothing to be a share of."""
        scores, right = np.array(self.scores), np.array(self.right, bool)
        above = right[scores >= threshold]
        return {
            "objects": self.objects,
            "recall": float(above.sum() / self.objects) if self.objects else None,
            "precision": float(above.mean()) if len(above) else None,
            "ap50": average_precision(scores, right, self.objects) if self.objects else None,
        }


def _overlaps(found: Detections, others: Detections) -> NDArray[np.float32]:
    result: NDArray[np.float32] = box_iou(
        torch.from_numpy(found.boxes), torch.from_numpy(others.boxes)
    ).numpy()
    return result


def average_precision(scores: NDArray[Any], right: NDArray[np.bool_], objects: int) -> float:
    """Return the area under the envelope of precision over recall.

    Args:
        scores: of all boxes, ``[N]``.
        right: whether each found an object, ``[N]``.
        objects: how many there are to be found.
    """
    ordered = right[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[ordered].sum() / objects)


@dataclass
class Candidate:
    """A way to find objects, and how it did."""

    name: str
    engine: str
    find: Callable[[torch.Tensor], Detections]
    judged: dict[str, Judged] | None
    """By kind; None where only the cost counts."""
    milliseconds: list[float] = field(default_factory=list)

    def look(self, image: torch.Tensor, truth: Detections, teacher: float) -> None:
        """Find objects in a frame, uint8 ``[H, W, 3]``, and judge them."""
        if not self.milliseconds:
            self.find(image)  # what is set up at the first picture is no cost of a frame
        began = time.process_time()
        found = self.find(image)
        self.milliseconds.append(1e3 * (time.process_time() - began))
        sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
        large = sides.prod(axis=1) > SMALLEST * image.shape[0] * image.shape[1]
        sure = large & (truth.scores >= teacher)
        for kind, judged in (self.judged or {}).items():
            of_kind = np.array([group(label) == kind for label in truth.labels], bool)
            mine = found.keep(np.array([group(label) == kind for label in found.labels], bool))
            judged.add(mine, truth.keep(of_kind & sure), truth.keep(of_kind & ~sure))

    def facts(self, threshold: float) -> dict[str, Any]:
        """What is written as JSON."""
        return {
            "detector": self.name,
            "engine": self.engine,
            "cpu_ms": float(np.median(self.milliseconds)),
            **{kind: judged.facts(threshold) for kind, judged in (self.judged or {}).items()},
        }


def by_engine(model: str) -> list[Detector]:
    """Load a detector once with each engine that runs it.

    Raises:
        ConfigError: none does.
    """
    loaded: list[Detector] = []
    for engine in FASTEST_FIRST:
        config = DetectConfig.model_validate({"model": model, "engine": engine})
        try:
            loaded.append(detect.load(config, CPU, classes=STREET, threshold=config.seeks_from))
        except ConfigError as error:
            refusal = error
    if not loaded:
        raise refusal
    return loaded


def candidates(models: Sequence[str], tiled: Sequence[str], untrained: Sequence[str]) -> Iterator[Candidate]:
    """Yield all that is to be compared."""
    for model in models:
        for detector in by_engine(model):
            yield Candidate(detector.name, detector.engine, _single(detector), _judged())
    for model in tiled:
        detector = by_engine(model)[0]
        find = _tiled(detector)
        yield Candidate(f"{detector.name}, whole and tiled", detector.engine, find, _judged())
    for name in untrained:
        network = get_model(name, weights=None, weights_backbone=None)
        random = TorchvisionDetector(
            network, f"{name}, random weights", CPU, torch.float32,
            classes=dict(enumerate(STREET, 1)), threshold=DetectConfig().seeks_from,
        )  # fmt: skip
        yield Candidate(random.name, random.engine, _single(random), None)


def _judged() -> dict[str, Judged]:
    return {kind: Judged() for kind in KINDS}


def _single(detector: Detector) -> Callable[[torch.Tensor], Detections]:
    return lambda image: detector.detect([image])[0]


def _tiled(detector: Detector) -> Callable[[torch.Tensor], Detections]:
    return lambda image: strong.detect(detector, image)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what detectors find and what they cost.")
    parser.add_argument("clips", type=Path, nargs="+", help="videos or folders of numbered images")
    parser.add_argument("--models", default="bundled", help="detect.model of each, separated by commas")
    parser.add_argument("--tiled", default="", help="those that are measured with tiles too")
    parser.add_argument("--random", default="", help="names of torchvision's, with random weights")
    parser.add_argument("--truth", default="bundled", help="detect.model of the teacher")
    parser.add_argument("--threshold", type=float, default=DetectConfig().hides_from)
    parser.add_argument(
        "--teacher", type=float, default=0.3, help="least score of a teacher's box that counts"
    )
    parser.add_argument("--cache", type=Path, default=Path("cache/leak"))
    parser.add_argument("--json", type=Path, default=None, help="write the numbers here too")
    given = parser.parse_args(arguments)
    with one_thread_each():
        compared = list(
            candidates(*(list(filter(None, n.split(","))) for n in (given.models, given.tiled, given.random)))
        )
        teacher = Pass.teacher(given.truth)
        count = 0
        for clip in given.clips:
            truths = findings(clip, teacher, given.cache)
            frames = (item for item in read(clip) if isinstance(item, Frame))
            for frame, truth in zip(frames, truths, strict=True):
                image = torch.from_numpy(frame.image)
                for candidate in compared:
                    candidate.look(image, truth, given.teacher)
                count += 1
    rows = [candidate.facts(given.threshold) for candidate in compared]
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(
        f"{', '.join(clip.name for clip in given.clips)}: {count} frames; truth by {teacher.name} "
        f"with tiles; recall and precision from {given.threshold:g} on"
    )
    columns = [f"{kind} {what}" for kind in KINDS for what in ("recall", "precision", "AP50")]
    table = Table("detector", "engine", *columns, "CPU ms a frame", box=None)
    for row in rows:
        shares = [
            row[kind][w] if kind in row else None for kind in KINDS for w in ("recall", "precision", "ap50")
        ]
        texts = ["" if share is None else f"{100 * share:.1f}%" for share in shares]
        table.add_row(row["detector"], row["engine"], *texts, f"{row['cpu_ms']:.1f}")
    console.print(table)
    save(given.json, {"frames": count, "rows": rows})


if __name__ == "__main__":
    start(main)
