"""A camera's folder as a run leaves it, written without a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamer.sink.log import COLUMNS

ID = "0123456789abcdef0123456789abcdef"

SUMMARY: Mapping[str, Any] = {
    "camera": "gate", "source": "gate.mp4", "live": False, "began": "2026-11-21T10:00:00.000+01:00",
    "frames_read": 10, "frames_written": 8, "frames_dropped": {"processing is behind": 2},
    "frames_hidden_whole": {}, "fps": 24.5, "seconds": 2.0, "reconnects": 0, "corrupt_packets": 0,
    "error": None, "run_error": None, "stopped_by": None, "device": "cpu", "detector": "street",
    "engine": "torch", "versions": {"python": "3.12.1"},
}  # fmt: skip


def frames(folder: Path, rows: Sequence[str], end: str = "\n") -> None:
    """Write ``frames.csv`` with those rows."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "frames.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + end, encoding="utf-8")


def row(frame: int, *, time_s: float | None = None, blurred: str = "24.0", roi: str = "16.0") -> str:
    """A row of a camera with 4 frames a second; restored is 2 dB better wherever there is a number."""
    better = {text: f"{float(text) + 2:.3f}" if text else "" for text in (blurred, roi)}
    return (
        f"{frame},{frame / 4 if time_s is None else time_s:.6f},1,{blurred},{better[blurred]},{roi},"
        f"{better[roi]},12.5,deblur"
    )


def detections(folder: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write ``detections.jsonl`` with those lines."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "detections.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def looked(frame: int, *labels: str, **more: Any) -> dict[str, Any]:
    """A line with objects of those classes."""
    objects = [{"box": [0, 0, 9, 9], "class": label, "score": 0.9, "track": 1} for label in labels]
    return {"frame": frame, "time_s": frame / 4, "objects": objects, **more}


def events(folder: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write ``events.jsonl`` with those lines."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def event(**more: Any) -> dict[str, Any]:
    """A line of an event that began at 0.5 s."""
    return {
        "id": ID, "camera": "gate", "kind": "covered", "state": "start", "start_s": 0.5, "end_s": None,
        "score": 0.9, "evidence": {"edges_lost": 0.8}, "thumbnail": f"events/{ID}.jpg", **more,
    }  # fmt: skip


def summary(folder: Path, **more: Any) -> None:
    """Write ``summary.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps({**SUMMARY, **more}))
