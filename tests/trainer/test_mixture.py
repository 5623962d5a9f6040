"""What is trained on to learn what is normal: how much of what, and when."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console

from tests.scene import view
from trainer import store
from trainer.config import AnomalyConfig
from trainer.data import Picture
from trainer.misdeeds import MISDEEDS
from trainer.mixture import Mixture, draw
from trainer.ranking import OBVIOUS
from trainer.store import Store

SIZE = 32


@pytest.fixture
def views(tmp_path: Path) -> Store:
    """Three places."""
    pictures = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), cv2.cvtColor(view(number, 96, 64), cv2.COLOR_RGB2BGR))
        pictures.append(Picture(path, path.name, path.stem, str(number)))
    return store.store(pictures, tmp_path / "cache", "decoding", Console(quiet=True))


def mixture(views: Store, augment: tuple[str, ...] = (), *, epochs: int = 4, seed: int = 0) -> Mixture:
    config = AnomalyConfig(subsets=2, pictures=10, misbehaving=3)
    return Mixture(views, config, SIZE, epochs=epochs, augment=augment, seed=seed)


def epoch(items: Mixture, number: int) -> torch.Tensor:
    """All pictures of an epoch: float32 ``[N, 3, S, S]``."""
    return torch.stack([items[number * len(items) + item][0] for item in range(len(items))])


def test_a_subset_has_950_normal_pictures_and_50_that_misbehave() -> None:
    drawn = draw(391, AnomalyConfig(), [0, 0])
    normal = Counter(which for which, misdeed in drawn if misdeed is None)
    misdeeds = Counter(misdeed for _, misdeed in drawn if misdeed is not None)
    assert (normal.total(), misdeeds.total()) == (950, 50)
    assert set(misdeeds) == set(OBVIOUS)
    # none comes a third time before all have come twice
    assert set(normal) == set(range(391))
    assert set(normal.values()) == {2, 3}


def test_what_is_drawn_follows_from_the_seed_and_differs_by_subset() -> None:
    drawn = draw(391, AnomalyConfig(), [7, 0])
    assert draw(391, AnomalyConfig(), [7, 0]) == drawn
    assert draw(391, AnomalyConfig(), [7, 1]) != drawn
    assert draw(391, AnomalyConfig(), [8, 0]) != drawn


def test_a_larger_set_is_drawn_from_without_repeats() -> None:
    drawn = draw(5000, AnomalyConfig(), [0, 0])
    assert len({which for which, misdeed in drawn if misdeed is None}) == 950


def test_a_picture_is_to_be_drawn_as_it_is_and_all_of_it_counts(views: Store) -> None:
    for item in (0, 9):
        picture, goal, weight = mixture(views)[item]
        assert picture.shape == (3, SIZE, SIZE)
        torch.testing.assert_close(picture, goal, rtol=0, atol=0)
        torch.testing.assert_close(weight, torch.ones(1, SIZE, SIZE))


def test_only_those_that_misbehave_are_changed(views: Store) -> None:
    whole = [cv2.resize(views[i], (SIZE, SIZE), interpolation=cv2.INTER_AREA) for i in range(3)]
    made = (epoch(mixture(views), 0) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    known = [any(np.array_equal(picture, each) for each in whole) for picture in made]
    drawn = draw(3, AnomalyConfig(subsets=2, pictures=10, misbehaving=3), [0, 0])
    assert known[:7] == [True] * 7
    for item, (which, misdeed) in enumerate(drawn[7:], 7):
        assert misdeed is not None
        spoiled = MISDEEDS[misdeed].deed(views[which], 1.0, np.random.default_rng([0, 0, item]))
        np.testing.assert_array_equal(
            made[item], cv2.resize(spoiled, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        )


def test_a_subset_stays_for_its_share_of_the_epochs(views: Store) -> None:
    items = mixture(views, epochs=4)
    turns = [epoch(items, number) for number in range(4)]
    assert torch.equal(turns[0], turns[1])
    assert torch.equal(turns[2], turns[3])
    assert not torch.equal(turns[1], turns[2])
    # whoever begins in the middle gets the same
    assert torch.equal(epoch(mixture(views, epochs=4), 3), turns[3])


def test_pictures_are_changed_anew_in_every_epoch(views: Store) -> None:
    items = mixture(views, ("mirror", "colour"))
    first, second = epoch(items, 0), epoch(items, 1)
    assert all(not torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(epoch(mixture(views, ("mirror", "colour")), 1), second)
    assert not torch.equal(epoch(mixture(views, ("mirror", "colour"), seed=1), 1), second)
