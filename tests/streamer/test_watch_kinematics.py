"""What a look's numbers are for vehicles of which it is known how they move."""

from collections.abc import Sequence
from dataclasses import replace
from math import log, sqrt, tanh

import numpy as np
import pytest

from streamer.frame import Detections, Image
from streamer.watch.kinematics import EVERY, MEMORY, NAMES, Kinematics
from streamer.watch.traffic import BLIND, Habit, Traffic
from tests.crash import HEIGHT, WIDTH, Box, driving, picture

SIZE = sqrt(40 * 30) / sqrt(WIDTH * HEIGHT)
"""Of the car, as a share of the picture's."""

PLAIN = picture()


def cars(*boxes: Box, tracks: Sequence[int] = (1, 2), label: str = "car") -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.full(count, 0.9, np.float32), (label,) * count,
        np.array(tracks[:count], np.int64),
    )  # fmt: skip


def measured(looks: Sequence[Detections], pictures: Sequence[Image] | None = None) -> list[dict[str, float]]:
    """What each look comes to; the picture is the same where nothing else is said."""
    watching = Kinematics()
    shown = [PLAIN] * len(looks) if pictures is None else pictures
    return [
        dict(zip(NAMES, watching.see(image, found, number * EVERY).tolist(), strict=True))
        for number, (image, found) in enumerate(zip(shown, looks, strict=True))
    ]


def moving(count: int, speed: float = 10.0, until: int | None = None) -> list[Box]:
    """A car of 40 by 30 pixels that drives to the right until a look."""
    places = [10 + speed * (look if until is None else min(look, until)) for look in range(count)]
    return [(x, 80.0, x + 40, 110.0) for x in places]


def test_a_car_that_drives_on_is_where_it_should_be() -> None:
    for look in measured([cars(box) for box in moving(20)]):
        assert [look[name] for name in ("swerve", "stop", "warp", "contact")] == pytest.approx(
            [0] * 4, abs=1e-6
        )


def test_a_sudden_stop_is_by_how_far_it_fell_short_in_shares_of_the_picture() -> None:
    look = measured([cars(box) for box in moving(9, until=6)])[-1]
    # two looks after it stopped it is 20 pixels short of where 0.4 to 1.2 s ago would have brought it
    expected = SIZE * tanh(20 / sqrt(40 * 30))
    assert look["swerve"] == pytest.approx(expected, rel=1e-5)
    assert look["stop"] == pytest.approx(expected, rel=1e-5)
    assert look["warp"] == pytest.approx(0, abs=1e-6)


def test_setting_off_is_a_swerve_and_no_stop() -> None:
    boxes = [*[(100.0, 80.0, 140.0, 110.0)] * 7, (110.0, 80.0, 150.0, 110.0), (120.0, 80.0, 160.0, 110.0)]
    look = measured([cars(box) for box in boxes])[-1]
    assert look["swerve"] == pytest.approx(SIZE * tanh(20 / sqrt(40 * 30)), rel=1e-5)
    assert look["stop"] == 0


def test_a_box_that_turns_from_lying_to_standing_is_warped_and_does_not_swerve() -> None:
    boxes = [*[(100.0, 80.0, 140.0, 110.0)] * 6, (105.0, 75.0, 135.0, 115.0)]
    look = measured([cars(box) for box in boxes])[-1]
    assert look["warp"] == pytest.approx(SIZE * tanh(2 * log(40 / 30)), rel=1e-5)
    assert look["swerve"] == pytest.approx(0, abs=1e-6)


def test_contact_counts_both_cars_and_only_where_they_touch() -> None:
    stopping = moving(9, until=6)
    near: Box = (105.0, 90.0, 145.0, 120.0)
    touching = measured([cars(box, near) for box in stopping])[-1]
    apart = measured([cars(box, (200.0, 90.0, 240.0, 120.0)) for box in stopping])[-1]
    assert touching["contact"] == pytest.approx(touching["swerve"] + touching["stop"], rel=1e-5)
    assert apart["contact"] == 0
    assert apart["swerve"] == pytest.approx(touching["swerve"])


def test_a_track_that_jumps_counts_no_more_than_its_size() -> None:
    boxes = [*[(20.0, 80.0, 60.0, 110.0)] * 6, (250.0, 80.0, 290.0, 110.0)]
    assert measured([cars(box) for box in boxes])[-1]["swerve"] == pytest.approx(SIZE, rel=1e-3)


