import contextlib
import gc
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import cv2
import pytest
import torch
from av.packet import Packet

from streamer.channel import Channel, Countdown, Credits, Guarded, Intake, Worker, ahead, is_hanging
from streamer.errors import HungError, StageError
from streamer.frame import Discontinuity, Frame, Marker
from tests.values import frame


def test_items_come_out_in_order_and_then_the_channel_ends() -> None:
    channel: Channel[int] = Channel()
    for item in range(3):
        channel.put(item)
    channel.close()
    assert [channel.take() for _ in range(4)] == [0, 1, 2, None]


def test_what_is_put_after_closing_is_let_go() -> None:
    channel: Channel[int] = Channel()
    channel.put(1)
    channel.close()
    channel.put(2)
    assert list(channel) == [1]


def indices(batch: list[Frame | Marker]) -> list[str]:
    return [f"{item.camera}{item.index}" if isinstance(item, Frame) else item.camera for item in batch]


def test_cameras_are_served_in_turn_however_much_one_has_waiting() -> None:
    intake = Intake(["a", "b", "c"])
    for index in range(5):
        intake.put(frame(camera="a", index=index))
    for index in range(2):
        intake.put(frame(camera="c", index=index))
    batches = intake.batches(4, 0.01)
    assert indices(next(batches)) == ["a0", "c0", "a1", "c1"]
    intake.put(frame(camera="b", index=0))
    assert sorted(indices(next(batches))) == ["a2", "a3", "a4", "b0"]
    assert next(batches) == []


def test_a_newer_frame_makes_the_oldest_of_its_camera_go_and_its_audio_moves_on() -> None:
    intake = Intake(["a", "b"])
    sound = [Packet(1) for _ in range(4)]
    intake.put(Discontinuity("a"))
    intake.put(frame(camera="a", index=0, audio=(sound[0],)))
    intake.put(frame(camera="b", index=0))
    intake.put(frame(camera="a", index=1, audio=(sound[1],)))
    assert intake.put_for_oldest(frame(camera="a", index=2, audio=(sound[2],)), 10) == 0
    assert intake.put_for_oldest(frame(camera="a", index=3, audio=(sound[3],)), 2) == 1
    batch = next(intake.batches(10, 0.01))
    assert indices(batch) == ["a", "b0", "a2", "a3"]
    assert isinstance(batch[2], Frame)
    assert batch[2].audio == (sound[1], sound[2])  # two packets at most were asked for


def test_with_no_frame_waiting_none_can_make_room() -> None:
    intake = Intake(["a"])
    intake.put(Discontinuity("a"))
    assert intake.put_for_oldest(frame(camera="a"), 10) is None
    assert next(intake.batches(10, 0.01)) == [Discontinuity("a")]


def test_a_waiting_taker_is_woken_by_an_item_and_by_closing() -> None:
    channel: Channel[int] = Channel()
    taken: list[int] = []
    worker = Worker("taker", lambda: taken.extend(channel), lambda error: pytest.fail(str(error)))
    channel.put(1)
    channel.put(2)
    channel.close()
    worker.join()
    assert taken == [1, 2]


def test_credits_run_out_and_come_back() -> None:
    credits = Credits(2)
    assert credits.take()
    assert credits.try_take()
    assert not credits.try_take()
    assert credits.in_flight == 2
    credits.give()
    assert credits.take()


def test_whoever_waits_for_a_credit_is_woken_when_it_is_cancelled() -> None:
    credits = Credits(1)
    credits.take()
    got: list[bool] = []
    worker = Worker("waiter", lambda: got.append(credits.take()), lambda error: None)
    time.sleep(0.05)
    assert got == []
    credits.cancel()
    worker.join()
    assert got == [False]
    assert not credits.try_take()


def test_a_countdown_acts_once_in_whichever_thread_is_last() -> None:
    acted: list[str] = []
    countdown = Countdown(8, lambda: acted.append(threading.current_thread().name))
    workers = [Worker(f"worker {n}", countdown.done, lambda error: None) for n in range(8)]
    for worker in workers:
        worker.join()
    assert len(acted) == 1


def test_a_workers_exception_is_handed_over() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        raise OSError("disk on fire")

    Worker("writer", work, failures.append).join()
    assert [str(failure) for failure in failures] == ["disk on fire"]


def test_items_are_made_ahead_in_a_thread_of_their_own_but_not_too_far() -> None:
    makers: set[str] = set()
    made: list[int] = []

    def items() -> Iterator[int]:
        for item in range(20):
            makers.add(threading.current_thread().name)
            made.append(item)
            yield item

    used = []
    with ahead(items(), 3, "maker") as iterator:
        for item in iterator:
            used.append(item)
            assert len(made) - len(used) <= 4
    assert used == list(range(20))
    assert makers == {"maker"}


def test_what_making_raises_is_raised_where_it_is_used_after_the_items_before() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("out of items")

    used = []
    with pytest.raises(OSError, match="out of items"), ahead(items(), 3, "maker") as iterator:
        for item in iterator:
            used.append(item)
    assert used == [1]


def test_leaving_early_ends_the_thread_that_makes() -> None:
    def items() -> Iterator[int]:
        while True:
            yield 1

    with pytest.raises(ValueError, match="enough"), ahead(items(), 2, "maker") as iterator:
        for _ in iterator:
            raise ValueError("enough")


