"""A line of ``detections.jsonl``: all that it takes to render a frame again without looking at it.

Here it is written; ``streamer.lines`` reads it back. Lines may be edited by hand: ``frame`` and ``objects``,
and of an object ``box`` and ``class``, are all that a line needs. Unknown keys are ignored, and readers who
know ``frame``, ``time_s`` and ``objects`` alone stay right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.boxes import rounded
from streamer.detectors import DetectConfig
from streamer.frame import Detections, Result

VERSION = 1
"""Of the format; raised when old readers would get a line wrong."""

_NO_CARRIED = replace(Detections.none(), tracks=np.zeros(0, np.int64), carried=np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class Sought:
    """What the detector was asked for: nothing else can be in the file."""

    scores: Mapping[str, float]
    """The least, by class."""
    detectors: tuple[Mapping[str, float], ...] = ()
    """Of each of several detectors the score, by class, from which on all that it found is there with it."""

    @classmethod
    def by(cls, config: DetectConfig) -> Sought:
        """What a camera's settings ask for."""
        scores = {label: config.seek_threshold_of(label) for label in config.sought}
        if len(config.detectors) == 1:
            return cls(scores)
        # where another hides from less on, what one does not hide has no score of its own (see ``Ensembled``)
        each = (
            {
                label: one.hides_from if one.hides_from > config.hide_threshold_of(label) else one.seeks_from
                for label in one.classes
            }
            for one in config.detectors
        )
        return cls(scores, tuple(each))

    def within(self, other: Sought) -> Sought:
        """What is left of this where only the other can be had."""
        if len(self.detectors) == len(other.detectors):
            pairs = list(zip(self.detectors, other.detectors, strict=True))
        else:  # nobody knows which is which
            pairs = [(each, other.scores) for each in self.detectors]
            pairs += [(each, self.scores) for each in other.detectors]
        return Sought(_shared(self.scores, other.scores), tuple(_shared(*pair) for pair in pairs))

    def entry(self) -> dict[str, Any]:
        """Return it as a line has it; scores by class only where they differ."""
        scores = _rounded(self.scores)
        said: dict[str, Any] = {"classes": list(scores), "score": max(scores.values(), default=0.0)}
        if len(set(scores.values())) > 1:
            said["scores"] = scores
        if self.detectors:
            said["detectors"] = [_rounded(each) for each in self.detectors]
        return said


def _shared(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {label: max(one[label], other[label]) for label in one if label in other}


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {label: round(score, 4) for label, score in scores.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What a line says of a frame."""

    frame: int
    """The source's index."""
    time_s: float | None
    """Presentation time in seconds; None where the line has none."""
    found: Detections
    """What was seen, best score first; with a track of -1 where there is none."""
    hidden: NDArray[np.bool_]
    """bool ``[N]``: which of ``found`` were hidden: objects, and what else is said to be."""
    carried: Detections = _NO_CARRIED
    """What tracks said on top."""
    failure: str | None = None
    """Why the frame was hidden whole."""
    begins: bool = False
    """Whether it does not continue the frame before it."""
    size: tuple[int, int] | None = None
    """Width and height of the frame in pixels; None where no line so far says it."""
    sought: Sought | None = None
    """None where the line does not say it."""
    line: int = 0
    """Its number in the file, from 1; 0 where it is of no such file."""


def compose(
    result: Result,
    threshold: float | NDArray[np.float32],
    size: tuple[int, int] | None = None,
    sought: Sought | None = None,
) -> str:
    """Return a frame's line, without its end.

    Args:
        result: the frame.
        threshold: score from which on a detection counts as an object: for all, or float32 ``[N]``.
        size: of the frames from here on, where that is news.
        sought: what the detector was asked for, in a file's first line.
    """
    detections = result.detections
    objects = _entries(detections.keep(detections.count(threshold)))
    line: dict[str, Any] = {"frame": result.index, "time_s": round(result.time_s, 6), "objects": objects}
    carried = np.zeros(len(detections), bool) if detections.carried is None else detections.carried
    found = detections.keep(~carried) if result.sighting is None else result.sighting.found
    hidden = _entries(detections.keep(~carried))
    if also := [entry for entry in _entries(found) if entry not in objects]:
        line["also"] = [_other(entry, entry in hidden) for entry in also]
    if carried.any():
        line["carried"] = [_without(entry, "score") for entry in _entries(detections.keep(carried))]
    if not detections.looked:
        line["looked"] = False
    if result.failure is not None:
        line["failure"] = result.failure
    if result.sighting is not None and result.sighting.begins:
        line["begins"] = True
    if size is not None:
        line["size"] = list(size)
    if sought is not None:
        line["sought"] = sought.entry()
        line["version"] = VERSION
    return json.dumps(line, separators=(",", ":"))


def _entries(found: Detections) -> list[dict[str, Any]]:
    tracks = [-1] * len(found) if found.tracks is None else found.tracks.tolist()
    return [
        {
            "box": [round(edge, 2) for edge in box],
            "class": label,
            "score": round(score, 4),
            "track": None if track < 0 else track,
        }
        for box, label, score, track in zip(
            found.boxes.tolist(), found.labels, found.scores.tolist(), tracks, strict=True
        )
    ]


def _other(entry: Mapping[str, Any], hidden: bool) -> dict[str, Any]:
    """Return what was seen but is no object; one with a track was hidden where nothing else is said."""
    tracked = entry["track"] is not None
    said = dict(entry) if tracked else _without(entry, "track")
    return said if hidden is tracked else {**said, "hidden": hidden}


def _without(entry: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != key}


def as_logged(found: Detections) -> Detections:
    """Return detections, best score first, in the numbers of a line: what is used is what is logged."""
    scores = np.round(found.scores.astype(np.float64), 4).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    return Detections(
        rounded(found.boxes[order]),
        scores[order],
        tuple(found.labels[index] for index in order.tolist()),
        None if found.tracks is None else found.tracks[order],
        None if found.carried is None else found.carried[order],
        found.looked,
    )
