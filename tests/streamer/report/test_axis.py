"""Round numbers on axes, and times as people write them."""

from datetime import datetime

import pytest

from streamer.report.axis import SIZE, TimeAxis, ValueAxis, clock

BEGAN = datetime.fromisoformat("2026-11-21T19:20:03+01:00")


@pytest.mark.parametrize(
    ("low", "high", "from_zero", "texts"),
    [
        (0, 3, True, ["0", "1", "2", "3"]),
        (14.2, 31.0, False, ["10", "15", "20", "25", "30", "35"]),
        (18.0, 18.0, False, ["17.5", "18.0", "18.5"]),
        (0, 0.05, True, ["0.00", "0.02", "0.04", "0.06"]),
        (0, 12345, True, ["0", "5,000", "10,000", "15,000"]),
    ],
)
def test_values_lie_between_round_ends(low: float, high: float, from_zero: bool, texts: list[str]) -> None:
    axis = ValueAxis.around(low, high, from_zero=from_zero)
    assert [tick.text for tick in axis.ticks()] == texts
    assert [axis.ticks()[0].place, axis.ticks()[-1].place] == [SIZE, 0]
    assert 0 <= axis.place(high) <= axis.place(low) <= SIZE


def test_counts_have_whole_steps() -> None:
    assert [tick.text for tick in ValueAxis.around(0, 1, from_zero=True, whole=True).ticks()] == ["0", "1"]


@pytest.mark.parametrize(
    ("last", "texts"),
    [
        (0.4, ["0:00.0", "0:00.1", "0:00.2", "0:00.3", "0:00.4"]),
        (60.0, ["0:00", "0:15", "0:30", "0:45", "1:00"]),
        (5400.0, ["0:00", "30:00", "1:00:00", "1:30:00"]),
        (86400.0, ["0:00", "6:00:00", "12:00:00", "18:00:00", "24:00:00"]),
    ],
)
def test_footage_has_the_time_in_the_video(last: float, texts: list[str]) -> None:
    axis = TimeAxis(0.0, last)
    assert [tick.text for tick in axis.ticks()] == texts
    assert axis.ticks()[0].place == 0
    assert axis.title.startswith("time in the video")


@pytest.mark.parametrize(
    ("last", "texts"),
    [
        (60.0, ["19:20:15", "19:20:30", "19:20:45", "19:21:00"]),
        (5400.0, ["19:30", "20:00", "20:30"]),
        (86400.0, ["22 Nov", "06:00", "12:00", "18:00"]),
        (864000.0, ["23 Nov", "25 Nov", "27 Nov", "29 Nov", "01 Dec"]),
    ],
)
def test_a_live_camera_has_round_times_of_its_own_day(last: float, texts: list[str]) -> None:
    assert [tick.text for tick in TimeAxis(0.0, last, BEGAN).ticks()] == texts
    assert TimeAxis(0.0, last, BEGAN).title == "time of day (21 November 2026, UTC+0100)"


def test_years_have_few_ticks_and_what_is_outside_stands_at_the_end() -> None:
    axis = TimeAxis(0.0, 3.2e9)
    assert 1 <= len(axis.ticks()) <= 6
    assert (axis.place(-1.0), axis.place(1e12)) == (0, SIZE)


@pytest.mark.parametrize(
    ("seconds", "step", "text"),
    [
        (59.96, 0.1, "1:00.0"),
        (59.6, 1.0, "1:00"),
        (-1.5, 0.1, "\N{MINUS SIGN}0:01.5"),
        (3599.9, 1.0, "1:00:00"),
    ],
)
def test_seconds_are_rounded_before_they_are_divided(seconds: float, step: float, text: str) -> None:
    assert clock(seconds, step) == text
