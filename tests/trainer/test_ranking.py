"""How well scores tell misbehaving pictures from normal ones."""

import numpy as np

from trainer import ranking


def scene(bad: float, normal: float) -> ranking.Scene:
    return np.full(3, bad), np.full(5, normal)


def precision(scenes: list[ranking.Scene]) -> float:
    return ranking.precision(scenes, np.random.default_rng(0))


def test_auroc_is_how_often_a_misdeed_is_above_what_is_normal() -> None:
    assert ranking.auroc(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 1.0
    assert ranking.auroc(np.array([0.1]), np.array([0.9])) == 0.0
    assert ranking.auroc(np.array([0.5, 0.5]), np.array([0.5])) == 0.5
    assert ranking.auroc(np.array([0.3, 0.7]), np.array([0.2, 0.5])) == 0.75


def test_scenes_are_ranked_together() -> None:
    assert ranking.pooled([scene(0.9, 0.1), scene(0.5, 0.4)]) == 1.0
    # what is normal in one scene is above what misbehaves in the other
    assert ranking.pooled([scene(0.9, 0.6), scene(0.5, 0.4)]) == 0.75


def test_precision_counts_what_misbehaves_among_the_first_hundred() -> None:
    assert precision([scene(0.9, 0.1)]) == 1.0
    assert precision([scene(0.1, 0.9)]) == 0.0
    # what scores the same is not found
    assert precision([scene(0.5, 0.5)]) == 0.0


def test_scores_that_say_nothing_find_as_many_as_there_are() -> None:
    random = np.random.default_rng(1)
    assert abs(precision([(random.random(5000), random.random(5000))]) - ranking.SHARE) < 0.02


def test_the_interval_is_of_other_drawings_of_the_scenes() -> None:
    alike = [scene(0.9, 0.1)] * 4
    assert ranking.interval(alike, ranking.pooled) == (1.0, 1.0)
    low, high = ranking.interval([*alike, scene(0.1, 0.9)], ranking.pooled)
    assert low < ranking.pooled([*alike, scene(0.1, 0.9)]) < high == 1.0
