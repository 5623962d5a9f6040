"""Audio packets into an MP4 as AAC, where it does not hold their codec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.container.output import OutputContainer
from numpy.typing import NDArray

from streamer.frame import AudioPacket, AudioTrack
from streamer.sink.audio_writer import AudioWriter, add_stream, is_damaged, same_coding

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Samples per second that AAC knows."""

SLACK = Fraction(1, 100)
"""Seconds by which decoded audio may be off its timestamps before it is moved: containers round them."""

FILLED = 1
"""Seconds up to which a hole is filled with silence; over a longer one the time just goes on."""


class AudioEncode(AudioWriter):
    """Decodes packets and encodes them as AAC, each sample at the time that its packet said."""

    def __init__(self, track: AudioTrack, container: OutputContainer, decoder: AudioCodecContext) -> None:
        self._source = track
        self._decoder = decoder
        rate = min((rate for rate in AAC_RATES if rate >= track.sample_rate), default=AAC_RATES[-1])
        self._channels = min(2, AudioLayout(track.layout).nb_channels)
        aac = replace(track, codec="aac", sample_rate=rate, layout=("mono", "stereo")[self._channels - 1])
        super().__init__(aac, add_stream(container, "aac", aac, self._channels * min(4 * rate, 96_000)))
        self._resampler = av.AudioResampler("fltp", aac.layout, rate)
        self._size = self._stream.codec_context.frame_size
        self._waiting = self._zeros(0)
        self._next: int | None = None  # where the next sample goes, in samples since time 0

    def write(self, packets: Sequence[AudioPacket], track: AudioTrack) -> Iterator[AudioPacket]:
        """Decode, put every sample in its place, and yield full packets."""
        if not same_coding(track, self._source):
            try:
                self._decoder = open_decoder(track)
            except (av.FFmpegError, ValueError):
                self.dropped["another codec"] += len(packets)
                return
            self._source = track
            self._resampler = av.AudioResampler("fltp", self._track.layout, self._track.sample_rate)
        for packet in packets:
            if is_damaged(packet):
                self.dropped["damaged"] += 1
            else:
                yield from self._decode(packet)

    def silence(self, time: Fraction) -> Iterator[AudioPacket]:
        """Encode as much as the encoder wants before it gives something."""
        at = round(time * self._track.sample_rate) if self._next is None else self._next
        yield from self._append(at, self._zeros(3 * self._size))

    def flush(self) -> Iterator[AudioPacket]:
        """Decode and encode to the end; the last packet may be short."""
        yield from self._decode(None)
        if self._waiting.shape[1]:
            yield from self._encode(self._waiting.shape[1])
        yield from self._stream.encode()

    def _decode(self, packet: AudioPacket | None) -> Iterator[AudioPacket]:
        try:
            frames = self._decoder.decode(packet)
            for frame in frames:
                frame.time_base = self._source.time_base
            frames = [part for frame in frames for part in self._resampler.resample(frame)]
        except (av.FFmpegError, ValueError):
            self.dropped["damaged"] += 1
            return
        for frame in frames:
            at = self._next
            if frame.pts is not None and frame.time_base is not None:
                at = round(frame.pts * frame.time_base * self._track.sample_rate)
            yield from self._append(at or 0, cast("NDArray[np.float32]", frame.to_ndarray()))

    def _append(self, at: int, samples: NDArray[np.float32]) -> Iterator[AudioPacket]:
        """Put samples ``[channels, N]`` at their place in time, and encode what is a whole packet."""
        hole = 0 if self._next is None else at - self._next
        if self._next is None:
            self._next = at
        elif hole > FILLED * self._track.sample_rate:
            self._waiting = np.hstack([self._waiting, self._zeros(-self._waiting.shape[1] % self._size)])
            yield from self._drain()
            self._next = at
        elif hole > SLACK * self._track.sample_rate:
            samples = np.hstack([self._zeros(hole), samples])
        elif hole < -SLACK * self._track.sample_rate:
            if -hole >= samples.shape[1]:
                self.dropped["back in time"] += 1
            samples = samples[:, -hole:]
        self._waiting = np.hstack([self._waiting, samples])
        self._next += samples.shape[1]
        yield from self._drain()

    def _drain(self) -> Iterator[AudioPacket]:
        while self._waiting.shape[1] >= self._size:
            yield from self._encode(self._size)

    def _encode(self, count: int) -> Iterator[AudioPacket]:
        assert self._next is not None  # noqa: S101, something waits
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(self._waiting[:, :count]), "fltp", self._track.layout
        )
        frame.pts = self._next - self._waiting.shape[1]
        frame.sample_rate = self._track.sample_rate
        frame.time_base = Fraction(1, self._track.sample_rate)
        self._waiting = self._waiting[:, count:]
        yield from self._stream.encode(frame)

    def _zeros(self, count: int) -> NDArray[np.float32]:
        return np.zeros((self._channels, count), np.float32)


def open_decoder(track: AudioTrack) -> AudioCodecContext:
    """Open a decoder for a track's packets.

    Raises:
        av.FFmpegError: there is none, or it needs to know more than an ``AudioTrack`` tells.
        ValueError: as above.
    """
    decoder: Any = av.CodecContext.create(track.codec, "r")
    decoder.sample_rate, decoder.layout = track.sample_rate, track.layout
    decoder.extradata = track.extradata or None
    # without it, FFmpeg leaves the time as it was where it skips the first samples
    decoder.options = {"pkt_timebase": str(track.time_base)}
    decoder.open()
    return cast(AudioCodecContext, decoder)
