"""`trainer fit` and `trainer evaluate` for accidents, and the watcher that uses what they make."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml

from streamer import detect, modelfile
from tests import footage, standin
from tests.crash import Finder, driving, picture
from tests.trainer.scenes import command
from trainer.accident import clips
from trainer.accident.config import AccidentDataConfig

CRASH = 16
LOOKS = 28
CLIPS = {"a": 6.0, "b": 5.0, "c": 4.5, "d": 5.5}
"""Speeds of the cars that crash, by clip."""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with labelled clips, and a detector that needs no weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detect, "load", lambda *_, **__: Finder())
    for name, speed in CLIPS.items():
        for look, box in enumerate(driving(LOOKS, CRASH, speed)):
            folder = tmp_path / "pictures" / ("Accident" if look > CRASH else "Non Accident")
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{name}_{look}.png"), picture(box))
    return tmp_path


def configuration(**sections: Any) -> str:
    facts = {
        "version": 1, "task": "accident", "device": "cpu", "fit": {"steps": 40},
        "data": {"folder": "pictures", "groups": [["b", "c"]], "test": ["d"]},
    }  # fmt: skip
    Path("mine.yaml").write_text(yaml.safe_dump({**facts, **sections}), encoding="utf-8")
    return "mine.yaml"


def test_clips_are_found_in_order_with_their_labels_and_scenes(work: Path) -> None:
    # a group of another dataset's clips says nothing of these
    found = clips.find(AccidentDataConfig(folder="pictures", groups=[["b", "c"], ["x", "y"]]))
    assert {clip.name: clip.scene for clip in found} == {"a": "a", "b": "b", "c": "b", "d": "d"}
    for clip in found:
        assert list(clip.frames) == list(range(LOOKS))
        assert [frame.accident for frame in clip.frames.values()] == [n > CRASH for n in range(LOOKS)]


def test_a_head_is_trained_measured_and_raises_an_accident_in_a_whole_run(work: Path) -> None:
    outcome = command("fit", configuration(), "--json")
    assert outcome.code == 0, outcome.err
    run = work / "runs" / "mine"
    assert {entry.name for entry in run.iterdir()} == {"model.safetensors", "metrics.json", "config.yaml"}
    facts = json.loads(outcome.out)
    assert facts == json.loads((run / "metrics.json").read_text())
    whole, test = facts["cross-validation"], facts["test"]
    # seven looks have no whole window
    assert (whole["clips"], whole["looks"]) == (4, 4 * (LOOKS - 7))
    assert (test["clips"], test["accidents"]) == (1, LOOKS - CRASH - 1)
    assert whole["rows"]["the head"]["auroc"] > 0.9
    assert whole["rows"]["nothing"]["auroc"] == 0.5
    _, header = modelfile.load_accident(run / "model.safetensors")
    assert header.training["clips"] == ["a", "b", "c"]
    assert header.metrics == facts
    # the very clip that the model never saw is what it is asked about
    again = command("evaluate", run / "model.safetensors", "mine.yaml", "--json", "--output", "there")
    assert again.code == 0, again.err
    measured = json.loads(again.out)["test"]
    assert measured["rows"]["the head"] == pytest.approx(test["rows"]["the head"])
    assert (measured["found"], measured["raised"]) == (test["found"], test["raised"])

    # as a camera shows it: fifteen frames a second, and a while before anything happens
    boxes = driving(70, 55, speed=4.0)
    shown = [picture(box) for box in boxes for _ in range(3)]
    footage.write_clip(Path("street.mp4"), shown, time_base=Fraction(1, 15), options={"crf": "18"})
    Path("cam.yaml").write_text(
        "version: 1\ndevice: cpu\nrestore: off\n"
        "watch: {accident: {model: runs/mine/model.safetensors, threshold: 0.95}}\n"
        "cameras: {street: {source: street.mp4}}\n",
        encoding="utf-8",
    )
    ran = standin.command("run", "cam.yaml")
    assert ran.code == 0, ran.err
    lines = [json.loads(line) for line in Path("out/street/events.jsonl").read_text().splitlines()]
    assert [(line["kind"], line["state"]) for line in lines] == [("accident", "start"), ("accident", "end")]
    crashed_at = 55 * 0.2
    assert crashed_at <= lines[0]["start_s"] <= crashed_at + 1.5
    assert Path("out/street", lines[0]["thumbnail"]).exists()
    assert "street: accident since" in ran.err


def test_what_cannot_be_trained_or_measured_is_one_line(work: Path) -> None:
    assert command("fit", configuration(data={"folder": "pictures"}), "--steps", "1").code == 0
    model = work / "runs" / "mine" / "model.safetensors"
    seen = command("evaluate", model, "mine.yaml")
    assert (seen.code, "was trained on all clips that there are" in seen.err) == (2, True)
    repeated = command("fit", "mine.yaml", "--steps", "1")
    assert "holds a run already" in repeated.err
    resumed = command("fit", "mine.yaml", "--resume")
    assert "nothing to resume, since training takes seconds" in resumed.err
    for data, message in (
        ({"folder": "nowhere"}, "data.folder: nowhere: no such folder"),
        ({"folder": "pictures", "test": ["z"]}, "data.test: there is no clip 'z'"),
        ({"folder": "pictures", "groups": [["b", "cc"]]}, "data.groups: there is no clip 'cc'"),
        ({"folder": "pictures", "groups": [["a", "b", "c", "d"]]}, "all clips to train on show one scene"),
        ({"folder": "pictures", "accident": "Crash"}, "expected looks both with and without an accident"),
    ):
        refused = command("fit", configuration(data=data), "--overwrite")
        assert (refused.code, refused.out) == (2, "")
        assert message in refused.err
    short = command("fit", configuration(window=40), "--overwrite")
    assert "no clip has 40 frames in a row without a cut" in short.err
