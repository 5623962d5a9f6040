"""Synthetic footage of known content: written with PyAV, read back without the code under test.

Colours are converted by the standards' formulas in numpy, in both directions, so that a test of a
conversion does not lean on the library that the program itself converts with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Samples = NDArray[np.float32]

BITS = 10
"""A picture's number is written into it as so many black and white blocks."""

LUMA = {"bt601": (0.299, 0.587, 0.114), "bt709": (0.2126, 0.7152, 0.0722)}
"""Weights of R, G and B in the luma."""

TAGS = {"bt709": 1, "bt601": 6, None: 2}
"""AVColorSpace of a matrix; None is left unspecified."""

LOSSLESS: Mapping[str, Mapping[str, str]] = {
    "libx264": {"preset": "ultrafast", "qp": "0"},
    "libx264rgb": {"preset": "ultrafast", "qp": "0"},
    "libx265": {"preset": "ultrafast", "x265-params": "lossless=1:log-level=none"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "lossless": "1"},
    "libsvtav1": {"preset": "12", "crf": "10"},
    "mpeg4": {"qmin": "1", "qmax": "1", "b": "50M"},
    "mjpeg": {"qmin": "1", "qmax": "1", "b": "50M"},
}
"""Encoder options that keep a picture as it is, or nearly."""


@dataclass(frozen=True)
class Sound:
    """Mono audio on the timeline of its clip."""

    samples: Samples
    """float32 ``[N]``, -1 to 1."""
    rate: int
    """Samples per second."""
    start: Fraction = Fraction(0)
    """Time of the first sample, in seconds."""


@dataclass(frozen=True)
class Clip:
    """What a video file holds."""

    images: list[Image]
    """Each uint8 ``[H, W, 3]``, RGB, as coded: rotation is not applied."""
    times: list[Fraction]
    """Presentation time of each, in seconds."""


def picture(number: int, width: int = 64, height: int = 48) -> Image:
    """A picture that tells its own number: smooth colours below a row of ``BITS`` black or white blocks.

    Their upper third is white on the left instead, and so tells whether the picture is mirrored.
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    phase = 2 * np.pi * (x / width + number / 40)
    image = np.stack(
        [128 + 80 * np.sin(phase), 60 + 130 * y / height, 128 - 80 * np.sin(phase + y / height)], axis=-1
    )
    edges = np.linspace(0, width, BITS + 1).astype(int)
    for bit in range(BITS):
        image[: height // 4, edges[bit] : edges[bit + 1]] = 235 if number >> bit & 1 else 20
    image[: height // 12] = np.where(np.arange(width) < width // 2, 235, 20)[:, None]
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def number_of(image: Image) -> int:
    """The number that ``picture`` wrote into ``image``, however often it was encoded since."""
    height, width = image.shape[:2]
    centres = (np.arange(BITS) + 0.5) * width / BITS
    blocks = image[height // 8, centres.astype(int)].mean(axis=-1)
    return int(sum(1 << bit for bit in range(BITS) if blocks[bit] > 128))


def is_mirrored(image: Image) -> bool:
    """Whether ``image`` is a ``picture`` the other way round."""
    height, width = image.shape[:2]
    line = image[height // 24].mean(axis=-1)
    return bool(line[width // 2 :].mean() - line[: width // 2].mean() > 120)


def bars(width: int = 64, height: int = 48) -> Image:
    """Eight vertical bars of plain colours, dark to bright, none at the very end of the scale."""
    colours = [
        (20, 20, 20), (20, 40, 200), (200, 30, 30), (190, 40, 190),
        (40, 180, 40), (40, 190, 190), (210, 200, 40), (235, 235, 235),
    ]  # fmt: skip
    row = np.repeat(np.array(colours, np.uint8), width // 8, axis=0)
    return np.tile(row, (height, 1, 1))


def chirp(seconds: float = 1.0, rate: int = 16000) -> Samples:
    """A tone that rises from 200 to 2000 Hz: no stretch of it fits another, so a shift shows. Half loud."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (200 * t + 900 * t**2 / seconds))).astype(np.float32)


