"""Live cameras through the whole command: real RTSP servers that come late, die, come back and go silent."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
import pytest

import streamer
from streamer.frame import Result
from streamer.pipeline import Run
from tests import footage, rtsp
from tests.standin import StandIn, command, rows, summary

pytestmark = [pytest.mark.rtsp, pytest.mark.usefixtures("here", "detector")]

ROOT = Path(__file__).resolve().parents[1]

PATIENCE = 60.0
"""Seconds without the awaited progress after which a test fails."""


@pytest.fixture
def camera() -> Iterator[rtsp.Camera]:
    with rtsp.Camera() as server:
        yield server


@pytest.fixture
def other() -> Iterator[rtsp.Camera]:
    with rtsp.Camera() as server:
        yield server


def wait_until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


class Watched:
    """A run whose results are gathered in a thread, so that a test may wait for them and meddle meanwhile."""

    def __init__(self, cameras: dict[str, dict[str, Any]], **settings: Any) -> None:
        data = {"version": 1, "device": "cpu", "restore": "off", "cameras": cameras, **settings}
        self.run: Run = streamer.open(data)
        self.results: dict[str, list[Result]] = {name: [] for name in cameras}
        self._thread = threading.Thread(target=self._gather)

    def _gather(self) -> None:
        with self.run:
            for result in self.run:
                self.results[result.camera].append(result)

    def more(self, camera: str, count: int) -> None:
        """Wait for so many further results of a camera."""
        enough = len(self.results[camera]) + count
        wait_until(lambda: len(self.results[camera]) >= enough, f"{count} more frames of {camera}")

    def end(self) -> None:
        """Stop the run and wait for its end."""
        self.run.stop("the test")
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the run did not stop"

    def __enter__(self) -> "Watched":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def times(results: list[Result]) -> list[Fraction]:
    return [result.pts * result.time_base for result in results]


def assert_whole(camera: str, results: list[Result]) -> None:
    """Video, rows and results of a camera agree, and time only rises."""
    assert times(results) == sorted(set(times(results)))
    assert results[0].index > 0 or times(results)[0] == 0
    decoded = footage.read_clip(f"out/{camera}/blurred.mp4")
    assert decoded.times == times(results)
    table = rows(Path("out", camera))
    assert [int(row["frame"]) for row in table] == [result.index for result in results]
    assert [float(row["time_s"]) for row in table] == [round(float(time), 6) for time in times(results)]
    facts = summary(Path("out", camera))
    assert facts["stopped_by"] == "the test"
    assert facts["frames_written"] == len(results)
    assert facts["frames_read"] == len(results) + sum(facts["frames_dropped"].values())


def test_a_camera_comes_late_dies_comes_back_and_goes_silent_while_another_runs_on(
    camera: rtsp.Camera, other: rtsp.Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.source.live.PAUSES", (0.2, 0.5))
    other.start()
    cameras: dict[str, dict[str, Any]] = {
        "gate": {"source": camera.url, "timeout": 1.5}, "yard": {"source": other.url},
    }  # fmt: skip
    with Watched(cameras) as watched:
        watched.more("yard", 10)
        assert not watched.results["gate"]
        camera.start(audio="alaw")
        watched.more("gate", 12)
        camera.kill()
        watched.more("yard", 10)
        camera.start(width=96, height=64)  # which now has another size
        watched.more("gate", 12)
        camera.silence()
        lost_after = len(watched.results["gate"])
        watched.more("yard", 25)
        camera.resume()
        watched.more("gate", 12)
        assert len(watched.results["gate"]) > lost_after
        watched.end()
    gate, yard = watched.results["gate"], watched.results["yard"]
    assert_whole("gate", gate)
    assert_whole("yard", yard)
    assert summary(Path("out/gate"))["reconnects"] >= 2
    assert summary(Path("out/gate"))["error"] is None
    assert {result.blurred.shape for result in gate} == {(48, 64, 3), (64, 96, 3)}
    # the outages are in the first camera's time, not in the other's, which lost nothing meanwhile
    assert max(np.diff([float(time) for time in times(gate)])) > 1.0
    assert max(np.diff([float(time) for time in times(yard)])) < 0.5
    assert summary(Path("out/yard"))["reconnects"] == 0
    # a camera's first frames come in a burst, of which only the latest are kept; a busy machine may drop more
    later = [result.index for result in yard[10:]]
    assert len(later) >= 0.8 * (later[-1] - later[0] + 1)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_both_transports_give_a_video_from_time_zero_with_sound_and_a_latency_for_each_frame(
    camera: rtsp.Camera, transport: str
) -> None:
    camera.start(audio="aac")
    with Watched({"gate": {"source": camera.url, "transport": transport}}) as watched:
        watched.more("gate", 25)
    assert_whole("gate", watched.results["gate"])
    with av.open("out/gate/blurred.mp4") as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    # 10 frames a second by the camera's own clock
    gaps = np.diff([float(time) for time in times(watched.results["gate"])])
    assert np.median(gaps) == pytest.approx(0.1, abs=0.02)
    assert all(float(row["latency_ms"]) > 0 for row in rows(Path("out/gate")))
    assert watched.results["gate"][0].stream.live


def test_when_processing_is_slow_the_oldest_frames_are_dropped_and_counted_and_the_delay_stays_bounded(
    camera: rtsp.Camera, detector: StandIn
) -> None:
    detector.seconds, detector.batch_size = 0.2, 1
    camera.start(fps=30)
    with Watched({"gate": {"source": camera.url}}) as watched:
        watched.more("gate", 50)
    assert_whole("gate", watched.results["gate"])
    facts = summary(Path("out/gate"))
    assert facts["frames_dropped"]["processing is behind"] > 2 * facts["frames_written"]
    # had they queued up, the last ones would have waited for 50 * (0.2 - 1/30) = 8 s; in flight are 6 at most
    assert max(float(row["latency_ms"]) for row in rows(Path("out/gate"))) < 6000


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of a server that accepts connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.timeout(60)
def test_a_stop_while_connecting_or_reading_waits_no_longer_than_the_time_out(
    camera: rtsp.Camera, mute: int
) -> None:
    camera.start()
    cameras = {
        "mute": {"source": f"rtsp://127.0.0.1:{mute}/", "timeout": 2.0},
        "gate": {"source": camera.url, "timeout": 2.0},
    }
    with Watched(cameras) as watched:
        watched.more("gate", 3)
        camera.silence()
        began = time.monotonic()
        watched.end()
    # the time-out and some time to finish the files in; without a time-out it would be for ever
    assert time.monotonic() - began < 20
    assert not Path("out/mute/blurred.mp4").exists()
    assert summary(Path("out/mute"))["frames_read"] == 0
    assert_whole("gate", watched.results["gate"])


def test_a_camera_that_was_never_there_has_failed_when_duration_ends_the_run() -> None:
    footage.write_clip(Path("yard.mp4"), 10)
    Path("cam.yaml").write_text(
        "version: 1\ndevice: cpu\nrestore: off\n"
        f"cameras: {{gate: {{source: 'rtsp://127.0.0.1:{rtsp.free_port()}/'}}, yard: {{source: yard.mp4}}}}",
        encoding="utf-8",
    )
    outcome = command("run", "cam.yaml", "--duration", "1")
    assert outcome.code == 1
    assert "gate: not reached, trying until it answers: " in outcome.err
    lines = [line for line in outcome.err.splitlines() if "gate: never reached: rtsp://127.0.0.1" in line]
    assert len(lines) == 1
    assert lines[0].endswith("Connection refused")
    assert summary(Path("out/gate"))["error"].startswith("never reached: ")
    assert summary(Path("out/gate"))["frames_read"] == 0
    assert not Path("out/gate/blurred.mp4").exists()
    assert len(rows(Path("out/yard"))) == 10


def test_ctrl_c_ends_a_live_run_beside_footage_and_credentials_are_shown_nowhere(here: Path) -> None:
    footage.write_clip(Path("yard.mp4"), 10)
    with rtsp.Camera(password="hunter2") as server, rtsp.Camera(password="hunter2") as closed:
        server.start()
        closed.start()
        address = "rtsp://${CAM_USER}:${CAM_PASSWORD}@127.0.0.1"
        Path("cam.yaml").write_text(
            "version: 1\ndevice: cpu\ncameras:\n"
            f"  gate: {{source: '{address}:{server.port}/stream'}}\n"
            f"  shut: {{source: 'rtsp://viewer:letmein@127.0.0.1:{closed.port}/stream'}}\n"
            "  yard: {source: yard.mp4}\n",
            encoding="utf-8",
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.standin", "run", "cam.yaml", "--verbose"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CAM_USER": "viewer", "CAM_PASSWORD": "hunter2"},
        )  # fmt: skip
        try:
            log = Path("out/gate/frames.csv")
            wait_until(lambda: log.exists() and log.read_bytes().count(b"\n") > 15, "frames of a live camera")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.communicate()
    assert process.returncode == 130
    shown = out + err + "".join(file.read_text("utf-8", "replace") for file in Path("out").rglob("*.*"))
    assert "rtsp://***@127.0.0.1" in shown
    assert "user and password are refused (401)" in err
    for secret in ("hunter2", "viewer", "letmein"):
        assert secret not in shown
    for name in ("gate", "yard"):
        written = len(rows(Path("out", name)))
        for video in ("blurred.mp4", "restored.mp4"):
            assert len(footage.read_clip(Path("out", name, video)).images) == written
    assert summary(Path("out/gate"))["stopped_by"] == "SIGINT"
    assert summary(Path("out/yard"))["stopped_by"] is None
    assert summary(Path("out/yard"))["frames_written"] == 10
