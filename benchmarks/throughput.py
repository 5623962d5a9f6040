"""Frames per second of the whole pipeline, beside what the machine could do at best and a plain loop.

    python -m benchmarks.throughput CLIP [--device cpu|cuda] [--cameras 1,4,16] [--json FILE]

In one run, since machines are shared and noisy:

- each stage, one after the other in one thread, in CPU milliseconds a frame (process time, all threads);
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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
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
from streamer import cut, detect, hide, measure, nets, note, source
from streamer.boxes import pad
from streamer.config import OutputConfig, parse
from streamer.detect.stage import stage as detect_stage
from streamer.device import resolve
from streamer.errors import ConfigError
from streamer.frame import Batch, Discontinuity, End, Frame, Result
from streamer.pipeline import Run, load_restorers
from streamer.restore.stage import stage as restore_stage
from streamer.sink.log import LogSink
from streamer.sink.video import VideoSink
from streamer.track.stage import stage as track_stage

B = TypeVar("B", bound=Sequence[object])
CHUNK = 8
"""Frames that come to a stage at once, as in a batch, and how many are not measured: the first load libraries
and fill caches."""


class Meter:
    """CPU time, of all threads, that the parts of some work take for each frame."""

    def __init__(self) -> None:
        self.frames: dict[str, int] = {}
        """How many each part has been done for."""
        self._seconds: dict[str, float] = {}
        self._inner = 0.0
        """Seconds that went to parts within the one that is under way."""

    def each(self, name: str, batches: Iterable[B]) -> Iterator[B]:
        """Yield batches as they are; making them, less what was made within that, is the part ``name``."""
        iterator = iter(batches)
        while True:
            began, inner = self._now(), self._inner
            batch = next(iterator, None)
            if batch is None:
                return
            took = self._now() - began
            self._add(
                name,
                took - (self._inner - inner),
                sum(not isinstance(item, End | Discontinuity) for item in batch),
            )
            self._inner = inner + took
            yield batch

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """Measure what the block does, for one frame."""
        began = self._now()
        yield
        self._add(name, self._now() - began, 1)

    def milliseconds(self) -> dict[str, float]:
        """Return what each part takes for a frame, in the order in which they first were done."""
        measured = {name: frames - CHUNK for name, frames in self.frames.items() if name in self._seconds}
        return {name: 1e3 * self._seconds[name] / frames for name, frames in measured.items()}

    def _add(self, name: str, seconds: float, frames: int) -> None:
        if self.frames.get(name, 0) >= CHUNK:
            self._seconds[name] = self._seconds.get(name, 0.0) + seconds
        self.frames[name] = self.frames.get(name, 0) + frames

    def _now(self) -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.process_time()


def chunks(frames: Iterable[object], most: int) -> Iterator[Batch[Frame]]:
    """Yield so many frames, some at a time, and the end of their camera."""
    wanted = (item for item in frames if isinstance(item, Frame))
    for count in range(0, most, CHUNK):
        chunk: Batch[Frame] = list(islice(wanted, min(CHUNK, most - count)))
        if not chunk:
            break
        yield chunk
    yield [End("bench")]


def stages_alone(clip: Path, settings: Mapping[str, Any], most: int, folder: Path) -> dict[str, float]:
    """CPU milliseconds a frame of each stage, one after the other in one thread, with the pipeline's work."""
    config = parse(settings, sources={"bench": str(clip)})
    camera, device = config.cameras["bench"], resolve(config.device)
    assert camera.output is not None
    detector = detect.load(
        camera.detect, device, classes=camera.detect.classes, threshold=camera.detect.seeks_from
    )
    meter = Meter()
    read = source.read("bench", camera, Event(), source.SourceStats())
    frames = meter.each("decode", chunks(read, CHUNK + most))
    scenes = meter.each("cut", cut.stage(frames))
    detected = meter.each("detect", detect_stage(scenes, detector, device, {"bench": camera.detect}))
    tracked = meter.each("track", track_stage(note.stage(detected), {"bench": camera}))
    hidden = meter.each("hide", hide.stage(tracked, {"bench": camera.blur}))
    restored = meter.each("restore", restore_stage(hidden, load_restorers(config, device)))
    blurred_file = VideoSink(folder / "blurred.mp4", camera.output, audio=True)
    restored_file = VideoSink(folder / "restored.mp4", camera.output, audio=False)
    log = LogSink(folder)
    for result in chain.from_iterable(meter.each("measure", measure.stage(restored))):
        if not isinstance(result, Result):
            continue
        with meter.one("encode blurred"):
            blurred_file.write(result.blurred, result)
        if result.restored is not None:
            with meter.one("encode restored"):
                restored_file.write(result.restored, result)
        with meter.one("log"):
            log.write(result, 0.0, camera.detect.threshold)
    for sink in (blurred_file, restored_file, log):
        sink.close()
    if meter.frames.get("log", 0) <= CHUNK:
        raise ConfigError(f"{clip}: {CHUNK} frames or fewer; measuring takes more")
    return meter.milliseconds()


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
    parser.add_argument("--frames", type=int, default=150, help="frames that each stage is measured on")
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
    table = Table("stage, in one thread", "CPU ms a frame", box=None)
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
