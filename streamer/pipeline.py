"""Joins the rooms: the whole assembly, in the order in which a frame travels, and a run of it."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from importlib import metadata
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import cv2
import numpy as np
import torch

from streamer import cut, detect, hide, measure, note, render, restore, source
from streamer.address import mask
from streamer.camera import Camera, Done
from streamer.channel import Channel, Guarded, Intake, Worker, ahead
from streamer.config import Config
from streamer.detect.ensemble import Ensemble
from streamer.detect.stage import stage as detect_stage
from streamer.device import one_torch_thread, resolve
from streamer.errors import ConfigError, StageError, StreamerError
from streamer.frame import Batch, Dropped, End, Frame, Marker, Result
from streamer.record import Sought
from streamer.recordings import Recordings, Tracks
from streamer.restore.stage import Link
from streamer.restore.stage import stage as restore_stage
from streamer.restorers import RestoreConfig
from streamer.sink import check_outputs, clear_outputs, write_summary
from streamer.track.stage import stage as track_stage
from streamer.watch.load import keeps
from streamer.watch.load import load as load_watchers
from streamer.watch.stage import stage as watch_stage
from streamer.watch.watcher import Watchers

logger = logging.getLogger(__name__)

TICK = 0.1
"""Seconds after which stages get an empty batch when nothing comes, so that time passes for them."""

AHEAD = 2
"""Batches that are detected and hidden but not yet restored, where that goes on at the same time."""

T = TypeVar("T")


@contextmanager
def assemble(
    frames: Iterable[Batch[Frame]],
    config: Config,
    device: torch.device,
    detector: Guarded[detect.Detector] | Recordings,
    restorers: Mapping[str, Sequence[Link]],
    watchers: Watchers,
    waits: Callable[[str, int], None],
) -> Iterator[Iterator[Batch[Result | Dropped]]]:
    """Join the stages; leaving the context ends them.

    Args:
        frames: batches of frames and markers of all cameras.
        config: the run's.
        device: where pictures are from detection to measurement.
        detector: shared by all cameras; or what one has found before.
        restorers: by camera, one after the other.
        watchers: of all cameras.
        waits: told a camera and how many more (or fewer) of its frames wait for those after them.

    Yields:
        Batches of results, and of what stands for dropped frames. Asking for them raises a ``StageError``
        when a stage failed that cannot go on.
    """
    cameras = config.cameras
    settings = {c: cameras[c].detect for c in cameras}
    scenes = _named("cut", cut.stage(frames))
    if isinstance(detector, Recordings):
        detected = _named("read detections", render.stage(scenes, detector, device, settings))
    else:
        detected = _named("detect", detect_stage(scenes, detector, device, settings))
    tracked = noted = _named("note", note.stage(detected))
    if not (isinstance(detector, Recordings) and detector.tracks is Tracks.KEEP):
        tracked = _named("track", track_stage(noted, cameras, waits))
    blur, zones = {c: cameras[c].blur for c in cameras}, {c: cameras[c].zones for c in cameras}
    on_failure = {c: cameras[c].detect.on_failure for c in cameras}
    with ExitStack() as stack:
        # what hangs may hold the generator's lock for ever
        random = Guarded(np.random.default_rng(), np.random.default_rng, "hide", _timeout(config))
        stack.enter_context(random)
        hidden = _named("hide", hide.stage(tracked, blur, zones, on_failure, random))
        hidden = _named("watch", watch_stage(hidden, watchers))
        if device.type == "cpu":
            # a CPU has cores for two batches at a time; a GPU works on one after the other anyway
            hidden = stack.enter_context(ahead(hidden, AHEAD, "detect and hide"))
        restored = _named("restore", restore_stage(hidden, restorers))
        yield _named("measure", measure.stage(restored))


def _named(name: str, items: Iterator[T]) -> Iterator[T]:
    """Put the stage's name to whatever it raises."""
    try:
        yield from items
    except StageError:
        raise
    except Exception as error:
        raise StageError(name, error) from error


