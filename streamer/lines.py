"""Lines of ``detections.jsonl`` read back, as they were written or edited by hand; a wrong one is named."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from streamer.boxes import rounded
from streamer.classes import CLASSES
from streamer.errors import ConfigError
from streamer.frame import Detections
from streamer.plain import real, short
from streamer.record import VERSION, Record, Sought, as_logged

logger = logging.getLogger(__name__)

FURTHEST = 1e9
"""Pixels: no edge of a box lies further off."""


def read(path: Path, *, quiet: bool = False) -> Iterator[Record]:
    """Read a file line by line; a last line that was cut off as it was written is left out.

    Args:
        path: of a ``detections.jsonl``, as it was written or edited by hand.
        quiet: say nothing of a line that is left out.

    Raises:
        ConfigError: it cannot be read, or a line is wrong: names the line and what was expected.
    """
    before, size = -1, None
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    if not line.strip():
                        continue
                    record = replace(parse(line), line=number)
                    if record.frame <= before:
                        raise ConfigError(
                            f"frame {record.frame} comes after frame {before}: frames must rise"
                        )
                except ConfigError as error:
                    if line.endswith(b"\n") or not isinstance(error.__cause__, ValueError):
                        raise ConfigError(f"{path}, line {number}: {error}") from None
                    if not quiet:
                        logger.warning("%s, line %d: is cut off and left out", path, number)
                    return
                before, size = record.frame, record.size or size
                yield replace(record, size=size)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def parse(line: bytes) -> Record:
    """Read a line.

    Raises:
        ConfigError: it is wrong; says what was expected. Where it is no JSON at all, that is its cause.
    """
    try:
        facts = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "not text in UTF-8, or too deep"
        where = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(f"is no JSON{where}: {reason}") from ValueError(str(error))
    if not isinstance(facts, dict):
        raise ConfigError(f"expected keys and values in braces, found {short(facts)}")
    version = facts.get("version", VERSION)
    if version != VERSION:
        raise ConfigError(f"version: is {short(version)}, and this program reads {VERSION}")
    looked = _flag(facts, "looked", True)
    objects = _Entries(facts, "objects", required=True)
    also = _Entries(facts, "also")
    carried = _Entries(facts, "carried")
    found = objects.detections(looked=looked, then=also)
    hidden = np.array([True] * len(objects.boxes) + also.hidden, bool)
    order = np.argsort(-found.scores, kind="stable")  # as ``as_logged`` sorts
    said = carried.detections()
    failure = facts.get("failure")
    if failure is not None and (not isinstance(failure, str) or not failure):
        raise ConfigError(f"failure: expected a text, found {short(failure)}")
    return Record(
        frame=_whole(facts, "frame", 0),
        time_s=_time(facts),
        found=as_logged(found),
        hidden=hidden[order],
        carried=replace(said, scores=0 * said.scores, carried=np.ones(len(said), np.bool_)),
        failure=failure,
        begins=_flag(facts, "begins", False),
        size=_size(facts),
        sought=_sought(facts),
    )


class _Entries:
    """A line's list of objects, checked."""

    def __init__(self, facts: Mapping[str, Any], key: str, *, required: bool = False) -> None:
        self.boxes: list[list[float]] = []
        self.scores: list[float] = []
        self.labels: list[str] = []
        self.tracks: list[int] = []
        self.hidden: list[bool] = []
        entries = facts.get(key, None if required else [])
        if not isinstance(entries, list):
            raise ConfigError(
                f"{key}: is missing"
                if key not in facts
                else f"{key}: expected a list, found {short(entries)}"
            )
        for number, entry in enumerate(entries, 1):
            try:
                self._add(entry)
            except ConfigError as error:
                where = key if len(entries) == 1 else f"{key}, number {number}"
                raise ConfigError(f"{where}: {error}") from None

    def _add(self, entry: Any) -> None:
        if not isinstance(entry, dict):
            raise ConfigError(f"expected keys and values in braces, found {short(entry)}")
        self.boxes.append(_box(entry))
        label = entry.get("class")
        if label not in CLASSES:
            raise ConfigError(
                f"class is {short(label)}, expected one of COCO's names, such as person or car"
                if "class" in entry
                else "class is missing"
            )
        self.labels.append(label)
        score = entry.get("score", 1.0)
        if not real(score) or not 0.0 <= score <= 1.0:
            raise ConfigError(f"score is {short(score)}, expected a number from 0 to 1")
        self.scores.append(round(float(score), 4))
        track = entry.get("track")
        self.tracks.append(-1 if track is None else _whole(entry, "track", 0))
        self.hidden.append(_flag(entry, "hidden", track is not None))

    def detections(self, *, looked: bool = True, then: _Entries | None = None) -> Detections:
        parts = [self] if then is None else [self, then]
        return Detections(
            rounded(np.array([box for part in parts for box in part.boxes], np.float32).reshape(-1, 4)),
            np.array([score for part in parts for score in part.scores], np.float32),
            tuple(label for part in parts for label in part.labels),
            np.array([track for part in parts for track in part.tracks], np.int64),
            looked=looked,
        )


