"""A live camera before stages that fall behind: whatever is let go of is in its books."""

import re
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace

import pytest
from av.packet import Packet

from streamer.camera import Camera
from streamer.channel import Channel, Intake
from streamer.config import CameraConfig
from streamer.frame import Discontinuity, End, Frame, Marker
from tests.values import frame

FRAMES = 10
"""What the source gives, each with two packets of sound."""


def run(
    monkeypatch: pytest.MonkeyPatch, taken_after: int, stopped_after: int = FRAMES
) -> tuple[Camera, list[Frame | Marker]]:
    """Run a camera with two credits, of which none is given back, to its end.

    Returns:
        The camera, and what was taken: what waits after the frame of that number, and what waits at the end.
    """
    intake = Intake(["gate"])
    batches = intake.batches(100, 0.01)
    taken: list[Frame | Marker] = []

    def read(*_: object) -> Iterator[Frame]:
        for index in range(FRAMES):
            yield frame(index=index, audio=(Packet(1), Packet(1)))
            if index == taken_after:
                taken.extend(next(batches))
            if index == stopped_after:
                camera.stop()

    monkeypatch.setattr("streamer.camera.time", SimpleNamespace(monotonic=count().__next__))
    monkeypatch.setattr("streamer.camera.MOST_ORPHANS", 3)
    monkeypatch.setattr("streamer.source.read", read)
    config = CameraConfig.model_validate({"source": "rtsp://gate", "output": "off"})
    camera = Camera("gate", config, intake, Channel(), 2, None)
    camera.start()
    camera.finish(End("gate"))
    camera.join()
    return camera, [*taken, *next(batches)]


def packets(item: Frame | Marker) -> int:
    return 0 if isinstance(item, Discontinuity) else len(item.audio)


@pytest.mark.parametrize(
    ("taken_after", "kept", "cause"),
    [
        (FRAMES - 1, [3, 2, 0], "processing is behind"),  # of the last two frames, and the end
        (1, [2, 2, 3], "output is behind"),
    ],
)
def test_sound_of_dropped_live_frames_beyond_what_is_kept_is_counted_and_said(
    taken_after: int,
    kept: list[int],
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    camera, taken = run(monkeypatch, taken_after)
    assert [packets(item) for item in taken] == kept
    assert camera.summary()["frames_dropped"] == {cause: FRAMES - 2}
    assert camera.summary()["audio_packets_dropped"] == 2 * FRAMES - sum(kept)
    # as the packets of a frame come beyond what is kept, with a second between any two frames
    said = re.findall(rf"gate: dropped 1 frame\(s\)(?: and (\d) packet\(s\) of sound)?, {cause}", caplog.text)
    assert len(said) == FRAMES - 2
    assert sum(int(packets or 0) for packets in said) == 2 * FRAMES - sum(kept)


def test_sound_that_waits_for_a_frame_when_the_run_is_stopped_goes_with_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    camera, taken = run(monkeypatch, taken_after=1, stopped_after=2)
    assert [packets(item) for item in taken] == [2, 2, 4]  # of a frame dropped before, and of the one refused
    assert camera.summary()["frames_dropped"] == {"output is behind": 1, "stopped": 1}
    assert camera.summary()["audio_packets_dropped"] == 0
