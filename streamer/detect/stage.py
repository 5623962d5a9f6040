"""The detecting stage: frames go up to the device and come out with what was found in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch

from streamer.config import DetectConfig
from streamer.detect import Detector, select
from streamer.failsafe import FailureLog, all_or_each
from streamer.frame import Batch, Detected, Detections, Frame


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
        settings: classes and threshold, by camera.
    """
    log = FailureLog("detection")

    def work(frames: Sequence[Frame]) -> list[Detected]:
        images = [torch.from_numpy(frame.image).to(device, non_blocking=True) for frame in frames]
        found = detector.detect(images)
        return [
            Detected(frame, image, select(detections, settings[frame.camera]))
            for frame, image, detections in zip(frames, images, found, strict=True)
        ]

    def otherwise(frame: Frame, error: Exception) -> Detected:
        log.count(frame, error)
        # on the host: the device may be what failed
        return Detected(frame, torch.from_numpy(frame.image), Detections.none(), failure="detector")

    for batch in batches:
        detected = all_or_each(batch, work, otherwise)
        yield detected
