"""What is told about each frame: a CSV row with its PSNR, a JSON line with what was found in it."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer import record
from streamer.errors import SinkError
from streamer.frame import Result
from streamer.record import Sought
from streamer.sink.file import OutputFile

COLUMNS = (
    "frame",
    "time_s",
    "objects",
    "psnr_blurred_db",
    "psnr_restored_db",
    "psnr_blurred_roi_db",
    "psnr_restored_roi_db",
    "latency_ms",
    "restorers",
)
"""Of ``frames.csv``; later ones are only ever appended."""


class LogSink:
    """Writes ``frames.csv`` and ``detections.jsonl``, each row at once, so that a kill loses none."""

    def __init__(self, directory: Path, sought: Sought | None = None) -> None:
        """Create both files.

        Args:
            directory: the camera's folder; made where it is not there.
            sought: what can be among the detections; None where nobody knows.

        Raises:
            SinkError: they cannot be created.
        """
        self._size: tuple[int, int] | None = None
        self._sought = sought
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._frames = OutputFile(directory / "frames.csv")
            self._detections = OutputFile(directory / "detections.jsonl")
        except OSError as error:
            raise SinkError(f"{error.filename}: cannot be written: {error.strerror}") from error
        try:
            _write(self._frames, ",".join(COLUMNS))
        except SinkError:
            self.close()
            raise

    def write(self, result: Result, latency_ms: float, threshold: float | NDArray[np.float32]) -> None:
        """Add a frame.

        Args:
            result: the frame, written to all videos.
            latency_ms: from decoding to written, in milliseconds.
            threshold: score from which on a detection counts as an object: for all, or float32 ``[N]``.

        Raises:
            SinkError: a file cannot be written; the rows in it stay whole.
        """
        time_s = f"{result.time_s:.6f}"
        counted = result.detections.keep(result.detections.count(threshold))
        objects = len(counted) if counted.looked else ""  # nobody looked, so that nobody knows
        decibels = ("" if value is None else f"{value:.3f}" for value in astuple(result.metrics))
        restorers = "+".join(result.restorers)
        row = (f"{result.index}", time_s, f"{objects}", *decibels, f"{latency_ms:.1f}", restorers)
        _write(self._frames, ",".join(row))
        size = result.stream.width, result.stream.height
        news = size if size != self._size else None
        _write(self._detections, record.compose(result, threshold, news, self._sought))
        self._size, self._sought = size, None

    def close(self) -> None:
        """Close both files; further calls do nothing."""
        self._frames.close()
        self._detections.close()


def _write(file: OutputFile, line: str) -> None:
    file.write(f"{line}\n".encode())
    if file.error is not None:
        raise SinkError(f"{file.name}: cannot be written: {file.error.strerror}")
    file.mark()
