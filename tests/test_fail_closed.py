"""Rule 1: whatever goes wrong with a detector or a hider, no frame leaves that was not looked at and hidden.

Every picture is noise all over, so that any part of it that shows is known by its colours.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

import streamer
from streamer import channel, hide
from streamer.errors import StageError
from streamer.frame import Image, Result
from streamer.hide import GREY
from tests import footage
from tests.faulty import RAISES, RETURNS, Factory, Fault, hanging, raising
from tests.standin import box_of, command, rows, summary

ROOT = Path(__file__).resolve().parents[1]

FRAMES = 12

SECONDS = 1.5
"""After which a call counts as hung: much more than any other takes."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("footage") / "yard.mkv"
    return footage.write_clip(path, [pattern(number) for number in range(FRAMES)])


@pytest.fixture(autouse=True)
def here(here: Path, clip: Path) -> Path:
    """An empty folder to work in, with a clip."""
    Path("yard.mkv").symlink_to(clip)
    return here


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What detectors hang on, until the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def pattern(number: int) -> Image:
    """A numbered picture of coarse noise: it survives the encoder, and is the same, so that nothing cuts."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    image = footage.picture(number)
    image[8:] = coarse.repeat(8, 0).repeat(8, 1)[8:]
    return image


def settings(on_failure: str = "hide", **changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "device": "cpu",
        "cameras": {"yard": {"source": "yard.mkv"}},
        "detect": {"on_failure": on_failure, "timeout": SECONDS},
        "restore": "off",
        **changes,
    }


def install(monkeypatch: pytest.MonkeyPatch, fault: Fault, when: Callable[[int], bool]) -> Factory:
    factory = Factory(fault, when)
    monkeypatch.setattr("streamer.detect.load", factory)
    return factory


def assert_hidden(result: Result) -> None:
    """The object of a frame is hidden, or all of it."""
    if result.failure is not None:
        assert (result.blurred == GREY).all()
        return
    original = pattern(result.index)
    x0, y0, x1, y1 = (round(edge) for edge in box_of(result.index))
    shown = result.blurred[y0:y1, x0:x1].astype(int)
    assert np.abs(shown - original[y0:y1, x0:x1]).mean() > 20


def assert_files_say_the_same(results: list[Result], causes: dict[str, int], on_failure: str) -> None:
    """Video, rows and summary agree with the results, and with what went wrong."""
    facts = summary(Path("out/yard"))
    assert facts["frames_hidden_whole"] == (causes if on_failure == "hide" else {})
    assert facts["frames_dropped"] == (causes if on_failure == "drop" else {})
    nothing = f"no frame could be hidden as it must be: all {FRAMES} were dropped, nothing was written"
    assert facts["error"] == (None if results else nothing)
    assert facts["frames_read"] == FRAMES == len(results) + sum(facts["frames_dropped"].values())
    assert [int(row["frame"]) for row in rows(Path("out/yard"))] == [result.index for result in results]
    if not results:
        assert not Path("out/yard/blurred.mp4").exists()
        return
    decoded = footage.read_clip("out/yard/blurred.mp4")
    assert decoded.times == [result.pts * result.time_base for result in results]
    for result, image in zip(results, decoded.images, strict=True):
        assert np.abs(image.astype(int) - result.blurred).mean() < 8  # the encoder's loss


def run(on_failure: str, **changes: Any) -> list[Result]:
    with streamer.open(settings(on_failure, **changes)) as opened:
        results = list(opened)
        assert opened.failed == (not results)  # a camera of which nothing could be shown has failed
    for result in results:
        assert_hidden(result)
    return results


def assert_ends(stage: str, on_failure: str) -> None:
    """A run ends because a stage hung for the second time, with whole files of what was written by then."""
    results = []
    with (
        streamer.open(settings(on_failure, track={"lookahead": 0.0})) as opened,
        pytest.raises(StageError, match="for the second time"),
    ):
        for result in opened:
            results.append(result)
            assert_hidden(result)
    facts = summary(Path("out/yard"))
    assert (
        facts["run_error"] == f"{stage}: no answer within 1.5 s, for the second time (detect.timeout is 1.5)"
    )
    assert 0 < len(results) == facts["frames_written"] == len(rows(Path("out/yard")))
    assert len(footage.read_clip("out/yard/blurred.mp4").images) == len(results)
    assert facts["frames_read"] == len(results) + sum(facts["frames_dropped"].values())


ALL = {**RETURNS, **{name: raising(error) for name, error in RAISES.items()}}


@pytest.mark.parametrize("on_failure", ["hide", "drop"])
@pytest.mark.parametrize("kind", ALL)
def test_a_detector_that_always_fails_shows_nothing(
    kind: str, on_failure: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(monkeypatch, ALL[kind], lambda call: True)
    results = run(on_failure)
    assert [result.index for result in results] == (list(range(FRAMES)) if on_failure == "hide" else [])
    assert all((result.blurred == GREY).all() for result in results)
    assert_files_say_the_same(results, {"detector": FRAMES}, on_failure)
    fate = {"hide": "hidden whole", "drop": "dropped"}[on_failure]
    assert f"detection failed, 1 frame(s) {fate}, the last frame 0 of yard: " in caplog.text


@pytest.mark.parametrize("kind", ALL)
def test_a_detector_that_fails_once_is_asked_again_and_nothing_is_lost(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(monkeypatch, ALL[kind], lambda call: call == 3)
    results = run("drop")
    assert [result.failure for result in results] == [None] * FRAMES
    assert_files_say_the_same(results, {}, "drop")
    assert "detection failed 1 time(s) and succeeded when it was tried again: " in caplog.text


@pytest.mark.parametrize("on_failure", ["hide", "drop"])
def test_memory_that_lasts_for_one_picture_alone_costs_nothing(
    on_failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append(1))

    def fault(found: list[Any]) -> list[Any]:
        if len(found) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return found

    factory = install(monkeypatch, fault, lambda call: True)
    assert [result.failure for result in run(on_failure)] == [None] * FRAMES
    batches = [size for detector in factory.loaded for size in detector.batches]
    assert len(freed) == sum(size > 1 for size in batches)


@pytest.mark.parametrize("on_failure", ["hide", "drop"])
@pytest.mark.parametrize("every", [1, 4])
def test_a_detector_that_hangs_is_replaced_and_its_batch_shows_nothing(
    on_failure: str,
    every: int,
    released: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    factory = install(monkeypatch, hanging(released), lambda call: call == 2)
    detect = {"on_failure": on_failure, "timeout": SECONDS, "every": every}
    with streamer.open(settings(detect=detect)) as opened:
        results = []
        for result in opened:
            results.append(result)
            assert_hidden(result)
        assert not opened.failed
    assert len(factory.loaded) == 2
    assert factory.threads[1] == "detect, guarded"  # where it may hang as well
    (lost,) = (
        {*summary(Path("out/yard"))["frames_dropped"].values()}
        if on_failure == "drop"
        else {len([result for result in results if result.failure])}
    )
    assert 1 <= lost <= 2  # a batch
    assert_files_say_the_same(results, {"detector hung": lost}, on_failure)
    assert "detect: no answer within 1.5 s (detect.timeout is 1.5): left behind, another one" in caplog.text
    said = next(record.message for record in caplog.records if "detection failed" in record.message)
    assert said.endswith(": no answer within 1.5 s")
    assert channel.is_hanging()


@pytest.mark.parametrize("on_failure", ["hide", "drop"])
def test_a_second_hang_ends_the_run_with_files_that_play(
    on_failure: str, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, hanging(released), lambda call: call in (2, 5))
    assert_ends("detect", on_failure)


@pytest.mark.parametrize("on_failure", ["hide", "drop"])
@pytest.mark.parametrize(
    "error", [MemoryError("no room"), torch.OutOfMemoryError("out"), RuntimeError("bad")], ids=repr
)
def test_a_hider_that_always_fails_shows_nothing(
    error: Exception, on_failure: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise error

    install(monkeypatch, lambda found: found, lambda call: False)
    monkeypatch.setattr("streamer.hide.hide", broken)
    results = run(on_failure)
    assert all((result.blurred == GREY).all() for result in results)
    assert_files_say_the_same(results, {"hider": FRAMES}, on_failure)
    assert "hiding failed, 1 frame(s) " in caplog.text


def hanging_hider(
    monkeypatch: pytest.MonkeyPatch, released: threading.Event, when: Callable[[int], bool]
) -> list[str]:
    """Let hiding hang at some of its calls, counted from 1; returns the names of the threads of all calls."""
    ordinary = hide.hide
    threads: list[str] = []

    def hider(*arguments: Any) -> hide.Covering:
        threads.append(threading.current_thread().name)
        if when(len(threads)):
            released.wait()
        return ordinary(*arguments)

    install(monkeypatch, lambda found: found, lambda call: False)
    monkeypatch.setattr("streamer.hide.hide", hider)
    return threads


@pytest.mark.parametrize("on_failure", ["hide", "drop"])
def test_a_hider_that_hangs_is_replaced_and_its_batch_shows_nothing(
    on_failure: str,
    released: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    threads = hanging_hider(monkeypatch, released, lambda call: call == 4)
    results = run(on_failure, track={"lookahead": 0.0})
    assert set(threads) == {"hide, guarded"}
    facts = summary(Path("out/yard"))
    lost = (facts["frames_dropped"] if on_failure == "drop" else facts["frames_hidden_whole"])["hider hung"]
    assert 1 <= lost <= 2  # a batch
    assert_files_say_the_same(results, {"hider hung": lost}, on_failure)
    assert "hide: no answer within 1.5 s (detect.timeout is 1.5): left behind, another one" in caplog.text
    said = next(record.message for record in caplog.records if "hiding failed" in record.message)
    assert said.startswith(f"hiding failed, 1 frame(s) {'dropped' if on_failure == 'drop' else 'hidden'}")
    assert channel.is_hanging()


@pytest.mark.parametrize("on_failure", ["hide", "drop"])
def test_a_second_hang_of_the_hider_ends_the_run_with_files_that_play(
    on_failure: str, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging_hider(monkeypatch, released, lambda call: call in (4, 8))
    assert_ends("hide", on_failure)


def test_what_is_restored_of_a_frame_that_failed_shows_nothing_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, raising(RuntimeError("always")), lambda call: True)
    for result in run("hide", restore={}):
        assert result.restored is not None
        assert (result.restored == GREY).all()


@pytest.mark.parametrize("lookahead", [0.0, 0.3])
def test_the_frame_after_one_that_failed_is_looked_at_whatever_the_turn(
    lookahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the first picture fails in its batch and alone: without a look at the second nobody knew of the object
    factory = Factory(raising(RuntimeError("twice")), lambda call: call in (1, 2), batch_size=4)
    monkeypatch.setattr("streamer.detect.load", factory)
    detect = {"every": 6, "hide_threshold": 0.15}
    results = run("hide", detect=detect, track={"lookahead": lookahead})
    assert [result.index for result in results if result.failure] == [0]
    looked = [result.index for result in results if result.detections.looked]
    assert looked == [1, 7]


def test_each_camera_has_its_own_policy_and_the_table_says_what_became_of_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, raising(RuntimeError("always")), lambda call: True)
    Path("cam.yaml").write_text(
        "version: 1\ndevice: cpu\nrestore: off\ncameras:\n"
        "  shown: {source: yard.mkv}\n  not: {source: yard.mkv, detect: {on_failure: drop}}\n",
        encoding="utf-8",
    )
    outcome = command("run", "cam.yaml")
    assert outcome.code == 1
    said = [line for line in outcome.err.splitlines() if "nothing was written" in line]
    assert len(said) == 1
    assert "not: no frame could be hidden as it must be" in said[0]
    assert summary(Path("out/shown"))["frames_hidden_whole"] == {"detector": FRAMES}
    assert summary(Path("out/shown"))["error"] is None
    assert summary(Path("out/not"))["frames_dropped"] == {"detector": FRAMES}
    assert outcome.out.count(f"{FRAMES} ({FRAMES} detector)") == 2
    assert not Path("out/not/blurred.mp4").exists()


def test_the_sound_of_dropped_frames_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = footage.Sound(footage.chirp(FRAMES / 25, 16000), 16000)
    Path("yard.mkv").unlink()
    footage.write_clip(Path("yard.mkv"), [pattern(number) for number in range(FRAMES)], sound=sound)
    whole = footage.read_sound("yard.mkv")
    install(monkeypatch, raising(RuntimeError("for a while")), lambda call: 3 < call < 12)
    results = run("drop")
    assert 0 < len(results) < FRAMES
    heard = footage.read_sound("out/yard/blurred.mp4")
    assert len(heard.samples) == pytest.approx(len(whole.samples), rel=0.05)


def test_sound_of_dropped_frames_beyond_what_is_kept_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.camera.MOST_ORPHANS", 3)
    sound = footage.Sound(footage.chirp(FRAMES / 25, 16000), 16000)
    Path("yard.mkv").unlink()
    footage.write_clip(Path("yard.mkv"), [pattern(number) for number in range(FRAMES)], sound=sound)
    install(monkeypatch, raising(RuntimeError("for a while")), lambda call: call < 12)
    results = run("drop")
    assert 0 < len(results) < FRAMES
    lost = summary(Path("out/yard"))["audio_packets_dropped"]
    assert 0 < lost == packets("yard.mkv") - packets("out/yard/blurred.mp4")


def packets(path: str) -> int:
    """How many packets of sound a file has."""
    with av.open(path) as container:
        return sum(packet.size > 0 for packet in container.demux(audio=0))


@pytest.mark.timeout(120)
def test_the_process_ends_though_two_native_calls_never_return(here: Path) -> None:
    Path("cam.yaml").write_text(
        "version: 1\ndevice: cpu\nrestore: off\ndetect: {timeout: 1.5}\n"
        "track: {lookahead: 0}\n"
        "cameras: {yard: {source: yard.mkv}}\n",
        encoding="utf-8",
    )
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faulty", "run", "cam.yaml"],
        capture_output=True, text=True, timeout=100, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    said = "detect: no answer within 1.5 s, for the second time (detect.timeout is 1.5)"
    assert ended.stderr.splitlines()[-1] == f"streamer: {said}"
    assert "Traceback" not in ended.stderr
    facts = summary(here / "out/yard")
    assert facts["run_error"] == said
    written = facts["frames_written"]
    assert 0 < written < FRAMES
    assert len(rows(here / "out/yard")) == written == len(footage.read_clip("out/yard/blurred.mp4").images)
    assert "yard" in ended.stdout  # the closing table
