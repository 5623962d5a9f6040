"""Several detectors at once: each looks at every picture, and what any of them finds is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.detectors import DetectConfig
from streamer.frame import Detections

if TYPE_CHECKING:
    from streamer.detect import Detector

IOU = 0.5
"""From which overlap on boxes of a class that two detectors found are the same object."""

STEP = np.float32(1e-4)
"""What scores are rounded to in the log, and in all that is done with them after detection."""


class Ensemble:
    """Detectors side by side; satisfies ``streamer.detect.Detector``."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        """Put detectors together, in the order of the configuration."""
        self.name = " + ".join(detector.name for detector in detectors)
        self.engine = " + ".join(dict.fromkeys(detector.engine for detector in detectors))
        self.batch_size = max(detector.batch_size for detector in detectors)
        self._detectors = tuple(detectors)

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find objects; see ``streamer.detect.Detector``. Each is an ``Ensembled``."""
        found = [detector.detect(images) for detector in self._detectors]
        return [Ensembled.of(parts) for parts in zip(*found, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Ensembled(Detections):
    """Objects that several detectors found in a frame, one list after the other."""

    sizes: tuple[int, ...] = ()
    """How many each detector found, in the order of the configuration."""

    @classmethod
    def of(cls, parts: Sequence[Detections]) -> Ensembled:
        """Put one detector's objects after the other's."""
        return replace(cls.join(parts), sizes=tuple(len(part) for part in parts))

    def select(self, config: DetectConfig) -> Detections:
        """Return what one camera asks for, each detector's objects by its own classes and thresholds.

        Of a class that several detectors look for, what one of them has below its own ``hide_threshold`` is
        not hidden because another's is lower: its score becomes the most that is not, so that it goes on with
        a track as fainter ones do. What two of them found is one object, whose box holds both.
        """
        settings = config.detectors
        owners = np.repeat(np.arange(len(self.sizes)), self.sizes)
        pairs = list(zip(self.labels, owners.tolist(), strict=True))
        named = np.array([label in settings[owner].classes for label, owner in pairs], bool)
        seeks = np.array([settings[owner].seeks_from for _, owner in pairs], np.float32)
        own = np.array([settings[owner].hides_from for _, owner in pairs], np.float32)
        least = np.array([config.hide_threshold_of(label) for label in self.labels], np.float32)
        faint = self.scores < own
        most = np.maximum(least - STEP, 0)
        scores = np.where(faint, np.minimum(self.scores, most), self.scores)
        # where another hides whatever it finds there is no such score
        chosen = named & (self.scores >= seeks) & ~(faint & (scores >= least))
        return _united(replace(self, scores=scores).keep(chosen), owners[chosen])


def _united(found: Detections, owners: NDArray[np.intp]) -> Detections:
    """Make one object of boxes of a class that overlap and that different detectors found."""
    order = np.argsort(-found.scores, kind="stable")
    found, owners = found.take(order), owners[order]
    boxes, labels = found.boxes, np.array(found.labels, object)
    same = (labels[:, None] == labels[None, :]) & (owners[:, None] != owners[None, :])
    same &= _overlap(boxes) >= IOU
    hulls, alone = boxes.copy(), np.ones(len(found), np.bool_)
    for place in range(len(found)):  # the surest first
        if alone[place]:
            twins = np.flatnonzero(same[place] & alone & (np.arange(len(found)) > place))
            hulls[place, :2] = np.minimum(hulls[place, :2], boxes[twins, :2].min(axis=0, initial=np.inf))
            hulls[place, 2:] = np.maximum(hulls[place, 2:], boxes[twins, 2:].max(axis=0, initial=-np.inf))
            alone[twins] = False
    return Detections(hulls, found.scores, found.labels).keep(alone)


def _overlap(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return intersection over union of all pairs: float32 ``[N, N]``."""
    start = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    end = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(end - start, 0, None).prod(axis=2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    union = area[:, None] + area[None, :] - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float32).tiny))
