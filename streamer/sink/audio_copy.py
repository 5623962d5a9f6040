"""Audio packets into an MP4 as they are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import cast

import av
from av.audio.frame import AudioFrame
from av.bitstream import BitStreamFilterContext
from av.container.output import OutputContainer

from streamer.frame import AudioPacket, AudioTrack
from streamer.sink.audio_writer import AudioWriter, add_stream, is_damaged, same_coding


class AudioCopy(AudioWriter):
    """Passes packets on as they are."""

    def __init__(self, track: AudioTrack, container: OutputContainer, codec: str) -> None:
        # PyAV describes a stream to the muxer by an open encoder; all it ever makes is a moment of silence
        super().__init__(track, add_stream(container, codec, track))
        if track.extradata:
            self._stream.codec_context.extradata = track.extradata
        # as in MPEG-TS, where each packet brings a header of its own
        wrapped = codec == "aac" and not track.extradata
        self._unwrap = BitStreamFilterContext("aac_adtstoasc", self._stream) if wrapped else None
        self._last: int | None = None  # pts of the last packet, in samples
        self._end = Fraction(0)
        self._quiet = b""

    def write(self, packets: Sequence[AudioPacket], track: AudioTrack) -> Iterator[AudioPacket]:
        """Yield copies, since the packets themselves may be on their way into another file too."""
        if not same_coding(track, self._track):
            self.dropped["another codec"] += len(packets)
            return
        for packet in packets:
            if is_damaged(packet):
                self.dropped["damaged"] += 1
                continue
            start = self._end if packet.pts is None else packet.pts * track.time_base
            skipped = Fraction(_skipped(packet), track.sample_rate)
            if skipped:  # what is heard starts at a whole unit of the time base, what is skipped need not
                start += math.floor(skipped / track.time_base + Fraction(1, 2)) * track.time_base - skipped
            pts = round(start * self._track.sample_rate)
            if self._last is not None and pts <= self._last:
                self.dropped["back in time"] += 1
                continue
            if self._quiet and start > self._end:
                # the muxer moves what follows the silence that it was given too early to know its length
                yield self._stamp(self._quiet, self._end, Fraction(0))
            self._quiet = b""
            duration = packet.duration or 0
            self._last, self._end = pts, start + duration * track.time_base
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
        self._last = round(time * context.sample_rate)
        self._end = time + Fraction(frame.samples, context.sample_rate)
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


def _skipped(packet: AudioPacket) -> int:
    """How many samples at its start the packet tells a decoder to throw away."""
    if not packet.has_sidedata("skip_samples"):
        return 0
    return int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[:4], "little")