class Run:
    """A run of all cameras; a context manager, and the results in it are iterated once.

    Results come in each camera's order, after they were written. The images of a result are the caller's to
    keep; a camera whose results are not asked for does not go on, since its frames in flight are limited.
    Leaving the ``with`` block early stops the run and finishes its files.
    """

    def __init__(
        self,
        config: Config,
        *,
        overwrite: bool = False,
        duration: float | None = None,
        recordings: Recordings | None = None,
    ) -> None:
        """Check everything that can be checked and load the models; entering the run starts it.

        Args:
            config: what to run.
            overwrite: replace existing outputs.
            duration: seconds after which the run ends by itself; None runs to the sources' end.
            recordings: what was detected before, instead of a detector.

        Raises:
            ConfigError: a source is not there or would be written over, outputs exist already, a model or a
                device cannot be had.
        """
        for name, camera in config.cameras.items():
            if not source.is_live(camera.source) and not Path(camera.source).exists():
                raise ConfigError(f"cameras.{name}.source: {mask(camera.source)}: no such file or folder")
        self.config = config
        self.device = resolve(config.device)
        self.detector = recordings or load_detector(config, self.device)
        self.restorers = load_restorers(config, self.device)
        self.watchers = load_watchers({name: c.watch for name, c in config.cameras.items()}, self.device)
        paths = [Path(c.source) for c in config.cameras.values() if not source.is_live(c.source)]
        paths += [] if recordings is None else [each.path for each in recordings.cameras.values()]
        self._folders = [
            Path(c.output.directory) / name for name, c in config.cameras.items() if c.output is not None
        ]
        for folder in self._folders:
            check_outputs(folder, overwrite, paths)
        self.watchers = replace(self.watchers, keep=keeps(config.cameras))
        self.error: BaseException | None = None
        """What ended the run: a ``StageError``; None as long as nothing did."""
        self.stopped_by: str | None = None
        """What ended the run early, such as ``SIGINT``; None when the sources came to their end."""
        self.intake = Intake(config.cameras)
        self.cameras: dict[str, Camera] = {}
        """The cameras by name, once the run has started."""
        self._results: Channel[Result | Done] = Channel()
        self._duration = duration
        self._device_thread: Worker | None = None
        self._unfinished = 0
        self._versions = _versions()

    def __enter__(self) -> Run:
        if self.cameras:
            raise RuntimeError("a run goes once; open another one")
        self._unfinished = len(self.config.cameras)
        for folder in self._folders:  # not before all is loaded and checked
            clear_outputs(folder)
        self._started_at = time.monotonic()
        in_flight = frames_in_flight(len(self.config.cameras), self.detector.batch_size)
        recorded = self.detector.cameras if isinstance(self.detector, Recordings) else None
        try:
            for name, camera in self.config.cameras.items():
                sought = Sought.by(camera.detect) if recorded is None else recorded[name].sought
                self.cameras[name] = Camera(name, camera, self.intake, self._results, in_flight, sought)
            for opened in self.cameras.values():
                opened.start()
            self._device_thread = Worker("device", self._serve, self._fail)
        except BaseException:  # such as a limit on the number of threads
            self._unfinished = 0
            for name, opened in self.cameras.items():
                opened.stop()
                opened.finish(End(name))
                opened.join()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._unfinished:
            self.stop("the caller")
        for _ in self._drain():
            pass
        if self._device_thread is not None:
            self._device_thread.join()
        for camera in self.cameras.values():
            camera.join()

    def __iter__(self) -> Iterator[Result]:
        """Yield results until all cameras have ended.

        Raises:
            StageError: a stage that all cameras share failed; everything was stopped and finished first.
            RuntimeError: the run was not entered.
        """
        if not self.cameras:
            raise RuntimeError(
                "a run goes inside its block: `with streamer.open(…) as run: for result in run: …`"
            )
        yield from self._drain()
        if self.error is not None:
            raise self.error

    def wait(self) -> None:
        """Run to the end without looking at the results."""
        for _ in self:
            pass

    def stop(self, by: str) -> None:
        """Ask all cameras to end; what is in flight is still written.

        Only takes note, which makes it safe in a signal handler; the device thread passes it on.

        Args:
            by: who asks, for the summary.
        """
        if self.stopped_by is None:
            self.stopped_by = by

    @property
    def failed(self) -> bool:
        """Whether the run or one of its cameras failed."""
        return self.error is not None or any(camera.error is not None for camera in self.cameras.values())

    def _drain(self) -> Iterator[Result]:
        while self._unfinished:
            item = self._results.take()
            if isinstance(item, Result):
                try:
                    yield item
                finally:
                    self.cameras[item.camera].credits.give()
            elif item is not None:
                self._unfinished -= 1
                self._summarise(item.camera)

    def summary(self) -> dict[str, Any]:
        """Return what became of the run, as JSON can hold it; final once all cameras have ended."""
        return {
            **self._circumstances(),
            "cameras": {name: camera.summary() for name, camera in self.cameras.items()},
        }

    def _circumstances(self) -> dict[str, Any]:
        """What was the same for all cameras."""
        return {
            "device": str(self.device),
            "detector": self.detector.name,
            "engine": self.detector.engine,
            "stopped_by": self.stopped_by,
            "run_error": None if self.error is None else str(self.error),
            "versions": self._versions,
        }

    def _summarise(self, camera: Camera) -> None:
        """Write a camera's ``summary.json``; if even that fails, the camera has failed."""
        if self.error is not None:  # what was in flight then is in nobody's books
            camera.join()
            camera.books.dropped["run failed"] += max(0, camera.stats.frames - camera.books.total())
        if camera.config.output is None:
            return
        path = Path(camera.config.output.directory) / camera.name / "summary.json"
        try:
            write_summary(path, {"camera": camera.name, **camera.summary(), **self._circumstances()})
        except StreamerError as error:
            camera.fail(error)

    # the device thread

    def _serve(self) -> None:
        left = set(self.cameras)
        frames = self._until_ended(self.intake.batches(self.detector.batch_size, TICK))
        try:
            with (
                one_thread_each(),
                self._guarded() as detector,
                assemble(
                    frames, self.config, self.device, detector, self.restorers, self.watchers, self._waits
                ) as batches,
            ):
                for item in chain.from_iterable(batches):
                    if isinstance(item, Result):
                        self.cameras[item.camera].deliver(item)
                    elif isinstance(item, Dropped):
                        self.cameras[item.camera].drop(item)
                    elif isinstance(item, End):
                        left.discard(item.camera)
                        self.cameras[item.camera].finish(item)
        except BaseException as error:  # said before the cameras end, whose summaries tell of it
            self._fail(error)
        finally:
            for name in left:
                self.cameras[name].stop()
                self.cameras[name].finish(End(name))

    def _guarded(self) -> AbstractContextManager[Guarded[detect.Detector] | Recordings]:
        if isinstance(self.detector, Recordings):
            return nullcontext(self.detector)
        another = partial(load_detector, self.config, self.device)
        return Guarded(self.detector, another, "detect", _timeout(self.config))

    def _waits(self, camera: str, change: int) -> None:
        self.cameras[camera].credits.wait(change)

    def _until_ended(self, batches: Iterable[list[Frame | Marker]]) -> Iterator[Batch[Frame]]:
        """Pass batches on until the last camera's end has gone by; stop the cameras when that is due."""
        left = len(self.cameras)
        stopping = False
        for batch in batches:
            if self._duration is not None and time.monotonic() - self._started_at >= self._duration:
                self.stop("--duration")
            if self.stopped_by is not None and not stopping:
                stopping = True
                logger.info("ending early (%s), finishing what is in flight", self.stopped_by)
                for camera in self.cameras.values():
                    camera.stop()
            yield batch
            left -= sum(isinstance(item, End) for item in batch)
            if left == 0:
                return

    def _fail(self, error: BaseException) -> None:
        # raised to whoever iterates, who says it
        self.error = error if isinstance(error, StageError) else StageError("deliver", error)
        logger.debug("the run ends", exc_info=error)


