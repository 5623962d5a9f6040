"""Intervals over clips, where they can be worked out by hand."""

import numpy as np
import pytest

from trainer.bootstrap import interval


def test_two_clips_come_to_three_means() -> None:
    # of two draws: both the first (1 in 4), one of each (2 in 4), both the second (1 in 4)
    assert interval([0.0, 1.0]) == (0.0, 1.0)
    assert interval([0.0, 1.0], confidence=0.4) == (0.5, 0.5)
    assert interval([0.0, 1.0], confidence=0.6) == (0.0, 1.0)


def test_it_is_where_percentiles_of_many_draws_are() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 400).tolist()
    bounds = interval(values)
    assert bounds is not None
    error = np.std(values) / 20
    assert bounds[0] == pytest.approx(np.mean(values) - 1.96 * error, abs=0.02)
    assert bounds[1] == pytest.approx(np.mean(values) + 1.96 * error, abs=0.02)


def test_weights_decide_how_much_a_clip_counts() -> None:
    assert interval([0.0, 1.0], [1.0, 3.0], confidence=0.4) == (0.75, 0.75)
    assert interval([5.0, 1.0], [0.0, 3.0]) == (1.0, 1.0)


def test_one_clip_has_none_and_equal_clips_have_no_width() -> None:
    assert interval([2.0]) is None
    assert interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


def test_the_same_clips_are_drawn_for_each_measure() -> None:
    one, other = [1.0, 4.0, 9.0, 2.0], [3.0, 12.0, 27.0, 6.0]
    low, high = interval(one) or (0.0, 0.0)
    assert interval(other) == pytest.approx((3 * low, 3 * high))
