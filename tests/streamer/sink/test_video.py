"""The MP4 holds the pictures and the times it was given, whatever stops it."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.config import OutputConfig
from streamer.errors import SinkError
from streamer.frame import Image, Result, Stream
from streamer.sink.video import VideoSink
from tests import footage
from tests.streamer.sink.limits import files_no_larger_than
from tests.streamer.sink.results import boxes, result, results


def write(path: Path, given: list[Result], config: OutputConfig | None = None) -> VideoSink:
    """Write results without closing the sink."""
    sink = VideoSink(path, config or OutputConfig(), audio=False)
    write_on(sink, given)
    return sink


def write_on(sink: VideoSink, given: list[Result]) -> None:
    for each in given:
        sink.write(each.blurred, each)


def numbers(images: list[Image]) -> list[int]:
    return [footage.number_of(image) for image in images]


def times(given: list[Result]) -> list[Fraction]:
    return [each.pts * each.time_base for each in given]


@pytest.mark.parametrize(
    ("time_base", "start"),
    [
        (Fraction(1, 90_000), 126_001),
        (Fraction(1, 1000), 17),
        (Fraction(1001, 30_000), 3),
        (Fraction(1, 1_000_000), 1_400_033),
        (Fraction(1, 25), 0),
    ],
)
def test_times_are_the_sources_to_the_unit_at_a_variable_rate(
    tmp_path: Path, time_base: Fraction, start: int
) -> None:
    step = max(1, round(Fraction(1, 25) / time_base))
    steps = np.random.default_rng(0).integers(1, 2 * step + 1, 39)
    pts = [start, *(start + np.cumsum(steps)).tolist()]
    given = [result(i, footage.picture(i), pts=pts[i], time_base=time_base) for i in range(40)]
    write(tmp_path / "a.mp4", given).close()
    clip = footage.read_clip(tmp_path / "a.mp4")
    assert clip.times == times(given)
    assert numbers(clip.images) == list(range(40))


@pytest.mark.parametrize(
    ("durations", "last"), [([0, 0, 0], 4), ([0, 0, 7], 7), ([3, 4, 0], 4)], ids=["unknown", "known", "lost"]
)
def test_the_last_picture_is_shown_for_its_duration_or_as_long_as_the_one_before(
    tmp_path: Path, durations: list[int], last: int
) -> None:
    pts = [10, 13, 17]
    given = [
        result(i, footage.picture(i), pts=pts[i], time_base=Fraction(1, 100), duration=durations[i])
        for i in range(3)
    ]
    write(tmp_path / "a.mp4", given).close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        assert stream.duration * stream.time_base == Fraction(7 + last, 100)


def test_a_single_picture_is_shown_as_long_as_the_declared_rate_says(tmp_path: Path) -> None:
    stream = Stream(64, 48, Fraction(5))
    given = [result(0, footage.picture(0), time_base=Fraction(1, 1000), stream=stream)]
    write(tmp_path / "a.mp4", given).close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert [packet.duration * packet.time_base for packet in packets if packet.duration] == [
            Fraction(1, 5)
        ]


def test_another_time_base_after_a_reconnect_is_converted_and_never_repeats_a_time(tmp_path: Path) -> None:
    given = [result(0, footage.picture(0), pts=0, time_base=Fraction(1, 100))]
    given += [result(i, footage.picture(i), pts=i, time_base=Fraction(1, 1000)) for i in (1, 2, 30)]
    write(tmp_path / "a.mp4", given).close()
    clip = footage.read_clip(tmp_path / "a.mp4")
    assert clip.times == [Fraction(0), Fraction(1, 100), Fraction(2, 100), Fraction(3, 100)]
    assert numbers(clip.images) == [0, 1, 2, 30]


@pytest.mark.parametrize("fps", [5, 25])
def test_there_is_a_keyframe_every_two_seconds_whatever_the_rate(tmp_path: Path, fps: int) -> None:
    write(tmp_path / "a.mp4", results(5 * fps, fps=fps, start=Fraction(7, 5))).close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        keys = [
            packet.pts * packet.time_base
            for packet in container.demux(video=0)
            if packet.is_keyframe and packet.pts
        ]
    assert keys == [Fraction(7, 5), Fraction(17, 5), Fraction(27, 5)]


def test_no_picture_waits_for_a_later_one(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", results(30)).close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert not container.streams.video[0].codec_context.has_b_frames
    assert [packet.pts for packet in packets] == [packet.dts for packet in packets]


@pytest.mark.parametrize("preset", ["ultrafast", "medium"])
@pytest.mark.parametrize("fps", [5, 25])
def test_what_a_kill_leaves_lacks_at_most_the_last_second(tmp_path: Path, preset: str, fps: int) -> None:
    given = results(100, fps=fps, start=Fraction(7, 5))
    sink = write(tmp_path / "a.mp4", given, OutputConfig.model_validate({"preset": preset}))
    # nothing but the kernel holds data here: what a reader sees now is what a kill would leave
    (tmp_path / "left.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    sink.close()
    clip = footage.read_clip(tmp_path / "left.mp4")
    left = len(clip.images)
    assert 100 - fps <= left < 100
    assert clip.times == times(given)[:left]
    assert numbers(clip.images) == list(range(left))


def test_a_killed_process_leaves_a_file_that_plays(tmp_path: Path) -> None:
    code = f"""
        import os, signal
        from pathlib import Path
        from tests.streamer.sink.results import results
        from tests.streamer.sink.test_video import write
        sink = write(Path({str(tmp_path / "a.mp4")!r}), results(100, fps=10))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=Path(__file__).parents[3])
    assert done.returncode == -signal.SIGKILL
    clip = footage.read_clip(tmp_path / "a.mp4")
    assert len(clip.images) >= 90
    assert numbers(clip.images) == list(range(len(clip.images)))
    assert clip.times == [Fraction(i, 10) for i in range(len(clip.images))]


