"""Boxes and pairs on disk: made once, and again when anything behind them changes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from streamer.errors import ConfigError
from tests.trainer.scenes import CAR, StandIn, configuration, frames, install
from trainer import config, data, degrade, pairs
from trainer.config import TrainConfig
from trainer.degrade import BoxesByName
from trainer.pairs import Pairs

QUIET = Console(quiet=True)
CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frames(tmp_path / "pictures")
    return tmp_path


def made(folder: Path, **sections: Any) -> tuple[TrainConfig, data.Split, BoxesByName, list[str]]:
    """A configuration, and what was found with it."""
    loaded = config.load(configuration(folder, **sections))
    divided = data.read(loaded.data, loaded.seed)
    boxes, unreadable = pairs.find_boxes(divided.pictures, loaded, CPU, QUIET)
    return loaded, divided, boxes, unreadable


def test_boxes_are_found_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = install(monkeypatch)
    _, divided, boxes, unreadable = made(folder)
    assert detector.seen == len(divided.pictures) == 16
    assert boxes.keys() == {picture.name for picture in divided.pictures}
    np.testing.assert_array_equal(boxes["a_0.png"], [CAR])
    assert boxes["a_0.png"].dtype == np.float32
    assert unreadable == []
    made(folder)
    assert detector.seen == 16


@pytest.mark.parametrize("detect", [{"threshold": 0.4}, {"classes": ["bus"]}, {"model": "other"}])
def test_another_detector_finds_boxes_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch, detect: dict[str, Any]
) -> None:
    detector = install(monkeypatch)
    made(folder)
    made(folder, detect=detect)
    assert detector.seen == 32


def test_a_model_file_of_other_contents_finds_boxes_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = install(monkeypatch)
    model = folder / "model.onnx"
    for content, seen in ((b"one", 16), (b"one", 16), (b"two", 32)):
        model.write_bytes(content)
        made(folder, detect={"model": str(model)})
        assert detector.seen == seen


def test_a_changed_frame_is_looked_at_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = install(monkeypatch)
    made(folder)
    (folder / "pictures" / "a_0.png").write_bytes((folder / "pictures" / "a_1.png").read_bytes() + b"\0")
    made(folder)
    assert detector.seen == 32


def test_an_unreadable_frame_is_left_out_and_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    path = folder / "pictures" / "a_2.png"
    path.write_bytes(path.read_bytes()[:100])
    for _ in range(2):  # found, then remembered
        loaded, divided, boxes, unreadable = made(folder)
        assert unreadable == ["a_2.png"]
        assert "a_2.png" not in boxes
    assert len(Pairs(pairs.make_pairs(divided, boxes, loaded, QUIET).train)) == 7


def test_pairs_come_back_as_floats(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    loaded, divided, boxes, _ = made(folder)
    folders = pairs.make_pairs(divided, boxes, loaded, QUIET)
    train, validation = Pairs(folders.train), Pairs(folders.validation)
    assert (len(train), len(validation)) == (8, 4)  # clips a and d; clip b; a car in each frame
    degraded, clean, hidden = train[5]
    assert degraded.shape == clean.shape == (3, 16, 16)
    assert hidden.shape == (1, 16, 16)
    for part in (degraded, clean, hidden):
        assert part.dtype == torch.float32
        assert float(part.min()) >= 0.0
        assert float(part.max()) <= 1.0
    assert float(clean.std()) > float(degraded.std()) > 0.0
    assert (float(hidden.min()), float(hidden.max())) == (0.0, 1.0)


def test_variants_multiply_training_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    loaded, divided, boxes, _ = made(folder, pairs={"variants": 3, "jitter": 0.1})
    folders = pairs.make_pairs(divided, boxes, loaded, QUIET)
    assert (len(Pairs(folders.train)), len(Pairs(folders.validation))) == (24, 4)


@pytest.mark.parametrize(
    "sections",
    [
        {"blur": {"strength": 0.2}},
        {"blur": {"kernel": 21}},
        {"pairs": {"size": 24}},
        {"pairs": {"context": 0.5}},
        {"pairs": {"of": "frames"}},
        {"seed": 1},
    ],
)
def test_pairs_are_made_anew_when_what_made_them_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, sections: dict[str, Any]
) -> None:
    install(monkeypatch)
    loaded, divided, boxes, _ = made(folder)
    first = pairs.make_pairs(divided, boxes, loaded, QUIET)
    changed, *_ = made(folder, **sections)
    second = pairs.make_pairs(divided, boxes, changed, QUIET)
    assert first.train != second.train
    same, *_ = made(folder, fit={"epochs": 9}, network={"width": 8})
    assert pairs.make_pairs(divided, boxes, same, QUIET) == first


def test_pairs_are_made_anew_when_the_hiding_code_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    loaded, divided, boxes, _ = made(folder)
    first = pairs.make_pairs(divided, boxes, loaded, QUIET)
    edited = folder / "hide.py"
    edited.write_text("# another blur")
    monkeypatch.setattr(pairs, "_HIDING", [edited])
    assert pairs.make_pairs(divided, boxes, loaded, QUIET).train != first.train


def test_an_interruption_while_hiding_leaves_no_pairs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    loaded, divided, boxes, _ = made(folder)

    def interrupted(*arguments: Any, **options: Any) -> Any:
        yield from list(original(*arguments, **options))[:3]
        raise KeyboardInterrupt

    original = degrade.pairs
    monkeypatch.setattr(pairs, "pairs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pairs.make_pairs(divided, boxes, loaded, QUIET)
    monkeypatch.setattr(pairs, "pairs", original)
    assert len(Pairs(pairs.make_pairs(divided, boxes, loaded, QUIET).train)) == 8


def test_no_car_in_any_frame_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, StandIn(boxes=()))
    loaded, divided, boxes, _ = made(folder)
    with pytest.raises(ConfigError, match=r"detect: no car at or above 0\.5 in the 8 frames for train"):
        pairs.make_pairs(divided, boxes, loaded, QUIET)
