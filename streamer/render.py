"""Rendering again: what was detected is read from a file, and takes the place of the detector."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path

import numpy as np
import torch

from streamer import coco, record, source
from streamer.address import mask
from streamer.config import CameraConfig, Config, DetectConfig
from streamer.detect import select
from streamer.errors import ConfigError, SourceError
from streamer.failsafe import FailureLog, all_or_each
from streamer.frame import Batch, Detected, Detections, Discontinuity, End, Frame, Marker, Sighting
from streamer.record import Record

FILE = "detections.jsonl"
"""In a camera's folder of outputs."""

_NAME = re.compile(r"(?P<camera>.+)[_/](?P<frame>[0-9]{1,18})(\.[A-Za-z0-9]+)?")
"""Of a frame's image in COCO's JSON."""

SAME_TIME = 1e-3
"""Seconds by which a line's time may differ from its frame's: containers round times to milliseconds."""


class Tracks(Enum):
    """What becomes of the tracks in a file."""

    RECOMPUTE = "recompute"
    """Objects are followed anew, by the configuration's thresholds, look-ahead and hold."""
    KEEP = "keep"
    """What the file says was hidden is hidden, and nothing else."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What was detected in one camera's frames."""

    path: Path
    """The file that it is read from."""
    read: Callable[[], Iterator[Record]]
    """Returns its frames, from the first one on."""


@dataclass(frozen=True, slots=True)
class Recordings:
    """What was detected in the frames of all cameras of a run, and what to do with it."""

    path: Path
    """As it was given: the folder, or the file."""
    tracks: Tracks
    cameras: Mapping[str, Recording]
    batch_size: int = 8
    """Frames at once; nothing is faster with more."""

    @property
    def name(self) -> str:
        """What the summary has in the place of a detector's name."""
        return f"detections in {self.path}"

    @property
    def engine(self) -> str:
        """What the summary has in the place of what runs a detector."""
        return "none, tracks " + ("recomputed" if self.tracks is Tracks.RECOMPUTE else "kept")

    @classmethod
    def open(cls, path: Path, tracks: Tracks, config: Config) -> Recordings:
        """Find the cameras' files and check all that is in them.

        Args:
            path: a run's folder of outputs, one camera's ``detections.jsonl``, or a COCO JSON file.
            tracks: recomputed or kept.
            config: of the run that renders.

        Raises:
            ConfigError: there is no such file, a line of it is wrong, it is of other footage, or what the
                configuration asks for was not looked for.
        """
        for name, camera in config.cameras.items():
            if source.is_live(camera.source):
                raise ConfigError(f"cameras.{name}.source: is live: name the footage that was detected in")
        cameras = _find(path, list(config.cameras))
        for name, recording in cameras.items():
            _check(recording, name, config.cameras[name], tracks)
        return cls(path, tracks, cameras)


def _find(path: Path, names: Sequence[str]) -> dict[str, Recording]:
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder")
    if path.is_dir():
        files = {name: path / name / FILE for name in names}
        if len(names) == 1 and (path / FILE).is_file():
            files = {names[0]: path / FILE}
    elif path.suffix.lower() == ".jsonl":
        if len(names) > 1:
            raise ConfigError(f"{path}: is of one camera, and there are {len(names)}: name the folder of all")
        files = {names[0]: path}
    else:
        return _from_coco(path, names)
    for name, file in files.items():
        if not file.is_file():
            raise ConfigError(f"{file}: no such file, which is where detections of camera {name!r} should be")
    return {name: Recording(file, partial(record.read, file)) for name, file in files.items()}


def image_name(camera: str, frame: int) -> str:
    """Return what a frame is called in COCO's JSON; `trainer label` calls it the same."""
    return f"{camera}_{frame}.jpg"


def _from_coco(path: Path, names: Sequence[str]) -> dict[str, Recording]:
    """Read a COCO file, whose images are called ``CAMERA_17.jpg`` or ``CAMERA/000017.jpg``."""
    frames: dict[str, dict[int, Record]] = {name: {} for name in names}
    for image in coco.load(path)[0]:
        match = _NAME.fullmatch(image.name)
        if match is None or match["camera"] not in frames:
            continue
        camera, number = match["camera"], int(match["frame"])
        if number in frames[camera]:
            raise ConfigError(f"{path}: {image.name}: there is another image of frame {number}")
        objects = record.as_logged(replace(image.objects, tracks=np.full(len(image.objects), -1, np.int64)))
        frames[camera][number] = Record(
            number, None, objects, np.ones(len(objects), bool), size=(image.width, image.height)
        )
    for name in names:
        if not frames[name]:
            raise ConfigError(f"{path}: has no image of camera {name!r}, such as {image_name(name, 0)}")
    ordered = {name: [found[number] for number in sorted(found)] for name, found in frames.items()}
    return {name: Recording(path, partial(iter, records)) for name, records in ordered.items()}


