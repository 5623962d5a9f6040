"""What was missed in a frame is hidden there all the same: proved on the pixels that leave."""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from streamer.frame import Batch, Detected, Discontinuity, End, Hidden
from streamer.track import stage as stage_module
from streamer.track.stage import PIECE, stage
from tests.streamer.track.scene import WIDTH, hidden, leaks, moving, scene, settings

TIMES = [index / 10 for index in range(40)]
CAR = moving(20, 60, 50)


def single(items: list[Detected]) -> list[Batch[Detected]]:
    return [*([item] for item in items), [End(items[0].frame.camera)]]


def numbers(item: Hidden) -> list[int]:
    assert item.detections.tracks is not None
    return [int(number) for number in item.detections.tracks]


def always(index: int, number: int) -> float:
    return 0.9


def test_what_is_always_seen_is_hidden_once_in_its_own_box_and_keeps_its_number() -> None:
    items = hidden(single(scene(TIMES, [CAR], always)), settings())
    assert leaks(items, [CAR]) == {}
    assert [item.frame.index for item in items] == list(range(40))
    assert [numbers(item) for item in items] == [[1]] * 40
    assert all(len(item.detections) == 1 and item.detections.carried is None for item in items)


def test_complaint_1_one_missed_frame_does_not_expose_the_object() -> None:
    missed = {10, 17, 18, 19, 25}
    items = scene(TIMES, [CAR], lambda index, _: 0.0 if index in missed else 0.9)
    for lookahead in (0.0, 0.5):  # live, and with what follows
        out = hidden(single(items), settings(track={"lookahead": lookahead}))
        assert leaks(out, [CAR]) == {}
        assert {item.frame.index for item in out if (item.detections.carried is not None)} == missed


def test_complaint_2_frames_before_the_first_detection_do_not_leak() -> None:
    car = moving(-30, 60, 60)  # enters at speed
    items = scene(TIMES, [car], lambda index, _: 0.0 if index < 5 else 0.9)
    assert leaks(hidden(single(items), settings(track={"lookahead": 0.8})), [car]) == {}
    assert set(leaks(hidden(single(items), settings(track={"lookahead": 0})), [car])) == {0, 1, 2, 3, 4}


def test_complaint_3_what_was_detected_is_hidden_whatever_the_track_says() -> None:
    def jumping(time: float) -> tuple[float, float, float, float]:
        x = 20.0 if round(10 * time) % 2 else 250.0  # no track can follow
        return x, 60.0, x + 40, 100.0

    items = hidden(single(scene(TIMES, [jumping], always)), settings())
    assert leaks(items, [jumping]) == {}
    for item, truth in zip(items, scene(TIMES, [jumping], always), strict=True):
        seen = item.detections.boxes[item.detections.scores > 0]
        np.testing.assert_array_equal(seen, truth.detections.boxes)


@pytest.mark.parametrize("gap", [1, 3, 5, 8])
def test_an_object_that_vanishes_for_some_frames_is_hidden_in_them(gap: int) -> None:
    items = scene(TIMES, [CAR], lambda index, _: 0.0 if 15 <= index < 15 + gap else 0.9)
    assert leaks(hidden(single(items), settings(track={"lookahead": 1.0})), [CAR]) == {}
    assert leaks(hidden(single(items), settings(track={"lookahead": 0})), [CAR]) == {}


def test_objects_that_cross_while_neither_is_seen_are_both_hidden() -> None:
    def back(time: float) -> tuple[float, float, float, float]:
        x = 240 - 50 * time
        return x, 70.0, x + 40, 110.0

    items = scene(TIMES, [CAR, back], lambda index, _: 0.0 if 19 <= index < 24 else 0.9)
    assert leaks(hidden(single(items), settings()), [CAR, back]) == {}


def test_it_works_in_seconds_so_that_uneven_times_make_no_difference() -> None:
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.choice([0.02, 0.05, 0.2], 60)).tolist()
    car = moving(0, 60, 30)
    missed = set(range(20, 24)) | {31, 40, 41}
    items = scene(times, [car], lambda index, _: 0.0 if index in missed else 0.9)
    assert leaks(hidden(single(items), settings(track={"lookahead": 1.0})), [car]) == {}


