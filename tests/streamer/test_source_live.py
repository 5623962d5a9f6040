"""A live camera: a real RTSP server that is late, killed, changed, silent, or not there at all."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from streamer.config import CameraConfig
from streamer.errors import SourceError
from streamer.frame import Discontinuity, End, Frame
from streamer.source import SourceStats, live, probe, read
from tests.rtsp import Camera, free_port

Item = Frame | Discontinuity | End

SECRET = "s3cret"
BARS = [(255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0)]
"""The left four of the seven bars that the server shows, as R, G and B."""


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAUSES", (0.2,))


def reading(
    url: str, stop: threading.Event, stats: SourceStats, *, transport: str = "tcp", timeout: float = 3.0
) -> Iterator[Item]:
    config = CameraConfig(source=url, transport=transport, timeout=timeout)  # type: ignore[arg-type]  # a literal
    return read("gate", config, stop, stats)


def follow(items: Iterator[Item], at: dict[int, Callable[[], object]]) -> list[Item]:
    """Read to the end, doing what is to be done when so many frames have come."""
    got: list[Item] = []
    frames = 0
    for item in items:
        got.append(item)
        if isinstance(item, Frame):
            frames += 1
            at.get(frames, lambda: None)()
    return got


def frames_in(items: list[Item]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame)]


def shows_bars(frame: Frame) -> bool:
    """Whether the picture is that of the server, by the middles of its first bars in the upper half."""
    height, width = frame.image.shape[:2]
    columns = [int((bar + 0.5) * width / 7) for bar in range(4)]
    seen = frame.image[height // 4, columns].astype(int)
    return bool(np.abs(seen - np.array(BARS)).max() < 25)


@pytest.mark.rtsp
@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("audio", ["none", "alaw", "aac"])
def test_a_camera_is_read_from_zero_with_its_sound(transport: str, audio: str) -> None:
    stop, stats = threading.Event(), SourceStats()
    with Camera(audio=audio, fps=20).start() as camera:
        items = follow(reading(camera.url, stop, stats, transport=transport), {25: stop.set})
    frames = frames_in(items)
    assert isinstance(items[-1], End)
    assert not any(isinstance(item, Discontinuity) for item in items)
    assert len(frames) == 25
    assert [frame.index for frame in frames] == list(range(25))
    assert frames[0].pts == 0
    assert all(frame.time_base == Fraction(1, 90000) for frame in frames)
    steps = [later.pts - earlier.pts for earlier, later in pairwise(frames)]
    assert sorted(steps)[len(steps) // 2] == 4500
    assert min(steps) > 0
    assert sum(steps) == pytest.approx(24 * 4500, abs=9000)
    assert shows_bars(frames[-1])
    stream = frames[0].stream
    assert (stream.width, stream.height, stream.live, stream.frames) == (64, 48, True, None)
    if audio == "none":
        assert stream.audio is None
        return
    assert stream.audio is not None
    assert stream.audio.codec == {"alaw": "pcm_alaw", "aac": "aac"}[audio]
    packets = [packet for frame in frames for packet in frame.audio]
    heard = [packet.pts * packet.time_base for packet in packets if packet.pts is not None]
    assert len(heard) == len(packets) > 5
    assert heard == sorted(set(heard))
    assert frames[-1].time_s - 1 < heard[-1] < frames[-1].time_s + 1
    assert {packet.time_base for packet in packets} == {stream.audio.time_base}


@pytest.mark.rtsp
def test_a_camera_that_starts_late_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    stop, stats = threading.Event(), SourceStats()
    with Camera(password=SECRET) as camera, caplog.at_level(logging.INFO, "streamer.source"):
        starter = threading.Timer(1.0, camera.start)
        starter.start()
        items = follow(reading(camera.url, stop, stats), {3: stop.set})
        starter.join()
    assert [type(item) for item in items] == [Frame, Frame, Frame, End]
    assert frames_in(items)[0].pts == 0
    assert stats.connections == 1
    where = f"rtsp://***@127.0.0.1:{camera.port}/stream"
    assert [record.getMessage() for record in caplog.records] == [
        f"gate: not reached, trying until it answers: {where}: Connection refused",
        f"gate: connected to {where}",
    ]


@pytest.mark.rtsp
def test_a_camera_that_is_killed_and_comes_back_in_another_size_goes_on() -> None:
    stop, stats = threading.Event(), SourceStats()

    def restart() -> None:
        camera.kill()
        camera.start(width=96, height=64)

    with Camera(audio="alaw").start() as camera:
        items = follow(reading(camera.url, stop, stats), {15: restart, 40: stop.set})
    frames = frames_in(items)
    sizes = [frame.image.shape[1] for frame in frames]
    changed = sizes.index(96)
    assert changed >= 15
    assert sizes == [64] * changed + [96] * (40 - changed)
    gap_at = next(at for at, item in enumerate(items) if isinstance(item, Discontinuity))
    assert gap_at == changed
    assert sum(isinstance(item, Discontinuity) for item in items) == 1
    assert frames[changed].stream is not frames[0].stream
    assert frames[changed].stream.audio == frames[0].stream.audio
    assert all(later.pts > earlier.pts for earlier, later in pairwise(frames))
    assert [frame.index for frame in frames] == list(range(40))
    # the gap is as long as it took, and the first frame after it is where the wall says
    gap = float((frames[changed].pts - frames[changed - 1].pts) * frames[0].time_base)
    waited = frames[changed].read_at - frames[changed - 1].read_at
    assert gap == pytest.approx(waited, abs=0.2)
    assert stats.connections == 2
    heard = [packet.dts for item in items if isinstance(item, Frame | End) for packet in item.audio]
    assert heard == sorted(set(heard))  # type: ignore[type-var]  # never None
    assert shows_bars(frames[-1])


@pytest.mark.rtsp
@pytest.mark.parametrize("kind", ["", "video"])
def test_a_camera_that_goes_silent_is_lost_even_while_its_sound_goes_on(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    stop, stats = threading.Event(), SourceStats()
    with (
        Camera(audio="alaw", password=SECRET).start() as camera,
        caplog.at_level(logging.WARNING, "streamer.source"),
    ):
        healer = threading.Timer(2.0, camera.resume)

        def fall_silent() -> None:
            camera.silence(kind)
            healer.start()

        items = follow(reading(camera.url, stop, stats, timeout=1.0), {15: fall_silent, 30: stop.set})
        healer.join()
    assert len(frames_in(items)) == 30
    assert stats.connections == 2
    assert any(isinstance(item, Discontinuity) for item in items)
    assert "gate: lost, trying until it answers" in caplog.text
    assert "no picture for 1 s" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.rtsp
@pytest.mark.parametrize("password", ["", "wrong"])
def test_refused_credentials_are_said_and_never_shown(
    password: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Camera(password=SECRET).start() as camera:
        login = f"viewer:{password}@" if password else ""
        url = f"rtsp://{login}127.0.0.1:{camera.port}/stream"
        with pytest.raises(SourceError, match=r"user and password are refused \(401\)") as error:
            probe(CameraConfig(source=url))
        with pytest.raises(SourceError, match="404"):
            probe(CameraConfig(source=camera.url.replace("/stream", "/other")))
    assert "wrong" not in str(error.value)
    assert error.value.__suppress_context__


@pytest.mark.rtsp
def test_a_probe_tells_what_a_camera_sends() -> None:
    with Camera(audio="aac", width=96, height=64, fps=5).start() as camera:
        stream = probe(CameraConfig(source=camera.url))
    assert (stream.width, stream.height, stream.live) == (96, 64, True)
    assert stream.audio is not None
    assert (stream.audio.codec, stream.audio.sample_rate, stream.audio.layout) == ("aac", 16000, "mono")


def test_a_probe_of_a_camera_that_is_not_there_fails_at_once() -> None:
    url = f"rtsp://admin:{SECRET}@127.0.0.1:{free_port()}/stream"
    with pytest.raises(SourceError, match=r"rtsp://\*\*\*@127.0.0.1:\d+/stream: Connection refused") as error:
        probe(CameraConfig(source=url))
    assert SECRET not in str(error.value)


def test_an_unreachable_camera_is_said_once_stopped_between_tries_and_has_failed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            pauses.append(timeout)
            if len(pauses) == 8:
                self.set()
            return self.is_set()

    monkeypatch.setattr(live, "PAUSES", (1.0, 2.0, 5.0, 10.0, 30.0))
    url = f"rtsp://admin:{SECRET}@127.0.0.1:{free_port()}/stream"
    with (
        caplog.at_level(logging.DEBUG, "streamer"),
        pytest.raises(
            SourceError, match=r"^never reached: rtsp://\*\*\*@127.0.0.1:\d+/stream: Connection refu"
        ),
    ):
        list(reading(url, Stop(), SourceStats()))
    assert pauses == [1, 2, 5, 10, 30, 30, 30, 30]
    assert len(caplog.records) == 1
    assert SECRET not in caplog.text


def test_a_server_that_accepts_and_says_nothing_does_not_hold_a_stop_up() -> None:
    """The stop comes while opening hangs, and opening gives up by its own time-out."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"rtsp://127.0.0.1:{mute.getsockname()[1]}/stream"
        stop = threading.Event()
        threading.Timer(0.2, stop.set).start()
        started = time.monotonic()
        with pytest.raises(SourceError, match="never reached"):
            list(reading(url, stop, SourceStats(), timeout=1.0))
        assert time.monotonic() - started < 60  # hanging for ever is what must not happen


def test_a_camera_that_nobody_has_tried_to_reach_has_not_failed() -> None:
    stop = threading.Event()
    stop.set()
    (end,) = reading(f"rtsp://127.0.0.1:{free_port()}/stream", stop, SourceStats())
    assert isinstance(end, End)


def test_ffmpeg_says_nothing_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError):
        probe(CameraConfig(source=f"rtsp://admin:{SECRET}@127.0.0.1:{free_port()}/stream"))
    assert capfd.readouterr() == ("", "")
