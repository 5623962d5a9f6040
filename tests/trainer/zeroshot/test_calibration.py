"""Temperature, offset, threshold and folds on constructed margins, whose answers are known."""

import math
from collections.abc import Iterable

import numpy as np
import pytest

from trainer.zeroshot import calibration
from trainer.zeroshot.calibration import Windows


def windows(alert: Iterable[float], normal: Iterable[float], clips: int | None = None) -> Windows:
    """Windows by their margins, each a clip and a scene of its own; or dealt over so many scenes."""
    sides = [*alert], [*normal]
    margins = np.array([*sides[0], *sides[1]])
    side = np.arange(len(margins)) < len(sides[0])
    place = np.arange(len(margins)) % (clips or len(margins))
    scenes = [f"scene {number}" for number in place]
    return Windows(margins, side, place + len(margins) * side, scenes)


def drawn(temperature: float, offset: float, count: int = 5_000) -> Windows:
    """Windows whose side is drawn with the probability that is to be found, each a clip of its own."""
    random = np.random.default_rng(1)
    margins = random.normal(offset, 0.05, count)
    side = random.random(count) < 1 / (1 + np.exp(-(margins - offset) / temperature))
    return windows(margins[side].tolist(), margins[~side].tolist())


@pytest.mark.parametrize("offset", [0.0, 0.08, -0.3])
@pytest.mark.parametrize("known", [0.01, 0.03, 0.1])
def test_what_sides_were_drawn_with_is_found(known: float, offset: float) -> None:
    temperature, found = calibration.fit(drawn(known, offset))
    assert temperature == pytest.approx(known, rel=0.1)
    assert found == pytest.approx(offset, abs=0.005)


def test_the_fit_has_the_least_log_loss() -> None:
    found = windows([0.13, 0.11, 0.09], [0.08, 0.105, 0.06, 0.07])
    weights = np.where(found.alert, 1 / 3, 1 / 4)
    target = np.where(found.alert, 4 / 5, 1 / 6)  # (3 + 1) / (3 + 2), 1 / (4 + 2)

    def loss(temperature: float, offset: float) -> float:
        of = calibration.probability(found.margins, temperature, offset)
        return float(-(weights * (target * np.log(of) + (1 - target) * np.log(1 - of))).sum())

    temperature, offset = calibration.fit(found)
    grid = [loss(t, o) for t in np.geomspace(0.005, 0.5, 80) for o in np.linspace(0.05, 0.15, 41)]
    assert loss(temperature, offset) <= min(grid)
    assert loss(temperature, offset) == pytest.approx(min(grid), rel=3e-3)


def test_sides_that_do_not_overlap_still_have_a_temperature() -> None:
    # two clips a side, 0.02 from their middle, ask for Platt's 3/4, so that 0.02 / temperature = log 3
    temperature, offset = calibration.fit(windows([0.12, 0.12], [0.08, 0.08]))
    assert temperature == pytest.approx(0.02 / math.log(3), rel=1e-6)
    assert offset == pytest.approx(0.1)


@pytest.mark.parametrize(
    "found",
    [windows([0.0, 0.0], [0.0, 0.0]), windows([-0.1, -0.2], [0.1, 0.2]), windows([0.3, 0.3], [0.3, 0.3])],
    ids=["nothing", "the wrong way round", "constant"],
)
def test_margins_that_say_nothing_get_the_highest_temperature(found: Windows) -> None:
    assert calibration.fit(found)[0] == pytest.approx(calibration.MOST)


def test_margins_that_hardly_differ_get_the_lowest_temperature() -> None:
    assert calibration.fit(windows([1e-5] * 9, [-1e-5] * 9))[0] == pytest.approx(calibration.LEAST)


def test_what_is_raised_is_over_again_wherever_the_margins_lie() -> None:
    # a run takes a look for normal below 0.8 of the threshold
    random = np.random.default_rng(2)
    for offset in (-0.05, 0.0, 0.05, 0.2):
        found = windows(random.normal(offset + 0.01, 0.01, 200), random.normal(offset - 0.01, 0.01, 200))
        temperature, middle = calibration.fit(found)
        threshold = calibration.threshold(calibration.cut(found), temperature, middle)
        normal = calibration.probability(found.margins[~found.alert], temperature, middle)
        assert (normal < 0.8 * threshold).mean() > 0.6, offset


def test_probability_is_the_two_way_softmax() -> None:
    margins = np.array([-0.03, 0.0, 0.02])
    both = np.exp(np.stack([margins - 0.01, np.zeros(3)]) / 0.02)
    assert calibration.probability(margins, 0.02, 0.01) == pytest.approx(both[0] / both.sum(axis=0))


def test_the_threshold_is_the_probability_of_the_cut_and_inside_of_0_and_1() -> None:
    assert calibration.threshold(0.03, 0.01, 0.02) == pytest.approx(1 / (1 + math.exp(-1)))
    assert calibration.threshold(0.9, 0.001, 0.0) == 1 - 1e-6
    assert calibration.threshold(-0.9, 0.001, 0.0) == 1e-6


def test_the_cut_is_where_both_sides_are_told_best() -> None:
    # above 0.035: 3 of 4 right on the one side, 4 of 4 on the other
    found = windows([0.01, 0.04, 0.05, 0.06], [-0.01, 0.0, 0.02, 0.03])
    assert calibration.cut(found) == pytest.approx(0.035)


def test_of_equally_good_cuts_the_widest_gap_is_chosen_and_of_equal_gaps_the_highest() -> None:
    assert calibration.cut(windows([0.05, 0.09], [0.01, 0.02])) == pytest.approx(0.035)
    # 0.25 and 0.75 are each right three times in four
    assert calibration.cut(windows([0.5, 1.0], [0.0, 0.5])) == pytest.approx(0.75)