def test_frames_that_wait_lend_their_credit_and_take_it_back_when_they_go_on() -> None:
    credits = Credits(2)
    assert credits.take()
    assert credits.take()
    assert not credits.try_take()
    credits.wait(2)
    assert credits.take()
    assert credits.in_flight == 3
    credits.wait(-2)  # all go on at once: more are out than there are
    assert credits.in_flight == 3
    credits.give()
    assert not credits.try_take()
    credits.give()
    assert credits.try_take()
    assert credits.in_flight == 2


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What tools hang on, until the end of the test at the latest.

    Only what hangs has a short deadline in these tests: the first use of each tool has a minute more.
    """
    event = threading.Event()
    yield event
    event.set()


def test_guarded_work_is_done_in_one_other_thread_and_its_outcome_comes_back() -> None:
    with Guarded("tool", lambda: "another", "detect", 10.0) as guarded:
        threads = {guarded.use(lambda _: threading.current_thread()) for _ in range(3)}
        assert guarded.use(lambda tool: [tool, 1]) == ["tool", 1]
        with pytest.raises(ZeroDivisionError):
            guarded.use(lambda _: 1 // 0)
        with pytest.raises(SystemExit):
            guarded.use(lambda _: exec("raise SystemExit"))
        assert guarded.use(str) == "tool"
    (thread,) = threads
    assert thread is not threading.current_thread()
    assert thread.daemon
    assert not thread.is_alive()
    assert not is_hanging()


def test_what_hangs_is_left_behind_and_another_tool_takes_its_place_once(
    released: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = []

    def renew() -> str:
        loaded.append(threading.current_thread())
        return "another"

    with Guarded("tool", renew, "detect", 0.05) as guarded:
        assert guarded.use(str) == "tool"
        with pytest.raises(HungError, match=r"no answer within 0\.05 s"):
            guarded.use(lambda _: released.wait())
        assert is_hanging()
        assert [record.message for record in caplog.records] == [
            "detect: no answer within 0.05 s (detect.timeout is 0.05): left behind, "
            "another one takes its place"
        ]
        assert guarded.use(lambda tool: (tool, threading.current_thread())) == ("another", loaded[0])
        with pytest.raises(StageError) as raised:
            guarded.use(lambda _: released.wait())
        assert str(raised.value) == (
            "detect: no answer within 0.05 s, for the second time (detect.timeout is 0.05)"
        )
    assert len(loaded) == 1
    released.set()
    for thread in [thread for thread in threading.enumerate() if thread.name == "detect, guarded"]:
        thread.join(10)  # once it returns it ends, whoever has given it up
    assert not is_hanging()


def test_what_comes_back_too_late_is_nobodys_answer(released: threading.Event) -> None:
    with Guarded("tool", lambda: "another", "detect", 0.05) as guarded:
        assert guarded.use(str) == "tool"
        with pytest.raises(HungError):
            guarded.use(lambda _: released.wait() and "late")
        released.set()
        for thread in [thread for thread in threading.enumerate() if thread.name == "detect, guarded"]:
            thread.join(0.1)
        assert guarded.use(str) == "another"


def test_a_tool_that_cannot_be_replaced_ends_the_run(released: threading.Event) -> None:
    def renew() -> str:
        raise MemoryError("no room for a second one")

    with Guarded("tool", renew, "detect", 0.05) as guarded:
        assert guarded.use(str) == "tool"
        with pytest.raises(HungError):
            guarded.use(lambda _: released.wait())
        with pytest.raises(StageError, match="detect: MemoryError: no room for a second one"):
            guarded.use(str)


def test_the_first_use_of_each_tool_may_take_longer() -> None:
    with Guarded("tool", lambda: "another", "detect", 0.05) as guarded:
        guarded.use(lambda _: time.sleep(0.3))
        with pytest.raises(HungError):
            guarded.use(lambda _: time.sleep(0.3))
        guarded.use(lambda _: time.sleep(0.3))  # by another one, after a minute's grace


def test_a_process_that_was_stopped_for_a_while_has_not_hung() -> None:
    code = (
        "import time; from streamer.channel import Guarded\n"
        "with Guarded('tool', lambda: 'another', 'detect', 1.5) as guarded:\n"
        "    guarded.use(lambda _: None)\n"
        "    print('begun', flush=True)\n"
        "    print(guarded.use(lambda tool: [time.sleep(0.8), tool][1]), flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGSTOP)  # as Ctrl-Z does
        time.sleep(2.0)
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == "tool\n"
    assert process.returncode == 0


def test_what_failed_work_held_on_to_is_free_at_once() -> None:
    class Picture:
        pass

    kept: list[weakref.ref[Picture]] = []

    def work(_: str) -> None:
        picture = Picture()
        kept.append(weakref.ref(picture))
        raise MemoryError("no room")

    gc.collect()
    gc.disable()  # which would hide that there is a cycle
    try:
        with Guarded("tool", lambda: "another", "detect", 10.0) as guarded:
            with contextlib.suppress(MemoryError):
                guarded.use(work)
            assert kept[0]() is None
    finally:
        gc.enable()


def test_one_thread_each_holds_in_the_guarded_thread_too() -> None:
    from streamer.pipeline import one_thread_each

    def threads(_: object) -> tuple[int, int]:
        torch.mm(torch.rand(64, 64), torch.rand(64, 64))
        return torch.get_num_threads(), cv2.getNumThreads()

    before = threads(None)
    with one_thread_each(), Guarded(None, lambda: None, "detect", 10.0) as guarded:
        assert guarded.use(threads) == (1, 1)
    assert threads(None) == before
