"""The reference's top-1 and top-5, by hand and against drawing."""

import numpy as np
import pytest

from trainer.zeroshot import ranking

OWNERS = ["accident", "accident", "normal", "normal", "normal", "normal"]


def test_hits_of_a_worked_example() -> None:
    similarities = np.array(
        [
            [0.30, 0.10, 0.20, 0.00, 0.05, 0.01],  # the best is an accident's
            [0.10, 0.20, 0.30, 0.05, 0.04, 0.03],  # the second best is
            [0.01, 0.02, 0.30, 0.20, 0.10, 0.05],  # the last two are
            [0.50, 0.40, 0.30, 0.20, 0.10, 0.00],  # the third best is normal
        ],
        np.float32,
    )
    labels = ["accident", "accident", "accident", "normal"]
    assert ranking.hits(similarities, OWNERS, labels, 1).tolist() == [True, False, False, False]
    assert ranking.hits(similarities, OWNERS, labels, 2).tolist() == [True, True, False, False]
    assert ranking.hits(similarities, OWNERS, labels, 3).tolist() == [True, True, False, True]
    assert ranking.hits(similarities, OWNERS, labels, 5).tolist() == [True, True, True, True]


def test_of_equally_similar_sentences_the_first_is_best() -> None:
    level = np.zeros((2, 6), np.float32)
    assert ranking.hits(level, OWNERS, ["accident", "normal"], 1).tolist() == [True, False]


def test_floor_of_two_classes_is_a_coin_s_whatever_their_sentences() -> None:
    assert ranking.floor(OWNERS, ["accident", "normal"], 1) == pytest.approx(0.5)


def test_floor_by_hand() -> None:
    # none of 2 accident sentences among 5 of 6: impossible; among 2: (4·3)/(6·5); normal: (2·1)/(6·5)
    assert ranking.floor(OWNERS, ["accident"], 5) == 1.0
    assert ranking.floor(OWNERS, ["accident"], 2) == pytest.approx(1 - 12 / 30)
    assert ranking.floor(OWNERS, ["accident", "normal"], 2) == pytest.approx(1 - (12 / 30 + 2 / 30) / 2)
    assert ranking.floor(["a", "b"], ["a", "b"], 5) == 1.0  # there are but two


@pytest.mark.parametrize("best", [1, 2, 5])
@pytest.mark.parametrize("counts", [(3, 9), (6, 6), (1, 4, 12)])
def test_floor_is_what_rankings_by_chance_come_to(counts: tuple[int, ...], best: int) -> None:
    names = ["accident", "normal", "smoke"][: len(counts)]
    owners = [name for name, count in zip(names, counts, strict=True) for _ in range(count)]
    random = np.random.default_rng(0)
    labels = names * 4000
    by_chance = random.random((len(labels), len(owners))).astype(np.float32)
    found = ranking.hits(by_chance, owners, labels, best).mean()
    assert found == pytest.approx(ranking.floor(owners, names, best), abs=0.015)
