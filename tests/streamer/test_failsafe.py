import logging
from collections.abc import Sequence

import pytest

from streamer.failsafe import FailureLog, all_or_each
from streamer.frame import Batch, Discontinuity, End, Frame
from tests.values import frame


def name(frame: Frame) -> str:
    return f"frame {frame.index}"


def test_a_batch_that_succeeds_is_worked_on_once_and_markers_keep_their_places() -> None:
    calls = []

    def work(frames: Sequence[Frame]) -> list[str]:
        calls.append(len(frames))
        return [name(f) for f in frames]

    batch: Batch[Frame] = [Discontinuity("gate"), frame(index=0), End("yard"), frame(index=1)]
    assert all_or_each(batch, work, lambda f, e: "lost", FailureLog("detection")) == [
        batch[0], "frame 0", batch[2], "frame 1",
    ]  # fmt: skip
    assert calls == [2]


def test_a_batch_that_fails_is_tried_again_one_by_one_and_only_the_bad_frame_is_given_up() -> None:
    def work(frames: Sequence[Frame]) -> list[str]:
        if any(f.index == 1 for f in frames):
            raise MemoryError("too large")
        return [name(f) for f in frames]

    result = all_or_each(
        [frame(index=i) for i in range(3)], work, lambda f, e: f"lost {f.index}: {e}", FailureLog("detection")
    )
    assert result == ["frame 0", "lost 1: too large", "frame 2"]


def test_work_that_raises_once_loses_nothing_even_with_a_single_frame() -> None:
    failures = iter([RuntimeError("passing")])

    def work(frames: Sequence[Frame]) -> list[str]:
        for failure in failures:
            raise failure
        return [name(f) for f in frames]

    assert all_or_each([frame(index=5)], work, lambda f, e: "lost", FailureLog("detection")) == ["frame 5"]


def test_work_that_returns_too_little_counts_as_failed() -> None:
    result = all_or_each(
        [frame(index=0), frame(index=1)],
        lambda frames: [],
        lambda f, e: f"lost {f.index}",
        FailureLog("detection"),
    )
    assert result == ["lost 0", "lost 1"]


def test_an_empty_tick_calls_nobody() -> None:
    assert (
        all_or_each([], lambda frames: pytest.fail("called"), lambda f, e: "lost", FailureLog("detection"))
        == []
    )


def test_failures_are_logged_once_a_second_at_most(caplog: pytest.LogCaptureFixture) -> None:
    log = FailureLog("detection")
    with caplog.at_level(logging.ERROR):
        for index in range(100):
            log.count(frame(index=index), RuntimeError("boom"), "hide")
    assert len(caplog.records) == 1
    assert "detection failed, 1 frame(s) hidden whole" in caplog.text
