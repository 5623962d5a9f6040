"""Numbers, times and describes the pictures of one camera, over all its files or connections."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction

from av.video.frame import VideoFrame

from streamer.frame import AudioPacket, AudioTrack, Discontinuity, Frame, Stream
from streamer.source.input import Input, check_size
from streamer.source.picture import Converter
from streamer.source.stats import SourceStats
from streamer.timeline import BestStamp, Timeline

logger = logging.getLogger("streamer.source")

JOINT_UNIT = Fraction(1, 90000)
"""RTP's clock for video, and the time base of whatever is joined from several parts."""
STRAY = Fraction(10)
"""Seconds by which live audio may lie off the picture; more is a stamp that cannot be right."""


class Framer:
    """Makes a camera's frames."""

    def __init__(self, camera: str, stats: SourceStats, *, joined: bool, live: bool = False) -> None:
        """Start a camera.

        Args:
            camera: its name.
            stats: where to count.
            joined: whether it has several parts, whose times are then given in ``JOINT_UNIT``.
            live: whether it runs in real time and from 0.
        """
        self._camera, self._stats, self._joined, self._live = camera, stats, joined, live
        self._timeline = Timeline(JOINT_UNIT, Fraction(1, 25), Fraction(0) if live else None)
        self._converter = Converter()
        self._stamp = BestStamp()
        self._began = False
        self._total: int | None = None
        self._track: AudioTrack | None = None
        self._stream: Stream | None = None
        self._held: list[AudioPacket] = []
        self._heard: Fraction | None = None
        self._read_at = 0.0
        self._broken = False

    def begin(self, source: Input) -> None:
        """Go on with ``source``: the only part, the next one, or a new connection."""
        step = 1 / (source.rate or Fraction(25))
        self._stamp, self._converter = BestStamp(), Converter()
        if self._joined:
            self._timeline.restart(step)
        else:
            self._timeline = Timeline(source.time_base, step)
            self._total = source.frames
        if not self._began:
            self._track = source.track
        elif source.track is not None and not _same(self._track, source.track):
            logger.warning("%s: its audio is left out, since it differs from what came before", source.name)
        self._began = True

    def interrupt(self) -> Iterator[Discontinuity]:
        """Tell that what follows does not continue what was; once, and only if there was anything."""
        if self._stream is not None and not self._broken:
            self._broken = True
            yield Discontinuity(self._camera)

    def frame(
        self, source: Input, decoded: VideoFrame, audio: Sequence[AudioPacket]
    ) -> Iterator[Frame | Discontinuity]:
        """Make a frame of a picture decoded from ``source`` and the audio read since the one before.

        Raises:
            SourceError: the picture has no, or far too many, pixels.
        """
        check_size(source.name, decoded.width, decoded.height)
        picture = self._converter.convert(decoded)
        now = time.monotonic()
        elapsed = Fraction(now - self._read_at) if self._live else None
        clock = decoded.time_base or source.time_base
        stamp = self._stamp.choose(decoded.pts, decoded.dts)
        pts = self._timeline.place(None if stamp is None else stamp * clock, elapsed)
        self._read_at, self._stats.retimed = now, self._timeline.repaired
        height, width = picture.image.shape[:2]
        stream = self._stream
        if stream is None or (width, height, picture.matrix) != (stream.width, stream.height, stream.matrix):
            if stream is not None and (width, height) != (stream.width, stream.height):
                yield from self.interrupt()
            stream = self._stream = self._describe(source, width, height, picture.matrix)
        unit = self._timeline.unit
        index, self._broken = self._stats.frames, False
        self._stats.frames += 1
        yield Frame(
            camera=self._camera,
            index=index,
            image=picture.image,
            pts=pts,
            time_base=unit,
            read_at=now,
            stream=stream,
            duration=max(0, round((decoded.duration or 0) * clock / unit)),
            audio=self.take_held() + tuple(self._timed(source, audio, pts * unit)),
        )

    def hold(self, source: Input, audio: Sequence[AudioPacket]) -> None:
        """Keep audio that came after the last picture for the next part's first, or for the end."""
        self._held += self._timed(source, audio)

    def take_held(self) -> tuple[AudioPacket, ...]:
        """What was kept by ``hold``."""
        held, self._held = tuple(self._held), []
        return held

    def _timed(
        self, source: Input, audio: Sequence[AudioPacket], near: Fraction | None = None
    ) -> list[AudioPacket]:
        """Audio packets on the camera's timeline, in its track's time base; what does not fit is dropped."""
        track, offset = self._track, self._timeline.offset or Fraction(0)
        kept: list[AudioPacket] = []
        if track is not None and _same(track, source.track):
            kept = [packet for packet in audio if self._place(packet, offset, track.time_base, near)]
        self._stats.audio_dropped += len(audio) - len(kept)
        return kept

    def _place(self, packet: AudioPacket, offset: Fraction, unit: Fraction, near: Fraction | None) -> bool:
        """Move a packet by ``offset``; false where it cannot follow the one before."""
        pts = packet.dts if packet.pts is None else packet.pts
        if pts is None:
            return False
        dts = pts if packet.dts is None else packet.dts
        scale = packet.time_base / unit
        shift = offset / unit
        packet.pts, packet.dts = round(pts * scale + shift), round(dts * scale + shift)
        packet.duration = round((packet.duration or 0) * scale)
        packet.time_base = unit
        heard = packet.dts * unit
        if self._heard is not None and heard <= self._heard:
            return False
        if self._live and near is not None and abs(heard - near) > STRAY:
            return False
        self._heard = heard
        return True

    def _describe(self, source: Input, width: int, height: int, matrix: str) -> Stream:
        return Stream(
            width=width,
            height=height,
            rate=source.rate,
            matrix=matrix,
            audio=self._track,
            frames=self._total,
            live=self._live,
        )


def _same(a: AudioTrack | None, b: AudioTrack | None) -> bool:
    """Whether packets of ``b`` can follow those of ``a`` in one track."""
    if a is None or b is None:
        return a is b
    return (a.codec, a.sample_rate, a.layout, a.extradata) == (b.codec, b.sample_rate, b.layout, b.extradata)
