"""A ranking of strange pictures, from the configuration to the table."""

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from streamer import modelfile, nets
from streamer.errors import ConfigError
from streamer.frame import Image
from streamer.nets.autoencoder import Autoencoder
from tests.scene import seen, view
from tests.standin import Outcome
from tests.trainer.scenes import command
from trainer import anomaly, config, data, ranking
from trainer.anomaly import ERROR, GRADIENTS, NEGATIVE, PRODUCT, SCORES, SMOOTH
from trainer.strangeness import COLUMNS, Ranking

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
WIDTH, HEIGHT = 160, 96


@pytest.fixture(autouse=True)
def fewer_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bootstrap of a few rounds, for the time that all take."""
    monkeypatch.setattr(ranking, "ROUNDS", 20)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with four clips of 12 pictures of a street each."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    for seed, clip in enumerate("abcd"):
        for number in range(12):
            picture = seen(view(seed, WIDTH, HEIGHT), 100 * seed + number)
            cv2.imwrite(str(tmp_path / "pictures" / f"{clip}_{number}.png"), picture[..., ::-1])
    return tmp_path


def small(work: Path, **sections: Any) -> Path:
    """Write ``small.yaml``: the shipped one, with everything smaller."""
    facts = yaml.safe_load((CONFIGS / "anomaly.yaml").read_text(encoding="utf-8"))
    facts |= {
        "device": "cpu",
        "data": {"folder": str(work / "pictures"), "cache": str(work / "cache"), "validation": ["b"],
                 "test": ["c"]},
        "anomaly": {"subsets": 2, "pictures": 12, "misbehaving": 2},
        "pairs": {"of": "frames", "size": 32},
        "network": {"name": "autoencoder", "widths": [4, 4], "grey": True, "dropout": 0.1},
        "fit": {"epochs": 2, "batch": 6, "rate": 0.01, "augment": ["mirror", "colour"], "patience": 3},
    }  # fmt: skip
    path = work / "small.yaml"
    path.write_text(yaml.safe_dump(facts | sections), encoding="utf-8")
    return path


def test_the_shipped_configuration_is_the_reference_as_it_was_written() -> None:
    loaded = config.load(CONFIGS / "anomaly.yaml")
    assert (loaded.task, loaded.pairs.of, loaded.pairs.size) == ("anomaly", "frames", 224)
    of = loaded.anomaly
    assert (of.subsets, of.pictures, of.misbehaving) == (10, 1000, 50)
    fit = loaded.fit
    assert (fit.epochs, fit.batch, fit.loss) == (10 * of.subsets, 64, "mse")
    assert fit.patience is not None
    assert fit.augment
    options = loaded.network.options
    assert (loaded.network.name, options["grey"], options["dropout"] > 0) == ("autoencoder", True, True)
    network = nets.build("autoencoder", options)
    assert isinstance(network, Autoencoder)
    assert network.encoder(torch.zeros(1, 1, 224, 224)).shape[2:] == (14, 14)


def test_the_shipped_configuration_never_trains_on_clips_that_are_kept_out() -> None:
    data = config.load(CONFIGS / "anomaly.yaml").data
    held_out = {"test3", "test4", "test10", "test11", "test18", "test20", "test27", "test29"}
    assert set(data.test) == held_out  # type: ignore[arg-type]
    assert not held_out & set(data.validation)  # type: ignore[arg-type]
    assert ["test10", "test27"] in data.groups


def test_fit_trains_ranks_and_writes_the_run_and_evaluate_finds_the_same(work: Path) -> None:
    outcome = command("fit", small(work))
    assert outcome.code == 0, outcome.err
    assert "24 frames of 2 clips for train" in outcome.err
    run = work / "runs" / "small"
    assert {"model.safetensors", "metrics.csv", "metrics.json", "report.html"} <= {
        entry.name for entry in run.iterdir()
    }
    with (run / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    _, header = modelfile.load(run / "model.safetensors", ("anomaly",))
    assert (header.task, header.size) == ("anomaly", 32)
    assert header.training["clips"] == {"train": ["a", "d"], "validation": ["b"], "test": ["c"]}
    facts = json.loads((run / "metrics.json").read_text())
    assert (facts["normal"], facts["scenes"], facts["unseen"]) == (6, {"c": 6}, True)
    assert facts["misbehaving"] == 3 * len(ranking.OBVIOUS)
    assert facts["published"] == 0.54
    assert list(facts["rows"]) == ["chance", *SCORES]
    assert header.metrics == {key: value for key, value in facts.items() if key != "scenes"}
    error, negative = (facts["rows"][name]["auroc"] for name in (ERROR, NEGATIVE))
    for column in COLUMNS:
        assert error[column]["mean"] == pytest.approx(1 - negative[column]["mean"])
    assert facts["rows"][PRODUCT]["auroc"]["walls"]["mean"] == 1.0
    assert facts["rows"][SMOOTH]["auroc"]["walls"]["mean"] == 1.0
    assert facts["rows"]["chance"]["precision"]["mean"] == 0.076
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["chance", "7.6", "0.500", "0.500", "0.500"] in lines
    assert "54" in outcome.out

    again = command("evaluate", run / "model.safetensors", "--json")
    assert again.code == 0, again.err
    found = json.loads(again.out)
    assert found | {"model": ""} == facts | {"model": ""}


def test_a_clip_is_taken_in_its_order_though_a_dataset_has_it_in_several_folders(work: Path) -> None:
    for number in range(11, -1, -2):
        (work / "pictures" / "more").mkdir(exist_ok=True)
        (work / "pictures" / f"c_{number}.png").rename(work / "pictures" / "more" / f"c_{number}.png")
    split = data.read(config.load(small(work)).data, 0)
    assert [picture.name for picture in split.test[:3]] == ["c_0.png", "c_2.png", "c_4.png"]
    ((name, pictures),) = anomaly._scenes(split)
    assert name == "c"
    for number, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture, seen(view(2, WIDTH, HEIGHT), 200 + number))


def test_the_page_shows_what_is_drawn_and_needs_nothing_but_itself(work: Path) -> None:
    path = small(work)
    assert command("fit", path, "--steps", "1").code == 0
    output = work / "elsewhere"
    outcome = command("evaluate", work / "runs" / "small" / "model.safetensors", "--output", output, "-q")
    assert (outcome.code, outcome.out) == (0, "")
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "://" not in page
    assert page.count("<figure>") == 1 + len(ranking.OBVIOUS)
    assert "c, wall" in page
    assert GRADIENTS in page
    assert (output / "metrics.json").exists()


def test_what_was_trained_on_is_said(work: Path) -> None:
    assert command("fit", small(work), "--steps", "1").code == 0
    other = small(work, data={"folder": "pictures", "cache": "cache", "validation": ["b"], "test": ["a"]})
    outcome = command("evaluate", work / "runs" / "small" / "model.safetensors", other, "--json")
    assert outcome.code == 0, outcome.err
    assert "training saw a: the numbers do not say what it does elsewhere" in outcome.err
    assert json.loads(outcome.out)["unseen"] is False


def test_a_run_goes_on_as_if_never_interrupted(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small(work)
    assert command("fit", path, "--runs", "whole").code == 0

    def stop(*_: object, **__: object) -> Ranking:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(anomaly, "assess", stop)
        assert command("fit", path).code == 130
    assert not (work / "runs" / "small" / "model.safetensors").exists()
    assert command("fit", path, "--resume").code == 0
    one, two = (
        json.loads((work / runs / "small" / "metrics.json").read_text()) for runs in ("whole", "runs")
    )
    assert one == two


def one_line(outcome: Outcome, code: int, message: str) -> None:
    assert outcome.code == code
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert len([line for line in outcome.err.splitlines() if line.startswith("trainer: ")]) == 1


def test_too_few_pictures_to_rank_is_said_before_training(work: Path) -> None:
    (work / "pictures" / "c_0.png").unlink()
    outcome = command("fit", small(work))
    one_line(
        outcome, 2, "data.test: none of its clips has 12 pictures of one scene, which it takes to rank them"
    )
    assert not (work / "runs" / "small" / "checkpoints").exists()


def test_what_is_for_something_else_is_refused_in_one_line(work: Path) -> None:
    path = small(work)
    assert command("fit", path, "--steps", "1").code == 0
    model = work / "runs" / "small" / "model.safetensors"
    one_line(command("evaluate", model, "--reference", model), 2, "--reference: a ranking is held against")
    one_line(command("evaluate", "bundled", path), 2, "task: is anomaly, but")
    one_line(command("compare", model, model), 2, "a model for 'anomaly', expected one for 'deblur'")
    one_line(command("compare", model.parent, model.parent), 2, "metrics.json")
    with pytest.raises(ConfigError, match="a model for 'anomaly', expected one for 'deblur'"):
        modelfile.load(model)


def test_of_what_is_sharp_and_blurred_the_smooth_one_ranks_first() -> None:
    image: Image = view(0, WIDTH, HEIGHT)
    soft = np.asarray(cv2.GaussianBlur(image, (0, 0), 2.0), np.uint8)
    assert anomaly.sharpness(soft) < anomaly.sharpness(image)
    assert anomaly.sharpness(np.full_like(image, 90)) == 0.0
