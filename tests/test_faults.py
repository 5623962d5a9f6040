"""Faults put into every place of a run: it ends, says why, and no thread and no other camera suffers."""

import importlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import streamer
from streamer.camera import Camera
from streamer.errors import StageError
from streamer.pipeline import Run
from tests import footage
from tests.standin import StandIn, command, rows, summary

pytestmark = pytest.mark.usefixtures("detector")

FRAMES = 20


@pytest.fixture(autouse=True)
def here(here: Path) -> Path:
    """An empty folder to work in, with a clip for each of two cameras."""
    for name in ("gate", "yard"):
        footage.write_clip(Path(f"{name}.mp4"), FRAMES)
    return here


def settings(**changes: Any) -> dict[str, Any]:
    cameras = {name: {"source": f"{name}.mp4"} for name in ("gate", "yard")}
    return {"version": 1, "device": "cpu", "cameras": cameras, **changes}


def break_at(
    monkeypatch: pytest.MonkeyPatch, place: str, error: BaseException, when: Callable[[int], bool]
) -> None:
    """Let a function raise at some of its calls, counted from 1."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    ordinary, calls, lock = getattr(owner, name), 0, threading.Lock()

    def broken(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        with lock:
            calls += 1
            now = when(calls)
        if now:
            raise error
        return ordinary(*arguments, **named)

    monkeypatch.setattr(owner, name, broken)


OF_ONE_CAMERA = (
    "streamer.source:read",
    "streamer.source.recording:open_file",
    "streamer.source.framer:Framer.frame",
    "streamer.source.picture:Converter.convert",
    "streamer.camera:Camera._admit",
    "streamer.camera:Books.enter",
    "streamer.sink.video:VideoSink.write",
    "streamer.sink.video:VideoSink.close",
    "streamer.sink.log:LogSink.write",
    "streamer.sink.log:LogSink.close",
)


@pytest.mark.parametrize("place", OF_ONE_CAMERA)
@pytest.mark.parametrize(
    "error", [RuntimeError("broken"), MemoryError("broken"), SystemExit("broken")], ids=repr
)
def test_a_fault_in_what_belongs_to_one_camera_ends_that_camera_alone(
    place: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_at(monkeypatch, place, error, lambda call: call == 1)
    with streamer.open(settings(restore="off")) as run:
        run.wait()
        assert run.failed
    (failed,) = (name for name, camera in run.cameras.items() if camera.error is not None)
    (other,) = set(run.cameras) - {failed}
    assert "broken" in summary(Path("out", failed))["error"]
    assert summary(Path("out", other))["error"] is None
    assert (
        len(rows(Path("out", other))) == FRAMES == len(footage.read_clip(f"out/{other}/blurred.mp4").images)
    )


OF_ALL_CAMERAS = (
    ("streamer.detect.stage:all_or_each", "detect"),
    ("streamer.hide:all_or_each", "hide"),
    ("streamer.restore.stage:_end", "restore"),
    ("streamer.measure:psnr", "measure"),
)


@pytest.mark.parametrize(("place", "stage"), OF_ALL_CAMERAS)
def test_a_fault_in_a_shared_stage_ends_the_run_and_names_the_stage(
    place: str, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_at(monkeypatch, place, RuntimeError("broken"), lambda call: call == 5)
    Path("cam.yaml").write_text(json.dumps(settings()), encoding="utf-8")
    outcome = command("run", "cam.yaml", "-q")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == f"streamer: {stage}: RuntimeError: broken"
    for camera in ("gate", "yard"):
        folder = Path("out", camera)
        assert summary(folder)["run_error"] == f"{stage}: RuntimeError: broken"
        written = len(rows(folder))
        assert written < FRAMES
        if (folder / "blurred.mp4").exists():
            assert len(footage.read_clip(folder / "blurred.mp4").images) == written


def test_no_frame_leaves_when_even_hiding_it_whole_fails(
    detector: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector.failing = {3}
    break_at(monkeypatch, "streamer.hide:cover", RuntimeError("broken"), lambda call: True)
    with pytest.raises(StageError), streamer.open(settings(cameras={"gate": {"source": "gate.mp4"}})) as run:
        for result in run:
            assert result.index < 3
    decoded = (
        footage.read_clip("out/gate/blurred.mp4").images if Path("out/gate/blurred.mp4").exists() else []
    )
    assert [footage.number_of(image) for image in decoded] == list(range(len(decoded)))
    assert len(decoded) <= 3


def test_what_ended_a_camera_is_known_before_its_summary_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary = Camera.fail

    def late(self: Camera, error: BaseException) -> None:
        time.sleep(0.3)
        ordinary(self, error)

    monkeypatch.setattr(Camera, "fail", late)
    break_at(
        monkeypatch, "streamer.source.framer:Framer.frame", RuntimeError("broken"), lambda call: call == 3
    )
    with streamer.open(settings(cameras={"gate": {"source": "gate.mp4"}})) as run:
        run.wait()
        assert run.failed
    assert "broken" in summary(Path("out/gate"))["error"]


@pytest.mark.parametrize("output", [{}, "off"])
def test_what_ended_the_run_is_known_before_its_results_end(
    output: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = Run._fail

    def late(self: Run, error: BaseException) -> None:
        time.sleep(0.3)
        ordinary(self, error)

    monkeypatch.setattr(Run, "_fail", late)
    break_at(monkeypatch, "streamer.measure:psnr", RuntimeError("broken"), lambda call: call == 9)
    with streamer.open(settings(output=output)) as run, pytest.raises(StageError, match="broken"):
        run.wait()


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_a_thread_that_cannot_be_started_leaves_none_of_the_others(
    nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_at(
        monkeypatch,
        "threading:Thread.start",
        RuntimeError("can't start new thread"),
        lambda call: call == nth,
    )
    with pytest.raises(RuntimeError, match="can't start new thread"), streamer.open(settings()) as run:
        run.wait()


def test_a_run_goes_once_and_inside_its_block() -> None:
    run = streamer.open(settings())
    with pytest.raises(RuntimeError, match="inside its block"):
        next(iter(run))
    with run:
        assert len(list(run)) == 2 * FRAMES
        assert list(run) == []
    assert list(run) == []
    with pytest.raises(RuntimeError, match="goes once"), run:
        pass


def test_a_run_may_be_stopped_before_it_starts_and_from_any_thread() -> None:
    run = streamer.open(settings())
    run.stop("me")
    with run:
        run.wait()
    assert run.summary()["stopped_by"] == "me"
    with streamer.open(settings(), overwrite=True) as run:
        stopper = threading.Thread(target=run.stop, args=("another thread",))
        stopper.start()
        run.wait()
        stopper.join()
    assert summary(Path("out/gate"))["stopped_by"] in ("another thread", None)


def test_an_iterator_that_is_held_on_to_does_not_hold_up_the_end() -> None:
    with streamer.open(settings()) as run:
        held = iter(run)
        first = next(held)
    assert first.index == 0
    assert list(held) == []
    for camera in ("gate", "yard"):
        assert len(rows(Path("out", camera))) == len(footage.read_clip(f"out/{camera}/blurred.mp4").images)
