"""The whole run, from Python, with a detector that needs no weights."""

import csv
import json
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import streamer
from streamer import measure, source
from streamer.config import parse
from streamer.errors import SinkError, SourceError, StageError
from streamer.frame import Discontinuity, End, Frame, Image, Result, Stream
from streamer.hide import GREY
from streamer.pipeline import Run
from streamer.restore import stage as restoring
from streamer.sink.video import VideoSink
from tests import footage
from tests.standin import StandIn, box_of

FRAMES = 30


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return footage.write_clip(tmp_path / "yard.mp4", FRAMES)


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    output = {"directory": str(folder / "out")}
    return {"version": 1, "device": "cpu", "restore": "off", "output": output, **changes}


def rows(folder: Path, camera: str) -> list[dict[str, str]]:
    with (folder / "out" / camera / "frames.csv").open() as file:
        return list(csv.DictReader(file))


def summary(folder: Path, camera: str) -> dict[str, Any]:
    return dict(json.loads((folder / "out" / camera / "summary.json").read_text()))


def box(number: int) -> tuple[slice, slice]:
    x0, y0, x1, y1 = box_of(number)
    return slice(round(y0), round(y1)), slice(round(x0), round(x1))


@pytest.mark.usefixtures("detector")
def test_every_frame_of_a_file_comes_out_in_order_with_its_time_and_its_row(
    tmp_path: Path, clip: Path
) -> None:
    pts = [0, 1, 2, 5, 6, 10, 11, 12, 20, 21]
    clip = footage.write_clip(tmp_path / "vfr.mkv", 10, pts=pts, time_base=Fraction(1, 1000))
    with streamer.open(settings(tmp_path), [clip]) as run:
        results = list(run)
    assert [result.pts * result.time_base for result in results] == [Fraction(p, 1000) for p in pts]
    assert footage.read_clip(tmp_path / "out/vfr/blurred.mp4").times == [Fraction(p, 1000) for p in pts]
    assert [int(row["frame"]) for row in rows(tmp_path, "vfr")] == list(range(10))
    assert [float(row["time_s"]) for row in rows(tmp_path, "vfr")] == [p / 1000 for p in pts]
    assert summary(tmp_path, "vfr")["frames_written"] == 10


@pytest.mark.usefixtures("detector")
def test_no_pixel_of_a_hidden_region_survives_into_what_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    originals = []
    for number in range(10):
        image = footage.picture(number, 320, 240)
        x0, y0, x1, y1 = (round(v) for v in box_of(number, 320, 240))
        image[y0:y1, x0:x1] = rng.integers(0, 256, (y1 - y0, x1 - x0, 3), np.uint8)
        originals.append(image)
    clip = footage.write_clip(tmp_path / "noise.mp4", originals)
    with streamer.open(settings(tmp_path, restore={}), [clip]) as run:
        run.wait()
    for name in ("blurred.mp4", "restored.mp4"):
        decoded = footage.read_clip(tmp_path / "out/noise" / name).images
        assert len(decoded) == 10
        for number, (image, original) in enumerate(zip(decoded, originals, strict=True)):
            x0, y0, x1, y1 = (round(v) for v in box_of(number, 320, 240))
            shown, secret = image[y0:y1, x0:x1].astype(float), original[y0:y1, x0:x1].astype(float)
            assert abs(np.corrcoef(shown.ravel(), secret.ravel())[0, 1]) < 0.1
            assert shown.std() < 0.3 * secret.std()
            outside = np.abs(image[: y0 - 20].astype(int) - original[: y0 - 20])
            assert outside.mean() < 6  # the encoder's loss, not the hider's


@pytest.mark.usefixtures("detector")
def test_results_hold_pictures_detections_metrics_and_time_but_no_original(
    tmp_path: Path, clip: Path
) -> None:
    with streamer.open(settings(tmp_path, restore={}), [clip]) as run:
        result = list(run)[3]
    assert result.blurred.shape == (48, 64, 3)
    assert result.restored is not None
    assert result.detections.labels == ("car",)
    assert result.metrics.psnr_blurred_roi is not None
    assert result.time_s == pytest.approx(3 / 25)
    original = footage.read_clip(clip).images[3]
    pictures = [value for slot in Result.__slots__ if isinstance(value := getattr(result, slot), np.ndarray)]
    assert not any(np.array_equal(value, original) for value in pictures)


