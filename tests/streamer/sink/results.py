"""Results and audio packets as they reach a sink, made without the stages before it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from streamer.frame import AudioPacket, AudioTrack, Detections, Image, Metrics, Result, Stream
from tests import footage

NOTHING_DIFFERS = Metrics(float("inf"), None, None, None)


def result(
    index: int,
    image: Image,
    *,
    pts: int | None = None,
    time_base: Fraction = Fraction(1, 25),
    duration: int = 0,
    stream: Stream | None = None,
    detections: Detections | None = None,
    metrics: Metrics = NOTHING_DIFFERS,
    audio: Sequence[AudioPacket] = (),
    restorers: tuple[str, ...] = (),
) -> Result:
    """A result that shows ``image``; its pts is its index where none is given."""
    return Result(
        camera="gate",
        index=index,
        pts=index if pts is None else pts,
        time_base=time_base,
        duration=duration,
        read_at=time.monotonic(),
        stream=stream or Stream(image.shape[1], image.shape[0]),
        blurred=image,
        restored=None,
        detections=Detections.none() if detections is None else detections,
        regions=np.zeros((0, 4), np.int32),
        metrics=metrics,
        audio=tuple(audio),
        restorers=restorers,
    )


def results(
    count: int,
    *,
    fps: int = 25,
    start: Fraction = Fraction(0),
    track: AudioTrack | None = None,
    packets: Sequence[AudioPacket] = (),
    late: float = 0.0,
) -> list[Result]:
    """Numbered pictures of 64×48, each with the audio packets that are due ``late`` seconds before it."""
    time_base = Fraction(1, 90_000)
    stream = Stream(64, 48, Fraction(fps), audio=track)
    waiting = list(packets)
    made = []
    for index in range(count):
        pts = round((start + Fraction(index, fps)) / time_base)
        due = []
        while waiting and track and (waiting[0].pts or 0) * track.time_base + late <= pts * time_base:
            due.append(waiting.pop(0))
        image = footage.picture(index)
        made.append(
            result(
                index,
                image,
                pts=pts,
                time_base=time_base,
                duration=90_000 // fps,
                stream=stream,
                audio=due,
            )
        )
    return made


def record(path: Path, sound: footage.Sound, codec: str) -> tuple[AudioTrack, list[AudioPacket]]:
    """Write ``sound`` into a container, and take it out again as a source does, without decoding it."""
    footage.write_clip(path, 2, sound=sound, audio_codec=codec)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        context = stream.codec_context
        track = AudioTrack(
            codec=context.codec.canonical_name,
            sample_rate=context.sample_rate,
            layout="mono",
            time_base=stream.time_base or Fraction(1, context.sample_rate),
            extradata=context.extradata or b"",
            frame_size=context.frame_size,
        )
        packets = [packet for packet in container.demux(stream) if packet.size]
    return track, packets


def heard(path: Path, seconds: float) -> tuple[footage.Samples, int]:
    """The audio of a file on a line that starts at time 0, and its rate.

    Each decoded frame goes where its own time says; but for containers that round times to milliseconds.
    """
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].codec_context.sample_rate
        line = np.zeros(round(seconds * rate), np.float32)
        end = 0
        for frame in container.decode(audio=0):
            samples = av.AudioResampler("fltp", "mono", rate).resample(frame)[0].to_ndarray()[0]
            assert frame.pts is not None
            assert frame.time_base is not None
            at = round(frame.pts * frame.time_base * rate)
            if end and abs(at - end) <= rate / 500:
                at = end
            end = at + len(samples)
            first, last = max(at, 0), max(0, min(at + len(samples), len(line)))
            line[first:last] = samples[first - at : max(last - at, first - at)]
    return line, rate


def boxes(data: bytes) -> list[str]:
    """The names of an MP4's outermost boxes (ISO/IEC 14496-12, section 4.2)."""
    names = []
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        names.append(data[at + 4 : at + 8].decode("latin1"))
        at += int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size
    return names
