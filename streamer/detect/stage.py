"""The detecting stage: frames go up to the device and come out with what was found in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch

from streamer.config import DetectConfig
from streamer.detect import Detector, select
from streamer.failsafe import FailureLog, all_or_each
from streamer.frame import Batch, Detected, Detections, Discontinuity, End, Frame


def stage(
    batches: Iterable[Batch[Frame]],
    detector: Detector,
    device: torch.device,
    settings: Mapping[str, DetectConfig],
) -> Iterator[Batch[Detected]]:
    """Find objects in frames; a frame for which that fails goes on marked to be hidden whole.

    Args:
        batches: frames and markers of any cameras.
        detector: what finds; it gets all frames of a batch at once.
        device: where pictures go, and stay until they are measured.
        settings: classes, thresholds and how often to look, by camera.
    """
    log = FailureLog("detection")
    turns = _Turns(settings)

    def work(frames: Sequence[Frame]) -> list[Detected]:
        images = [torch.from_numpy(frame.image).to(device, non_blocking=True) for frame in frames]
        looked = [image for frame, image in zip(frames, images, strict=True) if turns.due(frame)]
        found = iter(detector.detect(looked) if looked else [])
        return [
            Detected(
                frame,
                image,
                select(next(found), settings[frame.camera])
                if turns.due(frame)
                else Detections.none(looked=False),
            )
            for frame, image in zip(frames, images, strict=True)
        ]

    def otherwise(frame: Frame, error: Exception) -> Detected:
        log.count(frame, error)
        turns.failed(frame)
        # on the host: the device may be what failed
        image = torch.from_numpy(frame.image)
        return Detected(frame, image, Detections.none(looked=False), failure="detector")

    for batch in batches:
        turns.take(batch)
        detected = all_or_each(batch, work, otherwise)
        yield detected


class _Turns:
    """Which frames are looked at: every Nth of each camera, and the first after a discontinuity."""

    def __init__(self, settings: Mapping[str, DetectConfig]) -> None:
        self._settings = settings
        self._passed: dict[str, int] = {}
        self._due: set[Frame] = set()

    def take(self, batch: Batch[Frame]) -> None:
        """Decide on the frames of a batch."""
        self._due.clear()
        for item in batch:
            passed = self._passed.get(item.camera, 0)
            if isinstance(item, End | Discontinuity):
                self._passed.pop(item.camera, None)
                continue
            if passed == 0:
                self._due.add(item)
            self._passed[item.camera] = (passed + 1) % self._settings[item.camera].every

    def due(self, frame: Frame) -> bool:
        """Whether a frame of the batch is looked at."""
        return frame in self._due

    def failed(self, frame: Frame) -> None:
        """Look at the camera's next frame, since this one could not be."""
        self._passed.pop(frame.camera, None)
