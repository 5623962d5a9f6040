import threading
import time
from collections.abc import Iterator

import pytest

from streamer.channel import Channel, Countdown, Credits, Worker, ahead


def test_items_come_out_in_order_at_most_so_many_at_once() -> None:
    channel: Channel[int] = Channel()
    for item in range(5):
        channel.put(item)
    channel.close()
    assert channel.take(3) == [0, 1, 2]
    assert channel.take(3) == [3, 4]
    assert channel.take(3) is None


def test_an_empty_channel_ticks() -> None:
    channel: Channel[int] = Channel()
    batches = channel.batches(4, 0.01)
    assert next(batches) == []
    channel.put(1)
    assert next(batches) == [1]
    channel.close()
    assert list(batches) == []


def test_what_is_put_after_closing_is_let_go() -> None:
    channel: Channel[int] = Channel()
    channel.put(1)
    channel.close()
    channel.put(2)
    assert list(channel) == [1]


def test_the_oldest_of_its_kind_makes_room_and_its_neighbour_inherits() -> None:
    channel: Channel[str] = Channel()
    for item in ("a1", "b1", "a2", "b2"):
        channel.put(item)
    removed = channel.put_in_place("a3", lambda item: item[0] == "a", lambda old, new: f"{new}+{old}")
    channel.close()
    assert removed == "a1"
    assert list(channel) == ["b1", "a2+a1", "b2", "a3"]


def test_the_only_one_of_its_kind_leaves_its_inheritance_to_the_newcomer() -> None:
    channel: Channel[str] = Channel()
    channel.put("b1")
    channel.put("a1")
    assert channel.put_in_place("a2", lambda item: item[0] == "a", lambda old, new: f"{new}+{old}") == "a1"
    assert channel.put_in_place("c1", lambda item: item[0] == "c", lambda old, new: new) is None
    channel.close()
    assert list(channel) == ["b1", "a2+a1"]


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
