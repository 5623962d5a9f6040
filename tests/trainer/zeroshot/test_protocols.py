"""Both protocols side by side, on constructed similarities."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
from rich.console import Console

from tests.trainer.zeroshot.test_judged import footage
from trainer.zeroshot import protocols
from trainer.zeroshot.judged import judge
from trainer.zeroshot.protocols import Ranked, Report, rank

SENTENCES = ["a crash", "a wreck", "cars", "a road", "a street", "a junction"]
OWNERS = ["accident", "accident", "normal", "normal", "normal", "normal"]


def ranked(best: Sequence[int], labels: Sequence[str]) -> Ranked:
    """Images of which each has one best sentence, and the others in order."""
    similarities = np.tile(np.linspace(0.2, 0.1, len(SENTENCES), dtype=np.float32), (len(best), 1))
    similarities[np.arange(len(best)), best] = 0.3
    scenes = [f"{number % 3}" for number in range(len(best))]
    return rank(similarities, SENTENCES, OWNERS, labels, scenes)


def test_top_1_and_top_5_of_a_worked_example() -> None:
    # 2 of 3 accident images and 1 of 3 normal ones have a best sentence of their class
    found = ranked([0, 1, 2, 3, 0, 0], ["accident"] * 3 + ["normal"] * 3)
    assert found.images == 3
    assert found.top[1].mean == pytest.approx(3 / 6)
    assert found.top[5].mean == 1.0  # among five of six there is one of either class
    assert found.floor == {1: pytest.approx(0.5), 5: 1.0}
    assert [dict(wins) for wins in found.wins][:4] == [
        {"accident": 1, "normal": 2}, {"accident": 1, "normal": 0},
        {"accident": 1, "normal": 0}, {"accident": 0, "normal": 1},
    ]  # fmt: skip


def test_as_many_images_of_each_class_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ["accident"] * 4 + ["normal"] * 40
    assert ranked([0] * 44, labels).images == 4
    monkeypatch.setattr(protocols, "IMAGES", 3)
    found = ranked([0] * 44, labels)
    assert found.images == 3
    assert found.wins[0] == {"accident": 3, "normal": 3}
    assert found.top[1].mean == 0.5


def test_which_images_are_drawn_is_the_seed_s() -> None:
    labels = ["accident"] * 3 + ["normal"] * 40
    similarities = np.random.default_rng(0).random((43, 6)).astype(np.float32)

    def drawn(seed: int) -> Ranked:
        return rank(similarities, SENTENCES, OWNERS, labels, labels, seed=seed)

    assert drawn(0) == drawn(0)
    assert any(drawn(0).wins != drawn(seed).wins for seed in range(1, 5))


def test_classes_without_images_have_no_part_in_the_floor() -> None:
    similarities = np.zeros((2, 3), np.float32)
    found = rank(similarities, ["x", "y", "z"], ["accident", "smoke", "normal"], ["accident", "normal"], "ab")
    assert found.classes == ["accident", "normal"]
    # a third of rankings has the right one first, though there are two classes of images
    assert found.floor[1] == pytest.approx(1 / 3)


def report() -> Report:
    """Of a class that is told, by sentences of which one needs escaping."""
    windows, parts = footage(
        {
            **{f"{clip} smoke": [0.08] for clip in range(4)},
            **{f"{clip} normal": [0.0] for clip in range(4)},
        }
    )
    found = rank(
        np.eye(2, dtype=np.float32), ["smoke <b>", "a road"], ["smoke", "normal"], ["smoke", "normal"], "ab"
    )
    judged = {"smoke": judge("smoke", "normal", windows, parts)}
    return Report(found, judged, "normal", {"model": "tiny"}, {"frames": 8})


def test_the_table_has_both_protocols_with_what_chance_comes_to() -> None:
    console = Console(width=120, file=io.StringIO(), record=True)
    report().show(console)
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "reference: best of 2 sentences, 1 + 1 images top-1 1.000 (1.000 to 1.000) 0.500" in lines
    assert "reference: best of 2 sentences, 1 + 1 images top-5 1.000 (1.000 to 1.000) 1.000" in lines
    assert "classes pooled, 4 + 4 clips, 8 windows smoke: AUROC 1.000 (1.000 to 1.000) 0.500" in lines
    assert any(line.endswith("smoke: balanced accuracy 1.000 (1.000 to 1.000) 0.500") for line in lines)


def test_the_page_needs_nothing_but_itself_and_escapes_sentences() -> None:
    text = report().html().decode()
    assert "smoke &lt;b&gt;" in text
    assert "<b>smoke" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("balanced accuracy") == 2  # a card and a row
    assert "<td class='name'>3</td><td>100%</td><td>0%</td>" in text  # the last clip


def test_facts_hold_every_number_of_the_table() -> None:
    facts = report().facts()
    assert facts["reference"]["top_1"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "floor": 0.5}
    assert facts["reference"]["sentences"][0] == {
        "sentence": "smoke <b>", "class": "smoke", "best_for": {"smoke": 1, "normal": 0},
    }  # fmt: skip
    assert facts["pooled"]["smoke"]["auroc"]["mean"] == 1.0
    assert facts["pooled"]["smoke"]["floor"] == 0.5
