"""One camera's outputs: a thread for each video, and the log's row once all videos have the frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from streamer.channel import Channel, Countdown, Worker
from streamer.config import CameraConfig
from streamer.errors import SinkError
from streamer.frame import AudioPacket, End, Image, Result
from streamer.record import Sought
from streamer.sink.events import EventSink
from streamer.sink.log import LogSink
from streamer.sink.memory import MemorySink
from streamer.sink.video import VideoSink
from streamer.watch.memory import Memory


class Outlet:
    """Writes a camera's results; ``deliver`` never waits, since the camera's credits bound what is in flight.

    After a failure nothing more is written, but what was written is finished, and every result that is
    delivered is still answered for by ``lost``.
    """

    def __init__(
        self,
        name: str,
        config: CameraConfig,
        sought: Sought | None,
        written: Callable[[Result, float], None],
        lost: Callable[[Result], None],
        failed: Callable[[BaseException], None],
        closed: Callable[[], None],
    ) -> None:
        """Start the threads.

        Args:
            name: of the camera.
            config: of the camera; with ``output`` off, results are only passed on.
            sought: what can be among its detections, for the log; None where nobody knows.
            written: called with each result that all files have, and its latency in milliseconds.
            lost: called with each result that came after a failure.
            failed: called with what went wrong, once.
            closed: called when the files are finished; nothing is called after it.
        """
        self._threshold_of = config.detect.threshold_of
        self._written, self._lost, self._failed, self._finished = written, lost, failed, closed
        self._error: BaseException | None = None
        self._channels: dict[str, Channel[tuple[Result, Countdown] | End]] = {}
        self._workers: list[Worker] = []
        self._log: LogSink | None = None
        self._events: EventSink | None = None
        self._kept: MemorySink | None = None
        self._last: Memory | None = None
        if config.output is None:
            return
        folder = Path(config.output.directory) / name
        try:
            self._log = LogSink(folder, sought)
            if config.watch.on:
                self._events = EventSink(folder)
                self._kept = MemorySink(folder)
        except SinkError as error:  # a full disk, say: the camera ends as if it had filled up later
            self._fail(error)
        videos: list[tuple[VideoSink, Callable[[Result], Image | None]]] = [
            (VideoSink(folder / "blurred.mp4", config.output, audio=True), lambda result: result.blurred)
        ]
        if config.restore:
            sink = VideoSink(folder / "restored.mp4", config.output, audio=config.output.restored_audio)
            videos.append((sink, lambda result: result.restored))
        last = Countdown(len(videos), self._close)
        for sink, picture in videos:
            channel: Channel[tuple[Result, Countdown] | End] = Channel()
            work = partial(self._write, sink, picture, channel, last)
            self._channels[sink.path.name] = channel
            try:
                self._workers.append(Worker(f"{name}: {sink.path.name}", work, self._fail))
            except BaseException:  # those that have started must not wait for ever
                self.finish(End(name))
                self.join()
                for opened in (self._log, self._events):  # nobody counts down for a thread that never was
                    if opened is not None:
                        opened.close()
                raise

    def deliver(self, result: Result) -> None:
        """Hand on a result."""
        if not self._channels:
            self._complete(result)
            return
        countdown = Countdown(len(self._channels), partial(self._complete, result))
        for channel in self._channels.values():
            channel.put((result, countdown))

    def finish(self, end: End) -> None:
        """Say that no result follows."""
        self._last = end.memory
        if not self._channels:
            self._finished()
        for channel in self._channels.values():
            channel.put(end)
            channel.close()

    def join(self) -> None:
        """Wait for the threads."""
        for worker in self._workers:
            worker.join()

    @property
    def fill(self) -> dict[str, float]:
        """How many results waited for each video on average, by the file's name."""
        return {name: channel.fill for name, channel in self._channels.items()}

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
            self._failed(error)

    def _write(
        self,
        sink: VideoSink,
        picture: Callable[[Result], Image | None],
        channel: Channel[tuple[Result, Countdown] | End],
        last: Countdown,
    ) -> None:
        tail: tuple[AudioPacket, ...] = ()
        try:
            for item in channel:
                if isinstance(item, End):
                    tail = item.audio
                    continue
                result, countdown = item
                image = picture(result)
                try:
                    if self._error is None and image is not None:
                        sink.write(image, result)
                except Exception as error:
                    self._fail(error)
                countdown.done()
            sink.close(tail)
        except BaseException as error:  # said before the camera ends, whose summary tells of it
            self._fail(error)
        finally:
            last.done()

    def _complete(self, result: Result) -> None:
        """All videos have the frame, or one has failed."""
        latency_ms = 1e3 * (time.monotonic() - result.read_at)
        try:
            if self._error is None and self._log is not None:
                least = [self._threshold_of(label) for label in result.detections.labels]
                self._log.write(result, latency_ms, np.array(least, np.float32))
                if self._events is not None:
                    self._events.write(result.events, result.time_s)
                # after the events: those of a kill in between are said again rather than never
                if self._kept is not None and result.memory is not None:
                    self._kept.write(result.memory)
        except Exception as error:
            self._fail(error)
        if self._error is None:
            self._written(result, latency_ms)
        else:
            self._lost(result)

    def _close(self) -> None:
        try:
            if self._log is not None:
                self._log.close()
            if self._kept is not None and self._last is not None:
                self._kept.write(self._last)
            if self._events is not None:
                self._events.close(stays=() if self._kept is None else self._kept.open)
        except Exception as error:
            self._fail(error)
        finally:
            self._finished()
