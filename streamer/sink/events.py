"""``events.jsonl`` and the hidden pictures beside it: what happened on a camera, two lines for each event."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace as changed
from pathlib import Path

import cv2

from streamer.errors import SinkError
from streamer.event import Event
from streamer.frame import Image
from streamer.sink.file import OutputFile
from streamer.sink.replace import replace

QUALITY = 85
"""Of the pictures, as JPEG: 0 to 100."""


class EventSink:
    """Writes each line at once, so that a kill loses none."""

    def __init__(self, directory: Path) -> None:
        """Create the file.

        Args:
            directory: the camera's folder; made where it is not there.

        Raises:
            SinkError: it cannot be created.
        """
        self._directory = directory
        self._open: dict[str, Event] = {}
        self._last_s = 0.0
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = OutputFile(directory / "events.jsonl")
        except OSError as error:
            raise SinkError(f"{error.filename}: cannot be written: {error.strerror}") from error

    def write(self, events: tuple[Event, ...], time_s: float) -> None:
        """Add what came with a frame.

        Args:
            events: starts and ends, in order; mostly there is none.
            time_s: of the frame, in seconds.

        Raises:
            SinkError: a file cannot be written.
        """
        self._last_s = time_s
        for event in events:
            if event.picture is not None and event.thumbnail is not None:
                self._save(self._directory / event.thumbnail, event.picture)
            self._say(event)
            if event.state == "start":
                self._open[event.id] = event
            else:
                self._open.pop(event.id, None)

    def close(self, stays: Collection[str] = ()) -> None:
        """End what is open with the last frame, and close the file; further calls do nothing.

        Args:
            stays: identities of events that are not over: the next run goes on with them.

        Raises:
            SinkError: that cannot be written.
        """
        left, self._open = [event for event in self._open.values() if event.id not in stays], {}
        try:
            for event in left:
                end_s = max(self._last_s, event.start_s)
                self._say(changed(event, state="end", end_s=end_s, picture=None))
        finally:
            self._file.close()

    def _save(self, path: Path, picture: Image) -> None:
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        made, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if not made:
            raise SinkError(f"{path}: cannot be encoded")
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise SinkError(f"{path.parent}: cannot be made: {error.strerror}") from error
        replace(path, content.tobytes())

    def _say(self, event: Event) -> None:
        self._file.write(f"{event.line()}\n".encode())
        if self._file.error is not None:
            raise SinkError(f"{self._file.name}: cannot be written: {self._file.error.strerror}")
        self._file.mark()
