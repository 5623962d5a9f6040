"""An MP4 with H.264 and audio, from its first picture to its last."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream

from streamer.config import OutputConfig
from streamer.frame import AudioPacket, AudioTrack, Image, Result
from streamer.sink.audio import open_audio
from streamer.sink.colour import LIMITED, TAGS, Planes, fit
from streamer.sink.file import OutputFile

logger = logging.getLogger(__name__)

MUXER = {
    # fragments while it is written, for a kill; an ordinary index once it is closed
    "movflags": "hybrid_fragmented+delay_moov",
    "frag_duration": "500000",
    "flush_packets": "1",
    # microseconds for which one stream's packets wait for the other's; their order in the file matters little
    "max_interleave_delta": "100000",
}
"""Options of FFmpeg's MP4 muxer."""

KEYFRAME_EVERY = 2
"""Seconds between keyframes, the places that a player can seek to, whatever the frame rate."""

PATIENCE = 1
"""Seconds of video without any audio after which silence is written, since the index waits for both."""

MOST_TICKS = 2**31 - 1
"""Most units per second in which an MP4 can say when a track starts."""

BELIEVED_RATES = (1, 240)
"""Frames per second; outside, what a source declares is no help to the encoder."""

USUAL_RATE = Fraction(25)
"""Frames per second where nothing believable is declared."""


