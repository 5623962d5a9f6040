"""Windows of looks at labelled clips, made by the very code that watches live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import count
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from streamer import detect
from streamer.config import TrackConfig
from streamer.cut import is_cut, thumbnail
from streamer.detect import Detector, hides_from, select
from streamer.detectors import DetectConfig
from streamer.errors import ConfigError
from streamer.track.tracker import Tracker
from streamer.watch.kinematics import MEMORY
from streamer.watch.traffic import Traffic
from trainer.accident.clips import Clip
from trainer.images import read_image

HOLD = TrackConfig().hold
"""Seconds for which an object that is not seen is followed, as live."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Looks that a whole window ends with."""

    looks: NDArray[np.float32]
    """``[N, window, F]``."""
    before: NDArray[np.float32]
    """``[N, F]``: the mean over the clip's looks before the window."""
    count: NDArray[np.float32]
    """``[N]``: how many these are."""
    accident: NDArray[np.bool_]
    """``[N]``: the labels."""
    scenes: NDArray[np.str_]
    """``[N]``."""
    clips: NDArray[np.str_]
    """``[N]``."""
    since: NDArray[np.int64]
    """``[N]``: how many looks came before it since the clip began or was cut. No head may know it."""

    def __len__(self) -> int:
        return len(self.accident)

    def keep(self, chosen: NDArray[np.bool_]) -> Self:
        """Those where ``chosen``, ``[N]``, is true."""
        return type(self)(*(getattr(self, each.name)[chosen] for each in fields(self)))


def make(
    clips: Iterable[Clip], settings: DetectConfig, device: torch.device, fps: float, window: int
) -> Samples:
    """Look at all clips.

    Args:
        clips: what to look at.
        settings: of the detector.
        device: where it runs.
        fps: frames of a clip in a second; each is a look.
        window: looks that are judged together.

    Raises:
        ConfigError: the detector cannot be had, or no clip is as long as a window.
        SourceError: an image cannot be read.
    """
    detector = detect.load(settings, device, classes=settings.classes, threshold=settings.seeks_from)
    rows = [row for clip in clips for row in _of(clip, detector, settings, device, fps, window)]
    if not rows:
        raise ConfigError(f"data: no clip has {window} frames in a row without a cut, which a window takes")
    looks, before, counts, accident, scenes, names, since = zip(*rows, strict=True)
    return Samples(
        np.stack(looks), np.stack(before), np.array(counts, np.float32), np.array(accident, np.bool_),
        np.array(scenes), np.array(names), np.array(since, np.int64),
    )  # fmt: skip


def _of(
    clip: Clip, detector: Detector, settings: DetectConfig, device: torch.device, fps: float, window: int
) -> list[tuple[NDArray[np.float32], NDArray[np.float32], float, bool, str, str, int]]:
    traffic, tracker = Traffic(window), Tracker(count(1), HOLD)
    before: tuple[int, NDArray[np.float32]] | None = None
    rows, since = [], 0
    for number, (path, accident) in clip.frames.items():
        picture = read_image(path)
        small = thumbnail(picture.numpy())
        if before is not None and ((number - before[0]) / fps > MEMORY or is_cut(before[1], small)):
            traffic.cut()
            tracker, since = Tracker(count(1), HOLD), 0
        before = number, small
        height, width = picture.shape[:2]
        seen = select(detector.detect([picture.to(device)])[0], settings)
        found = tracker.look(number / fps, seen, hides_from(seen, settings, width, height))
        assert found.tracks is not None  # noqa: S101, the tracker gives them
        window_of = traffic.see(picture.numpy(), found.keep(found.tracks >= 0), number / fps, learn=True)
        if window_of is not None:
            rows.append((*window_of, accident, clip.scene, clip.name, since))
        since += 1
    return rows


def tensors(samples: Samples) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what an ``AccidentHead`` takes."""
    return torch.from_numpy(samples.looks), torch.from_numpy(samples.before), torch.from_numpy(samples.count)
