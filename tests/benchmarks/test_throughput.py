"""The benchmark of speed: whose time is whose, and that every stage has its row."""

from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from benchmarks.throughput import CHUNK, Meter, stages_alone
from streamer.errors import ConfigError
from streamer.frame import Batch, Discontinuity, End
from tests import footage


def settings(model: Path, folder: Path) -> dict[str, object]:
    """A configuration that detects with a model."""
    return {
        "version": 1,
        "device": "cpu",
        "detect": {"model": str(model)},
        "output": {"directory": str(folder)},
    }


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of CPU time that a test says have gone by."""
    now = [0.0]
    monkeypatch.setattr("time.process_time", lambda: now[0])
    return now


def busy(clock: list[float], seconds: float, batches: Iterator[Batch[int]]) -> Iterator[Batch[int]]:
    """A stage that takes so many seconds for each batch."""
    for batch in batches:
        clock[0] += seconds
        yield batch


def test_a_stage_is_not_charged_with_those_before_it(clock: list[float]) -> None:
    meter = Meter()
    source: list[Batch[int]] = [[0] * CHUNK, [1], [Discontinuity("bench"), 2, 3], [End("bench")]]
    first = meter.each("first", busy(clock, 3.0, iter(source)))
    second = meter.each("second", busy(clock, 4.0, first))
    for batch in second:
        clock[0] += 100.0  # whoever iterates is nobody's
        for _ in batch:
            with meter.one("last"):
                clock[0] += 5.0
    assert meter.frames == {"first": CHUNK + 3, "second": CHUNK + 3, "last": CHUNK + 5}
    # the first chunk is left out, a cut and the camera's end are no frames, but what they take is counted
    assert meter.milliseconds() == pytest.approx({"first": 3e3, "second": 4e3, "last": 5e3})


def test_what_a_stage_keeps_waiting_is_charged_to_it_alone(clock: list[float]) -> None:
    def waits(batches: Iterator[Batch[int]]) -> Iterator[Batch[int]]:
        first, *kept = batches
        clock[0] += 7.0
        yield first
        clock[0] += 2.0
        yield from kept

    meter = Meter()
    made = meter.each("made", busy(clock, 1.0, iter([[0] * CHUNK, [1] * 7])))
    list(meter.each("waits", waits(made)))
    assert meter.milliseconds() == pytest.approx({"made": 1e3 / 7, "waits": 2e3 / 7})
    assert meter.frames["waits"] == CHUNK + 7


def test_every_stage_of_a_clip_has_its_cost(sees_a_car: Path, tmp_path: Path) -> None:
    clip = footage.write_clip(tmp_path / "yard.mp4", 3 * CHUNK)
    costs = stages_alone(clip, settings(sees_a_car, tmp_path), CHUNK + 1, tmp_path)
    assert set(costs) == {
        *("decode", "cut", "detect", "track", "hide", "restore", "measure"),
        *("encode blurred", "encode restored", "log"),
    }
    assert all(cost >= 0 for cost in costs.values())
    assert costs["detect"] > 0
    with av.open(tmp_path / "restored.mp4") as written:
        assert sum(1 for _ in written.decode(video=0)) == 2 * CHUNK + 1


def test_a_clip_that_is_too_short_is_said_to_be(sees_a_car: Path, tmp_path: Path) -> None:
    clip = footage.write_clip(tmp_path / "yard.mp4", CHUNK)
    with pytest.raises(ConfigError, match=r"yard\.mp4: 8 frames or fewer"):
        stages_alone(clip, settings(sees_a_car, tmp_path), 100, tmp_path)
