"""What the files in a camera's folder say, read line by line; each of them may be missing or end early."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from streamer import history, rows
from streamer.errors import ConfigError
from streamer.event import seconds
from streamer.plain import short
from streamer.report import summary
from streamer.report.buckets import Buckets
from streamer.report.summary import moment

FRAMES, DETECTIONS, SUMMARY = "frames.csv", "detections.jsonl", "summary.json"
FILES = (FRAMES, DETECTIONS, history.FILE, SUMMARY)
"""By which a camera's folder is known."""

PSNR = ("psnr_blurred_db", "psnr_restored_db", "psnr_blurred_roi_db", "psnr_restored_roi_db")
"""Columns of decibels, over the frame and over what is hidden."""

MISSING, WHOLE, LOOKS, LATENCY = "missing", "hidden whole", "looks", "latency"
"""Names of tallies, beside the columns and the classes."""


@dataclass(slots=True)
class Gathered:
    """Everything that is known of a camera."""

    name: str
    folder: Path
    summary: Mapping[str, Any] | None
    """None where the run was killed, or goes on."""
    frames: Buckets = field(default_factory=Buckets)
    """Of ``frames.csv``: ``PSNR`` where it is finite, numbers ``MISSING`` before each, ``LATENCY`` in ms."""
    seen: Buckets = field(default_factory=Buckets)
    """Of ``detections.jsonl``: objects by class and ``LOOKS``, over which means are; ``WHOLE``."""
    events: Sequence[Mapping[str, Any]] = ()
    """Each once, with its end where it has one, in the order of their starts."""
    written: int = 0
    """Rows of ``frames.csv``."""
    equal: int = 0
    """Of those that are the same as the original: their PSNR is infinite, and in no mean."""
    classes: Counter[str] = field(default_factory=Counter)
    """Objects by class, a frame's each."""
    restorers: Counter[str] = field(default_factory=Counter)
    """Frames by the models that made the restored picture."""
    causes: Counter[str] = field(default_factory=Counter)
    """Frames that were hidden whole, by cause."""

    @property
    def began(self) -> datetime | None:
        """When time 0 was, of a live camera whose summary says so."""
        said = self.summary or {}
        return None if not said.get("live") or said.get("began") is None else moment(said["began"])

    @property
    def first(self) -> float:
        """Seconds at which charts begin: with the first frame, where there is one."""
        starts = [each.first for each in (self.frames, self.seen) if each.first is not None]
        return min(starts or [each["start_s"] for each in self.events], default=0.0)

    @property
    def last(self) -> float:
        """Seconds at which charts end."""
        ends = [each.last for each in (self.frames, self.seen) if each.first is not None]
        return max(ends or [each.get("end_s") or each["start_s"] for each in self.events], default=0.0)


def folders(directory: Path) -> list[Path]:
    """Return the cameras' folders in a run's folder; of a camera's folder itself.

    Raises:
        ConfigError: it is none of both.
    """
    if _is_camera(directory):
        return [directory]
    try:
        found = sorted(path for path in directory.iterdir() if path.is_dir() and _is_camera(path))
    except OSError as error:
        raise ConfigError(f"{directory}: cannot be read: {error.strerror}") from None
    if not found:
        names = ", ".join(FILES)
        raise ConfigError(f"{directory}: no camera's outputs in it, nor in a folder in it ({names})")
    return found


def _is_camera(folder: Path) -> bool:
    return any((folder / name).is_file() for name in FILES)


def gather(folder: Path) -> Gathered:
    """Read a camera's folder.

    Raises:
        ConfigError: a file cannot be read or a line is wrong; names it.
    """
    found = Gathered(folder.resolve().name, folder, summary.load(folder / SUMMARY))
    if (folder / FRAMES).is_file():
        _read_frames(folder / FRAMES, found)
    if (folder / DETECTIONS).is_file():
        _read_detections(folder / DETECTIONS, found)
    if (folder / history.FILE).is_file():
        found.events = _events(folder / history.FILE)
    step = (found.last - found.first) / max(1, found.written - 1)
    for buckets in (found.frames, found.seen):
        buckets.widen(step)  # finer ones would mostly be empty
    return found


