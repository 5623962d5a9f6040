"""The detecting stage: frames go up to the device and come out with what was found in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum

import numpy as np
import torch

from streamer.channel import Guarded
from streamer.detect import Detector, hides_from, select
from streamer.detect.mirror import back, mirrored
from streamer.detectors import DetectConfig
from streamer.errors import HungError
from streamer.failsafe import FailureLog, all_or_each
from streamer.frame import Batch, Detected, Detections, Discontinuity, End, Frame, Marker

FAR = 10.0
"""Widths and heights of the frame from it beyond which no box can be meant."""

UNSEEN = Detections.none(looked=False)


def stage(
    batches: Iterable[Batch[Frame]],
    detector: Detector | Guarded[Detector],
    device: torch.device,
    settings: Mapping[str, DetectConfig],
) -> Iterator[Batch[Detected]]:
    """Find objects in frames; a frame for which that fails goes on marked to be hidden whole.

    Args:
        batches: frames and markers of any cameras.
        detector: what finds; it gets all frames of a batch at once. A guarded one may hang.
        device: where pictures go, and stay until they are measured.
        settings: classes, thresholds, how often and how to look, and what to do about failures, by camera.

    Raises:
        StageError: a guarded detector hung for the second time.
    """
    log = FailureLog("detection")
    turns = _Turns(settings)

    def work(frames: Sequence[Frame]) -> list[Detected]:
        ways = [turns.of(frame) for frame in frames]

        # the pictures go up where the deadline holds, since a device may hang as well
        def look(detector: Detector) -> list[Detected]:
            images = [torch.from_numpy(frame.image).to(device, non_blocking=True) for frame in frames]
            looked = [
                mirrored(image) if way is Look.MIRRORED else image
                for image, way in zip(images, ways, strict=True)
                if way is not Look.NONE
            ]
            found = detector.detect(looked) if looked else []
            if len(found) != len(looked):
                raise ValueError(f"the detector returned {len(found)} results for {len(looked)} pictures")
            each = iter(found)
            return [
                Detected(frame, image, UNSEEN if way is Look.NONE else told(next(each), frame, way))
                for frame, image, way in zip(frames, images, ways, strict=True)
            ]

        def told(found: Detections, frame: Frame, way: Look) -> Detections:
            seen = back(found, frame.stream.width) if way is Look.MIRRORED else found
            return trusted(seen, frame, settings[frame.camera])

        return detector.use(look) if isinstance(detector, Guarded) else look(detector)

    def otherwise(frame: Frame, error: Exception) -> Detected:
        log.count(frame, error, settings[frame.camera].on_failure)
        turns.failed(frame)
        # on the host: the device may be what failed
        image = torch.from_numpy(frame.image)
        failure = "detector hung" if isinstance(error, HungError) else "detector"
        return Detected(frame, image, UNSEEN, failure)

    for batch in batches:
        turns.take(batch)
        detected = all_or_each(batch, work, otherwise, log)
        yield detected


def trusted(found: Detections, frame: Frame, config: DetectConfig) -> Detections:
    """Return what of a frame's detections its camera asks for.

    Boxes may reach off the frame. One of which nothing lies on it, or that is out of all proportion, is no
    box of an object in the picture: whoever returns that with confidence cannot be trusted with the frame.

    Raises:
        ValueError: such a box has a score from which on it is to be hidden.
    """
    asked = select(found, config)
    size = np.array([frame.stream.width, frame.stream.height], np.float32)
    start, end = asked.boxes[:, :2], asked.boxes[:, 2:]
    off = (end < 0) | (start > size) | (start < -FAR * size) | (end > (1 + FAR) * size)
    wrong = off[:, 0] | off[:, 1]
    if not wrong.any():
        return asked
    least = hides_from(asked, config, frame.stream.width, frame.stream.height)
    certain = np.flatnonzero(wrong & (asked.scores >= least))
    if len(certain):
        box = ", ".join(f"{edge:.6g}" for edge in asked.boxes[certain[0]])
        raise ValueError(f"the detector returned a box off the frame: {box} in {size[0]:g}x{size[1]:g}")
    return asked.keep(~wrong)


class Look(Enum):
    """How the detector sees a frame."""

    NONE = "not at all"
    PLAIN = "as it is"
    MIRRORED = "in a mirror"


class _Turns:
    """Which frames are looked at: every Nth of each camera, and the first after a discontinuity.

    Every other look is in a mirror, where the camera says so.
    """

    def __init__(self, settings: Mapping[str, DetectConfig]) -> None:
        self._settings = settings
        self._batch: list[Frame | Marker] = []
        self._passed: dict[str, int] = {}
        self._ways: dict[Frame, Look] = {}

    def take(self, batch: Batch[Frame]) -> None:
        """Decide on the frames of a batch."""
        self._batch = list(batch)
        self._ways.clear()
        for item in self._batch:
            self._decide(item)

    def of(self, frame: Frame) -> Look:
        """How a frame of the batch is looked at."""
        return self._ways[frame]

    def failed(self, frame: Frame) -> None:
        """Look at the camera's next frame, since this one could not be; it may be in the same batch."""
        self._passed.pop(frame.camera, None)
        for item in self._batch[self._batch.index(frame) + 1 :]:
            if item.camera == frame.camera:
                self._decide(item)

    def _decide(self, item: Frame | Marker) -> None:
        if isinstance(item, End | Discontinuity):
            self._passed.pop(item.camera, None)
            return
        config = self._settings[item.camera]
        passed = self._passed.get(item.camera, 0)
        looks, rest = divmod(passed, config.every)
        looked = Look.MIRRORED if config.mirror and looks else Look.PLAIN
        self._ways[item] = Look.NONE if rest else looked
        self._passed[item.camera] = (passed + 1) % (2 * config.every)
