"""Frames per second of the whole pipeline, beside what the machine could do at best and a plain loop.

    python -m benchmarks.throughput CLIP [--device cpu|cuda] [--cameras 1,4,16] [--json FILE]

In one run, since machines are shared and noisy:

- each stage alone on a list of frames, in CPU milliseconds a frame (process time, all threads);
- the limit: cores ÷ the sum of those (it knows nothing of a GPU's time);
- the pipeline: `streamer run` from Python, both outputs encoded, how full its channels were, its peak memory;
- the reference loop: read, detect, cv2.GaussianBlur, autoencoder, write, one frame after the other in one
  thread, with the same detector.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import av
import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.script import save, start
from streamer import detect, hide, measure, nets, source
from streamer.boxes import pad
from streamer.config import OutputConfig, parse
from streamer.detect.stage import stage as detect_stage
from streamer.device import resolve
from streamer.frame import Batch, Detected, End, Frame, Hidden, Restored, Result
from streamer.pipeline import Run, load_restorers
from streamer.restore.stage import stage as restore_stage
from streamer.sink.log import LogSink
from streamer.sink.video import VideoSink
from streamer.track.stage import stage as track_stage

T = TypeVar("T")
CHUNK = 8
"""Frames that a stage is measured on at once, as in a batch; bounds memory at high resolutions."""


class Meter:
    """CPU time, of all threads, that parts of the work take."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add what the block takes to ``name``."""
        before = self._now()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self._now() - before

    def _now(self) -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.process_time()


def of(kind: type[T], batches: Iterable[Iterable[object]]) -> list[T]:
    """All items of a type in some batches."""
    return [item for batch in batches for item in batch if isinstance(item, kind)]


def stages_alone(clip: Path, settings: Mapping[str, Any], most: int, folder: Path) -> dict[str, float]:
    """CPU milliseconds a frame of each stage, alone on lists of frames."""
    config = parse(settings, sources={"bench": str(clip)})
    camera, device = config.cameras["bench"], resolve(config.device)
    assert camera.output is not None
    detector = detect.load(
        camera.detect, device, classes=camera.detect.classes, threshold=camera.detect.seeks_from
    )
    chains = load_restorers(config, device)
    blurred = VideoSink(folder / "blurred.mp4", camera.output, audio=True)
    restored = VideoSink(folder / "restored.mp4", camera.output, audio=False)
    log = LogSink(folder)
    frames = source.read("bench", camera, Event(), source.SourceStats())
    meter, count = Meter(), -CHUNK  # the first chunk loads libraries and fills caches
    while count < most:
        with meter("decode"):
            chunk = [item for item in islice(frames, CHUNK) if isinstance(item, Frame)]
        if not chunk:
            break
        with meter("detect"):
            found = of(Detected, detect_stage([chunk], detector, device, {"bench": camera.detect}))
        with meter("track"):
            waiting: Batch[Detected] = [*found, End("bench")]
            found = of(Detected, track_stage([waiting], {"bench": camera}))
        with meter("hide"):
            hidden = of(Hidden, hide.stage([found], {"bench": camera.blur}))
        with meter("restore"):
            mended = of(Restored, restore_stage([hidden], chains))
        with meter("measure"):
            results = of(Result, measure.stage([mended]))
        with meter("encode blurred"):
            for result in results:
                blurred.write(result.blurred, result)
        with meter("encode restored"):
            for result in results:
                if result.restored is not None:
                    restored.write(result.restored, result)
        with meter("log"):
            for result in results:
                log.write(result, 0.0, camera.detect.threshold)
        count += len(chunk)
        if count <= 0:
            meter = Meter()
    for sink in (blurred, restored, log):
        sink.close()
    return {name: 1e3 * seconds / max(1, count) for name, seconds in meter.seconds.items()}


def pipeline(
    clip: Path, settings: Mapping[str, Any], cameras: int, seconds: float, folder: Path
) -> dict[str, Any]:
    """Run the pipeline over as many copies of the clip as cameras, again and again; a table's row."""
    loop = folder / "loop"
    loop.mkdir(exist_ok=True)
    for number in range(10_000 if cameras == 1 else 1_000):
        link = loop / f"{number:05d}{clip.suffix}"
        if not link.exists():
            link.symlink_to(clip.resolve())
    sources = {f"camera-{n:02d}": str(loop) for n in range(cameras)}
    with Run(parse(settings, sources=sources), overwrite=True) as run:
        results = iter(run)
        for _ in range(20 * cameras):  # until models and encoders are warm
            next(results)
        began, spent, count = time.monotonic(), time.process_time(), 0
        for _ in results:
            count += 1
            if time.monotonic() - began >= seconds:
                break
        elapsed, spent = time.monotonic() - began, time.process_time() - spent
        fill = {"intake": run.intake.fill}
        for name in next(iter(run.cameras.values())).outlet.fill:
            fill[name] = statistics.mean(camera.outlet.fill[name] for camera in run.cameras.values())
        engine, device = f"{run.detector.name} on {run.detector.engine}", str(run.device)
    return {
        "cameras": cameras,
        "fps": count / elapsed,
        "cpu_ms_per_frame": 1e3 * spent / count,
        "cores_busy": spent / elapsed,
        "waiting": {name: round(value, 2) for name, value in fill.items()},
        "engine": engine,
        "device": device,
    }


