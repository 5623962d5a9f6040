"""Opens a file or an address and finds out what is in it."""

from __future__ import annotations

import logging
import stat
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.codec import CodecContext
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from streamer.address import mask
from streamer.errors import SourceError
from streamer.frame import AudioTrack
from streamer.source.whole import lacks_index

logger = logging.getLogger("streamer.source")

MAX_SIDE, MAX_PIXELS = 16384, 2**28
"""The largest picture that is read."""

NOT_VIDEO = frozenset({"tty"})
"""Demuxers that turn something else into pictures: text is read as an ANSI animation."""

_GENPTS = 1  # AVFMT_FLAG_GENPTS, which PyAV always sets


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """An open container, its picture and its sound. A context manager; leaving it closes the container."""

    name: str
    """How it is called in messages; never with credentials."""
    container: InputContainer
    video: VideoStream
    audio: AudioStream | None
    track: AudioTrack | None
    """What ``audio`` is, without its container; None where there is no audio that can be used."""

    def __enter__(self) -> Input:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of the video's timestamps."""
        return self.video.time_base or Fraction(1, 90000)

    @property
    def rate(self) -> Fraction | None:
        """Frames per second as declared, or guessed from the first few; None where that makes no sense."""
        rate = self.video.average_rate or self.video.guessed_rate
        return rate if rate and rate <= 1000 else None

    @property
    def frames(self) -> int | None:
        """How many frames there are: as the index says, else estimated from the duration."""
        if self.video.frames:
            return self.video.frames
        duration = self.container.duration
        if duration is None or duration <= 0 or self.rate is None:
            return None
        return round(duration * self.rate / av.time_base)


def open_file(path: Path) -> Input:
    """Open a recording.

    Raises:
        SourceError: there is no such file, it cannot be read, or it holds no video; says which.
    """
    try:
        if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
            # reading a pipe that nobody writes to would wait for ever, and none can be read twice
            what = "a named pipe" if stat.S_ISFIFO(mode) else "a device or a socket"
            raise SourceError(f"{path}: is {what}, expected a file; record it to a file, or serve it by RTSP")
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path}: is empty")
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise SourceError(f"{path}: is a folder, expected a file") from None
    except PermissionError:
        raise SourceError(f"{path}: permission denied; make it readable for this user") from None
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        # the prefix keeps a colon in the name from being taken for a protocol
        container = av.open(f"file:{path}", metadata_errors="replace")
    except av.FFmpegError as error:
        if lacks_index(path):
            raise SourceError(
                f"{path}: is cut off, its index (moov) is missing; the recording was never closed, "
                "or the copy is not complete"
            ) from None
        if isinstance(error, EOFError):
            raise SourceError(f"{path}: not one frame of it can be read") from None
        raise SourceError(f"{path}: is not a video file that can be read ({error.strerror})") from None
    return _describe(str(path), container, thread_count=1)


