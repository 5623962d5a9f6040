"""What is left showing: the share of vehicles and persons that are less than 90% hidden, beside the cost.

    python -m benchmarks.leak CLIP... [--thresholds 0.05,0.1,0.25] [--every 1,2,3,5] [--lookahead 0.5]
                                      [--tiles 1x1,2x2] [--engines auto,torch] [--truth yolox_nano.onnx]
                                      [--large 0.2] [--no-mirror] [--missed benchmarks/missed.json]

The truth is what ``--truth`` finds on the whole frame and on tiles of it (``teacher.py``), which takes 0.2 s
a frame and is kept in ``--cache``. Counted are teacher's boxes with a score of ``--teacher`` at least that
are larger than 0.08% of the frame; one is left uncovered when less than 90% of its pixels are hidden.
Hidden needlessly is the share of the frame's area that is hidden although no teacher's box (score 0.2 at
least, grown by 15% a side) lies there. Cost is CPU time, of detection the median of ten frames. A teacher
misses things too: ``--missed`` adds to the truth what somebody saw, as ``missed.json`` has it of the
project's clips.

- single frame: what a single pass finds from the threshold on, frame by frame;
- video: the same with tracks and look-ahead, by the program's own stages; every other look is in a mirror
  unless ``--no-mirror`` is given.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.script import save, start
from benchmarks.teacher import Pass, Seen, group, look, read, with_missed
from streamer.boxes import pad
from streamer.config import CameraConfig, TrackConfig
from streamer.detect import hides_from
from streamer.detect.stage import stage as detect_stage
from streamer.detectors import FAINT, DetectConfig
from streamer.frame import Batch, Detected, Detections, Frame
from streamer.hide import grown
from streamer.track.stage import stage as track_stage

SMALLEST = 0.0008
"""Share of the frame's area above which an object counts."""

COVERED = 0.9
"""Share of an object's pixels from which on it counts as hidden."""

LEAST = ("hide_threshold", "hide_threshold_large")
"""What a row is hidden from."""

TRUSTED, AROUND = 0.2, 0.15
"""Hidden needlessly is what lies in no teacher's box of that score, grown by that share of its sides."""


@dataclass
class Count:
    """Sums over frames."""

    objects: dict[str, int] = field(default_factory=lambda: {"vehicle": 0, "person": 0})
    leaks: dict[str, int] = field(default_factory=lambda: {"vehicle": 0, "person": 0})
    needless: float = 0.0
    frames: int = 0
    tracking_ms: float = 0.0

    def add(self, frame: Frame, truth: Detections, hidden: NDArray[np.float32], teacher: float) -> None:
        """Judge one frame in which the boxes ``hidden``, float32 ``[N, 4]``, are hidden."""
        width, height = frame.stream.width, frame.stream.height
        mask = np.zeros((height, width), np.uint8)
        for x0, y0, x1, y1 in grown(hidden, CameraConfig(source="-").blur, width, height).tolist():
            mask[y0:y1, x0:x1] = 1
        inside = np.clip(truth.boxes, 0, [width, height, width, height])
        areas = (inside[:, 2] - inside[:, 0]) * (inside[:, 3] - inside[:, 1])
        large = (areas > SMALLEST * width * height) & (truth.scores >= teacher)
        for index in np.flatnonzero(large):
            kind = group(truth.labels[index])
            x0, y0, x1, y1 = np.round(inside[index]).astype(int).tolist()
            if kind in self.objects:
                self.objects[kind] += 1
                self.leaks[kind] += float(mask[y0:y1, x0:x1].mean()) < COVERED
        for x0, y0, x1, y1 in pad(truth.boxes[truth.scores >= TRUSTED], width, height, AROUND).tolist():
            mask[y0:y1, x0:x1] = 0
        self.needless += cv2.countNonZero(mask) / mask.size
        self.frames += 1

    def merge(self, other: Count) -> None:
        """Add another clip's."""
        for kind in self.objects:
            self.objects[kind] += other.objects[kind]
            self.leaks[kind] += other.leaks[kind]
        self.needless += other.needless
        self.frames += other.frames
        self.tracking_ms += other.tracking_ms

    def facts(self) -> dict[str, Any]:
        """Shares in percent, and what they are shares of."""
        shares = {kind: 100 * self.leaks[kind] / max(1, self.objects[kind]) for kind in self.objects}
        return {
            "uncovered_percent": shares,
            "objects": self.objects,
            "needless_percent": 100 * self.needless / max(1, self.frames),
            "tracking_cpu_ms": self.tracking_ms / max(1, self.frames),
        }


