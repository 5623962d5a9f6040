"""The sound stays in step with the picture, to the sample, whatever codec and gaps it comes with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest

from streamer.config import OutputConfig
from streamer.frame import AudioPacket, AudioTrack, Result
from streamer.sink.video import VideoSink
from tests import footage
from tests.streamer.sink.results import heard, record, results

RATE = 16_000


def write(path: Path, given: Sequence[Result], tail: Sequence[AudioPacket] = ()) -> Path:
    sink = VideoSink(path, OutputConfig(), audio=True)
    for each in given:
        sink.write(each.blurred, each)
    sink.close(tuple(tail))
    return path


def codec_of(path: Path) -> str:
    with av.open(str(path)) as container:
        return container.streams.audio[0].codec_context.codec.canonical_name


def sounds_like(found: footage.Samples, expected: footage.Samples) -> bool:
    """Whether two stretches are the same but for what a codec does to them."""
    return bool(np.corrcoef(found, expected)[0, 1] > 0.98)


@pytest.mark.parametrize("start", [Fraction(0), Fraction(7, 10)], ids=["together", "later"])
@pytest.mark.parametrize(
    ("codec", "container", "rate", "written"),
    [
        ("aac", "mp4", 44_100, "aac"),
        ("aac", "mkv", 48_000, "aac"),
        ("aac", "ts", 48_000, "aac"),
        ("libmp3lame", "mkv", 44_100, "mp3"),
        ("libopus", "mkv", 48_000, "opus"),
        ("flac", "mkv", 48_000, "flac"),
        ("alac", "mov", 44_100, "alac"),
        ("ac3", "ts", 48_000, "ac3"),
        ("eac3", "mkv", 48_000, "eac3"),
        ("mp2", "ts", 48_000, "aac"),
        ("pcm_s16le", "mov", 48_000, "aac"),
        ("pcm_alaw", "mov", 8000, "aac"),
        ("pcm_mulaw", "avi", 8000, "aac"),
        ("pcm_s16le", "mkv", 22_050, "aac"),
    ],
)
def test_every_codec_is_heard_when_its_source_plays_it(
    tmp_path: Path, codec: str, container: str, rate: int, written: str, start: Fraction
) -> None:
    chirp = footage.chirp(1.5, rate)
    source = tmp_path / f"source.{container}"
    track, packets = record(source, footage.Sound(chirp, rate, start), codec)
    given = results(50, track=track, packets=packets)
    sent = sum(len(each.audio) for each in given)
    output = write(tmp_path / "a.mp4", given, packets[sent:])

    assert codec_of(output) == written
    original, _ = heard(source, 3)
    copy, _ = heard(output, 3)
    assert footage.shift(copy, original) == 0
    at = footage.shift(original, chirp)
    assert sounds_like(copy[at + 200 : at + len(chirp) - 200], chirp[200:-200])
    assert footage.read_clip(output).times == [each.pts * each.time_base for each in given]


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_a_start_at_another_time_than_zero_shifts_neither_picture_nor_sound(
    tmp_path: Path, codec: str
) -> None:
    start = Fraction(7, 5)
    sound = footage.Sound(footage.chirp(2.0, RATE), RATE, start)
    track, packets = record(tmp_path / "source.mov", sound, codec)
    given = results(50, start=start, track=track, packets=packets)
    output = write(tmp_path / "a.mp4", given)
    original, _ = heard(tmp_path / "source.mov", 4)
    copy, _ = heard(output, 4)
    assert footage.shift(copy, original) == 0
    assert footage.read_clip(output).times[0] == start


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_sound_that_begins_before_the_picture_is_kept(tmp_path: Path, codec: str) -> None:
    sound = footage.Sound(footage.chirp(2.0, RATE), RATE)
    track, packets = record(tmp_path / "source.mov", sound, codec)
    output = write(tmp_path / "a.mp4", results(25, start=Fraction(1), track=track, packets=packets))
    copy, _ = heard(output, 3)
    assert footage.shift(copy, sound.samples) == 0
    assert sounds_like(copy[500:8000], sound.samples[500:8000])
    assert footage.read_clip(output).times[0] == 1


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_sound_that_goes_on_after_the_last_picture_is_kept(tmp_path: Path, codec: str) -> None:
    sound = footage.Sound(footage.chirp(3.0, RATE), RATE)
    track, packets = record(tmp_path / "source.mov", sound, codec)
    given = results(25, track=track, packets=packets)
    sent = sum(len(each.audio) for each in given)
    assert sent < len(packets)
    copy, _ = heard(write(tmp_path / "a.mp4", given, packets[sent:]), 3)
    assert sounds_like(copy[500:-500], sound.samples[500:-500])


@pytest.mark.parametrize(
    "gap", [(Fraction(1), Fraction(3, 2)), (Fraction(1), Fraction(5, 2))], ids=["short", "long"]
)
@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_what_follows_a_gap_is_heard_at_its_time_and_the_gap_is_silent(
    tmp_path: Path, codec: str, gap: tuple[Fraction, Fraction]
) -> None:
    sound = footage.Sound(footage.chirp(4.0, RATE), RATE)
    track, packets = record(tmp_path / "source.mov", sound, codec)
    left = [packet for packet in packets if not gap[0] <= (packet.pts or 0) * track.time_base < gap[1]]
    copy, _ = heard(write(tmp_path / "a.mp4", results(100, track=track, packets=left)), 4)
    first, last = (round(edge * RATE) for edge in gap)
    margin = 2100  # packets at the edges
    assert sounds_like(copy[500 : first - margin], sound.samples[500 : first - margin])
    assert sounds_like(copy[last + margin : -margin], sound.samples[last + margin : -margin])
    assert np.abs(copy[first + margin : last - margin]).max() < 0.01


@pytest.mark.parametrize(
    ("codec", "container"),
    [("aac", "mp4"), ("pcm_s16le", "mov"), ("libmp3lame", "mp4"), ("flac", "mkv"), ("aac", "ts")],
)
@pytest.mark.parametrize("when", ["never", "late", "once"])
def test_sound_that_keeps_us_waiting_holds_no_picture_back(
    tmp_path: Path, codec: str, container: str, when: str
) -> None:
    begins = Fraction(5, 2) if when == "late" else Fraction(0)
    source = tmp_path / f"source.{container}"
    track, packets = record(source, footage.Sound(footage.chirp(1.5, RATE), RATE, begins), codec)
    sink = VideoSink(tmp_path / "a.mp4", OutputConfig(), audio=True)
    given = results(100, track=track, packets={"never": (), "late": packets, "once": packets[:1]}[when])
    for each in given:
        sink.write(each.blurred, each)
        if each.index in (59, 99):
            (tmp_path / "killed.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
            assert len(footage.read_clip(tmp_path / "killed.mp4").images) >= each.index + 1 - 25 - 3
    sink.close()
    assert footage.read_clip(tmp_path / "a.mp4").times == [each.pts * each.time_base for each in given]
    for output in (tmp_path / "a.mp4", tmp_path / "killed.mp4"):
        copy, _ = heard(output, 4)
        original, _ = heard(source, 4)
        if when == "late":
            assert footage.shift(copy, original) == 0
            assert np.abs(copy[: round(begins * RATE) - 2100]).max() < 0.01
        else:
            assert np.abs(copy[4000:]).max() < 0.01


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_packets_that_go_back_in_time_at_a_reconnect_are_left_out_and_said(
    tmp_path: Path, codec: str, caplog: pytest.LogCaptureFixture
) -> None:
    sound = footage.Sound(footage.chirp(4.0, RATE), RATE)
    track, packets = record(tmp_path / "source.mov", sound, codec)
    seam = next(i for i, packet in enumerate(packets) if (packet.pts or 0) * track.time_base >= 2)
    given = results(100, track=track, packets=packets)
    again = next(each for each in given if packets[seam] in each.audio)
    given[again.index] = replace(again, audio=(*again.audio, *packets[seam - 5 : seam]))
    with caplog.at_level(logging.WARNING):
        copy, _ = heard(write(tmp_path / "a.mp4", given), 4)
    assert sounds_like(copy[500:-2100], sound.samples[500:-2100])
    assert [record.message.split(": ", 1)[1] for record in caplog.records] == [
        "audio packets left out: 5 back in time"
    ]


def test_packets_without_a_time_follow_the_ones_before(tmp_path: Path) -> None:
    sound = footage.Sound(footage.chirp(2.0, RATE), RATE)
    track, packets = record(tmp_path / "source.mp4", sound, "aac")
    given = results(50, track=track, packets=packets)
    for packet in packets[1:]:
        packet.pts = packet.dts = None
    copy, _ = heard(write(tmp_path / "a.mp4", given), 2)
    assert sounds_like(copy[500:-2100], sound.samples[500:-2100])


@pytest.mark.parametrize("damage", [b"", b"\x55" * 200], ids=["empty", "garbage"])
@pytest.mark.parametrize(("codec", "container"), [("aac", "ts"), ("flac", "mkv")], ids=["copied", "decoded"])
def test_damaged_packets_are_skipped_and_the_rest_stays_in_step(
    tmp_path: Path, codec: str, container: str, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / f"source.{container}"
    track, packets = record(source, footage.Sound(footage.chirp(3.0, 48_000), 48_000), codec)
    track = replace(track, extradata=b"")  # which FLAC in an MP4 could not do without, so that it is decoded
    for index in (5, 12):
        broken = av.Packet(damage)
        broken.pts, broken.dts = packets[index].pts, packets[index].dts
        broken.time_base, broken.duration = track.time_base, packets[index].duration
        packets[index] = cast(AudioPacket, broken)
    given = results(75, track=track, packets=packets)
    with caplog.at_level(logging.WARNING):
        output = write(tmp_path / "a.mp4", given)
    assert codec_of(output) == "aac"
    original, _ = heard(source, 3)
    copy, _ = heard(output, 3)
    for first, last in ((2000, 4 * 1024), (2 * 48_000, 3 * 48_000 - 9000)):
        assert sounds_like(copy[first:last], original[first:last])
    assert [record.message.split(": ", 1)[1] for record in caplog.records] == [
        "audio packets left out: 2 damaged"
    ]
    assert footage.read_clip(output).times == [each.pts * each.time_base for each in given]


@pytest.mark.parametrize("first", ["aac", "pcm_alaw"])
def test_another_codec_after_a_reconnect_ends_no_camera(
    tmp_path: Path, first: str, caplog: pytest.LogCaptureFixture
) -> None:
    chirp = footage.chirp(4.0, 8000)
    tracks = {}
    for codec in ("aac", "pcm_alaw", "pcm_s16le"):
        tracks[codec] = record(tmp_path / f"{codec}.mov", footage.Sound(chirp, 8000), codec)
    second = "pcm_s16le"
    before = results(100, track=tracks[first][0], packets=tracks[first][1])
    after = results(100, track=tracks[second][0], packets=tracks[second][1])
    with caplog.at_level(logging.WARNING):
        copy, rate = heard(write(tmp_path / "a.mp4", [*before[:50], *after[50:]]), 4)
    half = 2 * rate
    assert sounds_like(copy[500 : half - 2100], chirp[500 : half - 2100])
    if first == "pcm_alaw":  # decoded, so it can go on
        assert sounds_like(copy[half + 2100 : -2100], chirp[half + 2100 : -2100])
        assert not caplog.records
    else:
        assert np.abs(copy[half + 2100 :]).max() < 0.01
        assert "another codec" in caplog.records[0].message


def test_sound_that_cannot_be_decoded_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    track = AudioTrack(
        "adpcm_ima_wav", 8000, "mono", Fraction(1, 8000)
    )  # the length of its blocks is unknown
    with caplog.at_level(logging.WARNING):
        output = write(tmp_path / "a.mp4", results(30, track=track))
    with av.open(str(output)) as container:
        assert not container.streams.audio
    assert caplog.records[0].message == f"{output}: its audio is left out: cannot decode adpcm_ima_wav"


def test_sound_goes_only_where_it_is_asked_for_and_two_files_may_share_it(tmp_path: Path) -> None:
    sound = footage.Sound(footage.chirp(2.0, RATE), RATE)
    track, packets = record(tmp_path / "source.mov", sound, "aac")
    sinks = {
        name: VideoSink(tmp_path / name, OutputConfig(), audio=name != "c.mp4")
        for name in ("a.mp4", "b.mp4", "c.mp4")
    }
    before = [(packet.pts, packet.dts, packet.time_base, packet.stream, bytes(packet)) for packet in packets]
    for each in results(50, track=track, packets=packets):
        for sink in sinks.values():
            sink.write(each.blurred, each)
    for sink in sinks.values():
        sink.close()
    assert [
        (packet.pts, packet.dts, packet.time_base, packet.stream, bytes(packet)) for packet in packets
    ] == before
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with av.open(str(tmp_path / "c.mp4")) as container:
        assert not container.streams.audio


@pytest.mark.parametrize("killed", [False, True], ids=["closed", "killed"])
@pytest.mark.parametrize(("codec", "rate"), [("aac", 48_000), ("pcm_s16le", 48_000)])
def test_neither_track_moves_where_a_fragment_ends_because_of_the_other(
    tmp_path: Path, codec: str, rate: int, killed: bool
) -> None:
    # pictures at irregular times with wrong durations, and sound with holes
    rng = np.random.default_rng(3)
    track, packets = record(tmp_path / "source.mov", footage.Sound(footage.chirp(8.0, rate), rate), codec)
    size = 1024 if codec == "aac" else max(1, packets[0].duration or 1)
    packets = [packet for packet in packets if (packet.pts or 0) // size % 40 not in (7, 8, 30)]
    ticks = np.cumsum(rng.integers(900, 36_000, 40)).tolist()
    waiting = list(packets)
    given = []
    for each, pts in zip(results(40, track=track), ticks, strict=True):
        due = [packet for packet in waiting if (packet.pts or 0) * track.time_base <= pts * each.time_base]
        waiting = waiting[len(due) :]
        given.append(replace(each, pts=pts, duration=3600, audio=tuple(due)))
    sink = VideoSink(tmp_path / "a.mp4", OutputConfig(), audio=True)
    for each in given:
        sink.write(each.blurred, each)
    output = tmp_path / "killed.mp4"
    if killed:
        output.write_bytes((tmp_path / "a.mp4").read_bytes())
        sink.close()
    else:
        sink.close(tuple(waiting))
        (tmp_path / "a.mp4").rename(output)

    times = footage.read_clip(output).times
    assert len(times) >= (35 if killed else 40)
    assert times == [each.pts * each.time_base for each in given][: len(times)]
    with av.open(str(output)) as container:
        written = [(packet.pts or 0) * packet.time_base for packet in container.demux(audio=0) if packet.size]
    if codec == "aac":
        assert len(written) >= len(packets) - (60 if killed else 0)
        assert written == [(packet.pts or 0) * track.time_base for packet in packets][: len(written)]
    else:
        steps = {(after - before) * rate for before, after in pairwise(written)}
        assert steps == {1024}


def test_what_a_kill_leaves_has_its_sound_in_step(tmp_path: Path) -> None:
    sound = footage.Sound(footage.chirp(4.0, RATE), RATE, Fraction(3, 10))
    track, packets = record(tmp_path / "source.mov", sound, "aac")
    sink = VideoSink(tmp_path / "a.mp4", OutputConfig(), audio=True)
    for each in results(100, track=track, packets=packets):
        sink.write(each.blurred, each)
    (tmp_path / "killed.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    sink.close()
    original, _ = heard(tmp_path / "source.mov", 3)
    copy, _ = heard(tmp_path / "killed.mp4", 3)
    assert footage.shift(copy, original) == 0
    assert sounds_like(copy[6000:-2100], original[6000:-2100])