def test_a_closed_file_is_an_ordinary_mp4(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", results(60)).close()
    names = boxes((tmp_path / "a.mp4").read_bytes())
    assert "moof" not in names
    assert names.count("mdat") == names.count("moov") == 1


@pytest.mark.parametrize("size", [(64, 48), (63, 48), (64, 47), (33, 17), (64, 50), (2, 2)], ids=str)
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_colours_and_sizes_come_back_by_the_files_own_tags(
    tmp_path: Path, size: tuple[int, int], matrix: str
) -> None:
    width, height = size
    colours = [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 255, 255),
        (0, 0, 0),
        (200, 30, 90),
        (90, 160, 40),
    ]
    images = [np.full((height, width, 3), colour, np.uint8) for colour in colours]
    stream = Stream(width, height, matrix=matrix)
    config = OutputConfig(crf=1)
    write(
        tmp_path / "a.mp4", [result(i, image, stream=stream) for i, image in enumerate(images)], config
    ).close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        code = {"bt601": 6, "bt709": 1}[matrix]
        assert (context.colorspace, context.color_primaries, context.color_trc) == (code, code, code)
        assert context.color_range == 1
        assert (context.width, context.height) == size
    decoded = footage.read_clip(tmp_path / "a.mp4").images
    for image, came_back in zip(images, decoded, strict=True):
        assert np.abs(came_back.astype(int) - image).max() <= 3


def test_a_real_picture_comes_back_well(tmp_path: Path) -> None:
    image = footage.picture(77, 320, 240)
    write(tmp_path / "a.mp4", [result(0, image)]).close()
    (came_back,) = footage.read_clip(tmp_path / "a.mp4").images
    error = np.mean((came_back[60:].astype(float) - image[60:]) ** 2)  # below the sharp number blocks
    assert 10 * np.log10(255**2 / error) > 38