class Replay:
    """A detector that says again what was found in the frame that comes next."""

    name, engine, batch_size = "replay", "none", 1

    def __init__(self, found: Sequence[Detections], mirrored: Sequence[Detections]) -> None:
        self._found = zip(found, mirrored or found, strict=True)
        self._next = Detections.none(), Detections.none()

    def frames(self, seen: Seen) -> Iterator[Batch[Frame]]:
        """Yield item by item."""
        for item in seen.items:
            if isinstance(item, Frame):
                self._next = next(self._found)
            yield [item]

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find what was found; see ``streamer.detect.Detector``."""
        plain, mirrored = self._next
        return [mirrored if image[0, 0, 0] else plain for image in images]


def single(seen: Seen, settings: DetectConfig, teacher: float) -> Count:
    """Judge a single pass, frame by frame."""
    count = Count()
    frames = [item for item in seen.items if isinstance(item, Frame)]
    for frame, truth, found in zip(frames, seen.truth, seen.found, strict=True):
        least = hides_from(found, settings, frame.stream.width, frame.stream.height)
        count.add(frame, truth, found.boxes[found.scores >= least], teacher)
    return count


def video(seen: Seen, settings: DetectConfig, track: TrackConfig, teacher: float) -> Count:
    """Judge what leaves the tracking stage."""
    count, replay = Count(), Replay(seen.found, seen.mirrored)
    first = next(item.camera for item in seen.items)
    camera = CameraConfig(source="-", detect=settings, track=track)
    detected = detect_stage(replay.frames(seen), replay, torch.device("cpu"), {first: settings})
    looked = list(detected)
    began = time.process_time()
    leaving = [item for batch in track_stage(looked, {first: camera}) for item in batch]
    count.tracking_ms = 1e3 * (time.process_time() - began)
    frames = [item for item in leaving if isinstance(item, Detected)]
    for item, truth in zip(frames, seen.truth, strict=True):
        count.add(item.frame, truth, item.detections.boxes, teacher)
    return count


def cost(detector: Pass, clip: Path) -> float:
    """Median CPU milliseconds for one of the first frames of a clip, after one that sets things up."""
    spent = []
    for frame in islice((item for item in read(clip) if isinstance(item, Frame)), 11):
        image = torch.from_numpy(frame.image)
        began = time.process_time()
        detector.find(image)
        spent.append(1e3 * (time.process_time() - began))
    return float(np.median(spent[1:] or spent))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; takes the command line's arguments by default."""
    parser = argparse.ArgumentParser(description="Measure what is left uncovered.")
    parser.add_argument("clips", type=Path, nargs="+", help="videos or folders of numbered images")
    parser.add_argument("--model", default="bundled", help="detect.model, of the pass that is judged")
    parser.add_argument("--engines", default="auto", help="detect.engine, likewise")
    parser.add_argument("--truth", default="bundled", help="detect.model of the teacher")
    parser.add_argument("--thresholds", default="0.05,0.1,0.15,0.25", help="detect.hide_threshold")
    parser.add_argument("--large", type=float, default=None, help="detect.hide_threshold_large, or more")
    parser.add_argument(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        default=DetectConfig().mirror,
        help="detect.mirror",
    )
    parser.add_argument("--every", default="1,2,3,5", help="detect.every")
    parser.add_argument("--lookahead", default="0,0.5,2", help="track.lookahead, in seconds")
    parser.add_argument("--tiles", default="1x1", help="detect.tiles, of the pass that is judged")
    parser.add_argument("--hold", type=float, default=TrackConfig().hold, help="track.hold, in seconds")
    parser.add_argument(
        "--teacher", type=float, default=0.3, help="least score of a teacher's box that counts"
    )
    parser.add_argument("--missed", type=Path, default=None, help="JSON with what the teacher misses")
    parser.add_argument("--cache", type=Path, default=Path("cache/leak"))
    parser.add_argument("--json", type=Path, default=None, help="write the numbers here too")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    teacher = Pass.teacher(given.truth)
    thresholds = [float(value) for value in given.thresholds.split(",")]
    everies = [int(value) for value in given.every.split(",")]
    aheads = [float(value) for value in given.lookahead.split(",")]
    missed = {} if given.missed is None else json.loads(given.missed.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = []
    looks = [(tiles, engine) for tiles in given.tiles.split(",") for engine in given.engines.split(",")]
    for tiles, engine in looks:
        config = DetectConfig.model_validate({"model": given.model, "engine": engine, "tiles": tiles})
        # of what no row asks for there are thousands of boxes a frame, which took longer than all the rest
        detector = Pass.single(config, FAINT * min(thresholds))
        clips = [
            with_missed(
                look(clip, teacher, detector, given.cache, mirror=given.mirror), missed.get(clip.stem, [])
            )
            for clip in given.clips
        ]
        pace = cost(Pass.single(config, config.seeks_from), given.clips[0])
        for threshold in thresholds:
            large = None if given.large is None else max(threshold, given.large)
            settings = DetectConfig(
                threshold=1.0,  # nothing is counted, and it limits the others
                hide_threshold=threshold,
                hide_threshold_large=large,
                mirror=given.mirror,
            )
            count = Count()
            for seen in clips:
                count.merge(single(seen, settings, given.teacher))
            row = {
                "engine": detector.engine,
                "tiles": tiles,
                "detection_cpu_ms": pace,
                "hide_threshold": threshold,
                "hide_threshold_large": settings.hides_large_from,
            }
            rows.append({**row, "what": "single frame", **count.facts()})
            for ahead in aheads:
                for every in everies:
                    count = Count()
                    track = TrackConfig(lookahead=ahead, hold=given.hold)
                    for seen in clips:
                        count.merge(
                            video(seen, settings.model_copy(update={"every": every}), track, given.teacher)
                        )
                    what = f"video, look-ahead {ahead:g} s, every {every}"
                    what += ", mirror" if given.mirror else ""
                    rows.append({**row, "what": what, **count.facts()})
    console = Console(width=None if sys.stdout.isatty() else 150)
    frames = sum(len(seen.truth) for seen in clips)
    objects = rows[0]["objects"]
    console.print(
        f"{', '.join(clip.name for clip in given.clips)}: {frames} frames, {objects['vehicle']} vehicles, "
        f"{objects['person']} persons; {detector.name}, truth by {teacher.name} with tiles"
    )
    columns = (
        "engine",
        "tiles",
        "CPU ms a frame",
        "hide_threshold",
        "",
        "vehicles uncovered %",
        "persons uncovered %",
        "hidden needlessly %",
        "tracking, CPU ms a frame",
    )
    table = Table(*columns, box=None)
    for row in rows:
        shares = row["uncovered_percent"]
        numbers = (shares["vehicle"], shares["person"], row["needless_percent"])
        table.add_row(
            row["engine"].split()[0], row["tiles"], f"{row['detection_cpu_ms']:.1f}",
            ", ".join(f"{row[key]:g}" for key in LEAST if row[key] is not None),
            row["what"], *(f"{number:.1f}" for number in numbers),
            f"{row['tracking_cpu_ms']:.2f}",
        )  # fmt: skip
    console.print(table)
    save(given.json, {"rows": rows})


if __name__ == "__main__":
    start(main)