def _events(file: Path) -> list[dict[str, Any]]:
    """Return each event as its last line says it, with what was measured when it started."""
    events: dict[str, dict[str, Any]] = {}
    for said in history.lines(file):
        started = events.get(said["id"], said)
        events[said["id"]] = {**said, "evidence": started.get("evidence")}
    return sorted(events.values(), key=lambda each: float(each["start_s"]))


def _read_frames(file: Path, found: Gathered) -> None:
    header: list[str] = []
    before, before_s = -1, -math.inf
    for number, line in rows.read(file):
        cells = line.split(",")
        if not header:
            header = cells
            for name in ("frame", "time_s", *PSNR):
                if name not in header:
                    raise ConfigError(f"{file}, line {number}: no column {name}")
            continue
        try:
            if len(cells) != len(header):
                raise ConfigError(f"has {len(cells)} columns, and the first line {len(header)}")
            row = dict(zip(header, cells, strict=True))
            frame, time_s = _whole(row["frame"]), _time(row["time_s"])
            if frame <= before or time_s < before_s:
                raise ConfigError("frame and time_s must rise")
            values: dict[str, float] = {MISSING: frame - before - 1}
            for name in PSNR:
                if (decibels := _decibels(name, row[name])) is not None:
                    values[name] = decibels
            if latency := row.get("latency_ms"):
                values[LATENCY] = _number("latency_ms", latency)
        except ConfigError as error:
            raise ConfigError(f"{file}, line {number}: {error}") from None
        found.equal += row["psnr_blurred_db"] == "inf"
        found.restorers[row.get("restorers") or ""] += 1
        found.frames.add(time_s, values)
        found.written += 1
        before, before_s = frame, time_s


def _whole(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise ConfigError(f"frame: expected a number from 0 on, found {short(text)}")
    return number


def _time(text: str) -> float:
    number = _number("time_s", text)
    if not seconds(number):
        raise ConfigError(f"time_s: expected seconds, found {short(text)}")
    return number


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{name}: expected a number, found {short(text)}")
    return number


def _decibels(name: str, text: str) -> float | None:
    """Return a finite value; None where there is none, or nothing differs."""
    return None if text in ("", "inf") else _number(name, text)


def _read_detections(file: Path, found: Gathered) -> None:
    for number, line in rows.read(file):
        try:
            _read_detection(line, found)
        except ConfigError as error:
            raise ConfigError(f"{file}, line {number}: {error}") from None


def _read_detection(line: str, found: Gathered) -> None:
    """Read what is shown of a line; ``streamer.lines`` reads all of it, which takes four times as long."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise ConfigError("is no JSON") from None
    objects = said.get("objects") if isinstance(said, dict) else None
    if not isinstance(objects, list):
        raise ConfigError("objects: expected a list")
    named = [each.get("class") if isinstance(each, dict) else None for each in objects]
    labels = [label for label in named if isinstance(label, str)]
    if len(labels) < len(objects):
        raise ConfigError("objects: expected a class in each")
    time_s, failure = said.get("time_s"), said.get("failure")
    if not (time_s is None or seconds(time_s)):
        raise ConfigError(f"time_s: expected seconds, found {short(time_s)}")
    if not (failure is None or isinstance(failure, str)):
        raise ConfigError(f"failure: expected a text, found {short(failure)}")
    values: dict[str, float] = {}
    if said.get("looked", True):  # else nobody knows how many there were
        counts = Counter(labels)
        found.classes.update(counts)
        values = {LOOKS: 1.0, **{f"class {label}": count for label, count in counts.items()}}
    if failure is not None:
        found.causes[failure] += 1
        values[WHOLE] = 1.0
    if time_s is not None:  # lines that were written by hand need not have one
        found.seen.add(float(time_s), values)