def test_a_detector_that_raises_once_costs_nothing(tmp_path: Path, clip: Path, detector: StandIn) -> None:
    detector.failing, detector.fails_once = {4}, True
    with streamer.open(settings(tmp_path), [clip]) as run:
        results = list(run)
    assert [result.failure for result in results] == [None] * FRAMES
    assert summary(tmp_path, "yard")["frames_hidden_whole"] == {}


def test_frames_on_which_the_detector_always_raises_leave_hidden_whole_and_counted(
    tmp_path: Path, clip: Path, detector: StandIn
) -> None:
    detector.failing = {4, 5, 9}
    # at the default quality the dither of the frames before shows through by 13 levels at times
    output = {"directory": str(tmp_path / "out"), "crf": 8}
    with streamer.open(settings(tmp_path, output=output), [clip]) as run:
        results = list(run)
        assert not run.failed
    assert [result.index for result in results if result.failure == "detector"] == [4, 5, 9]
    assert summary(tmp_path, "yard")["frames_hidden_whole"] == {"detector": 3}
    decoded = footage.read_clip(tmp_path / "out/yard/blurred.mp4").images
    assert len(decoded) == FRAMES
    for number, image in enumerate(decoded):
        assert (np.abs(image.astype(int) - GREY).max() <= 12) == (number in {4, 5, 9})  # the encoder rounds


def test_a_detector_that_raises_for_every_frame_hides_them_all_and_the_run_goes_on(
    tmp_path: Path, clip: Path, detector: StandIn
) -> None:
    detector.failing = set(range(FRAMES))
    with streamer.open(settings(tmp_path, restore={}), [clip]) as run:
        for result in run:
            assert (result.blurred == GREY).all()
            assert result.restored is not None
            assert (result.restored == GREY).all()
            assert result.regions.tolist() == [[0, 0, 64, 48]]
    assert summary(tmp_path, "yard")["frames_hidden_whole"] == {"detector": FRAMES}


