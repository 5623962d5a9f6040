"""What is left when a run is interrupted, ended or killed in the middle, as another process sees it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests import footage
from tests.standin import rows, summary

ROOT = Path(__file__).resolve().parents[1]

FRAMES = 3000
"""Far more than are processed before the signal comes."""

CAMERAS = ("gate", "yard")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long footage with sound and an uneven frame rate, in MKV so that 3000 tiny frames stay small."""
    path = tmp_path_factory.mktemp("footage") / "long.mkv"
    pictures = [footage.picture(number) for number in range(50)] * (FRAMES // 50)
    pts = [40 * number + (number % 3) for number in range(FRAMES)]
    sound = footage.Sound(footage.chirp(FRAMES / 25, 8000), 8000)
    options = {"preset": "ultrafast", "crf": "30"}
    footage.write_clip(path, pictures, pts=pts, time_base=Fraction(1, 1000), sound=sound, options=options)
    return path


@contextmanager
def running(folder: Path, clip: Path, *, seconds: float = 0.002) -> Iterator[subprocess.Popen[str]]:
    """The command at work on two cameras, in another process; ends it whatever happens."""
    cameras = "".join(f"  {name}: {{source: {clip}}}\n" for name in CAMERAS)
    config = folder / "cam.yaml"
    config.write_text(f"version: 1\ndevice: cpu\ncameras:\n{cameras}", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.standin", "run", config],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "STANDIN_SECONDS": str(seconds)},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """Wait for progress that can be seen; a process that ends, or stands still, fails the test."""
    deadline = time.monotonic() + 60
    while not reached():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline, "no progress"
        time.sleep(0.02)


def lines(folder: Path, camera: str) -> int:
    path = folder / "out" / camera / "frames.csv"
    return path.read_bytes().count(b"\n") - 1 if path.exists() else 0


def times_of_source(clip: Path) -> list[Fraction]:
    return [Fraction(40 * number + (number % 3), 1000) for number in range(FRAMES)]


def frames_in_index(path: Path) -> int:
    """How many pictures an MP4's index tells of before any of its fragments is looked at."""
    with av.open(str(path)) as container:
        return container.streams.video[0].frames


@pytest.mark.parametrize(
    ("number", "code", "name"), [(signal.SIGINT, 130, "SIGINT"), (signal.SIGTERM, 143, "SIGTERM")]
)
def test_a_signal_in_the_middle_finishes_the_files(
    tmp_path: Path, clip: Path, number: int, code: int, name: str
) -> None:
    with running(tmp_path, clip) as process:
        wait_until(process, lambda: min(lines(tmp_path, camera) for camera in CAMERAS) >= 30)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert f"ended early by {name}" in out
    for camera in CAMERAS:
        folder = tmp_path / "out" / camera
        written = len(rows(folder))
        assert 30 <= written < FRAMES
        for video in ("blurred.mp4", "restored.mp4"):
            decoded = footage.read_clip(folder / video)
            assert decoded.times == times_of_source(clip)[:written]
            assert [footage.number_of(image) for image in decoded.images] == [n % 50 for n in range(written)]
            assert frames_in_index(folder / video) == written
        sound = footage.read_sound(folder / "blurred.mp4")
        assert len(sound.samples) / sound.rate == pytest.approx(written / 25, abs=0.5)
        facts = summary(folder)
        assert facts["stopped_by"] == name
        assert facts["error"] is None
        assert facts["frames_written"] == written
        assert facts["frames_read"] == written + sum(facts["frames_dropped"].values())


def test_a_kill_in_the_middle_leaves_files_that_play_up_to_the_last_second(
    tmp_path: Path, clip: Path
) -> None:
    with running(tmp_path, clip) as process:
        wait_until(process, lambda: min(lines(tmp_path, camera) for camera in CAMERAS) >= 120)
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    for camera in CAMERAS:
        folder = tmp_path / "out" / camera
        logged = [float(row["time_s"]) for row in rows(folder)]
        assert logged == [float(time) for time in times_of_source(clip)[: len(logged)]]
        for video in ("blurred.mp4", "restored.mp4"):
            decoded = footage.read_clip(folder / video)
            assert decoded.times == times_of_source(clip)[: len(decoded.times)]
            # fragments are of a second or a little more, and each is begun by the frame after the last one
            assert float(decoded.times[-1]) >= logged[-1] - 1.2
            assert footage.number_of(decoded.images[-1]) == (len(decoded.images) - 1) % 50
        assert footage.read_sound(folder / "blurred.mp4").rate == 8000
        assert not (folder / "summary.json").exists()


def test_a_second_interrupt_ends_at_once(tmp_path: Path, clip: Path) -> None:
    # what is in flight at half a second a picture would hold it up for long
    with running(tmp_path, clip, seconds=0.5) as process:
        wait_until(process, lambda: max(lines(tmp_path, camera) for camera in CAMERAS) >= 1)
        while process.poll() is None:  # two at the same moment would count as one
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        _, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err
    # which an end in good order would have written
    assert not [path for camera in CAMERAS if (path := tmp_path / "out" / camera / "summary.json").exists()]