def _check(recording: Recording, name: str, camera: CameraConfig, tracks: Tracks) -> None:
    """Go through a recording once, so that nothing is written before all of it is known to be right.

    Raises:
        ConfigError: it is wrong, or not of this camera's footage.
    """
    sized: Record | None = None
    count = 0
    for each in recording.read():
        count += 1
        if sized is None and each.size is not None:
            sized = each
        if each.sought is not None:
            _check_sought(each.sought, recording.path, camera.detect, tracks)
    if count == 0:
        raise ConfigError(f"{recording.path}: holds no frame")
    if sized is None:
        return
    try:
        stream = source.probe(camera)
    except SourceError:
        return  # the run will say so, and end this camera alone
    if sized.size != (stream.width, stream.height):
        width, height = sized.size or (0, 0)
        raise ConfigError(
            f"{recording.path}: is of pictures of {width}x{height}, and those of cameras.{name}.source "
            f"({mask(camera.source)}) have {stream.width}x{stream.height}"
        )


def _check_sought(sought: record.Sought, path: Path, config: DetectConfig, tracks: Tracks) -> None:
    unknown = [label for label in config.classes if label not in sought.classes]
    if unknown:
        raise ConfigError(
            f"{path}: nobody looked for {', '.join(unknown)} there, only for {', '.join(sought.classes)}: "
            "change detect.classes, or run the detector"
        )
    if tracks is Tracks.RECOMPUTE and config.hides_from < sought.score:
        raise ConfigError(
            f"{path}: holds scores from {sought.score:g} on, and detect.hide_threshold is "
            f"{config.hides_from:g}: raise it, or run the detector"
        )


def stage(
    batches: Iterable[Batch[Frame]],
    recordings: Recordings,
    device: torch.device,
    settings: Mapping[str, DetectConfig],
) -> Iterator[Batch[Detected]]:
    """Say what was detected in frames; one that no line tells of goes on marked to be hidden whole.

    Args:
        batches: frames and markers of any cameras.
        recordings: by camera; read as the frames come.
        device: where pictures go, and stay until they are measured.
        settings: classes and thresholds, by camera.
    """
    log = FailureLog("finding recorded detections")
    cursors = {name: _Cursor(recording.read()) for name, recording in recordings.cameras.items()}
    recorded: dict[Frame, Record | None] = {}

    def work(frames: Sequence[Frame]) -> list[Detected]:
        images = [torch.from_numpy(frame.image).to(device, non_blocking=True) for frame in frames]
        return [
            _detected(frame, image, recorded[frame], recordings.tracks, settings[frame.camera])
            for frame, image in zip(frames, images, strict=True)
        ]

    def otherwise(frame: Frame, error: Exception) -> Detected:
        log.count(frame, error)
        nothing = Detections.none(looked=False)
        image = torch.from_numpy(frame.image)  # on the host: the device may be what failed
        return Detected(frame, image, nothing, "no detections", Sighting(nothing))

    for batch in batches:
        recorded.clear()
        marked: list[Frame | Marker] = []
        for item in batch:
            if not isinstance(item, End | Discontinuity):
                recorded[item] = found = cursors[item.camera].at(item.index)
                if found is not None and found.begins:
                    marked.append(Discontinuity(item.camera))
            marked.append(item)
        detected = all_or_each(marked, work, otherwise)
        yield detected


class _Cursor:
    """Goes through records as the frames come, which are in the same order."""

    def __init__(self, records: Iterator[Record]) -> None:
        self._records = records
        self._next = next(records, None)

    def at(self, frame: int) -> Record | None:
        """Return what is said of a frame; None where there is nothing."""
        while self._next is not None and self._next.frame < frame:
            self._next = next(self._records, None)
        return self._next if self._next is not None and self._next.frame == frame else None


def _detected(
    frame: Frame, image: torch.Tensor, said: Record | None, tracks: Tracks, config: DetectConfig
) -> Detected:
    """Put a record in the place of a detector.

    Raises:
        ConfigError: it cannot be this frame's.
    """
    if said is None:
        raise ConfigError("no line tells of it")
    size = frame.stream.width, frame.stream.height
    if said.size is not None and said.size != size:
        raise ConfigError(f"line {said.line} is of a picture of {said.size[0]}x{said.size[1]}, not {size}")
    if said.time_s is not None and abs(said.time_s - frame.time_s) > SAME_TIME:
        raise ConfigError(f"line {said.line} is of {said.time_s:.3f} s, and this is {frame.time_s:.3f} s")
    # what failed after detection, if anything did, may go well this time
    failure = said.failure if not said.found.looked else None
    sighting = Sighting(said.found)
    if tracks is Tracks.RECOMPUTE:
        return Detected(frame, image, select(said.found, config), failure, sighting)
    kept = said.found.keep(said.hidden | (said.found.scores >= config.hides_from))
    everything = kept.and_carried(said.carried)
    named = np.array([label in config.classes for label in everything.labels], bool)
    return Detected(frame, image, everything.keep(named), failure, sighting)