def _box(entry: Mapping[str, Any]) -> list[float]:
    box = entry.get("box")
    if not isinstance(box, list):
        raise ConfigError(
            f"box is {short(box)}, expected [x0, y0, x1, y1]" if "box" in entry else "box is missing"
        )
    if len(box) != 4:
        raise ConfigError(f"box has {len(box)} numbers, expected x0, y0, x1, y1")
    for edge in box:
        if not real(edge) or abs(edge) > FURTHEST:
            raise ConfigError(f"box has {short(edge)}, expected a number of pixels")
    if box[2] < box[0] or box[3] < box[1]:
        raise ConfigError(f"box {box} ends before it starts, expected x0, y0, x1, y1")
    return [float(edge) for edge in box]


def _time(facts: Mapping[str, Any]) -> float | None:
    time = facts.get("time_s")
    if time is not None and not real(time):
        raise ConfigError(f"time_s: expected a number of seconds, found {short(time)}")
    return time


def _size(facts: Mapping[str, Any]) -> tuple[int, int] | None:
    size = facts.get("size")
    if size is None:
        return None
    if not isinstance(size, list) or len(size) != 2:
        raise ConfigError(f"size: expected [width, height] in pixels, found {short(size)}")
    width, height = (_whole({"size": side}, "size", 1) for side in size)
    return width, height


def _sought(facts: Mapping[str, Any]) -> Sought | None:
    sought = facts.get("sought")
    if sought is None:
        return None
    classes = sought.get("classes") if isinstance(sought, dict) else None
    score = sought.get("score") if isinstance(sought, dict) else None
    if not isinstance(classes, list) or not all(name in CLASSES for name in classes) or not real(score):
        raise ConfigError(f"sought: expected classes and a score, found {short(sought)}")
    scores, detectors = sought.get("scores", {}), sought.get("detectors", [])
    if not _are_scores(scores):
        raise ConfigError(f"sought: expected scores by class, found {short(scores)}")
    if not isinstance(detectors, list) or not all(_are_scores(each) for each in detectors):
        raise ConfigError(f"sought: expected scores by class of each detector, found {short(detectors)}")
    return Sought({name: scores.get(name, score) for name in classes}, tuple(detectors))


def _are_scores(value: Any) -> bool:
    return isinstance(value, dict) and all(real(score) for score in value.values())


def _flag(facts: Mapping[str, Any], key: str, default: bool) -> bool:
    value = facts.get(key, default)
    if not isinstance(value, bool):
        raise ConfigError(f"{key}: expected true or false, found {short(value)}")
    return value


def _whole(facts: Mapping[str, Any], key: str, least: int) -> int:
    value = facts.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
        found = f"found {short(value)}" if key in facts else "it is missing"
        raise ConfigError(f"{key}: expected a whole number from {least} on, {found}")
    return value