def reference_loop(clip: Path, settings: Mapping[str, Any], seconds: float, folder: Path) -> float:
    """Frames per second of the plain loop."""
    config = parse(settings, sources={"bench": str(clip)})
    camera, device = config.cameras["bench"], resolve(config.device)
    detector = detect.load(
        camera.detect, device, classes=camera.detect.classes, threshold=camera.detect.threshold
    )
    network = nets.build("autoencoder", {}).to(device).eval()
    reader = cv2.VideoCapture(str(clip))
    size = (int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    codec, rate = cv2.VideoWriter.fourcc(*"mp4v"), reader.get(cv2.CAP_PROP_FPS)
    writers = [cv2.VideoWriter(str(folder / f"{n}.mp4"), codec, rate, size) for n in ("blurred", "restored")]
    count, began = -5, time.monotonic()
    while time.monotonic() - began < seconds:
        good, bgr = reader.read()
        if not good:
            reader.set(cv2.CAP_PROP_POS_FRAMES, 0)
            continue
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        (found,) = detector.detect([torch.from_numpy(rgb).to(device)])
        for x0, y0, x1, y1 in pad(found.boxes, *size, 0.0).tolist():
            bgr[y0:y1, x0:x1] = cv2.GaussianBlur(bgr[y0:y1, x0:x1], (51, 51), 0)
        small = torch.from_numpy(cv2.resize(bgr, (128, 128))).permute(2, 0, 1)[None].to(device).float() / 255
        with torch.inference_mode():
            mended = (network(small)[0].permute(1, 2, 0) * 255).byte().cpu().numpy()
        writers[0].write(bgr)
        writers[1].write(cv2.resize(np.ascontiguousarray(mended), size))
        count += 1
        if count == 0:  # warm
            began = time.monotonic()
    for writer in writers:
        writer.release()
    reader.release()
    return count / (time.monotonic() - began)


def machine(device: str) -> str:
    """What this ran on, in one line."""
    gpu = f", {torch.cuda.get_device_name()}" if device.startswith("cuda") else ""
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    return (
        f"{models[0] if models else platform.processor()}, {cores()} cores{gpu}; "
        f"Python {platform.python_version()}, torch {torch.__version__}, OpenCV {cv2.__version__}, "
        f"PyAV {av.__version__}"
    )


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure frames per second.")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cameras", default=None, help="how many at once, such as 1,4,16")
    parser.add_argument("--model", default=None, help="detect.model; bundled, or Faster R-CNN on CUDA")
    parser.add_argument("--weights", default="default", help="detect.weights")
    parser.add_argument("--preset", default=OutputConfig().preset)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--repeat", type=int, default=3, help="rounds, of which the median is shown")
    parser.add_argument("--frames", type=int, default=150, help="frames that each stage alone is measured on")
    parser.add_argument("--json", type=Path, default=None, help="write the numbers here too")
    given = parser.parse_args()
    on_cuda = given.device.startswith("cuda")
    model = given.model or ("fasterrcnn_resnet50_fpn" if on_cuda else "bundled")
    counts = [int(n) for n in (given.cameras or ("1,4,16" if on_cuda else "1")).split(",")]
    console = Console(width=None if sys.stdout.isatty() else 160)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    stages: dict[str, list[float]] = {}
    rows: dict[int, list[dict[str, Any]]] = {count: [] for count in counts}
    loops = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = {
            "version": 1,
            "device": given.device,
            "detect": {"model": model, "weights": given.weights},
            "output": {"preset": given.preset, "directory": name},
        }
        for _ in range(given.repeat):  # interleaved, so that a neighbour's load falls on all alike
            for stage, cost in stages_alone(given.clip, settings, given.frames, folder).items():
                stages.setdefault(stage, []).append(cost)
            for count in counts:
                rows[count].append(pipeline(given.clip, settings, count, given.seconds, folder))
            loops.append(reference_loop(given.clip, settings, given.seconds / 2, folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    median = {stage: statistics.median(costs) for stage, costs in stages.items()}
    limit = cores() / (sum(median.values()) / 1e3)
    best = [sorted(rows[count], key=lambda row: row["fps"])[len(rows[count]) // 2] for count in counts]
    loop = statistics.median(loops)
    facts = {
        "machine": machine(given.device),
        "clip": given.clip.name,
        "stages_cpu_ms": median,
        "limit_fps": limit,
        "reference_loop_fps": loop,
        "reference_loops_fps": loops,
        "pipeline": best,
        "pipeline_fps_of_each_round": {str(count): [row["fps"] for row in rows[count]] for count in counts},
        "peak_memory_mib": peak,
    }
    console.print(f"{given.clip.name}, {best[0]['engine']}, x264 {given.preset}\n{facts['machine']}\n")
    table = Table("stage alone", "CPU ms a frame", box=None)
    for stage, cost in median.items():
        table.add_row(stage, f"{cost:.2f}")
    table.add_row("sum", f"{sum(median.values()):.2f}")
    console.print(table, "")
    columns = ("", "fps", "of the limit", "x the loop", "CPU ms a frame", "cores busy", "waiting")
    table = Table(*columns, box=None)
    table.add_row(f"limit: {cores()} cores ÷ the sum", f"{limit:.1f}", "1.00")
    for row in best:
        waiting = ", ".join(f"{name} {fill:.1f}" for name, fill in row["waiting"].items())
        table.add_row(
            f"pipeline, {row['cameras']} camera(s)",
            f"{row['fps']:.1f}",
            f"{row['fps'] / limit:.2f}",
            f"{row['fps'] / loop:.1f}",
            f"{row['cpu_ms_per_frame']:.1f}",
            f"{row['cores_busy']:.2f}",
            waiting,
        )
    table.add_row("reference loop", f"{loop:.1f}", f"{loop / limit:.2f}", "1.0")
    console.print(table, f"\npeak memory of all of this: {peak:.0f} MiB")
    save(given.json, facts)


if __name__ == "__main__":
    start(main)