def shift(heard: Samples, expected: Samples) -> int:
    """How many samples later ``heard`` plays what ``expected`` plays, by cross-correlation."""
    size = len(heard) + len(expected)
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(expected, size))
    lag = int(np.argmax(np.fft.irfft(spectrum, size)))
    return lag if lag < len(heard) else lag - size


def write_clip(
    path: Path,
    images: Sequence[Image] | int = 10,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    rotation: float = 0,
    hflip: bool = False,
    vflip: bool = False,
    matrix: str | None = "bt709",
    full_range: bool = False,
    tagged: bool = True,
    sound: Sound | None = None,
    audio_codec: str = "aac",
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
) -> Path:
    """Write a clip; the file name's ending chooses the container.

    Args:
        path: the file.
        images: RGB pictures, or how many numbered ones of 64×48.
        codec: name of an FFmpeg encoder.
        pix_fmt: pixel format to encode: grey, planar YCbCr of 8 or 10 bits, or packed RGB.
        pts: presentation times in ``time_base``, rising; 0, 1, 2 … where None.
        time_base: seconds per unit of ``pts``.
        rotation: degrees counter-clockwise by which a player turns the picture, by the display matrix.
        hflip: whether a player mirrors it left to right.
        vflip: whether a player mirrors it top to bottom.
        matrix: ``bt601`` or ``bt709``; None converts by BT.709 and leaves it out of the tags.
        full_range: whether luma takes all values instead of 16 to 235.
        tagged: whether the stream says its range.
        sound: audio track; none where None.
        audio_codec: name of an FFmpeg audio encoder.
        options: for the video encoder; lossless, or nearly, where None.
        container_options: for the muxer.
    """
    pictures = [picture(number) for number in range(images)] if isinstance(images, int) else list(images)
    times = list(range(len(pictures))) if pts is None else list(pts)
    with av.open(str(path), "w", container_options=dict(container_options or {})) as container:
        chosen = dict(LOSSLESS.get(codec, {}) if options is None else options)
        stream: Any = container.add_stream(codec, rate=round(1 / time_base) or 1, options=chosen)
        height, width = pictures[0].shape[:2] if pictures else (48, 64)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.time_base = stream.time_base = time_base
        if not _is_rgb(pix_fmt):
            stream.codec_context.colorspace = TAGS[matrix]
            if tagged:
                stream.codec_context.color_range = 2 if full_range else 1
        if rotation or hflip or vflip:
            stream.set_display_rotation(rotation, hflip, vflip)
        packets = list(_encode_sound(container, sound, audio_codec)) if sound else []
        container.start_encoding()  # so that a clip without pictures is written too
        for image, time in zip(pictures, times, strict=True):
            frame = to_frame(image, pix_fmt, matrix or "bt709", full_range)
            frame.pts, frame.time_base = time, time_base
            if tagged:
                frame.colorspace, frame.color_range = TAGS[matrix], 2 if full_range else 1
            container.mux(stream.encode(frame))
            while packets and _seconds(packets[0]) <= time * time_base:
                container.mux(packets.pop(0))
        container.mux(stream.encode())
        container.mux(packets)
    return path


def _seconds(item: Any) -> Fraction:
    """Presentation time of a packet or a frame."""
    return Fraction(item.pts * item.time_base)