class Movie:
    """An MP4 that has been begun.

    Nothing waits in here but a packet of each track: the encoder gives each picture's packet at once (no
    B-frames, no look-ahead, one thread), and every half second of packets reaches the file as a fragment.
    """

    def __init__(self, file: OutputFile, config: OutputConfig, first: Result, wants_audio: bool) -> None:
        """Prepare for what ``first`` tells of the stream; nothing is written yet.

        Args:
            file: where to; closed by ``close``.
            config: preset and quality.
            first: the first result, which decides on size, matrix, time base and audio track.
            wants_audio: whether the source's audio goes in.

        Raises:
            av.FFmpegError: H.264 cannot hold such pictures.
        """
        self._file = file
        self._stream = first.stream
        self._track: AudioTrack | None = None
        self._size = (first.stream.width, first.stream.height)
        self._shape: tuple[int, ...] = (first.stream.height, first.stream.width, 3)
        self._planes = Planes(*self._size, first.stream.matrix)
        self._time_base = first.time_base
        self._start = self._keyframe_due = first.pts * first.time_base
        self._held: dict[int, Packet[Any]] = {}  # by track, the packet whose duration is not known yet
        self._header = 0  # length of a file that holds no picture yet
        self._pts: int | None = None
        self._duration = 0
        self._sounded = False  # whether the muxer has had any audio
        track = first.stream.audio if wants_audio else None
        ticks = math.lcm(self._time_base.denominator, track.sample_rate if track else 1)
        options = {**MUXER, "movie_timescale": str(min(ticks, MOST_TICKS))}
        self._container = av.open(file, "w", format="mp4", container_options=options)
        self._video = self._add_video(config)
        self._audio = open_audio(self._container, track) if track else None

    def _add_video(self, config: OutputConfig) -> VideoStream:
        options = {"preset": config.preset, "crf": str(config.crf), "tune": "zerolatency", "bf": "0"}
        rate = _believable(self._stream.rate)
        video = self._container.add_stream("libx264", rate=rate, options=options)
        context = video.codec_context
        context.width, context.height = self._size
        context.pix_fmt = self._planes.format
        context.thread_count = 1
        context.time_base = video.time_base = self._time_base
        code = TAGS[self._stream.matrix]
        context.colorspace = context.color_primaries = context.color_trc = code
        context.color_range = LIMITED
        context.open()
        return video

    def write(self, picture: Image, result: Result) -> None:
        """Add a picture and the audio that came with it.

        Args:
            picture: uint8 ``[H, W, 3]``, RGB; fitted into the first one's size where it has another.
            result: gives its time, the stream and the audio.

        Raises:
            OSError: the file cannot be written.
            av.FFmpegError: the encoder or the muxer failed.
        """
        time = result.pts * result.time_base
        self._track = result.stream.audio
        self._write_audio(result.audio)
        if time - self._start >= PATIENCE:
            self._break_silence()
        pts = round(time / self._time_base)
        if self._pts is not None:
            pts = max(pts, self._pts + 1)  # after a reconnect, another time base may round two times to one
            self._duration = pts - self._pts
        self._pts = pts
        frame = self._planes.convert(self._fitted(picture))
        frame.pts, frame.time_base = pts, self._time_base
        if time >= self._keyframe_due:
            frame.pict_type = PictureType.I
            self._keyframe_due = time + KEYFRAME_EVERY
        packets = self._video.encode(frame)
        for packet in packets:
            packet.duration = self._shown_for(result)
        self._mux(packets)

    def close(self, audio: tuple[AudioPacket, ...]) -> None:
        """Finish the file, unless writing to it has failed.

        Args:
            audio: packets that came after the last picture.

        Raises:
            OSError: the file cannot be written, and ``write`` has not said so.
            av.FFmpegError: the encoder or the muxer failed.
        """
        failed_before = self._file.error is not None
        with ExitStack() as stack:
            stack.callback(self._report)
            stack.callback(self._file.close)
            stack.callback(self._container.close)
            if not failed_before:
                self._write_audio(audio)
                self._mux(self._video.encode())
                self._mux(self._audio.flush() if self._audio else ())
                for packet in self._held.values():
                    self._send(packet)
        if self._file.error is not None and not failed_before:
            raise self._file.error

    def _report(self) -> None:
        if self._audio and self._audio.dropped:
            causes = ", ".join(f"{count} {cause}" for cause, count in self._audio.dropped.items())
            logger.warning("%s: audio packets left out: %s", self._file.name, causes)
        if self._file.error is not None and self._file.whole <= self._header:
            Path(self._file.name).unlink(missing_ok=True)  # nothing in it could be played

    def _write_audio(self, packets: tuple[AudioPacket, ...]) -> None:
        if self._audio and self._track:
            self._mux(self._audio.write(packets, self._track))

    def _break_silence(self) -> None:
        """Give the muxer some audio, for it writes nothing before it has had something of each track."""
        if self._audio is None or self._sounded:
            return
        held = [self._held.pop(track) for track in list(self._held) if track != self._video.index]
        for packet in held or self._audio.silence(self._start):
            self._send(packet)

    def _mux(self, packets: Iterable[Packet[Any]]) -> None:
        """Hand packets to the muxer; beside audio, each one when the next has told how long it lasts.

        Where one track ends a fragment, the muxer goes by the durations it was told in the other, and moves
        what does not follow on.
        """
        for packet in packets:
            if self._audio is None:
                self._send(packet)
                continue
            held = self._held.get(packet.stream_index)
            if held is not None:
                held.duration = round((_time(packet) - _time(held)) / held.time_base)
                self._send(held)
            self._held[packet.stream_index] = packet

    def _send(self, packet: Packet[Any]) -> None:
        try:
            self._container.mux(packet)
        except av.InvalidDataError:
            if self._audio is None:
                raise
            self._audio.dropped["damaged"] += 1  # the muxer looks into audio packets, never into ours
        if self._file.error is not None:
            raise self._file.error
        self._file.mark()
        self._header = self._header or self._file.whole
        self._sounded = self._sounded or packet.stream_index != self._video.index

    def _fitted(self, picture: Image) -> Image:
        if picture.shape != self._shape:
            self._shape = picture.shape
            height, width, _ = picture.shape
            sizes = (width, height, *self._size)
            logger.warning("%s: pictures are %dx%d now, fitted into %dx%d", self._file.name, *sizes)
        if picture.shape[1::-1] == self._size:
            return picture
        return fit(picture, *self._size)

    def _shown_for(self, result: Result) -> int:
        """How long the picture is shown as far as one knows now; only the last one's counts in the end."""
        told = round(result.duration * result.time_base / self._time_base)
        return told or self._duration or max(1, round(1 / _believable(self._stream.rate) / self._time_base))


def _time(packet: Packet[Any]) -> Fraction:
    """When it is decoded, in seconds; all of ours have a time."""
    return (packet.dts or 0) * packet.time_base


def _believable(rate: Fraction | None) -> Fraction:
    least, most = BELIEVED_RATES
    return rate if rate is not None and least <= rate <= most else USUAL_RATE
