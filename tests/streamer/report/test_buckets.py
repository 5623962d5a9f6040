"""Sums over spans of time: exact in all, few, and joined by twos."""

import math

import pytest

from streamer.report.buckets import FINEST, MOST, Buckets


def test_spans_hold_count_mean_least_and_most_of_what_was_added() -> None:
    buckets = Buckets()
    for time_s, value in ((0.0, 3.0), (0.001, 5.0), (FINEST, 7.0)):
        buckets.add(time_s, {"db": value})
    (start, first), (_, second) = buckets.spans("db")
    assert (start, first.count, first.mean, first.least, first.most) == (0.0, 2, 4.0, 3.0, 5.0)
    assert (second.count, second.mean) == (1, 7.0)
    assert buckets.all["db"].mean == 5.0
    assert buckets.spans("other") == []


def test_a_day_takes_no_more_spans_than_a_minute_and_loses_nothing() -> None:
    buckets = Buckets()
    for number in range(20_000):
        buckets.add(number * 4.32, {"db": float(number), "one": 1.0})
    spans = buckets.spans("db")
    assert MOST / 2 <= len(spans) <= MOST
    assert [start for start, _ in spans] == [number * buckets.width for number in range(len(spans))]
    assert sum(tally.count for _, tally in spans) == 20_000
    assert sum(tally.total for _, tally in spans) == sum(range(20_000)) == buckets.all["db"].total
    assert (buckets.first, buckets.last) == (0.0, 19_999 * 4.32)
    for start, tally in spans:
        inside = [n for n in range(20_000) if start <= n * 4.32 < start + buckets.width]
        assert (tally.least, tally.most) == (min(inside), max(inside))


@pytest.mark.parametrize("times", [(-5.5, 3.0), (1e9, 1e9 + 86400), (-1e10, 1e10), (7.0, 7.0)])
def test_times_may_begin_anywhere(times: tuple[float, float]) -> None:
    buckets = Buckets()
    for time_s in times:
        buckets.add(time_s, {"x": 1.0})
    assert sum(tally.count for _, tally in buckets.spans("x")) == 2
    for (start, _), time_s in zip(buckets.spans("x"), sorted(set(times)), strict=True):
        assert start <= time_s < start + buckets.width


def test_widening_joins_until_spans_are_as_wide_and_keeps_at_least_two() -> None:
    buckets = Buckets()
    for number in range(40):
        buckets.add(number / 5, {"x": 1.0})
    buckets.widen(0.2)
    assert buckets.width == 0.25
    buckets.widen(math.inf)
    assert len(buckets.spans("x")) == 2


def test_runs_are_broken_where_more_than_two_spans_are_empty() -> None:
    buckets = Buckets()
    for number in (0, 1, 2, 5, 9, 10):
        buckets.add(number * FINEST, {"x": float(number)})
    runs = [[tally.total for _, tally in run] for run in buckets.runs("x")]
    assert runs == [[0.0, 1.0, 2.0, 5.0], [9.0, 10.0]]
    assert list(buckets.runs("y")) == []