def _encode_sound(container: Any, sound: Sound, codec: str) -> Iterator[av.Packet[Any]]:
    stream = container.add_stream(codec, rate=sound.rate, layout="mono")
    container.start_encoding()
    first = round(sound.start * sound.rate)
    size = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(stream.format.name, "mono", sound.rate)
    for at in range(0, len(sound.samples), size):
        frame = av.AudioFrame.from_ndarray(sound.samples[None, at : at + size], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = sound.rate, first + at, Fraction(1, sound.rate)
        for resampled in resampler.resample(frame):
            yield from stream.encode(resampled)
    yield from stream.encode()


def read_clip(path: Path | str) -> Clip:
    """Decode all pictures of a file."""
    with av.open(str(path)) as container:
        images: list[Image] = []
        times: list[Fraction] = []
        for frame in container.decode(video=0):
            images.append(to_rgb(frame))
            times.append(_seconds(frame))
    return Clip(images, times)


def read_sound(path: Path | str) -> Sound:
    """Decode the first audio track of a file, of which only the first channel is kept."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono")
        parts: list[Samples] = []
        start: Fraction | None = None
        rate = 0
        for frame in container.decode(audio=0):
            if start is None:
                start, rate = _seconds(frame), frame.sample_rate
            parts += [part.to_ndarray()[0].astype(np.float32) for part in resampler.resample(frame)]
    assert start is not None, f"{path} has no audio"
    return Sound(np.concatenate(parts), rate, start)


def to_frame(image: Image, pix_fmt: str, matrix: str, full_range: bool) -> av.VideoFrame:
    """A frame of ``pix_fmt`` that shows ``image``; chroma is averaged over the pixels it covers."""
    if _is_rgb(pix_fmt):
        return av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=pix_fmt)
    height, width = image.shape[:2]
    frame = av.VideoFrame(width, height, pix_fmt)
    red, blue = LUMA[matrix][0], LUMA[matrix][2]
    rgb = image.astype(np.float64) / 255
    luma = rgb @ np.array(LUMA[matrix])
    chroma = ((rgb[..., 2] - luma) / (2 * (1 - blue)), (rgb[..., 0] - luma) / (2 * (1 - red)))
    for index, plane in enumerate((luma, *chroma)[: len(frame.planes)]):
        low, span, bits = _scale(frame, index, full_range)
        target = _view(frame, index, bits)
        rows, columns = target.shape
        step = (-(-height // rows), -(-width // columns))
        padded = np.pad(plane, ((0, rows * step[0] - height), (0, columns * step[1] - width)), mode="edge")
        mean = padded.reshape(rows, step[0], columns, step[1]).mean(axis=(1, 3))
        target[:] = np.clip(np.round(low + span * mean), 0, 2**bits - 1)
    return frame


def to_rgb(frame: av.VideoFrame) -> Image:
    """uint8 RGB ``[H, W, 3]`` of a decoded frame by its own tags; an unknown matrix is BT.709."""
    name = frame.format.name
    if _is_rgb(name):
        return frame.to_ndarray(format="rgb24").astype(np.uint8)
    full_range = name.startswith("yuvj") or frame.color_range == 2
    red, green, blue = LUMA["bt601" if frame.colorspace in (5, 6) else "bt709"]
    planes = []
    for index in range(len(frame.planes)):
        low, span, bits = _scale(frame, index, full_range)
        plane = (_view(frame, index, bits).astype(np.float64) - low) / span
        step = (-(-frame.height // plane.shape[0]), -(-frame.width // plane.shape[1]))
        planes.append(plane.repeat(step[0], 0).repeat(step[1], 1)[: frame.height, : frame.width])
    luma, cb, cr = planes if len(planes) == 3 else (planes[0], 0 * planes[0], 0 * planes[0])
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    rgb = np.stack([r, (luma - red * r - blue * b) / green, b], axis=-1)
    return np.clip(np.round(255 * rgb), 0, 255).astype(np.uint8)


def _is_rgb(pix_fmt: str) -> bool:
    return "rgb" in pix_fmt or "bgr" in pix_fmt or pix_fmt in ("gbrp", "bgra", "bgr0", "pal8")


def _scale(frame: av.VideoFrame, index: int, full_range: bool) -> tuple[float, float, int]:
    """Code of zero, codes per unit, and bits of plane ``index`` (0 is luma)."""
    bits = frame.format.components[index].bits
    unit = 2.0 ** (bits - 8)
    if full_range:
        return (0.0 if index == 0 else 128 * unit), 2.0**bits - 1, bits
    return (16 * unit, 219 * unit, bits) if index == 0 else (128 * unit, 224 * unit, bits)


def _view(frame: av.VideoFrame, index: int, bits: int) -> NDArray[Any]:
    """The plane's own memory as an array ``[rows, columns]``."""
    plane: Any = frame.planes[index]
    dtype = np.dtype("u1" if bits == 8 else "<u2")
    lines: NDArray[Any] = np.frombuffer(plane, dtype)
    return lines.reshape(plane.height, plane.line_size // dtype.itemsize)[:, : plane.width]
