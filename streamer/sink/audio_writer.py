"""What the two ways of writing audio into an MP4 have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import cast

from av.audio.stream import AudioStream
from av.container.output import OutputContainer

from streamer.frame import AudioPacket, AudioTrack


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


def add_stream(container: OutputContainer, codec: str, track: AudioTrack, bit_rate: int = 0) -> AudioStream:
    """Add a stream of ``codec`` to a file, with an open encoder for the track's rate and layout."""
    stream = cast(AudioStream, container.add_stream(codec, rate=track.sample_rate))
    stream.codec_context.layout = track.layout
    stream.codec_context.bit_rate = bit_rate
    stream.codec_context.open()
    return stream


def is_damaged(packet: AudioPacket) -> bool:
    """Whether there is nothing to use in it; to a decoder, an empty packet would mean the end."""
    return packet.is_corrupt or packet.size == 0


def same_coding(one: AudioTrack, other: AudioTrack) -> bool:
    """Whether packets of one can follow packets of the other; their time bases may differ."""
    return replace(one, time_base=other.time_base, frame_size=other.frame_size) == other
