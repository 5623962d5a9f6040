"""The audio of an MP4: the source's packets as they are, or as AAC where MP4 does not hold their codec."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container.output import OutputContainer
from numpy.typing import NDArray

from streamer.frame import AudioPacket, AudioTrack

logger = logging.getLogger(__name__)

COPIED = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
"""Codecs that MP4 holds and that players expect there; MP2 is held, too, but read back as MP3."""

NEED_HEADER = frozenset({"alac", "flac", "opus"})
"""Those of them that MP4 only holds with their out-of-band header."""

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Samples per second that AAC knows."""

SLACK = Fraction(1, 100)
"""Seconds by which decoded audio may be off its timestamps before it is moved: containers round them."""

FILLED = 1
"""Seconds up to which a hole is filled with silence; over a longer one the time just goes on."""


class AudioWriter(ABC):
    """Turns the source's audio packets into those of the file.

    Packets that are damaged, or that go back in time as at a reconnect, are left out and counted.
    """

    def __init__(self, track: AudioTrack, stream: AudioStream) -> None:
        self._track = track
        self._stream = stream
        self.dropped: Counter[str] = Counter()
        """Packets left out, by cause."""

    @abstractmethod
    def write(self, packets: Sequence[AudioPacket], track: AudioTrack) -> Iterator[AudioPacket]:
        """Yield what is ready for the file.

        Args:
            packets: from the source, in its order.
            track: what they are; may differ from the first one's after a reconnect.
        """

    @abstractmethod
    def silence(self, time: Fraction) -> Iterator[AudioPacket]:
        """Yield a moment of silence, for a source whose audio keeps us waiting.

        Args:
            time: where it goes, in seconds, if no audio has come at all.
        """

    @abstractmethod
    def flush(self) -> Iterator[AudioPacket]:
        """Yield what is left; nothing can be written any more."""


def open_audio(container: OutputContainer, track: AudioTrack) -> AudioWriter | None:
    """Add an audio track to a file that nothing was written to yet.

    Returns:
        What feeds it; None, with a warning, where the source's audio cannot be decoded here.
    """
    try:
        codec = av.Codec(track.codec, "r").canonical_name
        decoder = _decoder(track)
    except (av.FFmpegError, ValueError) as error:
        logger.warning("%s: %s audio is left out: %s", container.name, track.codec, error)
        return None
    if codec in COPIED and (track.extradata or codec not in NEED_HEADER) and _encodes(codec, track):
        return _Copy(track, container, codec)
    return _Encode(track, container, decoder)


def _encodes(codec: str, track: AudioTrack) -> bool:
    """Whether there is an encoder of ``codec`` that takes the track's rate and layout."""
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout = track.sample_rate, track.layout
    encoder.format = encoder.codec.audio_formats[0]
    try:
        encoder.open()
    except av.FFmpegError:
        return False
    return True


def _add_stream(container: OutputContainer, codec: str, track: AudioTrack, bit_rate: int = 0) -> AudioStream:
    stream = cast(AudioStream, container.add_stream(codec, rate=track.sample_rate))
    stream.codec_context.layout = track.layout
    stream.codec_context.bit_rate = bit_rate
    stream.codec_context.open()
    return stream


