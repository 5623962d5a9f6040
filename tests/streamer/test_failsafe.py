import logging
import weakref
from collections.abc import Iterator, Sequence

import pytest
import torch

from streamer.errors import HungError, StageError
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
        log._said_at = float("-inf")
        log.count(frame(index=100), RuntimeError("boom"), "drop")
    assert [record.message for record in caplog.records] == [
        "detection failed, 1 frame(s) hidden whole, the last frame 0 of gate: RuntimeError: boom",
        "detection failed, 99 frame(s) hidden whole, 1 frame(s) dropped, the last frame 100 of gate: "
        "RuntimeError: boom",
    ]


def test_a_failure_that_trying_again_made_up_for_is_said_too(caplog: pytest.LogCaptureFixture) -> None:
    log = FailureLog("detection")
    for _ in range(3):
        failures = iter([RuntimeError("passing")])

        def work(frames: Sequence[Frame], failures: Iterator[RuntimeError] = failures) -> list[str]:
            for failure in failures:
                raise failure
            return [name(f) for f in frames]

        assert all_or_each([frame(index=5)], work, lambda f, e: "lost", log) == ["frame 5"]
    assert [record.message for record in caplog.records] == [
        "detection failed 1 time(s) and succeeded when it was tried again: RuntimeError: passing"
    ]


def test_what_hung_is_not_tried_again() -> None:
    calls = []

    def work(frames: Sequence[Frame]) -> list[str]:
        calls.append(len(frames))
        raise HungError("no answer within 1 s")

    batch: Batch[Frame] = [frame(index=0), Discontinuity("gate"), frame(index=1)]
    result = all_or_each(batch, work, lambda f, e: f"lost {f.index}: {e}", FailureLog("detection"))
    assert result == ["lost 0: no answer within 1 s", batch[1], "lost 1: no answer within 1 s"]
    assert calls == [2]


@pytest.mark.parametrize("alone", [False, True])
def test_what_ends_the_run_is_passed_on(alone: bool) -> None:
    def work(frames: Sequence[Frame]) -> list[str]:
        if alone and len(frames) > 1:
            raise RuntimeError("one by one, please")
        raise StageError("detect", HungError("no answer"))

    with pytest.raises(StageError):
        all_or_each([frame(index=0), frame(index=1)], work, lambda f, e: "lost", FailureLog("detection"))


@pytest.mark.parametrize("error", [MemoryError("no room"), torch.OutOfMemoryError("CUDA out of memory")])
def test_memory_is_given_back_before_frames_are_tried_alone(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    kept: list[weakref.ref[torch.Tensor]] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: events.append("cache freed"))

    def work(frames: Sequence[Frame]) -> list[str]:
        if kept:
            assert kept[-1]() is None  # nothing of the failed attempt is left
        large = torch.zeros(len(frames))
        kept.append(weakref.ref(large))
        events.append(f"tried {len(frames)}")
        if len(frames) > 1 or frames[0].index == 1:
            raise error
        return [name(f) for f in frames]

    result = all_or_each(
        [frame(index=i) for i in range(3)], work, lambda f, e: "lost", FailureLog("detection")
    )
    assert result == ["frame 0", "lost", "frame 2"]
    assert events == [
        "tried 3", "cache freed", "tried 1", "tried 1", "cache freed", "tried 1",
    ]  # fmt: skip