@pytest.mark.parametrize("every", [2, 3, 5])
@pytest.mark.parametrize("lookahead", [0.0, 0.6])
def test_frames_that_nobody_looked_at_are_hidden_by_what_the_others_say(every: int, lookahead: float) -> None:
    items = scene(TIMES, [CAR], always, looked=lambda index: index % every == 0)
    out = hidden(single(items), settings(track={"lookahead": lookahead}))
    shown = leaks(out, [CAR])
    # without looking ahead, an object seen once may have gone any way until it is seen again
    assert set(shown) <= (set() if lookahead else set(range(1, every)))
    assert [item.detections.looked for item in out] == [index % every == 0 for index in range(40)]


def test_what_was_seen_once_is_hidden_in_its_own_frame_alone() -> None:
    items = hidden(single(scene(TIMES, [CAR], lambda index, _: 0.9 * (index == 20))), settings())
    assert [item.frame.index for item in items if len(item.regions)] == [20]


@pytest.mark.parametrize("lookahead", [0.0, 0.6])
def test_with_a_mirror_what_is_seen_in_every_other_look_alone_is_one_object_that_is_hidden_throughout(
    lookahead: float,
) -> None:
    items = scene(TIMES, [CAR], lambda index, _: 0.9 * (index % 2))
    config = settings(detect={"mirror": True}, track={"lookahead": lookahead})
    out = hidden(single(items), config)
    # without looking ahead, what was seen once may be nothing until it is seen again
    assert set(leaks(out, [CAR])) <= (set() if lookahead else {0, 2})
    assert {number for item in out for number in numbers(item)} == {1}


@pytest.mark.parametrize("hold", [0.0, 0.15])
def test_with_a_mirror_two_looks_that_do_not_fit_into_hold_are_of_two_objects(hold: float) -> None:
    items = scene(TIMES, [CAR], lambda index, _: 0.9 * (index % 2))
    out = hidden(single(items), settings(detect={"mirror": True}, track={"lookahead": 0.6, "hold": hold}))
    assert [item.frame.index for item in out if len(item.regions)] == list(range(1, 40, 2))


@pytest.mark.parametrize(("mirror", "step"), [(False, 2), (True, 3)])
def test_what_is_missed_too_often_before_it_is_seen_again_is_another_object(mirror: bool, step: int) -> None:
    items = scene(TIMES, [CAR], lambda index, _: 0.9 * (index % step == 0))
    out = hidden(single(items), settings(detect={"mirror": mirror}))
    assert [item.frame.index for item in out if len(item.regions)] == list(range(0, 40, step))


def test_faint_detections_go_on_with_a_track_in_both_directions_and_never_begin_one() -> None:
    config = settings(detect={"threshold": 0.5, "hide_threshold": 0.4, "hide_threshold_large": 0.4})
    fading = scene(TIMES, [CAR], lambda index, _: 0.9 if 15 <= index < 25 else 0.2)
    items = hidden(single(fading), config)
    shown = leaks(items, [CAR])
    assert set(shown) <= set(range(12))  # found again in the frames that had not left, and ever after
    assert not [index for index in shown if index >= 12]
    faint = scene(TIMES, [CAR], lambda index, _: 0.2)
    assert not any(len(item.regions) for item in hidden(single(faint), config))


def test_a_large_box_needs_its_own_score_to_be_hidden_and_half_of_it_to_go_on_with_a_track() -> None:
    def small(time: float) -> tuple[float, float, float, float]:
        return 20.0 + 10 * time, 20.0, 35.0 + 10 * time, 35.0  # 0.4% of the frame, and the car is 3%

    def hidden_by(score: Callable[[int, int], float]) -> tuple[set[int], set[int]]:
        items = hidden(single(scene(TIMES, [small, CAR], score)), config)
        shown = leaks(items, [small, CAR])
        return tuple({index for index in range(40) if who not in shown.get(index, [])} for who in (0, 1))  # type: ignore[return-value]

    config = settings(detect={"threshold": 0.3, "hide_threshold": 0.05, "hide_threshold_large": 0.2})
    every = set(range(40))
    assert hidden_by(lambda index, who: 0.19) == (every, set())
    assert hidden_by(lambda index, who: 0.21) == (every, every)
    # after three sure sightings fainter ones go on with it, down to half of the score
    assert hidden_by(lambda index, who: 0.21 if index < 3 else 0.11)[1] == every
    given_up = hidden_by(lambda index, who: 0.21 if index < 3 else 0.09)[1]
    assert given_up >= {0, 1, 2}
    assert given_up.isdisjoint(range(8, 40))


