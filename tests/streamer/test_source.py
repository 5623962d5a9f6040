"""Recordings and images: order, times, sizes, sound, ends."""

from __future__ import annotations

import gc
import logging
import re
import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import psutil
import pytest

from streamer.config import CameraConfig
from streamer.errors import SourceError
from streamer.frame import AudioPacket, AudioTrack, Discontinuity, End, Frame
from streamer.source import SourceStats, probe, read
from streamer.source.decode import Decoder
from streamer.source.input import open_file
from tests.footage import Sound, chirp, number_of, picture, read_clip, read_sound, shift, write_clip

Item = Frame | Discontinuity | End


def items_of(path: Path, stats: SourceStats | None = None, **config: Any) -> list[Item]:
    settings = CameraConfig(source=str(path), **config)
    return list(read("yard", settings, threading.Event(), stats or SourceStats()))


def until_error(path: Path, stats: SourceStats | None = None) -> tuple[list[Item], str]:
    """What came before the source failed, and how it put that."""
    items: list[Item] = []
    try:
        for item in read("yard", CameraConfig(source=str(path)), threading.Event(), stats or SourceStats()):
            items.append(item)
    except SourceError as error:
        return items, str(error)
    raise AssertionError("it ended as though all were well")


def frames_in(items: list[Item]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame)]


def times_of(frames: list[Frame]) -> list[Fraction]:
    return [frame.pts * frame.time_base for frame in frames]


def numbers_of(frames: list[Frame]) -> list[int]:
    return [number_of(frame.image) for frame in frames]


def audio_in(items: list[Item]) -> list[AudioPacket]:
    return [packet for item in items if isinstance(item, Frame | End) for packet in item.audio]


def decoded(track: AudioTrack, packets: list[AudioPacket]) -> Sound:
    """What a sink hears that has nothing but the track and the packets."""
    decoder: Any = av.CodecContext.create(track.codec, "r")
    decoder.sample_rate, decoder.layout = track.sample_rate, track.layout
    decoder.extradata = track.extradata or None
    resampler, parts, end = av.AudioResampler("fltp", "mono"), [], Fraction(0)
    for packet in packets:
        for frame in decoder.decode(packet):
            end = frame.pts * packet.time_base + Fraction(frame.samples, track.sample_rate)
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    samples = np.concatenate(parts)
    # counted from the end: such a decoder skips the priming without moving the time of what is left
    return Sound(samples, track.sample_rate, end - Fraction(len(samples), track.sample_rate))


CODECS = {
    "h264.mp4": {"codec": "libx264"},
    "h264-with-b-frames.mp4": {"codec": "libx264", "options": {"bf": "2", "qp": "10"}},
    "h264.mov": {"codec": "libx264"},
    "h264.mkv": {"codec": "libx264"},
    "h264.avi": {"codec": "libx264"},
    "h264.ts": {"codec": "libx264"},
    "h264-10-bit.mp4": {"codec": "libx264", "pix_fmt": "yuv420p10le"},
    "hevc.mp4": {"codec": "libx265"},
    "hevc.ts": {"codec": "libx265"},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "vp9.mkv": {"codec": "libvpx-vp9"},
    "av1.mp4": {"codec": "libsvtav1"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "matrix": "bt601", "full_range": True},
    "mjpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj422p", "matrix": "bt601", "full_range": True},
}


