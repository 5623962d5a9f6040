"""Packets to pictures: what is damaged is skipped and counted, audio packets are gathered on the way."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import av
from av.packet import Packet
from av.video.frame import VideoFrame

from streamer.errors import SourceError
from streamer.frame import AudioPacket
from streamer.source.input import Input
from streamer.source.stats import SourceStats, Stop

GIVE_UP = 64
"""So many failed reads in a row end a source."""


class Decoder:
    """Reads one open input from its beginning to its end."""

    def __init__(
        self, source: Input, stats: SourceStats, *, patience: float | None = None, backlog: int | None = None
    ) -> None:
        """Prepare to read; nothing is read yet.

        Args:
            source: what to read.
            stats: where to count.
            patience: seconds without a video packet after which a live source counts as lost, though its
                audio may go on; None to wait for ever.
            backlog: the most audio packets that wait for a picture; None for any number.
        """
        self.frames = 0
        """Pictures decoded so far."""
        self.cut_off = False
        """Whether the last packet was incomplete, or reading failed before the end."""
        self._source = source
        self._stats = stats
        self._patience = patience
        self._audio: deque[AudioPacket] = deque()
        self._backlog = backlog

    def take_audio(self) -> list[AudioPacket]:
        """The audio packets read since this was last asked."""
        taken = list(self._audio)
        self._audio.clear()
        return taken

    def pictures(self, stop: Stop) -> Iterator[VideoFrame]:
        """Decode in order of presentation, until the end or until ``stop`` is set.

        Raises:
            SourceError: it is encrypted, or a live source stopped sending pictures.
        """
        video = self._source.video
        for packet in self._packets():
            if stop.is_set():
                return
            if packet.stream_index != video.index:
                if packet.size:
                    self._keep(detach(packet))
                continue
            if packet.has_sidedata("encryption_info"):
                raise SourceError(f"{self._source.name}: is encrypted; decrypt it first")
            if packet.size:
                self.cut_off = packet.is_corrupt
            yield from self._decode(packet)
        yield from self._decode(None)  # what the decoder still holds where reading broke off

    def _keep(self, packet: AudioPacket) -> None:
        """Let audio wait for a picture; beyond the backlog the oldest of it is left out, and counted."""
        self._audio.append(packet)
        if self._backlog is not None and len(self._audio) > self._backlog:
            self._audio.popleft()
            self._stats.audio_dropped += 1

    def _packets(self) -> Iterator[Packet[Any]]:
        """Demux, going on after a failed read for as long as packets still come."""
        source, failures = self._source, 0
        streams = [source.video] if source.audio is None else [source.video, source.audio]
        while failures < GIVE_UP:
            packets: Iterator[Packet[Any]] = source.container.demux(streams)
            try:
                for packet in self._watched(packets):
                    failures = 0
                    yield packet
                return
            except (av.InvalidDataError, av.PatchWelcomeError):
                failures += 1
                self._stats.corrupt += 1
        self.cut_off = True

    def _watched(self, packets: Iterator[Packet[Any]]) -> Iterator[Packet[Any]]:
        """Pass packets on until ``patience`` was spent in waiting for one of the video.

        FFmpeg's own time-out is not enough: audio keeps it from coming, and when it comes, the parser gives
        out the last picture it held as though nothing had happened.
        """
        silence, asked = 0.0, time.monotonic()
        for packet in packets:
            waited = time.monotonic() - asked
            is_video = packet.stream_index == self._source.video.index
            silence = waited if is_video else silence + waited
            yield packet
            if self._patience is not None and silence > 0.95 * self._patience:
                raise SourceError(f"{self._source.name}: no picture for {self._patience:g} s")
            silence, asked = (0.0 if is_video else silence), time.monotonic()

    def _decode(self, packet: Packet[av.VideoStream] | None) -> Iterator[VideoFrame]:
        try:
            pictures = self._source.video.decode(packet)
        except EOFError:  # flushed a second time
            return
        except (av.FFmpegError, ValueError):
            self._stats.corrupt += 1
            return
        for picture in pictures:
            self.frames += 1
            yield picture


def detach(packet: AudioPacket) -> AudioPacket:
    """A copy that needs no container: the stream of the original dies with its own."""
    copy: Packet[Any] = Packet(bytes(packet))
    copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
    copy.time_base = packet.time_base
    copy.is_keyframe = packet.is_keyframe
    for data in packet.iter_sidedata():
        copy.set_sidedata(data)
    return copy
