"""Restarts of a live camera, by Ctrl-C and by a kill: an open event is raised once and ended once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import live
from tests.standin import rows, summary

pytestmark = pytest.mark.usefixtures("here")

ROOT = Path(__file__).resolve().parents[1]

PATIENCE = 100.0
"""Seconds without the awaited progress after which a test fails."""

CONFIG = (
    "version: 1\ndevice: cpu\nrestore: off\nwatch: {tamper: {}}\n"
    "cameras: {gate: {source: 'rtsp://viewer:hunter2@gate.local/1'}}\n"
)
GATE = Path("out/gate")


class Running:
    """A run of the live camera in another process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def wait_until(self, reached: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not reached():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.02)

    def frames(self, count: int) -> None:
        """Wait for so many more rows."""
        log = GATE / "frames.csv"
        before = log.read_bytes().count(b"\n") if log.exists() else 0
        self.wait_until(lambda: log.exists() and log.read_bytes().count(b"\n") > before + count, "frames")

    def events(self, count: int) -> None:
        """Wait for so many lines."""
        self.wait_until(lambda: len(lines()) >= count, f"{count} lines of events")

    def end(self, number: int) -> str:
        """Send a signal; return what was said."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=PATIENCE)
        assert "Traceback" not in err
        return err


@contextmanager
def running() -> Iterator[Running]:
    """Run anew, over what is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.live", "run", "cam.yaml", "--overwrite"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        yield Running(process)
    finally:
        process.kill()
        process.communicate()


def lines() -> list[dict[str, Any]]:
    path = GATE / "events.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def raise_event(run: Running) -> dict[str, Any]:
    """Let the view be learned, then cover the camera; return the line that says so."""
    run.frames(60)
    live.show("covered")
    run.events(1)
    (start,) = lines()
    return start


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_camera_that_is_still_covered_after_a_restart_raises_no_second_event_and_ends_the_first(
    number: int,
) -> None:
    Path("cam.yaml").write_text(CONFIG)
    live.show("clear")
    with running() as run:
        start = raise_event(run)
        run.wait_until((GATE / "watch.npz").exists, "what is kept")
        run.frames(10)
        said = run.end(number)
    assert [line["state"] for line in lines()] == ["start"]  # the end of a run is not the end of a cover
    if number == signal.SIGINT:
        assert run.process.returncode == 130
        assert "gate: covered is still open" in said
        assert summary(GATE)["events"] == {"covered": 1}
    picture = (GATE / start["thumbnail"]).read_bytes()
    with running() as run:
        run.events(1)
        run.frames(60)  # 12 s of the camera's time, long enough for another event
        (again,) = lines()
        live.show("clear")
        run.events(2)
        said = run.end(signal.SIGINT)
    first, end = lines()
    assert first == again
    assert {**again, "start_s": start["start_s"]} == start
    assert again["start_s"] < 0  # before this run began
    assert (GATE / again["thumbnail"]).read_bytes() == picture
    assert {**end, "score": start["score"], "evidence": start["evidence"]} == {
        **again, "state": "end", "end_s": end["end_s"], "score": start["score"],
    }  # fmt: skip
    assert 0 < end["end_s"] <= float(rows(GATE)[-1]["time_s"])
    assert said.count("gate: covered since") == said.count("still open") == 1
    assert said.count("gate: covered until") == 1
    assert summary(GATE)["events"] == {}
    for file in GATE.rglob("*.*"):
        assert b"hunter2" not in file.read_bytes()


@pytest.mark.slow
def test_what_cannot_be_read_or_kept_stops_nothing_and_what_is_open_then_ends_with_the_run() -> None:
    Path("cam.yaml").write_text(CONFIG)
    live.show("clear")
    (GATE / ".watch.npz.part").mkdir(parents=True)  # what the file is written to first
    (GATE / "watch.npz").write_bytes(b"PK\x03\x04 half a file")
    with running() as run:
        raise_event(run)
        run.frames(60)
        said = run.end(signal.SIGINT)
    assert said.count("out/gate/watch.npz: is damaged, views are learned anew") == 1
    assert said.count("out/gate/watch.npz: cannot be written: Is a directory") == 1
    assert [line["state"] for line in lines()] == ["start", "end"]
    assert summary(GATE)["error"] is None