@pytest.mark.usefixtures("detector")
def test_a_hider_that_raises_hides_whole(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MemoryError("no room for a mask")

    monkeypatch.setattr("streamer.hide.hide", broken)
    with streamer.open(settings(tmp_path), [clip]) as run:
        assert all((result.blurred == GREY).all() and result.failure == "hider" for result in run)


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize(
    ("module", "function", "stage"), [(measure, "measure", "measure"), (restoring, "_end", "restore")]
)
def test_a_stage_that_raises_ends_the_run_and_is_named(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, module: Any, function: str, stage: str
) -> None:
    calls = iter(range(1000))
    ordinary = getattr(module, function)

    def broken(*arguments: Any) -> Any:
        if next(calls) == 7:
            raise ZeroDivisionError("no such number")
        return ordinary(*arguments)

    monkeypatch.setattr(module, function, broken)
    other = footage.write_clip(tmp_path / "gate.mp4", FRAMES)
    with (
        pytest.raises(StageError, match=f"^{stage}: ZeroDivisionError: no such number"),
        streamer.open(settings(tmp_path), [clip, other]) as run,
    ):
        run.wait()
    assert run.failed
    for camera in ("yard", "gate"):  # what was written before is whole
        written = len(rows(tmp_path, camera))
        video = tmp_path / "out" / camera / "blurred.mp4"
        assert written == (len(footage.read_clip(video).images) if video.exists() else 0)
        assert "no such number" in summary(tmp_path, camera)["run_error"]


@pytest.mark.usefixtures("detector")
def test_a_sink_that_fails_ends_its_camera_alone(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = footage.write_clip(tmp_path / "gate.mp4", FRAMES)
    ordinary = VideoSink.write

    def full(self: VideoSink, image: Image, result: Result) -> None:
        if result.camera == "gate" and result.index == 5:
            raise SinkError("blurred.mp4: no space left on device")
        ordinary(self, image, result)

    monkeypatch.setattr(VideoSink, "write", full)
    with streamer.open(settings(tmp_path), [clip, other]) as run:
        written = [result.camera for result in run]
        assert run.failed
    assert written.count("yard") == FRAMES
    assert written.count("gate") == 5
    facts = summary(tmp_path, "gate")
    assert "no space left" in facts["error"]
    assert facts["frames_written"] == 5 == len(rows(tmp_path, "gate"))
    assert facts["frames_read"] == 5 + sum(facts["frames_dropped"].values())
    assert len(footage.read_clip(tmp_path / "out/gate/blurred.mp4").images) == 5
    assert summary(tmp_path, "yard")["error"] is None


@pytest.mark.usefixtures("detector")
def test_a_source_that_fails_loses_none_of_the_frames_before(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = source.read

    def breaking(camera: str, *arguments: Any) -> Iterator[Frame | Discontinuity | End]:
        for item in ordinary(camera, *arguments):
            if camera == "gate" and isinstance(item, Frame) and item.index == 12:
                raise SourceError("gate.mp4 ends early")
            yield item

    monkeypatch.setattr(source, "read", breaking)
    other = footage.write_clip(tmp_path / "gate.mp4", FRAMES)
    with streamer.open(settings(tmp_path), [clip, other]) as run:
        written = [result.camera for result in run]
        assert run.failed
    assert (written.count("gate"), written.count("yard")) == (12, FRAMES)
    assert summary(tmp_path, "gate")["error"] == "gate.mp4 ends early"


def live_frames(count: int, gap: float) -> Iterator[Frame | Discontinuity | End]:
    """A camera that sends a frame every ``gap`` seconds, whatever happens to them."""
    stream = Stream(64, 48, Fraction(25), live=True)
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number * gap - time.monotonic()))
        image = footage.picture(number)
        yield Frame("live", number, image, 3600 * number, Fraction(1, 90000), time.monotonic(), stream)
    yield End("live")


def with_live(folder: Path, clip: Path) -> Run:
    data = settings(folder, cameras={"live": {"source": "rtsp://camera/1"}, "yard": {"source": str(clip)}})
    return Run(parse(data))


@pytest.mark.usefixtures("detector")
def test_a_slow_disk_under_one_camera_does_not_touch_the_live_one_beside_it(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary_read, ordinary_write = source.read, VideoSink.write
    live_is_over = threading.Event()
    # by its own results and not by a clock, so that a busy machine drops nothing; fewer than ``LIVE_CREDITS``
    ahead = threading.Semaphore(3)

    def one_by_one() -> Iterator[Frame | Discontinuity | End]:
        for item in live_frames(60, 0.0):
            if isinstance(item, Frame) and not ahead.acquire(timeout=30):
                live_is_over.set()  # it is blocked: let all end, and the counts tell
                yield End("live")
                return
            yield item

    def read(camera: str, *arguments: Any) -> Iterator[Frame | Discontinuity | End]:
        return one_by_one() if camera == "live" else ordinary_read(camera, *arguments)

    def write(self: VideoSink, image: Image, result: Result) -> None:
        if result.camera == "yard":  # as slow as can be: nothing moves until the live camera is done
            assert live_is_over.wait(60)
        ordinary_write(self, image, result)

    monkeypatch.setattr(source, "read", read)
    monkeypatch.setattr(VideoSink, "write", write)
    with with_live(tmp_path, clip) as run:
        for result in run:
            if result.camera == "live":
                ahead.release()
                if result.index == 59:
                    live_is_over.set()
    assert summary(tmp_path, "live")["frames_written"] == 60
    assert sum(summary(tmp_path, "live")["frames_dropped"].values()) == 0
    assert summary(tmp_path, "yard")["frames_written"] == FRAMES


def test_a_live_camera_beside_footage_gets_its_turn(
    tmp_path: Path, detector: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector.seconds = 0.01
    ordinary_read = source.read

    def read(camera: str, *arguments: Any) -> Iterator[Frame | Discontinuity | End]:
        return live_frames(60, 0.04) if camera == "live" else ordinary_read(camera, *arguments)

    monkeypatch.setattr(source, "read", read)
    files = {f"file{n}": {"source": str(footage.write_clip(tmp_path / f"{n}.mp4", 400))} for n in range(3)}
    run = Run(parse(settings(tmp_path, cameras={"live": {"source": "rtsp://camera/1"}, **files})))
    with run:
        for result in run:
            if result.camera == "live" and result.index == 59:
                break
    written = run.cameras["live"].books.written
    # a quarter of the detector's 100 a second is what the camera sends; behind the files' queue it got 7
    assert written >= 30


@pytest.mark.usefixtures("detector")
def test_a_live_camera_whose_output_is_behind_drops_and_counts_and_keeps_what_is_in_flight_bounded(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary_read, ordinary_write = source.read, VideoSink.write
    over = threading.Event()
    most = 0

    def frames() -> Iterator[Frame | Discontinuity | End]:
        nonlocal most
        for item in live_frames(80, 0.005):
            most = max(most, run.cameras["live"].credits.in_flight)
            yield item
        over.set()

    def read(camera: str, *arguments: Any) -> Iterator[Frame | Discontinuity | End]:
        return frames() if camera == "live" else ordinary_read(camera, *arguments)

    def write(self: VideoSink, image: Image, result: Result) -> None:
        if result.camera == "live":
            assert over.wait(60)
        ordinary_write(self, image, result)

    monkeypatch.setattr(source, "read", read)
    monkeypatch.setattr(VideoSink, "write", write)
    run = with_live(tmp_path, clip)
    with run:
        written = [result.index for result in run if result.camera == "live"]
    facts = summary(tmp_path, "live")
    assert most <= run.cameras["live"].credits.count < 20
    assert facts["frames_written"] + sum(facts["frames_dropped"].values()) == 80
    assert facts["frames_dropped"]["output is behind"] > 0
    assert written == sorted(written)
    assert summary(tmp_path, "yard")["frames_written"] == FRAMES


@pytest.mark.usefixtures("detector")
def test_leaving_the_block_early_stops_the_run_and_finishes_the_files(tmp_path: Path) -> None:
    clip = footage.write_clip(tmp_path / "yard.mp4", 300)
    with streamer.open(settings(tmp_path), [clip]) as run:
        for result in run:
            if result.index == 5:
                break
    written = len(rows(tmp_path, "yard"))
    assert 6 <= written < 300
    assert len(footage.read_clip(tmp_path / "out/yard/blurred.mp4").images) == written
    assert summary(tmp_path, "yard")["stopped_by"] == "the caller"


@pytest.mark.usefixtures("detector")
def test_a_caller_that_raises_ends_the_run_without_a_deadlock(tmp_path: Path) -> None:
    clip = footage.write_clip(tmp_path / "yard.mp4", 300)
    with pytest.raises(KeyError, match="mine"), streamer.open(settings(tmp_path), [clip]) as run:
        for _ in run:
            raise KeyError("mine")
    assert len(rows(tmp_path, "yard")) < 300


@pytest.mark.usefixtures("detector")
def test_a_run_that_nobody_reads_does_not_run_ahead_and_can_be_left(tmp_path: Path) -> None:
    clip = footage.write_clip(tmp_path / "yard.mp4", 300)
    with streamer.open(settings(tmp_path), [clip]) as run:
        while run.cameras["yard"].books.written < run.cameras["yard"].credits.count:
            time.sleep(0.01)
        time.sleep(0.2)
        assert run.cameras["yard"].books.written == run.cameras["yard"].credits.count


@pytest.mark.usefixtures("detector")
def test_with_output_off_results_come_and_nothing_is_written(tmp_path: Path, clip: Path) -> None:
    with streamer.open({**settings(tmp_path), "output": "off"}, [clip]) as run:
        assert [result.index for result in run] == list(range(FRAMES))
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("detector")
def test_many_runs_leave_no_thread_and_no_file_open(tmp_path: Path) -> None:
    clip = footage.write_clip(tmp_path / "yard.mp4", 3)
    process = psutil.Process()
    counts = []
    for _ in range(6):
        with streamer.open(settings(tmp_path), [clip], overwrite=True) as run:
            run.wait()
        counts.append((process.num_fds(), threading.active_count()))
    assert counts[-1] == counts[1]


@pytest.mark.usefixtures("detector")
def test_cameras_have_their_own_classes_threshold_blur_and_restoring(tmp_path: Path, clip: Path) -> None:
    data = settings(
        tmp_path,
        cameras={
            "plain": {"source": str(clip)},
            "people": {"source": str(clip), "detect": {"classes": ["person"]}},
            "strict": {"source": str(clip), "detect": {"threshold": 0.95, "hide_threshold": 0.95}},
            "restored": {"source": str(clip), "restore": {"mode": "regions"}},
        },
    )
    with Run(parse(data)) as run:
        found = dict.fromkeys(run.config.cameras, 0)
        for result in run:
            found[result.camera] += int(result.detections.count(0.0).sum())
            assert (result.restored is not None) == (result.camera == "restored")
    assert found == {"plain": FRAMES, "people": 0, "strict": 0, "restored": FRAMES}
    assert not (tmp_path / "out/plain/restored.mp4").exists()
    assert rows(tmp_path, "plain")[0]["psnr_restored_db"] == ""
    assert rows(tmp_path, "people")[0]["psnr_blurred_db"] == "inf"


@pytest.mark.usefixtures("detector")
def test_a_window_of_more_frames_than_a_camera_has_credits_neither_blocks_nor_grows(tmp_path: Path) -> None:
    clip = footage.write_clip(tmp_path / "yard.mp4", 260, time_base=Fraction(1, 50))
    most = 0
    with streamer.open(settings(tmp_path, track={"lookahead": 2.0}), [clip]) as run:
        indices = []
        for result in run:
            indices.append(result.index)
            most = max(most, run.cameras["yard"].credits.in_flight)
        credits = run.cameras["yard"].credits
    assert indices == list(range(260))
    assert 100 < most <= 101 + credits.count
    assert credits.in_flight == 0
    assert summary(tmp_path, "yard")["frames_written"] == 260


@pytest.mark.usefixtures("detector")
def test_leaving_the_block_while_frames_wait_finishes_the_files(tmp_path: Path) -> None:
    clips = [footage.write_clip(tmp_path / f"{name}.mp4", 300) for name in ("gate", "yard")]
    with streamer.open(settings(tmp_path, track={"lookahead": 4.0}), clips) as run:
        for _ in run:
            break
    for name in ("gate", "yard"):
        written = len(rows(tmp_path, name))
        assert written < 300
        assert [int(row["frame"]) for row in rows(tmp_path, name)] == list(range(written))
        assert run.cameras[name].credits.in_flight == 0


def test_with_every_only_every_nth_frame_is_looked_at_and_all_are_hidden(
    tmp_path: Path, detector: StandIn
) -> None:
    clip = footage.write_clip(tmp_path / "yard.mp4", 21)
    with streamer.open(settings(tmp_path, detect={"every": 5}), [clip]) as run:
        for result in run:
            x0, y0, x1, y1 = box_of(result.index)
            assert any(
                left <= x0 and top <= y0 and right >= x1 and bottom >= y1
                for left, top, right, bottom in result.regions.tolist()
            )
            assert result.failure is None
    assert sum(detector.batches) == 5
    counts = [row["objects"] for row in rows(tmp_path, "yard")]
    assert counts == [("1" if index % 5 == 0 else "") for index in range(21)]


def test_a_frame_that_the_detector_failed_on_is_made_up_for_by_the_next(
    tmp_path: Path, detector: StandIn
) -> None:
    detector.failing = {5}
    clip = footage.write_clip(tmp_path / "yard.mp4", 12)
    with streamer.open(settings(tmp_path, detect={"every": 5}), [clip]) as run:
        failed = [result.index for result in run if result.failure is not None]
    assert failed == [5]
    looked = [int(row["frame"]) for row in rows(tmp_path, "yard") if row["objects"] == "1"]
    assert looked in ([0, 6, 11], [0, 10])  # the sixth, or, where it was in the same batch, the next turn


@pytest.mark.usefixtures("detector")
def test_a_live_camera_does_not_wait_by_default(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = source.read
    left = threading.Event()

    def read(camera: str, *arguments: Any) -> Iterator[Frame | Discontinuity | End]:
        if camera != "live":
            yield from ordinary(camera, *arguments)
            return
        for item in live_frames(5, 0.01):
            if isinstance(item, Frame) and item.index == 3:
                assert left.wait(60)  # the third came out before the fourth came in
            yield item

    monkeypatch.setattr(source, "read", read)
    with with_live(tmp_path, clip) as run:
        for result in run:
            if result.camera == "live" and result.index == 2:
                left.set()
    assert summary(tmp_path, "live")["frames_written"] == 5
