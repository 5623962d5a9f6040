"""Camera tamper on pictures that were made: what is raised, of which kind, when, and what is not."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from streamer.config import TamperConfig
from streamer.event import TAMPER_KINDS
from streamer.frame import Detections, Image
from streamer.watch.alarm import Alarm
from streamer.watch.align import shift
from streamer.watch.look import COLUMNS, ROWS, everywhere, look, reduced, weighted_median
from streamer.watch.reference import Difference, Reference
from streamer.watch.still import Stillness
from streamer.watch.tamper import Tamper
from streamer.watch.verdict import Verdict, judge
from streamer.watch.watcher import Alert
from tests.scene import (
    HEIGHT,
    WIDTH,
    blurred,
    brighter,
    covered,
    rainy,
    seen,
    shifted,
    view,
    with_headlights,
)  # fmt: skip
from tests.values import detections

NONE = Detections.none()
RATE = 5
"""Pictures a second."""
VIEW = view()


class Said(NamedTuple):
    """What a watcher said, and at which time."""

    at: float
    alert: Alert


def watch(
    pictures: Iterable[Image],
    tamper: Tamper | None = None,
    *,
    start: float = 0.0,
    found: Detections = NONE,
    cuts: Sequence[int] = (),
) -> list[Said]:
    """Show a watcher pictures, ``RATE`` a second."""
    tamper = tamper or Tamper(TamperConfig())
    said = []
    for number, picture in enumerate(pictures):
        if number in cuts:
            tamper.cut()
        time_s = start + number / RATE
        alert = tamper.see(picture, found, time_s)
        if alert is not None:
            said.append(Said(time_s, alert))
    return said


def shots(seconds: float, image: Image = VIEW, start: float = 0.0) -> list[Image]:
    """So many seconds of a view, each picture with noise of its own."""
    first = round(start * RATE)
    return [seen(image, number) for number in range(first, first + round(seconds * RATE))]


def learned(image: Image = VIEW, looks: int = 10) -> Reference:
    reference = Reference()
    for number in range(looks):
        reference.learn(look(seen(image, number), NONE.boxes, number / RATE))
    return reference


def verdict_on(image: Image, reference: Reference | None = None, found: Detections = NONE) -> Verdict:
    return judge(look(image, found.boxes, 2.0), reference or learned())


MISDEEDS: dict[str, tuple[Image, str]] = {
    "out of focus": (blurred(VIEW, 1.5), "defocused"),
    "far out of focus": (blurred(VIEW, 4.0), "defocused"),
    "behind a sheet": (covered(VIEW), "covered"),
    "mostly behind a sheet": (covered(VIEW, 0.75), "covered"),
    "pushed a little": (shifted(VIEW, 0.06), "moved"),
    "turned away": (shifted(VIEW, 0.25, 0.1), "moved"),
    "dark": (brighter(VIEW, 0.0, 6), "black"),
    "in the sun": (brighter(VIEW, 3.0, 150), "glare"),
}

ORDINARY: dict[str, Callable[[Image, int], Image]] = {
    "as ever": lambda image, _: image,
    "with the lights half down": lambda image, _: brighter(image, 0.5),
    "with the lights nearly off": lambda image, _: brighter(image, 0.3),
    "with more light": lambda image, _: brighter(image, 1.3, 10),
    "in rain": rainy,
    "with headlights": lambda image, _: with_headlights(image),
    "shaking": lambda image, number: np.roll(image, (number % 3 - 1, number % 4 - 2), (0, 1)),
}


@pytest.mark.parametrize("how", MISDEEDS)
def test_a_misdeed_is_raised_once_within_five_seconds_with_its_kind_and_its_time(how: str) -> None:
    picture, kind = MISDEEDS[how]
    said = watch([*shots(6), *shots(8, picture, start=6)])
    assert [(each.alert.change, each.alert.kind) for each in said] == [("start", kind)]
    assert 6.0 <= said[0].alert.start_s <= 6.4
    assert said[0].at <= 9.0
    assert said[0].alert.score >= 0.5
    assert said[0].alert.end_s is None


@pytest.mark.parametrize("how", ORDINARY)
def test_what_is_ordinary_raises_nothing(how: str) -> None:
    changed = [ORDINARY[how](picture, number) for number, picture in enumerate(shots(10, start=6))]
    assert watch([*shots(6), *changed]) == []


def test_an_event_ends_once_the_view_is_back_and_may_come_again() -> None:
    said = watch([*shots(6), *shots(6, covered(VIEW), 6), *shots(6, VIEW, 12), *shots(6, blurred(VIEW), 18)])
    assert [(each.alert.change, each.alert.kind) for each in said] == [
        ("start", "covered"), ("end", "covered"), ("start", "defocused"),
    ]  # fmt: skip
    end = said[1].alert
    assert end.start_s == said[0].alert.start_s
    assert end.end_s == pytest.approx(12.0)


def test_what_passes_within_a_second_raises_nothing() -> None:
    passing = [*shots(6), *shots(0.6, covered(VIEW), 6), *shots(6, VIEW, 6.6)]
    assert watch(passing) == []


def test_a_view_is_usable_after_a_second_and_says_nothing_before() -> None:
    assert not learned(looks=5).usable
    assert learned(looks=6).usable
    early = watch([*shots(1.2), *shots(5, covered(VIEW), 1.2)])
    assert [each.alert.kind for each in early] == ["covered"]
    assert early[0].alert.start_s == pytest.approx(1.2)


def test_what_comes_slowly_to_a_young_view_is_found() -> None:
    slowly = [blurred(picture, 0.01 + 0.1 * number) for number, picture in enumerate(shots(5, start=2))]
    said = watch([*shots(2), *slowly])
    assert [each.alert.kind for each in said] == ["defocused"]
    young = learned()
    assert young.takes(30.0) < young.takes(61.0) == 0.5


def test_objects_excuse_what_they_hide_and_nothing_beside_it() -> None:
    truck = VIEW.copy()
    truck[20:170, 100:300] = view(7)[20:170, 100:300]
    box = detections((100, 20, 300, 170))
    assert verdict_on(truck).kind is not None
    assert verdict_on(truck, found=box).score < 0.1
    small = detections((0, 0, 40, 40))
    assert verdict_on(truck, found=small).kind is not None


def test_objects_that_fill_the_view_are_no_tamper() -> None:
    box = detections((-5, -5, WIDTH + 5, HEIGHT + 5))
    verdict = verdict_on(view(7), found=box)
    assert (verdict.score, verdict.kind) == (0.0, None)
    assert verdict.difference.visible < 0.05


def test_what_is_parked_belongs_to_the_view() -> None:
    box = detections((-5, -5, WIDTH + 5, HEIGHT + 5))
    said = watch([*shots(6), *shots(6, covered(VIEW), 6)], found=box)
    assert [each.alert.kind for each in said] == ["covered"]


def test_a_cut_to_a_view_that_is_known_or_new_is_no_tamper() -> None:
    other = view(3)
    parts = [*shots(6), *shots(6, other, 6), *shots(6, VIEW, 12), *shots(6, other, 18)]
    assert watch(parts, cuts=[30, 60, 90]) == []
    # and what is done to the new view is found by what was learned of it
    said = watch([*shots(6), *shots(6, other, 6), *shots(6, blurred(other), 12)], cuts=[30])
    assert [each.alert.kind for each in said] == ["defocused"]


def test_a_camera_that_is_still_being_turned_is_learned_when_it_stands() -> None:
    turning = [seen(shifted(VIEW, 0.3 - 0.03 * number), number) for number in range(10)]
    assert watch([*turning, *shots(8, VIEW, 2)]) == []


def test_a_cut_while_a_view_is_learned_begins_another() -> None:
    assert watch([*shots(0.8, view(3)), *shots(8, VIEW, 0.8)], cuts=[4]) == []


def test_a_cut_to_a_wall_is_a_cover() -> None:
    for share in (0.9, 1.0):
        said = watch([*shots(6), *shots(6, covered(VIEW, share), 6)], cuts=[30])
        assert [each.alert.kind for each in said] == ["covered"]


def test_a_view_that_dims_slowly_is_followed() -> None:
    minutes = 10
    tamper = Tamper(TamperConfig(every=2.0))
    said = []
    for step in range(minutes * 30):
        dusk = brighter(VIEW, 1.0 - 0.85 * step / (minutes * 30))
        alert = tamper.see(seen(dusk, step), NONE, 2.0 * step)
        said += [] if alert is None else [alert]
    assert said == []


def test_pictures_that_never_change_are_frozen_and_those_of_a_still_scene_are_not() -> None:
    stuck = seen(VIEW, 0)
    said = watch([*shots(8), *[stuck] * 40])
    assert [(each.alert.change, each.alert.kind) for each in said] == [("start", "frozen")]
    assert said[0].alert.start_s == pytest.approx(8.0)
    assert said[0].at <= 13.0
    assert watch([stuck] * 100) == []


def test_repeated_pictures_that_passed_before_are_not_frozen() -> None:
    still = Stillness()
    random = np.random.default_rng(0)
    time_s = 0.0
    for _ in range(4):  # an encoder that sends the same for two seconds, again and again
        for repeat in range(20):
            picture = (
                np.zeros((4, 4), np.uint8) if repeat >= 10 else random.integers(0, 255, (4, 4), np.uint8)
            )
            still.see(picture, time_s)
            time_s += 0.2
            assert not still.frozen
    for _ in range(31):
        still.see(np.zeros((4, 4), np.uint8), time_s)
        time_s += 0.2
    assert still.frozen


def test_kinds_that_are_not_asked_for_are_not_raised() -> None:
    kinds = tuple(kind for kind in TAMPER_KINDS if kind != "moved")
    tamper = Tamper(TamperConfig(kinds=kinds))
    assert watch([*shots(6), *shots(8, shifted(VIEW, 0.25), 6)], tamper) == []


NOT_MOVED = tuple(kind for kind in TAMPER_KINDS if kind != "moved")


def test_a_view_that_it_was_moved_to_unasked_is_learned_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamer.watch.tamper.ACCEPT", 5.0)
    tamper, other = Tamper(TamperConfig(kinds=NOT_MOVED)), view(3)
    old = tamper.reference
    assert watch([*shots(6), *shots(4.8, other, 6)], tamper) == []
    assert tamper.reference is old
    assert watch(shots(8, other, 11), tamper, start=10.8) == []
    assert tamper.reference is not old
    said = watch(shots(6, blurred(other), 19), tamper, start=18.8)
    assert [each.alert.kind for each in said] == ["defocused"]


def test_a_view_that_it_only_looked_away_to_is_not_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.watch.tamper.ACCEPT", 5.0)
    tamper, other = Tamper(TamperConfig(kinds=NOT_MOVED)), view(3)
    old = tamper.reference
    parts = [*shots(6), *shots(4, other, 6), *shots(1, VIEW, 10), *shots(4, other, 11)]
    assert watch(parts, tamper) == []
    assert tamper.reference is old


def test_a_truck_that_fills_the_view_says_nothing_of_where_the_camera_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamer.watch.tamper.ACCEPT", 5.0)
    tamper, other = Tamper(TamperConfig(kinds=NOT_MOVED)), view(3)
    old = tamper.reference
    truck = detections((-5, -5, WIDTH + 5, HEIGHT + 5))
    watch([*shots(6), *shots(3, other, 6)], tamper)
    watch(shots(1, view(7), 9), tamper, start=9.0, found=truck)
    assert watch(shots(3, other, 10), tamper, start=10.0) == []
    assert tamper.reference is not old


def test_frames_are_looked_at_by_the_sources_time(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def counting(image: Image, boxes: np.ndarray, time_s: float, hidden: None) -> object:
        looks.append(time_s)
        return look(image, boxes, time_s)

    monkeypatch.setattr("streamer.watch.tamper.look", counting)
    tamper = Tamper(TamperConfig(every=0.2))
    for number in range(31):
        tamper.see(VIEW, NONE, number / 30)
    assert looks == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_a_look_keeps_a_picture_of_any_size_in_proportion() -> None:
    assert reduced(np.zeros((720, 1280, 3), np.uint8)).shape == (360, 640)
    assert reduced(np.zeros((1280, 720, 3), np.uint8)).shape == (640, 360)
    assert reduced(np.zeros((48, 64, 3), np.uint8)).shape == (48, 64)
    white = look(np.full((48, 64, 3), 255, np.uint8), NONE.boxes, 0.0)
    assert (white.white, white.black) == (1.0, 0.0)
    assert white.level == pytest.approx(np.full((ROWS, COLUMNS), 255.0))


def test_a_look_marks_the_cells_that_boxes_reach_into() -> None:
    image = np.zeros((90, 160, 3), np.uint8)
    clear = look(image, detections((-20, -20, 11, 9), (159, 89, 300, 300)).boxes, 0.0).clear
    hidden = np.argwhere(~clear).tolist()
    assert hidden == [[0, 0], [0, 1], [ROWS - 1, COLUMNS - 1]]


def test_the_shift_between_two_pictures_is_found() -> None:
    before = look(VIEW, NONE.boxes, 0.0).grey
    found = shift(before, look(shifted(VIEW, 0.1, -0.05), NONE.boxes, 0.0).grey)
    assert found.right == pytest.approx(32, abs=2)
    assert found.down == pytest.approx(-9, abs=2)
    assert found.share == pytest.approx(0.1, abs=0.01)


def test_a_verdict_measures_the_shift_and_what_is_lost() -> None:
    assert verdict_on(shifted(VIEW, 0.1)).shifted == pytest.approx(0.1, abs=0.01)
    same = verdict_on(seen(VIEW, 99)).difference
    assert same.lost < 0.1
    assert abs(same.softened) < 0.1
    assert same.likeness > 0.99
    half = verdict_on(covered(VIEW, 0.5)).difference
    assert half.lost == pytest.approx(0.5, abs=0.15)


def test_the_weighted_median_is_where_half_of_the_weight_lies() -> None:
    values, weights = np.array([5, 1, 3], np.float32), np.array([1, 1, 3], np.float32)
    assert weighted_median(values, weights) == 3.0
    assert weighted_median(values, np.array([9, 1, 1], np.float32)) == 5.0
    assert weighted_median(values[:0], weights[:0]) == 0.0


SAME = Difference(0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, everywhere())


def test_an_alarm_takes_three_seconds_of_five_and_a_certain_one_less() -> None:
    def first(score: float, every: int = 1) -> float | None:
        alarm = Alarm(3.0, 5.0, 0.2)
        for step in range(60):
            wrong = step % every == 0
            verdict = Verdict(score if wrong else 0.0, "covered" if wrong else None, SAME)
            if alarm.hear(step / RATE, verdict, counts=True):
                return step / RATE
        return None

    assert first(0.5) == pytest.approx(3.0)
    assert first(1.0) == pytest.approx(1.0)
    assert first(0.5, every=2) is None
    assert first(1.0, every=2) == pytest.approx(2.0)


def test_an_alarm_goes_by_how_it_began_and_ignores_what_does_not_count() -> None:
    alarm = Alarm(3.0, 5.0, 0.2)
    for step in range(20):
        assert alarm.hear(step / RATE, Verdict(1.0, "moved", SAME), counts=False) is None
    assert alarm.hear(4.0, Verdict(1.0, "covered", SAME), counts=True) is None
    changes = [alarm.hear(4.2 + step / RATE, Verdict(1.0, "covered", SAME), counts=True) for step in range(5)]
    assert changes.count("start") == 1
    assert alarm.kind == "moved"


@pytest.mark.parametrize(
    ("every", "apart", "seconds", "window"),
    [
        (2.0, 2.0, 4.0, 5.0),
        (2.0, 2.0, 5.0, 5.0),
        (1.3, 1.32, 5.25, 5.25),  # no look before the next frame
        (0.2, 4.0, 10.0, 10.0),  # a camera of four frames a minute
        (0.2, 0.2, 5.0, 5.0),
    ],
)
def test_an_alarm_ends_however_far_apart_the_looks_are(
    every: float, apart: float, seconds: float, window: float
) -> None:
    alarm = Alarm(seconds, window, every)
    changes: list[str] = []
    for step in range(150):
        wrong = 50 <= step < 100
        verdict = Verdict(float(wrong), "covered" if wrong else None, SAME)
        change = alarm.hear(step * apart, verdict, counts=True)
        changes += [] if change is None else [change]
    assert changes == ["start", "end"]
    assert (alarm.since, alarm.until) == pytest.approx((50 * apart, 100 * apart))


def test_a_look_every_two_seconds_stands_for_two() -> None:
    alarm = Alarm(6.0, 8.0, 2.0)
    ends = []
    for step in range(20):
        wrong = step < 10
        if alarm.hear(2.0 * step, Verdict(0.5 * wrong, "covered" if wrong else None, SAME), counts=True):
            ends.append(2.0 * step)
    assert ends == [6.0, 24.0]  # the first look stands for nothing
