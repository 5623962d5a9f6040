"""What was detected before: where each camera's is, and whether it can be of the footage that is rendered."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import numpy as np

from streamer import coco, lines, source
from streamer.address import mask
from streamer.config import CameraConfig, Config
from streamer.detectors import DetectConfig
from streamer.errors import ConfigError, SourceError
from streamer.record import Record, Sought, as_logged

logger = logging.getLogger(__name__)

FILE = "detections.jsonl"
"""In a camera's folder of outputs."""

_NAME = re.compile(r"(?P<camera>.+)[_/](?P<frame>[0-9]{1,18})(\.[A-Za-z0-9]+)?")
"""Of a frame's image in COCO's JSON."""


class Tracks(Enum):
    """What becomes of the tracks in a file."""

    RECOMPUTE = "recompute"
    """Objects are followed anew, by the configuration's thresholds, look-ahead and hold."""
    KEEP = "keep"
    """What the file says was hidden is hidden, and what else has the score for it."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What was detected in one camera's frames."""

    path: Path
    """The file that it is read from."""
    records: Iterable[Record] | None = None
    """What is in it, where all of it was read; None where its lines are read as frames come."""
    sought: Sought | None = None
    """What can be among the detections that come of it; None where nobody knows."""

    def read(self, *, quiet: bool = False) -> Iterator[Record]:
        """Yield its records from the first one on; errors and ``quiet`` as in ``lines.read``."""
        return lines.read(self.path, quiet=quiet) if self.records is None else iter(self.records)


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
        found = _find(path, list(config.cameras))
        return cls(
            path,
            tracks,
            {
                name: replace(each, sought=_check(each, name, config.cameras[name], tracks))
                for name, each in found.items()
            },
        )


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
    return {name: Recording(file) for name, file in files.items()}


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
        objects = as_logged(replace(image.objects, tracks=np.full(len(image.objects), -1, np.int64)))
        frames[camera][number] = Record(
            number, None, objects, np.ones(len(objects), bool), size=(image.width, image.height)
        )
    for name in names:
        if not frames[name]:
            raise ConfigError(f"{path}: has no image of camera {name!r}, such as {image_name(name, 0)}")
    return {
        name: Recording(path, [found[number] for number in sorted(found)]) for name, found in frames.items()
    }


def _check(recording: Recording, name: str, camera: CameraConfig, tracks: Tracks) -> Sought | None:
    """Go through a recording once, so that nothing is written before all of it is known to be right.

    Returns:
        What can be among the detections that come of it: what was sought there, and when they are followed
        anew also is now.

    Raises:
        ConfigError: it is wrong, or not of this camera's footage.
    """
    sized: Record | None = None
    sought: Sought | None = None
    unnamed: Counter[str] = Counter()
    count = 0
    for each in recording.read():
        count += 1
        if sized is None and each.size is not None:
            sized = each
        if each.sought is not None:
            _check_sought(each.sought, recording.path, camera.detect, tracks)
            sought = each.sought if sought is None else sought.within(each.sought)
        hidden = [label for label, was in zip(each.found.labels, each.hidden, strict=True) if was]
        named = camera.detect.sought
        unnamed.update(label for label in (*hidden, *each.carried.labels) if label not in named)
    if count == 0:
        raise ConfigError(f"{recording.path}: holds no frame")
    if sized is not None:
        _check_size(sized, recording.path, name, camera)
    _tell_of(unnamed, recording.path, tracks)
    if sought is None or tracks is Tracks.KEEP:
        return sought
    return Sought.by(camera.detect).within(sought)


def _check_size(sized: Record, path: Path, name: str, camera: CameraConfig) -> None:
    try:
        stream = source.probe(camera)
    except SourceError:
        return  # the run will say so, and end this camera alone
    if sized.size != (stream.width, stream.height):
        width, height = sized.size or (0, 0)
        raise ConfigError(
            f"{path}: is of pictures of {width}x{height}, and those of cameras.{name}.source "
            f"({mask(camera.source)}) have {stream.width}x{stream.height}"
        )


def _check_sought(sought: Sought, path: Path, config: DetectConfig, tracks: Tracks) -> None:
    unknown = [label for label in config.sought if label not in sought.scores]
    if unknown:
        raise ConfigError(
            f"{path}: nobody looked for {', '.join(unknown)} there, only for {', '.join(sought.scores)}: "
            "change detect.classes, or run the detector"
        )
    if tracks is Tracks.KEEP:
        return
    count = len(sought.detectors)
    if count == len(config.detectors) > 1:
        for place, (one, scores) in enumerate(zip(config.detectors, sought.detectors, strict=True)):
            _check_one_of_several(place, one, scores, path)
        return
    for label in config.sought:
        least, score = config.hide_threshold_of(label), sought.scores[label]
        where, advice = "", "raise it"
        if several := [scores[label] for scores in sought.detectors if label in scores]:
            score = max(several)
            where, advice = f" where one of {count} detectors found it", "list the detectors as they were"
        if least < score:
            raise ConfigError(
                f"{path}: holds scores of {label} from {score:g} on{where}, and detect.hide_threshold is "
                f"{least:g}: {advice}, or run the detector"
            )


def _check_one_of_several(place: int, config: DetectConfig, scores: Mapping[str, float], path: Path) -> None:
    for label in config.classes:
        if label not in scores:
            raise ConfigError(
                f"{path}: the detector of detect.{place} did not look for {label} there: change "
                f"detect.{place}.classes, or run the detectors"
            )
        least, score = config.hides_from, scores[label]
        if least < score:
            raise ConfigError(
                f"{path}: holds scores of {label} from {score:g} on, and detect.{place}.hide_threshold is "
                f"{least:g}: raise it, or run the detectors"
            )


def _tell_of(unnamed: Mapping[str, int], path: Path, tracks: Tracks) -> None:
    """Tell of objects that were hidden, of classes that are not to be hidden now.

    Raises:
        ConfigError: there are some, and all that was hidden is to be.
    """
    for label, count in unnamed.items():
        objects = f"{count} objects of class {label} are" if count > 1 else f"an object of class {label} is"
        if tracks is Tracks.KEEP:
            raise ConfigError(
                f"{path}: {objects} hidden there, and detect.classes does not name it: name it, or follow "
                "objects anew (recompute)"
            )
        logger.warning("%s: %s not hidden: detect.classes does not name it", path, objects)