def test_what_the_picture_cuts_off_says_nothing() -> None:
    leaving: list[Box] = [
        (200.0 + 20 * look, 80.0, min(318.0, 240.0 + 20 * look), 110.0) for look in range(6)
    ]
    assert measured([cars(box) for box in leaving])[-1]["warp"] == 0


def test_persons_and_what_only_tracks_say_are_no_vehicles() -> None:
    stopping = moving(9, until=6)
    assert measured([cars(box, label="person") for box in stopping])[-1]["swerve"] == 0
    carried = [replace(cars(box), carried=np.array([True])) for box in stopping]
    assert measured(carried)[-1]["swerve"] == 0


def test_a_car_whose_look_changes_is_told_from_one_that_stays_as_it_is() -> None:
    box = (100.0, 80.0, 140.0, 110.0)
    same, crushed = picture(box), picture(box)
    crushed[80:110, 100:140] = np.random.default_rng(3).integers(0, 255, (30, 40, 1), np.uint8)
    looks = [cars(box)] * 7
    assert measured(looks, [same] * 7)[-1]["change"] == pytest.approx(0, abs=1e-6)
    # what has nothing to do with the past correlates with it by chance alone
    assert measured(looks, [same] * 6 + [crushed])[-1]["change"] == pytest.approx(SIZE / 2, rel=0.2)


def test_debris_is_what_moves_outside_boxes() -> None:
    thrown = PLAIN.copy()
    thrown[:90, 160:240] += 100  # an eighth of the picture
    box = (150.0, 0.0, 250.0, 92.0)
    pictures = [PLAIN, thrown]
    assert measured([cars(), cars()], pictures)[-1]["debris"] == pytest.approx(94 / 255 / 8, rel=0.02)
    assert measured([cars(), cars(box)], pictures)[-1]["debris"] == 0
    assert measured([cars(), cars()], [thrown, thrown])[-1]["debris"] == 0


def test_what_was_before_a_cut_is_forgotten() -> None:
    watching = Kinematics()
    stopping = moving(9, until=6)
    for number, box in enumerate(stopping[:-1]):
        watching.see(PLAIN, cars(box), number * EVERY)
    watching.cut()
    assert not watching.see(picture((0, 0, 300, 90)), cars(stopping[-1]), 8 * EVERY).any()


def numbered(value: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.full(len(NAMES), value, np.float32)


def test_a_window_is_the_last_looks_and_the_mean_of_those_before_them() -> None:
    habit = Habit(3)
    windows = [habit.see(numbered(look)) for look in range(10)]
    assert windows[:2] == [None, None]
    last = windows[-1]
    assert last is not None
    assert last.looks[:, 0].tolist() == [7, 8, 9]
    # the first ones have no past to be compared with
    usual = list(range(BLIND, 7))
    assert (last.known, last.before[0]) == (len(usual), pytest.approx(np.mean(usual)))


def test_an_accident_is_nothing_usual_and_a_cut_keeps_what_is() -> None:
    habit = Habit(2)
    for _ in range(BLIND + 4):
        habit.see(numbered(1))
    for _ in range(5):
        window = habit.see(numbered(9), learn=False)
    assert window is not None
    assert (window.known, window.before[0]) == (2, 1)
    habit.cut()
    assert habit.see(numbered(5)) is None
    window = habit.see(numbered(5))
    assert window is not None
    assert (window.known, window.before[0]) == (2, 1)


def test_a_gap_in_time_is_a_cut() -> None:
    traffic = Traffic(2)
    times = [0.0, EVERY, EVERY + MEMORY + 0.1, 2 * EVERY + MEMORY + 0.1]
    found = [traffic.see(PLAIN, cars(), time) for time in times]
    assert [window is not None for window in found] == [False, True, False, True]


def test_what_comes_later_changes_no_window() -> None:
    def windows(boxes: Sequence[Box]) -> list[list[float]]:
        traffic = Traffic(4)
        seen = [traffic.see(PLAIN, cars(box), number * EVERY) for number, box in enumerate(boxes)]
        return [[*each.looks.ravel().tolist(), *each.before.tolist()] for each in seen if each is not None]

    with_crash, without = windows(driving(24, crash=16)), windows(driving(24))
    assert with_crash[:13] == without[:13]  # those that end before the crash
    assert with_crash[-1] != without[-1]