@pytest.mark.parametrize("name", CODECS)
def test_every_codec_and_container_gives_all_pictures_in_order_and_on_time(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVT_LOG", "0")
    images = [picture(number, 64, 64) for number in range(12)]
    path = write_clip(tmp_path / name, images, **CODECS[name])  # type: ignore[arg-type]  # a table of any
    stats = SourceStats()
    items = items_of(path, stats)
    frames = frames_in(items)
    assert numbers_of(frames) == list(range(12))
    # the muxer of TS moves all, so that no decoding time is negative
    start = read_clip(path).times[0] if path.suffix == ".ts" else 0
    assert times_of(frames) == [start + Fraction(number, 25) for number in range(12)]
    assert [frame.index for frame in frames] == list(range(12))
    assert items[12:] == [items[-1]]
    assert isinstance(items[-1], End)
    assert (stats.frames, stats.corrupt, stats.retimed) == (12, 0, 0)
    error = max(np.abs(frame.image.astype(int) - images[frame.index]).mean() for frame in frames)
    assert error < 5


def test_the_stream_is_described_once(tmp_path: Path) -> None:
    frames = frames_in(items_of(write_clip(tmp_path / "a.mp4", 5)))
    stream = frames[0].stream
    assert (stream.width, stream.height, stream.frames) == (64, 48, 5)
    assert stream.rate == 25
    assert (stream.matrix, stream.audio, stream.live) == ("bt709", None, False)
    assert all(frame.stream is stream for frame in frames)
    assert {frame.duration * frame.time_base for frame in frames} == {Fraction(1, 25)}


def test_the_number_of_frames_is_estimated_where_the_container_does_not_say(tmp_path: Path) -> None:
    stream = probe(CameraConfig(source=str(write_clip(tmp_path / "a.mkv", 50))))
    assert stream.frames == 50


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov", "ts"])
def test_a_variable_frame_rate_keeps_every_time(container: str, tmp_path: Path) -> None:
    pts = [0, 40, 41, 300, 1000, 1007, 5000]
    path = write_clip(tmp_path / f"a.{container}", 7, pts=pts, time_base=Fraction(1, 1000))
    assert times_of(frames_in(items_of(path))) == [Fraction(time, 1000) for time in pts]


def test_pts_and_time_base_are_those_of_the_file(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 9, pts=[3, 4, 9, 10, 11, 12, 30, 31, 90], options={"bf": "2"})
    with av.open(str(path)) as container:
        time_base = container.streams.video[0].time_base
        pts = [frame.pts for frame in container.decode(video=0)]
    frames = frames_in(items_of(path))
    assert [frame.pts for frame in frames] == pts
    assert {frame.time_base for frame in frames} == {time_base}


def test_b_frames_in_avi_which_has_no_presentation_times_are_evenly_spaced(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", 20, codec="mpeg4", options={"bf": "2", "qmin": "1", "qmax": "1"})
    frames = frames_in(items_of(path))
    assert numbers_of(frames) == list(range(20))
    times = times_of(frames)
    assert {later - earlier for earlier, later in pairwise(times)} == {Fraction(1, 25)}


def cut(source: Path, target: Path, seconds: int) -> Path:
    """Copy without encoding from ``seconds`` on, as editors do: the rest is hidden by an edit list."""
    with av.open(str(source)) as given, av.open(str(target), "w") as taken:
        streams = {stream.index: taken.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            if packet.dts is None or packet.pts is None:
                continue
            offset = int(seconds / packet.time_base)
            packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
            packet.stream = streams[packet.stream_index]
            taken.mux(packet)
    return target


def test_what_an_edit_list_cuts_away_is_not_shown_and_the_sound_stays_in_step(tmp_path: Path) -> None:
    sound = Sound(chirp(3.0), 16000)
    whole = write_clip(tmp_path / "whole.mp4", 75, sound=sound, options={"bf": "2", "g": "75"})
    path = cut(whole, tmp_path / "cut.mp4", 1)
    items = items_of(path)
    frames = frames_in(items)
    assert numbers_of(frames) == list(range(25, 75))
    assert times_of(frames) == [Fraction(number, 25) for number in range(50)]
    track = frames[0].stream.audio
    assert track is not None
    heard = decoded(track, audio_in(items))
    from_zero = heard.samples[round(-heard.start * heard.rate) :]
    assert shift(from_zero, sound.samples) == -16000


SOUNDS = {
    "aac.mp4": ("aac", 16000),
    "aac.mkv": ("aac", 16000),
    "aac.ts": ("aac", 16000),
    "pcm_s16le.avi": ("pcm_s16le", 16000),
    "pcm_s16le.mkv": ("pcm_s16le", 16000),
    "pcm_alaw.mov": ("pcm_alaw", 8000),
    "pcm_mulaw.avi": ("pcm_mulaw", 8000),
    "mp2.ts": ("mp2", 16000),
    "libopus.mkv": ("libopus", 48000),
}


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("start", [Fraction(0), Fraction(1, 4)])
def test_the_packets_alone_are_enough_to_hear_the_sound_in_step(
    name: str, start: Fraction, tmp_path: Path
) -> None:
    codec, rate = SOUNDS[name]
    sound = Sound(chirp(1.5, rate), rate, start)
    path = write_clip(tmp_path / name, 50, sound=sound, audio_codec=codec)
    items = items_of(path)
    track = frames_in(items)[0].stream.audio
    assert track is not None
    heard, told = decoded(track, audio_in(items)), read_sound(path)
    assert (heard.rate, len(heard.samples)) == (told.rate, len(told.samples))
    assert abs(heard.start - told.start) <= (Fraction(1, 1000) if path.suffix == ".mkv" else 0)
    assert np.array_equal(heard.samples, told.samples)


def test_audio_packets_are_those_of_the_file_with_priming_and_tail(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 20, sound=Sound(chirp(1.6), 16000))
    with av.open(str(path)) as container:
        expected = [
            (packet.pts, packet.dts, packet.duration, packet.time_base, bytes(packet))
            for packet in container.demux(audio=0)
            if packet.size
        ]
    items = items_of(path)
    packets = audio_in(items)
    assert [(p.pts, p.dts, p.duration, p.time_base, bytes(p)) for p in packets] == expected
    assert packets[0].pts == -1024
    assert packets[0].has_sidedata("skip_samples")
    assert isinstance(items[-1], End)
    assert len(items[-1].audio) > 5  # the sound is twice as long as the picture


def test_audio_rides_with_the_picture_it_belongs_to(tmp_path: Path) -> None:
    frames = frames_in(items_of(write_clip(tmp_path / "a.mp4", 50, sound=Sound(chirp(2.0), 16000))))
    assert sum(bool(frame.audio) for frame in frames) > 15
    for frame in frames:
        for packet in frame.audio:
            assert packet.pts is not None
            assert abs(packet.pts * packet.time_base - frame.pts * frame.time_base) < 1


def test_audio_that_cannot_be_described_is_left_out_with_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sound = Sound(chirp(1.0, 22050), 22050)
    path = write_clip(tmp_path / "a.avi", 20, sound=sound, audio_codec="adpcm_ima_wav")
    with caplog.at_level(logging.WARNING, "streamer.source"):
        items = items_of(path)
    assert len(frames_in(items)) == 20
    assert frames_in(items)[0].stream.audio is None
    assert audio_in(items) == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "a.avi: its audio (adpcm_ima_wav) is left out" in caplog.text


def test_a_change_of_size_makes_a_new_stream_and_time_goes_on(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "small.ts", 20)
    large = write_clip(tmp_path / "large.ts", [picture(number, 96, 64) for number in range(20, 40)])
    path = tmp_path / "both.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    items = items_of(path)
    frames = frames_in(items)
    assert numbers_of(frames) == list(range(40))
    assert [type(item) for item in items[19:22]] == [Frame, Discontinuity, Frame]
    assert [frame.image.shape[1] for frame in frames] == [64] * 20 + [96] * 20
    assert len({id(frame.stream) for frame in frames}) == 2
    assert times_of(frames) == [Fraction(number, 25) for number in range(40)]


def test_a_stream_that_starts_off_a_keyframe_shows_from_the_next_one_on(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.ts", 30, options={"g": "10", "preset": "veryfast", "qp": "5"})
    path = tmp_path / "late.ts"
    with av.open(str(whole)) as given, av.open(str(path), "w") as taken:
        stream = taken.add_stream_from_template(given.streams.video[0])
        for packet in list(given.demux(video=0))[5:30]:
            packet.stream = stream
            taken.mux(packet)
    frames = frames_in(items_of(path))
    assert numbers_of(frames) == list(range(10, 30))
    times = times_of(frames)
    assert [time - times[0] for time in times] == [Fraction(number, 25) for number in range(20)]


def test_corrupt_packets_are_skipped_and_counted(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", 30, codec="mjpeg", pix_fmt="yuvj420p")
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    for packet in packets[10:13]:
        at = data.index(packet)
        data[at : at + len(packet)] = bytes(len(packet))
    path.write_bytes(data)
    stats = SourceStats()
    frames = frames_in(items_of(path, stats))
    assert numbers_of(frames) == [*range(10), *range(13, 30)]
    assert times_of(frames) == [Fraction(number, 25) for number in (*range(10), *range(13, 30))]
    assert (stats.corrupt, stats.frames) == (3, 27)


def test_noise_in_the_middle_of_a_file_does_not_end_it(tmp_path: Path, capfd: Any) -> None:
    path = write_clip(tmp_path / "a.ts", 60, options={"g": "10", "preset": "veryfast", "qp": "5"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 188 * 188
    data[middle : middle + 20 * 188] = np.random.default_rng(0).bytes(20 * 188)
    path.write_bytes(data)
    stats = SourceStats()
    frames = frames_in(items_of(path, stats))
    assert numbers_of(frames[:10]) == list(range(10))
    assert numbers_of(frames)[-10:] == list(range(50, 60))
    assert len(frames) > 30
    assert times_of(frames) == sorted(set(times_of(frames)))
    assert capfd.readouterr() == ("", "")


def test_a_folder_plays_its_files_in_natural_order_on_one_timeline(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip10.mkv", [picture(n) for n in range(20, 25)], pts=range(100, 105))
    write_clip(tmp_path / "clip2.mp4", [picture(n) for n in range(10, 20)])
    write_clip(tmp_path / "clip1.MP4".lower(), 10)
    (tmp_path / "notes.txt").write_text("not footage")
    (tmp_path / "._clip1.mp4").write_text("not footage either")
    items = items_of(tmp_path)
    frames = frames_in(items)
    assert numbers_of(frames) == list(range(25))
    assert times_of(frames) == [Fraction(number, 25) for number in range(25)]
    assert [frame.index for frame in frames] == list(range(25))
    markers = [at for at, item in enumerate(items) if isinstance(item, Discontinuity)]
    assert markers == [10, 21]
    assert isinstance(items[-1], End)


def test_the_sound_of_a_folder_follows_its_picture(tmp_path: Path) -> None:
    sound = Sound(chirp(1.0, 8000), 8000)
    for number in (1, 2):
        write_clip(tmp_path / f"{number}.mov", 25, sound=sound, audio_codec="pcm_alaw")
    items = items_of(tmp_path)
    track = frames_in(items)[0].stream.audio
    assert track is not None
    heard = decoded(track, audio_in(items))
    assert len(heard.samples) == 16000
    assert [shift(half, sound.samples) for half in (heard.samples[:8000], heard.samples[8000:])] == [0, 0]
    ends = [packet.pts + packet.duration for packet in audio_in(items)]  # type: ignore[operator]  # never None
    assert (ends[-1], ends) == (16000, sorted(ends))


def test_sound_that_differs_from_the_first_files_is_left_out_and_counted(tmp_path: Path) -> None:
    write_clip(tmp_path / "1.mov", 25, sound=Sound(chirp(1.0, 8000), 8000), audio_codec="pcm_alaw")
    write_clip(tmp_path / "2.mp4", 25, sound=Sound(chirp(1.0), 16000))
    stats = SourceStats()
    packets = audio_in(items_of(tmp_path, stats))
    assert sum(len(bytes(packet)) for packet in packets) == 8000
    assert stats.audio_dropped > 10


def test_sound_for_which_no_picture_comes_is_left_out_from_the_oldest_on_and_counted(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "1.mov", 25, sound=Sound(chirp(1.0, 8000), 8000), audio_codec="pcm_alaw")
    left: list[list[int | None]] = []
    stats = SourceStats()
    for backlog in (None, 2):
        with open_file(clip) as opened:
            decoder = Decoder(opened, stats, backlog=backlog)
            assert len(list(decoder.pictures(threading.Event()))) == 25
            left.append([packet.pts for packet in decoder.take_audio()])
    everything, kept = left
    assert len(everything) > 2
    assert kept == everything[-2:]
    assert stats.audio_dropped == len(everything) - 2


def test_a_folder_with_one_bad_file_plays_the_others_and_then_fails(tmp_path: Path) -> None:
    write_clip(tmp_path / "1.mp4", 5)
    (tmp_path / "2.mp4").write_bytes(b"nothing that could be played")
    write_clip(tmp_path / "3.mp4", 5)
    items, message = until_error(tmp_path)
    assert re.search(r"2\.mp4: is not a video file .* \(1 of 3 files failed\)$", message)
    assert numbers_of(frames_in(items)) == [*range(5), *range(5)]
    assert times_of(frames_in(items)) == [Fraction(number, 25) for number in range(10)]
    assert not any(isinstance(item, End) for item in items)


def test_numbered_images_play_at_the_given_rate_in_natural_order(tmp_path: Path) -> None:
    for number in (1, 2, 9, 10, 11):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), picture(number)[..., ::-1])
    (tmp_path / "cover.jpg").write_bytes(b"not numbered")
    items = items_of(tmp_path, fps=12.5)
    frames = frames_in(items)
    assert numbers_of(frames) == [1, 2, 9, 10, 11]
    assert times_of(frames) == [Fraction(number * 2, 25) for number in range(5)]
    assert all(np.array_equal(frame.image, picture(number_of(frame.image))) for frame in frames)
    assert frames[0].stream.frames == 5
    assert frames[0].stream.rate == Fraction(25, 2)
    assert isinstance(items[-1], End)


def test_an_image_that_cannot_be_read_leaves_its_time_empty(tmp_path: Path) -> None:
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number)[..., ::-1])
    (tmp_path / "1.png").write_bytes(b"broken")
    stats = SourceStats()
    frames = frames_in(items_of(tmp_path, stats))
    assert [frame.pts for frame in frames] == [0, 2, 3]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert stats.corrupt == 1


def test_grey_deep_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    grey = picture(0)[..., 1]
    cv2.imwrite(str(tmp_path / "0.png"), grey)
    cv2.imwrite(str(tmp_path / "1.png"), grey.astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "2.png"), np.dstack([picture(0)[..., ::-1], np.full_like(grey, 7)]))
    frames = frames_in(items_of(tmp_path))
    assert np.array_equal(frames[0].image, np.dstack([grey] * 3))
    assert np.abs(frames[1].image.astype(int) - np.dstack([grey] * 3)).max() <= 1
    assert np.array_equal(frames[2].image, picture(0))


def test_images_of_another_size_make_a_new_stream(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), picture(0)[..., ::-1])
    cv2.imwrite(str(tmp_path / "1.png"), picture(1, 96, 64)[..., ::-1])
    items = items_of(tmp_path)
    assert [type(item) for item in items] == [Frame, Discontinuity, Frame, End]


def reading(path: Path, stop: threading.Event) -> Iterator[Item]:
    return read("yard", CameraConfig(source=str(path)), stop, SourceStats())


@pytest.mark.parametrize("kind", ["file", "folder", "images"])
def test_a_stop_ends_a_source_with_its_end(kind: str, tmp_path: Path) -> None:
    for number in range(2):
        write_clip(tmp_path / f"{number}.mp4", 30, sound=Sound(chirp(1.2), 16000))
    images = tmp_path / "images"
    images.mkdir()
    for number in range(30):
        cv2.imwrite(str(images / f"{number}.png"), picture(number))
    path = {"file": tmp_path / "0.mp4", "folder": tmp_path, "images": images}[kind]
    stop, items = threading.Event(), []
    for item in reading(path, stop):
        items.append(item)
        if len(items) == 5:
            stop.set()
    assert [type(item) for item in items[:5]] == [Frame] * 5
    assert isinstance(items[-1], End)
    assert len(items) <= 8  # what was decoded already may still come


def test_a_stop_before_the_start_opens_nothing(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert [type(item) for item in reading(tmp_path / "missing.mp4", stop)] == [End]


def test_a_source_that_is_closed_early_lets_go_of_its_file(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 20, sound=Sound(chirp(0.8), 16000))
    gc.disable()  # nothing may depend on the collector
    try:
        for taken in (1, 5):
            source = reading(path, threading.Event())
            kept = [next(source) for _ in range(taken)]
            assert str(path) in {file.path for file in psutil.Process().open_files()}
            source.close()  # type: ignore[attr-defined]  # it is a generator
            assert str(path) not in {file.path for file in psutil.Process().open_files()}
            assert number_of(frames_in(kept)[-1].image) == taken - 1
        items = items_of(path)
        assert str(path) not in {file.path for file in psutil.Process().open_files()}
    finally:
        gc.enable()
    assert len(frames_in(items)) == 20


def test_frames_are_freed_without_the_collector(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 40, rotation=90, sound=Sound(chirp(1.6), 16000))
    gc.collect()
    gc.disable()
    try:
        for item in reading(path, threading.Event()):
            assert isinstance(item, Frame | End)
        del item
        left = [thing for thing in gc.get_objects() if type(thing) is av.VideoFrame]
    finally:
        gc.enable()
    assert len(left) <= 2  # the one whose side data was looked at


def test_a_real_clip_is_read_as_ffmpeg_reads_it(shared: Path) -> None:
    path = shared / "data/footage/cctv_ramp_720p.mp4"
    frames = frames_in(items_of(path))
    with av.open(str(path)) as container:
        expected = [(frame.pts, frame.time_base) for frame in container.decode(video=0)]
    assert [(frame.pts, frame.time_base) for frame in frames] == expected
    assert frames[0].image.shape == (720, 1280, 3)


def test_a_real_avi_with_packed_b_frames_is_evenly_spaced(shared: Path) -> None:
    frames = frames_in(items_of(shared / "data/footage/highway_320x240.avi"))
    assert [frame.pts for frame in frames] == list(range(3, 3 + 748))
