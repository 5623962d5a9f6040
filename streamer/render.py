"""Rendering again: what was detected is read from a file, and takes the place of the detector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch

from streamer.detect import hides_from, select
from streamer.detectors import DetectConfig
from streamer.errors import ConfigError
from streamer.failsafe import FailureLog, all_or_each
from streamer.frame import Batch, Detected, Detections, Discontinuity, End, Frame, Marker, Sighting
from streamer.record import Record
from streamer.recordings import Recordings, Tracks

SAME_TIME = 1e-3
"""Seconds by which a line's time may differ from its frame's: containers round times to milliseconds."""


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
    cursors = {name: _Cursor(recording.read(quiet=True)) for name, recording in recordings.cameras.items()}
    recorded: dict[Frame, Record | None] = {}

    def work(frames: Sequence[Frame]) -> list[Detected]:
        images = [torch.from_numpy(frame.image).to(device, non_blocking=True) for frame in frames]
        return [
            _detected(frame, image, recorded[frame], recordings.tracks, settings[frame.camera])
            for frame, image in zip(frames, images, strict=True)
        ]

    def otherwise(frame: Frame, error: Exception) -> Detected:
        log.count(frame, error, settings[frame.camera].on_failure)
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
        detected = all_or_each(marked, work, otherwise, log)
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
    # what was hidden stays hidden, whatever its class; what else scores enough to be hidden is, too
    named = np.array([label in config.sought for label in said.found.labels], bool)
    least = hides_from(said.found, config, *size)
    kept = said.found.keep(said.hidden | (named & (said.found.scores >= least)))
    return Detected(frame, image, kept.and_carried(said.carried), failure, sighting)