def test_another_size_is_fitted_into_the_first_with_black_bars_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grey = [
        np.full((h, w, 3), 200, np.uint8) for w, h in ((64, 48), (128, 48), (128, 48), (64, 48), (30, 60))
    ]
    with caplog.at_level(logging.WARNING):
        write(tmp_path / "a.mp4", [result(i, image) for i, image in enumerate(grey)]).close()
    decoded = [image[..., 1] for image in footage.read_clip(tmp_path / "a.mp4").images]
    assert {image.shape for image in decoded} == {(48, 64)}
    for wide in decoded[1:3]:  # 128x48 into 64x24 in the middle
        assert wide[15:33].min() > 190
        assert wide[:9].max() < 30
        assert wide[39:].max() < 30
    assert decoded[3].min() > 190
    tall = decoded[4]  # 30x60 into 24x48 in the middle
    assert tall[:, 24:40].min() > 190
    assert tall[:, :16].max() < 30
    assert tall[:, 48:].max() < 30
    assert [record.message.split("pictures are ")[1] for record in caplog.records] == [
        "128x48 now, fitted into 64x48",
        "64x48 now, fitted into 64x48",
        "30x60 now, fitted into 64x48",
    ]


def test_no_file_is_left_where_nothing_was_written(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "a.mp4", OutputConfig(), audio=True)
    sink.close()
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_closing_twice_changes_nothing(tmp_path: Path) -> None:
    sink = write(tmp_path / "a.mp4", results(10))
    sink.close()
    data = (tmp_path / "a.mp4").read_bytes()
    sink.close()
    assert (tmp_path / "a.mp4").read_bytes() == data


def test_a_missing_folder_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "a.mp4"
    with pytest.raises(SinkError, match=r"gone/a\.mp4: cannot be written: No such file or directory$"):
        write(path, results(1))


def test_a_size_that_h264_cannot_hold_is_told_in_one_line_and_leaves_no_file(tmp_path: Path) -> None:
    image = np.zeros((2, 40_000, 3), np.uint8)
    with pytest.raises(SinkError, match=r"a\.mp4: cannot be written: ") as caught:
        write(tmp_path / "a.mp4", [result(0, image)])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("full_after", [30, 60])
def test_a_full_disk_is_told_once_and_what_is_whole_plays(tmp_path: Path, full_after: int) -> None:
    given = results(100)
    sink = write(tmp_path / "a.mp4", given[:full_after])
    with files_no_larger_than((tmp_path / "a.mp4").stat().st_size + 1000):
        with pytest.raises(SinkError, match=r"a\.mp4: cannot be written: File too large$"):
            write_on(sink, given[full_after:])
        sink.close()
    clip = footage.read_clip(tmp_path / "a.mp4")
    assert full_after - 13 <= len(clip.images) <= full_after
    assert clip.times == times(given)[: len(clip.images)]
    assert numbers(clip.images) == list(range(len(clip.images)))


@pytest.mark.parametrize("missing", [1, 400, 2000])
def test_a_disk_that_fills_while_a_file_is_closed_spoils_nothing(tmp_path: Path, missing: int) -> None:
    given = results(60)
    write(tmp_path / "all.mp4", given).close()
    sink = write(tmp_path / "a.mp4", given)
    with files_no_larger_than((tmp_path / "all.mp4").stat().st_size - missing):
        with pytest.raises(SinkError, match=r"a\.mp4: cannot be written: File too large$"):
            sink.close()
        sink.close()
    clip = footage.read_clip(tmp_path / "a.mp4")
    assert len(clip.images) >= 50
    assert numbers(clip.images) == list(range(len(clip.images)))


def test_a_disk_that_is_full_from_the_start_leaves_no_file(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "a.mp4", OutputConfig(), audio=False)
    with files_no_larger_than(200):
        with pytest.raises(SinkError):
            write_on(sink, results(60))
        sink.close()
    assert list(tmp_path.iterdir()) == []