class _Copy(AudioWriter):
    """Passes packets on as they are."""

    def __init__(self, track: AudioTrack, container: OutputContainer, codec: str) -> None:
        # PyAV describes a stream to the muxer by an open encoder; all it ever makes is a moment of silence
        super().__init__(track, _add_stream(container, codec, track))
        self._stream.codec_context.extradata = track.extradata or None
        # as in MPEG-TS, where each packet brings a header of its own
        wrapped = codec == "aac" and not track.extradata
        self._unwrap = BitStreamFilterContext("aac_adtstoasc", self._stream) if wrapped else None
        self._last: Fraction | None = None
        self._end = Fraction(0)
        self._quiet = b""

    def write(self, packets: Sequence[AudioPacket], track: AudioTrack) -> Iterator[AudioPacket]:
        """Yield copies, since the packets themselves may be on their way into another file too."""
        if not _same_coding(track, self._track):
            self.dropped["another codec"] += len(packets)
            return
        for packet in packets:
            if _damaged(packet):
                self.dropped["damaged"] += 1
                continue
            start = self._end if packet.pts is None else packet.pts * track.time_base
            skipped = Fraction(_skipped(packet), track.sample_rate)
            if skipped:  # what is heard starts at a whole unit of the time base, what is skipped need not
                start += math.floor(skipped / track.time_base + Fraction(1, 2)) * track.time_base - skipped
            if self._last is not None and start <= self._last:
                self.dropped["back in time"] += 1
                continue
            if self._quiet and start > self._end:
                # the muxer moves what follows the silence that it was given too early to know its length
                yield self._stamp(self._quiet, self._end, Fraction(0))
            self._quiet = b""
            duration = packet.duration or 0
            self._last, self._end = start, start + duration * track.time_base
            yield from self._ready(bytes(packet), start, duration * track.time_base)

    def silence(self, time: Fraction) -> Iterator[AudioPacket]:
        """Yield one packet that the encoder made."""
        context = self._stream.codec_context
        frame = AudioFrame(context.format, context.layout, context.frame_size or 1024)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate = context.sample_rate
        packet, *_ = [*self._stream.encode(frame), *self._stream.encode()]
        self._quiet = bytes(packet)
        self._last, self._end = time, time + Fraction(frame.samples, context.sample_rate)
        yield self._stamp(self._quiet, time, self._end - time)

    def flush(self) -> Iterator[AudioPacket]:
        """Yield nothing: nothing waits in here."""
        return iter(())

    def _ready(self, data: bytes, time: Fraction, duration: Fraction) -> Iterator[AudioPacket]:
        packet = self._stamp(data, time, duration)
        if self._unwrap is None:
            yield packet
            return
        try:
            packets = self._unwrap.filter(packet)
        except av.FFmpegError:
            self.dropped["damaged"] += 1
            return
        for unwrapped in cast("list[AudioPacket]", packets):
            unwrapped.stream = self._stream
            yield unwrapped

    def _stamp(self, data: bytes, time: Fraction, duration: Fraction) -> AudioPacket:
        packet = cast(AudioPacket, av.Packet(data))
        rate = self._track.sample_rate
        packet.pts = packet.dts = round(time * rate)
        packet.duration = round(duration * rate)
        packet.time_base = Fraction(1, rate)
        packet.stream = self._stream
        packet.is_keyframe = True
        return packet


class _Encode(AudioWriter):
    """Decodes packets and encodes them as AAC, each sample at the time that its packet said."""

    def __init__(self, track: AudioTrack, container: OutputContainer, decoder: AudioCodecContext) -> None:
        self._source = track
        self._decoder = decoder
        rate = min((rate for rate in AAC_RATES if rate >= track.sample_rate), default=AAC_RATES[-1])
        self._channels = min(2, AudioLayout(track.layout).nb_channels)
        aac = replace(track, codec="aac", sample_rate=rate, layout=("mono", "stereo")[self._channels - 1])
        super().__init__(aac, _add_stream(container, "aac", aac, self._channels * min(4 * rate, 96_000)))
        self._resampler = av.AudioResampler("fltp", aac.layout, rate)
        self._size = self._stream.codec_context.frame_size
        self._waiting = self._zeros(0)
        self._next: int | None = None  # where the next sample goes, in samples since time 0

    def write(self, packets: Sequence[AudioPacket], track: AudioTrack) -> Iterator[AudioPacket]:
        """Decode, put every sample in its place, and yield full packets."""
        if not _same_coding(track, self._source):
            try:
                self._decoder = _decoder(track)
            except (av.FFmpegError, ValueError):
                self.dropped["another codec"] += len(packets)
                return
            self._source = track
            self._resampler = av.AudioResampler("fltp", self._track.layout, self._track.sample_rate)
        for packet in packets:
            if _damaged(packet):
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
            self.dropped["back in time"] += -hole >= samples.shape[1]
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


def _decoder(track: AudioTrack) -> AudioCodecContext:
    decoder: Any = av.CodecContext.create(track.codec, "r")
    decoder.sample_rate, decoder.layout = track.sample_rate, track.layout
    decoder.extradata = track.extradata or None
    # without it, FFmpeg leaves the time as it was where it skips the first samples
    decoder.options = {"pkt_timebase": str(track.time_base)}
    decoder.open()
    return cast(AudioCodecContext, decoder)


def _damaged(packet: AudioPacket) -> bool:
    """Whether there is nothing to use in it; to a decoder, an empty packet would mean the end."""
    return packet.is_corrupt or packet.size == 0


def _skipped(packet: AudioPacket) -> int:
    """How many samples at its start the packet tells a decoder to throw away."""
    if not packet.has_sidedata("skip_samples"):
        return 0
    return int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[:4], "little")


def _same_coding(one: AudioTrack, other: AudioTrack) -> bool:
    return replace(one, time_base=other.time_base, frame_size=other.frame_size) == other