@pytest.mark.parametrize(
    "found",
    [windows([0.3, 0.3], [0.3, 0.3]), windows([0.0, 0.1], [0.2, 0.3])],
    ids=["constant", "the wrong way round"],
)
def test_nothing_is_raised_where_no_cut_is_better_than_guessing(found: Windows) -> None:
    assert calibration.cut(found) == math.inf


def test_a_long_clip_counts_no_more_than_a_short_one() -> None:
    margins = np.array([0.1, 0.1, 0.1, 0.3, 0.0, 0.2])
    side = np.array([True, True, True, True, False, False])
    parts = np.array([0, 0, 0, 1, 2, 3])
    found = Windows(margins, side, parts, ["a", "a", "a", "b", "c", "d"])
    assert found.weights == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2, 1 / 2, 1 / 2])
    # counted by windows, 0.05 is right for 4 of 4 and 1 of 2; by clips 0.25 is as good, and its gap is equal
    assert calibration.cut(found) == pytest.approx(0.25)
    assert found.count(alert=True) == 2


def test_folds_keep_scenes_whole_and_leave_both_sides_outside() -> None:
    for seed in range(20):
        scenes = ["both", "alert only", "normal only", "alert only"]
        found = Windows(
            np.zeros(5), np.array([True, True, False, False, True]), np.arange(5),
            [scenes[0], scenes[1], scenes[0], scenes[2], scenes[3]],
        )  # fmt: skip
        of = calibration.folds(found, seed)
        assert set(of) == set(scenes)
        for fold in set(of.values()):
            outside = found.where(np.array([of[scene] != fold for scene in found.scenes]))
            assert outside.alert.any(), seed
            assert not outside.alert.all(), seed


def test_folds_are_five_of_even_size_and_the_same_each_time() -> None:
    found = windows([0.1] * 23, [0.0] * 23, clips=23)
    of = calibration.folds(found)
    assert sorted(list(of.values()).count(fold) for fold in range(5)) == [4, 4, 5, 5, 5]
    assert of == calibration.folds(found)
    assert of != calibration.folds(found, seed=1)


def test_each_window_is_judged_by_a_threshold_of_other_scenes() -> None:
    # a threshold of all four scenes would be 0.5; scene a is judged by b's 5.5, and b by a's 0.5
    margins = np.array([1.0, 6.0, 0.0, 5.0])
    found = Windows(margins, np.array([True, True, False, False]), np.arange(4), ["a", "b", "a", "b"])
    assert calibration.judge(found).tolist() == [False, True, False, True]


def test_separable_margins_are_judged_right() -> None:
    found = windows([0.05, 0.06, 0.07, 0.08], [0.01, 0.02, 0.03, 0.0])
    assert calibration.judge(found).tolist() == [True] * 4 + [False] * 4


def test_area_under_the_curve_counts_equals_half_and_weights() -> None:
    margins = np.array([0.3, 0.1, 0.1, 0.2])
    side = np.array([True, True, False, False])
    weights = np.array(
        [[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 2.0, 1.0], [1.0, 3.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    )
    # the pairs, first row: 0.3 is above both, 0.1 equals one and is below the other: 2.5 of 4
    found = calibration.auroc(margins, side, weights)
    assert found[:3] == pytest.approx([2.5 / 4, 1.0, (2 + 3 * 0.5) / 8])
    assert math.isnan(found[3])


def test_the_area_is_that_of_all_pairs() -> None:
    random = np.random.default_rng(0)
    margins, side = random.integers(0, 9, 60).astype(float), random.random(60) < 0.4
    weights = random.random((3, 60))
    for row, found in zip(weights, calibration.auroc(margins, side, weights), strict=True):
        above = (margins[side][:, None] > margins[~side]) + 0.5 * (margins[side][:, None] == margins[~side])
        pairs = row[side][:, None] * row[~side]
        assert found == pytest.approx((pairs * above).sum() / pairs.sum())


def test_balanced_accuracy_is_the_mean_over_sides() -> None:
    right = np.array([True, False, True, True, True])
    sides = np.array([0, 0, 1, 1, 1])
    weights = np.array([[1.0, 1, 1, 1, 1], [3, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    found = calibration.mean_of_sides(right, sides, weights)
    assert found[:2] == pytest.approx([0.75, (0.75 + 1) / 2])
    assert math.isnan(found[2])


def test_drawing_takes_whole_scenes_as_often_as_there_are() -> None:
    weights = calibration.draw(["a", "a", "b", "c"])
    assert weights.shape == (calibration.ROUNDS, 4)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 1:].sum(axis=1) == 3).all()
    assert weights.mean(axis=0) == pytest.approx([1] * 4, abs=0.1)


def test_bounds_leave_out_what_has_one_side_alone() -> None:
    assert calibration.bounds(np.array([np.nan, 0.5, 0.5])) == (0.5, 0.5)
    assert calibration.bounds(np.array([np.nan])) is None
    low, high = calibration.bounds(np.linspace(0, 1, 1001)) or (0, 0)
    assert (low, high) == pytest.approx((0.025, 0.975))


def test_chance_is_judged_to_be_chance() -> None:
    random = np.random.default_rng(3)
    right, area = [], []
    for seed in range(60):
        found = windows(random.normal(size=60).tolist(), random.normal(size=60).tolist(), clips=30)
        judged = calibration.judge(found, seed)
        weights = found.weights[None]
        right.append(
            calibration.mean_of_sides(judged == found.alert, found.alert.astype(np.intp), weights)[0]
        )
        area.append(calibration.auroc(found.margins, found.alert, weights)[0])
    assert np.mean(right) == pytest.approx(0.5, abs=0.03)
    assert np.mean(area) == pytest.approx(0.5, abs=0.03)