def test_nothing_is_hidden_across_a_discontinuity() -> None:
    items = scene(TIMES, [CAR], lambda index, _: 0.9 if index < 20 else 0.0)
    batches: list[Batch[Detected]] = [items[:20], [Discontinuity("gate")], items[20:], [End("gate")]]
    out = hidden(batches, settings())
    assert [item.frame.index for item in out if len(item.regions)] == list(range(20))
    assert len(out) == 40


def test_a_frame_that_failed_leaves_hidden_whole_and_tracks_go_on() -> None:
    items = scene(TIMES, [CAR], always, looked=lambda index: index != 20)
    broken = [
        Detected(each.frame, each.image, each.detections, "detector" if index == 20 else None)
        for index, each in enumerate(items)
    ]
    out = hidden(single(broken), settings())
    assert [item.failure for item in out if item.failure] == ["detector"]
    assert out[20].regions.tolist() == [[0, 0, WIDTH, 160]]
    assert [numbers(item) for item in out] == [[1]] * 40


def test_two_cameras_interleaved_come_out_as_each_would_alone() -> None:
    gate = scene(TIMES, [CAR], lambda index, _: 0.9 * (index % 4 != 2))
    yard = scene(TIMES, [moving(200, 20, -40)], lambda index, _: 0.9 * (index % 5 != 1), camera="yard")
    mixed: list[Batch[Detected]] = [[a, b] for a, b in zip(gate, yard, strict=True)]
    mixed += [[End("gate")], [End("yard")]]
    together = hidden(mixed, settings(("gate", "yard")))
    for camera, items in (("gate", gate), ("yard", yard)):
        own = [item for item in together if item.frame.camera == camera]
        alone = hidden(single(items), settings((camera,)))
        assert [item.frame.index for item in own] == [item.frame.index for item in alone]
        for one, other in zip(own, alone, strict=True):
            np.testing.assert_array_equal(one.regions, other.regions)


def test_frames_wait_no_longer_than_the_lookahead_and_leave_in_order() -> None:
    items = scene(TIMES, [CAR], always)
    left: list[int] = []
    waiting: Counter[str] = Counter()

    def waits(camera: str, change: int) -> None:
        waiting[camera] += change

    def feed() -> Iterator[list[Detected]]:
        for item in items:
            yield [item]
            assert left == list(range(max(0, item.frame.index - 4)))
            assert waiting["gate"] == min(item.frame.index + 1, 5)
            yield []  # a tick, on which nothing moves

    for batch in stage(feed(), settings(), waits):
        left += [item.frame.index for item in batch if isinstance(item, Detected)]


def test_the_end_lets_all_go_before_it_in_pieces() -> None:
    items = scene(TIMES, [CAR], always)
    batches: list[Batch[Detected]] = [items, [End("gate")]]
    out = list(stage(batches, settings(track={"lookahead": 60.0})))
    assert max(map(len, out)) <= PIECE
    flat = [item for batch in out for item in batch]
    assert [item.frame.index for item in flat if isinstance(item, Detected)] == list(range(40))
    assert isinstance(flat[-1], End)


def test_a_window_beyond_the_memory_is_shortened_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    items = scene(TIMES, [CAR], always)
    monkeypatch.setattr(stage_module, "WAITING_BYTES", 3 * items[0].frame.image.nbytes)
    waiting, most = 0, 0

    def waits(camera: str, change: int) -> None:
        nonlocal waiting, most
        waiting += change
        most = max(most, waiting)

    out = [
        item for batch in stage(single(items), settings(track={"lookahead": 1e9}), waits) for item in batch
    ]
    assert len(out) == 41
    assert most == 3
    assert len([each for each in caplog.records if "of look-ahead" in each.message]) == 1


def test_live_frames_leave_at_once_by_default_and_a_stalled_camera_keeps_none() -> None:
    items = scene(TIMES, [CAR], always, live=True)
    out = list(stage(single(items), settings()))
    assert [len(batch) for batch in out] == [1] * 41
    # read long ago by the clock on the wall, and nothing came since
    stalled = list(stage([[items[0]], []], settings(track={"lookahead": 0.5})))
    assert sum(map(len, stalled)) == 1