def frames_in_flight(cameras: int, batch_size: int) -> int:
    """Return how many frames each camera may have in flight.

    Enough for two batches and for every thread to have one to work on and one waiting, but of many cameras
    less each: a frame in flight is up to three pictures in memory, 19 MB at 1080p.
    """
    return min(max(8, 2 * batch_size), max(3, 4 * max(8, batch_size) // cameras))


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let OpenCV and torch work in the threads that call them.

    The other cores have frames of their own to decode, hide and encode; pools on top of that only wait for
    each other (benchmarks/throughput.py; SSDLite took 62 ms with one torch thread on a busy machine, and 400
    to 3,100 with two).
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with one_torch_thread():
            yield
    finally:
        cv2.setNumThreads(before)


def _timeout(config: Config) -> float:
    """Return after how many seconds a stage has hung, which is the same for all cameras."""
    return next(iter(config.cameras.values())).detect.timeout


def load_detector(config: Config, device: torch.device) -> detect.Detector:
    """Load the detectors that all cameras share: all their classes, from the least of their thresholds on.

    Raises:
        ConfigError: one cannot be had.
    """
    loaded = []
    # each detector with what every camera wants of it
    for settings in zip(*(camera.detect.detectors for camera in config.cameras.values()), strict=True):
        classes = sorted({name for each in settings for name in each.classes})
        threshold = min(each.seeks_from for each in settings)
        loaded.append(detect.load(settings[0], device, classes=classes, threshold=threshold))
    return loaded[0] if len(loaded) == 1 else Ensemble(loaded)


def load_restorers(config: Config, device: torch.device) -> dict[str, tuple[Link, ...]]:
    """Load each camera's restorers, each model once (for each mode and engine) whoever uses it.

    Raises:
        ConfigError: one cannot be had.
    """
    loaded: dict[RestoreConfig, restore.Restorer] = {}

    def link(settings: RestoreConfig) -> Link:
        shared = settings.model_copy(
            update={"when": "always", "steady": 0.0}
        )  # when and how is the camera's own
        if shared not in loaded:
            loaded[shared] = restore.load(shared, device)
        return Link(loaded[shared], settings)

    return {name: tuple(link(each) for each in camera.restore) for name, camera in config.cameras.items()}


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in ("cctv-streamer", "torch", "torchvision", "av", "opencv-python", "onnxruntime"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # another build of it, such as opencv-python-headless
            versions[package] = None
    return versions