def open_url(url: str, transport: str, timeout: float) -> Input:
    """Connect to a live camera.

    Args:
        url: ``rtsp://…``.
        transport: ``tcp`` or ``udp``.
        timeout: seconds that opening, and later each read, may take at most.

    Raises:
        SourceError: it cannot be reached, refuses, or sends no video.
    """
    options = {
        "rtsp_transport": transport,
        "timeout": str(round(timeout * 1e6)),
        # the rate is a hint that nobody needs: without this the first 20 frames are held back to measure it
        "fpsprobesize": "0",
        "analyzeduration": str(round(min(timeout, 3.0) * 1e6)),
        # how long a gap in UDP's packets is waited for
        "max_delay": "200000",
        "buffer_size": str(1 << 21),
    }
    try:
        # opening has two steps, connecting and finding out what is sent, and each gets this time
        container = av.open(url, options=options, timeout=(timeout / 2, timeout), metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        # the error itself carries the address, so it must not be chained
        raise SourceError(f"{mask(url)}: {describe(error, timeout / 2)}") from None
    return _describe(mask(url), container, thread_count=0)


def describe(error: Exception, timeout: float) -> str:
    """Why a live camera failed, without its address."""
    if isinstance(error, av.ExitError | TimeoutError):
        return f"no picture for {timeout:g} s"
    if isinstance(error, av.HTTPUnauthorizedError):
        return "user and password are refused (401)"
    if isinstance(error, av.InvalidDataError):
        return "sends no video that can be read"
    return getattr(error, "strerror", None) or type(error).__name__


def _describe(name: str, container: InputContainer, thread_count: int) -> Input:
    try:
        # presentation times made up from decoding times are wrong with B-frames, and looking ahead for them
        # delays a live picture
        container.flags &= ~_GENPTS
        video = _video(name, container)
        # frame threads cost a frame of delay each, a tenth more CPU, and what was in them when a file breaks
        # off; slices are free of that
        video.thread_type = "SLICE"
        video.thread_count = thread_count
        audio, track = _audio(name, container)
        for stream in container.streams:
            if stream is not video and stream is not audio:
                stream.discard = Discard.all
    except BaseException:
        container.close()
        raise
    return Input(name, container, video, audio, track)


def _video(name: str, container: InputContainer) -> VideoStream:
    if container.format.name in NOT_VIDEO:
        raise SourceError(f"{name}: is not a video file")
    streams = [
        stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        what = "sound but no picture" if container.streams.audio else "no video"
        raise SourceError(f"{name}: holds {what}")
    best = container.streams.best("video")
    video = next((stream for stream in streams if stream is best), streams[0])
    if not _has_decoder(video):
        raise SourceError(f"{name}: no decoder for its video; convert it to H.264, for example")
    if video.codec_context.width or video.codec_context.height:  # a live camera may not have told yet
        check_size(name, video.codec_context.width, video.codec_context.height)
    return video


def _has_decoder(stream: Stream) -> bool:
    return getattr(stream, "codec_context", None) is not None


def check_size(name: str, width: int, height: int) -> None:
    """Refuse a picture that cannot be meant.

    Raises:
        SourceError: it has no pixels, or more than ``MAX_PIXELS`` or ``MAX_SIDE`` allow.
    """
    if width < 1 or height < 1:
        raise SourceError(f"{name}: has pictures of {width}x{height} pixels")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise SourceError(
            f"{name}: has pictures of {width}x{height} pixels, over {MAX_SIDE} a side or too many"
        )


def _audio(name: str, container: InputContainer) -> tuple[AudioStream | None, AudioTrack | None]:
    """The best audio stream and its description; None for both where it is of no use."""
    audio = container.streams.best("audio")
    if not isinstance(audio, AudioStream):
        return None, None
    context = audio.codec_context
    if not _has_decoder(audio):
        logger.warning("%s: its audio is left out: no decoder for it", name)
        return None, None
    channels = context.channels
    track = AudioTrack(
        codec=context.codec.canonical_name,
        sample_rate=context.sample_rate,
        # PCM comes without a layout, as "1 channels"
        layout={1: "mono", 2: "stereo"}.get(channels, context.layout.name),
        time_base=audio.time_base or Fraction(1, context.sample_rate or 1),
        extradata=context.extradata or b"",
        frame_size=context.frame_size,
    )
    try:
        decoder = CodecContext.create(track.codec, "r")
        if not isinstance(decoder, AudioCodecContext):
            raise ValueError(f"{track.codec} is no audio codec")
        decoder.sample_rate, decoder.layout = track.sample_rate, track.layout
        decoder.extradata = track.extradata or None
        decoder.open()
        if track.sample_rate < 1 or channels < 1:
            raise ValueError(f"{track.sample_rate} Hz, {channels} channels")
    except (av.FFmpegError, ValueError) as error:
        logger.warning("%s: its audio (%s) is left out: %s", name, track.codec, error)
        return None, None
    return audio, track
