"""Subsets that take turns."""

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor

from streamer.errors import SourceError
from tests.trainer.scenes import command, configuration, frames, install
from trainer.config import SubsetsConfig
from trainer.data import Picture
from trainer.pairs import Items
from trainer.subsets import Subsets, divide

PICTURES = [Picture(Path(f"{i}.png"), f"{i}.png", "a", str(i)) for i in range(10)]


class Numbers(Items):
    """An item per picture: the picture's number and the epoch."""

    def __init__(self, pictures: list[Picture]) -> None:
        self.numbers = [int(picture.path.stem) for picture in pictures]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        epoch, item = divmod(index, len(self))
        return torch.tensor(self.numbers[item]), torch.tensor(epoch), torch.tensor(0)


def epoch(items: Items, number: int) -> list[int]:
    """The pictures of an epoch."""
    made = [items[number * len(items) + i] for i in range(len(items))]
    assert {int(at) for _, at, _ in made} == {number}
    return [int(which) for which, _, _ in made]


def test_no_picture_comes_again_before_all_have_come() -> None:
    parts = divide(PICTURES, SubsetsConfig(count=5, each=4), seed=0)
    drawn = [int(picture.path.stem) for part in parts for picture in part]
    assert [len(part) for part in parts] == [4] * 5
    assert all(len({picture.name for picture in part}) == 4 for part in parts)
    assert sorted(drawn) == sorted([*range(10), *range(10)])
    assert len({picture.name for part in parts[:2] for picture in part}) == 8
    assert divide(PICTURES, SubsetsConfig(count=5, each=4), seed=0) == parts
    assert divide(PICTURES, SubsetsConfig(count=5, each=4), seed=1) != parts
    assert divide(PICTURES, SubsetsConfig(count=2, each=99), seed=0) == [PICTURES, PICTURES]


def test_each_epoch_has_the_next_subset_and_only_that_is_made() -> None:
    made: list[list[int]] = []

    def make(pictures: list[Picture]) -> Items:
        made.append(Numbers(pictures).numbers)
        return Numbers(pictures)

    items = Subsets(PICTURES, SubsetsConfig(count=3, each=3), make, seed=0)
    assert len(made) == 1
    turns = [epoch(items, number) for number in range(6)]
    assert [sorted(turn) for turn in turns] == [made[0], made[1], made[2]] * 2
    assert len(made) == 6
    # whoever begins in the middle gets the same
    assert epoch(Subsets(PICTURES, SubsetsConfig(count=3, each=3), make, seed=0), 4) == turns[4]


def test_epochs_are_as_long_as_the_first_and_a_larger_subset_goes_on_next_time() -> None:
    sizes = iter([2, 4, 2, 4])
    items = Subsets(
        PICTURES, SubsetsConfig(count=2, each=4), lambda part: Numbers(part[: next(sizes)]), seed=0
    )
    turns = [epoch(items, number) for number in range(4)]
    assert [len(turn) for turn in turns] == [2] * 4
    assert turns[2] == turns[0]
    assert not set(turns[1]) & set(turns[3])


def test_a_subset_of_which_nothing_comes_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    parts = divide(PICTURES, SubsetsConfig(count=3, each=3), seed=0)

    def make(pictures: list[Picture]) -> Items:
        if pictures == parts[1]:
            raise SourceError("none of 3 pictures can be read")
        return Numbers(pictures)

    with caplog.at_level(logging.WARNING):
        items = Subsets(PICTURES, SubsetsConfig(count=3, each=3), make, seed=0)
        first, second, third = (epoch(items, number) for number in range(3))
    assert second == first
    assert third == Numbers(parts[2]).numbers
    assert caplog.messages == ["subset 2 of 3 is passed over: none of 3 pictures can be read"]


@pytest.mark.parametrize(
    ("task", "of", "size"), [("denoise", "crops", 32), ("deblur", "crops", 32), ("deblur", "regions", 16)]
)
def test_fit_looks_at_a_subset_when_its_turn_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, of: str, size: int
) -> None:
    detector = install(monkeypatch)
    frames(tmp_path / "pictures")
    subsets = {"count": 3, "each": 2}
    data = {"folder": str(tmp_path / "pictures"), "cache": str(tmp_path / "cache"), "subsets": subsets}
    sections = {
        "task": task, "pairs": {"of": of, "size": size}, "fit": {"epochs": 2},
        "data": {**data, "validation": ["b"], "test": ["c"]},
    }  # fmt: skip
    outcome = command("fit", configuration(tmp_path, **sections), "--runs", tmp_path / "runs")
    assert outcome.code == 0, outcome.err
    assert "8 frames of 2 clips for train" in outcome.err
    hides = task == "deblur"
    assert detector.seen == (8 + 2 * 2 if hides else 0)  # to validate and to test with, and two subsets
