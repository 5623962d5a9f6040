"""Measuring tamper detection: scenes out of footage, the measures themselves, and the command."""

import json
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests import footage
from tests.scene import seen, view
from trainer import scenes, tamper
from trainer.cli import app
from trainer.misdeeds import MISDEEDS

WIDTH, HEIGHT = 160, 96
FEW = ("defocus 8", "wall", "shift")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only some misdeeds, for the time that all take."""
    monkeypatch.setattr(tamper, "MISDEEDS", {name: MISDEEDS[name] for name in FEW})
    monkeypatch.setattr(tamper, "OBVIOUS", ("defocus 8", "wall"))


@pytest.fixture(autouse=True)
def log_is_put_back() -> Iterator[None]:
    """Undo what a command does to our packages' loggers."""
    loggers = [logging.getLogger(package) for package in ("streamer", "trainer")]
    before = [(logger, logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def looks(count: int, seed: int = 0) -> list[footage.Image]:
    return [seen(view(seed, WIDTH, HEIGHT), number) for number in range(count)]


def test_a_clip_is_looked_at_every_fifth_of_a_second_and_divided_at_cuts(tmp_path: Path) -> None:
    pictures = [picture for seed in (0, 3) for picture in looks(75, seed)]
    clip = footage.write_clip(tmp_path / "two.mp4", pictures, options={"crf": "20"})
    found = dict(scenes.read([clip]))
    assert {name: len(scene) for name, scene in found.items()} == {"two, scene 1": 15, "two, scene 2": 15}
    assert np.abs(found["two, scene 2"][0].astype(int) - view(3, WIDTH, HEIGHT)).mean() < 8


def test_images_are_taken_by_clip_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for clip, seed in (("gate", 0), ("yard", 3)):
        for number, picture in enumerate(looks(12, seed), 1):
            # a mark that says which one it is
            picture[:8, :8] = 20 * number
            cv2.imwrite(str(tmp_path / f"{clip}_{number}.png"), picture)
    found = dict(scenes.read([tmp_path], ["yard"]))
    assert list(found) == ["yard"]
    assert [int(picture[4, 4, 0]) for picture in found["yard"]] == [20 * number for number in range(1, 13)]


def test_scenes_that_are_too_short_are_left_out(tmp_path: Path) -> None:
    clip = footage.write_clip(tmp_path / "short.mp4", looks(50), options={"crf": "20"})
    assert list(scenes.read([clip])) == []


@pytest.mark.usefixtures("few")
def test_what_is_done_to_a_scene_is_told_from_what_is_normal(tmp_path: Path) -> None:
    scene = tamper.measure(looks(16), seed=0)
    assert len(scene.normal) == 8
    assert max(scene.normal) < 0.3
    for name in FEW:
        assert len(scene.scores[name]) == 4
        assert min(scene.scores[name]) > 0.5
        assert scene.right[name] == [True] * 4
        alarm = scene.alarms[name]["at once"]
        assert alarm is not None
        assert alarm[0] <= 5.0
        assert alarm[1]
    frozen = scene.alarms["freeze"]["at once"]
    assert frozen is not None
    assert 2.5 <= frozen[0] <= 5.0
    assert frozen[1]


@pytest.mark.usefixtures("few")
def test_the_command_prints_a_table_and_writes_the_numbers(tmp_path: Path) -> None:
    clip = footage.write_clip(tmp_path / "gate.mp4", looks(70), options={"crf": "18"})
    done = CliRunner().invoke(app, ["evaluate-tamper", str(clip), "--output", str(tmp_path), "--quiet"])
    assert done.exit_code == 0, done.output
    facts = json.loads((tmp_path / "tamper.json").read_text())
    assert facts["scenes"] == {"gate": 7}
    assert facts["rows"]["wall"]["auroc"] == 1.0
    assert facts["rows"]["wall"]["interval"] == [1.0, 1.0]
    assert facts["rows"]["wall"]["raised"]["at once"]["share"] == 1.0
    assert facts["precision"] == 1.0
    assert facts["alarmed"] == 0.0


def test_nothing_to_measure_is_said_in_one_line(tmp_path: Path) -> None:
    clip = footage.write_clip(tmp_path / "gate.mp4", 5, time_base=Fraction(1, 5))
    done = CliRunner().invoke(app, ["evaluate-tamper", str(clip), "--quiet"])
    assert done.exit_code == 2
    assert "no scene of 12 looks" in done.output
    (tmp_path / "no.mp4").write_bytes(b"no clip")
    done = CliRunner().invoke(app, ["evaluate-tamper", str(tmp_path / "no.mp4"), "--quiet"])
    assert done.exit_code == 1
    assert "no.mp4: cannot be read as a clip" in done.output
