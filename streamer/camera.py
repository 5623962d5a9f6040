"""One camera while it runs: its source, its credits, its outputs, and what became of its frames."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from streamer import source
from streamer.address import mask
from streamer.channel import Channel, Credits, Intake, Stop, Worker
from streamer.config import CameraConfig
from streamer.errors import StreamerError, one_line
from streamer.frame import AudioPacket, Dropped, End, Frame, Metrics, Result
from streamer.record import Sought
from streamer.sink.outlet import Outlet

logger = logging.getLogger(__name__)

LIVE_CREDITS = 6
"""Most frames of a live camera in flight: the fewer, the fresher; with fewer, every hiccup drops some."""

MOST_ORPHANS = 500
"""Audio packets kept of frames that were dropped, until a frame goes through: about ten seconds."""


@dataclass(slots=True)
class Books:
    """What became of a camera's frames."""

    written: int = 0
    """Frames that reached all outputs."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Frames that were read but did not reach all outputs, by cause."""
    hidden_whole: Counter[str] = field(default_factory=Counter)
    """Frames of ``written`` that are hidden whole because something failed, by cause."""
    audio_dropped: Counter[str] = field(default_factory=Counter)
    """Packets of sound of dropped frames, beyond the ``MOST_ORPHANS`` that go on, by cause."""
    psnr: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Sum in dB and count of the finite values, by name of the metric."""
    events: Counter[str] = field(default_factory=Counter)
    """Events that have started, by kind."""
    latency_ms: float = 0.0
    """From decoding to written, of the last frame."""

    def enter(self, result: Result, latency_ms: float) -> None:
        """Count a written frame."""
        self.written += 1
        self.latency_ms = latency_ms
        started = (event for event in result.events if event.state == "start" and not event.again)
        self.events.update(event.kind for event in started)
        if result.failure is not None:
            self.hidden_whole[result.failure] += 1
        for metric in fields(Metrics):
            value = getattr(result.metrics, metric.name)
            if value is not None and math.isfinite(value):
                total, count = self.psnr.get(metric.name, (0.0, 0))
                self.psnr[metric.name] = (total + value, count + 1)

    def total(self) -> int:
        """Return how many frames are in the books."""
        return self.written + self.dropped.total()

    def mean(self, metric: str) -> float | None:
        """Return the mean of the finite values of a metric in dB; None where there is none."""
        total, count = self.psnr.get(metric, (0.0, 0))
        return total / count if count else None


@dataclass(frozen=True, slots=True)
class Done:
    """A camera has ended and everything of it is written."""

    camera: Camera


class Camera:
    """A camera while it runs.

    Its source's thread takes a credit for each frame and puts it into the intake that all cameras share; the
    device thread hands each result to the outlet; what is written goes to the reader of the run, who gives
    the credit back. A camera that fails stops reading and finishes its files, and nobody else notices.
    """

    def __init__(
        self,
        name: str,
        config: CameraConfig,
        intake: Intake,
        results: Channel[Result | Done],
        most_in_flight: int,
        sought: Sought | None,
    ) -> None:
        """Open the outputs; ``start`` begins to read.

        Args:
            name: its key in the configuration.
            config: all that applies to it.
            intake: takes its frames and markers, and at last one ``End``.
            results: takes what is written, and at last one ``Done``.
            most_in_flight: number of credits; of a live camera ``LIVE_CREDITS`` at most.
            sought: what can be among its detections, for the log; None where nobody knows.
        """
        self.name = name
        self.config = config
        self.live = source.is_live(config.source)
        self.stats = source.SourceStats()
        self.books = Books()
        self.error: BaseException | None = None
        self.expected: int | None = None
        """How many frames the source will give in all; None while nobody knows."""
        self.started_at = time.monotonic()
        self.ended_at: float | None = None
        self.began: datetime | None = None
        """When its first frame was read, which of a live camera is time 0; None before that."""
        self.credits = Credits(min(most_in_flight, LIVE_CREDITS) if self.live else most_in_flight)
        self._intake = intake
        self._results = results
        self._stop = Stop()
        self._orphans: tuple[AudioPacket, ...] = ()
        self._left_over: tuple[AudioPacket, ...] = ()
        self._delivered = self._refused = 0
        self._dropped_said_at = 0.0
        self._dropped_since = self._packets_since = 0
        self.outlet = Outlet(name, config, sought, self._written, self._lost, self.fail, self._closed)
        self._reader: Worker | None = None

    def start(self) -> None:
        """Begin to read."""
        self.started_at = time.monotonic()
        self._reader = Worker(f"{self.name}: source", self._read, self.fail)

    def stop(self) -> None:
        """Ask the source to end; what is in flight is still written."""
        self._stop.set()
        self.credits.cancel()

    def fail(self, error: BaseException) -> None:
        """End this camera alone, and say why."""
        if self.error is None:
            self.error = error
            logger.error("%s: %s", self.name, one_line(error))
            logger.debug("details", exc_info=error)
        self.stop()

    def summary(self) -> dict[str, Any]:
        """Return what became of its frames, as JSON can hold it."""
        seconds = (self.ended_at or time.monotonic()) - self.started_at
        means = {f"{metric.name}_db": self.books.mean(metric.name) for metric in fields(Metrics)}
        return {
            "source": mask(self.config.source),
            "live": self.live,
            "began": None if self.began is None else self.began.isoformat(timespec="milliseconds"),
            "frames_read": self.stats.frames,
            "frames_written": self.books.written,
            "frames_dropped": dict(self.books.dropped),
            "frames_hidden_whole": dict(self.books.hidden_whole),
            "events": dict(self.books.events),
            "corrupt_packets": self.stats.corrupt,
            "retimed_frames": self.stats.retimed,
            "reconnects": max(0, self.stats.connections - 1),
            "audio_packets_dropped": self.stats.audio_dropped + self.books.audio_dropped.total(),
            "seconds": seconds,
            "fps": self.books.written / max(seconds, 1e-3),
            **means,
            "error": None if self.error is None else one_line(self.error),
        }

    def join(self) -> None:
        """Wait for the threads."""
        if self._reader is not None:
            self._reader.join()
        self.outlet.join()

    # the device thread

    def deliver(self, result: Result) -> None:
        """Write a result."""
        self._delivered += 1
        if self._left_over:
            result = replace(result, audio=self._take_left_over() + result.audio)
        self.outlet.deliver(result)

    def drop(self, dropped: Dropped) -> None:
        """Count a frame that does not leave; its audio goes on with the next one that does.

        Of frames in a row the last ``MOST_ORPHANS`` packets do.
        """
        self._refused += 1
        self.books.dropped[dropped.cause] += 1
        audio = self._left_over + dropped.audio
        self._left_over = audio[-MOST_ORPHANS:]
        self.books.audio_dropped[dropped.cause] += len(audio) - len(self._left_over)
        self.credits.give()

    def finish(self, end: End) -> None:
        """Say that no result follows; a camera of which every frame was dropped has failed."""
        if self._refused and not self._delivered:
            said = f"no frame could be hidden as it must be: all {self._refused} were dropped"
            self.fail(StreamerError(f"{said}, nothing was written"))
        self.outlet.finish(replace(end, audio=self._take_left_over() + end.audio))

    def _take_left_over(self) -> tuple[AudioPacket, ...]:
        left_over, self._left_over = self._left_over, ()
        return left_over

    # the source's thread

    def _read(self) -> None:
        end = End(self.name)
        try:
            for item in source.read(self.name, self.config, self._stop, self.stats):
                if isinstance(item, End):
                    end = item
                elif not isinstance(item, Frame):
                    self._intake.put(item)
                elif not self._admit(item):
                    break
        except BaseException as error:  # said before the end goes out, whose summary tells of it
            self.fail(error)
        finally:
            self._intake.put(replace(end, audio=self._orphans + end.audio))

    def _admit(self, frame: Frame) -> bool:
        """Let a frame in, within the credits; False when nobody reads any more."""
        self.expected = frame.stream.frames
        if self.began is None:
            self.began = datetime.now().astimezone()
        if not self.live:
            if self.credits.take():
                self._intake.put(frame)
                return True
            self.books.dropped["stopped"] += 1
            return False
        if self._orphans:
            frame = replace(frame, audio=self._orphans + frame.audio)
            self._orphans = ()
        if self.credits.try_take():
            self._intake.put(frame)
        elif self._stop.is_set():
            self._orphans = frame.audio  # they go with the end
            self.books.dropped["stopped"] += 1
            return False
        elif (packets := self._intake.put_for_oldest(frame, MOST_ORPHANS)) is not None:
            self._drop("processing is behind", packets)
        else:
            self._orphans = frame.audio[-MOST_ORPHANS:]
            self._drop("output is behind", len(frame.audio) - len(self._orphans))
        return True

    def _drop(self, cause: str, packets: int) -> None:
        """Count a frame, and the packets of sound that do not go on with another."""
        self.books.dropped[cause] += 1
        self.books.audio_dropped[cause] += packets
        self._dropped_since += 1
        self._packets_since += packets
        now = time.monotonic()
        if now - self._dropped_said_at >= 1.0:
            sound = f" and {self._packets_since} packet(s) of sound" if self._packets_since else ""
            logger.warning("%s: dropped %d frame(s)%s, %s", self.name, self._dropped_since, sound, cause)
            self._dropped_said_at = now
            self._dropped_since = self._packets_since = 0

    # the outlet's threads

    def _written(self, result: Result, latency_ms: float) -> None:
        self.books.enter(result, latency_ms)
        self._results.put(result)

    def _lost(self, result: Result) -> None:
        self.books.dropped["output failed"] += 1

    def _closed(self) -> None:
        self.ended_at = time.monotonic()
        self._results.put(Done(self))
