"""The audio of an MP4: the source's packets as they are, or as AAC where MP4 does not hold their codec."""

from __future__ import annotations

import logging
from typing import Any

import av
from av.container.output import OutputContainer

from streamer.frame import AudioTrack
from streamer.sink.audio_copy import AudioCopy
from streamer.sink.audio_encode import AudioEncode, open_decoder
from streamer.sink.audio_writer import AudioWriter

logger = logging.getLogger(__name__)

COPIED = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
"""Codecs that MP4 holds and that players expect there; MP2 is held, too, but read back as MP3."""

NEED_HEADER = frozenset({"alac", "flac", "opus"})
"""Those of them that MP4 only holds with their out-of-band header."""


def open_audio(container: OutputContainer, track: AudioTrack) -> AudioWriter | None:
    """Add an audio track to a file that nothing was written to yet.

    Returns:
        What feeds it; None, with a warning, where the source's audio cannot be decoded here.
    """
    try:
        codec = av.Codec(track.codec, "r").canonical_name
        decoder = open_decoder(track)
    except (av.FFmpegError, ValueError) as error:
        logger.warning("%s: its audio is left out: cannot decode %s", container.name, track.codec)
        logger.debug("details", exc_info=error)
        return None
    if codec in COPIED and (track.extradata or codec not in NEED_HEADER) and _encodes(codec, track):
        return AudioCopy(track, container, codec)
    return AudioEncode(track, container, decoder)


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
