"""`trainer label`, from the command to the folder of labels."""

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer import coco
from tests import footage
from tests.trainer.scenes import CAR, StandIn, command, frames, install, picture


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return install(monkeypatch)


VIEWS = 14
"""Pictures that a strong pass looks at for each frame."""


def test_a_folder_of_images_is_labelled_once(work: Path, detector: StandIn) -> None:
    frames(work / "pictures", clips=("a", "b"), each=2)
    outcome = command("label", "pictures")
    assert outcome.code == 0, outcome.err
    assert detector.seen == 4 * VIEWS
    images, info = coco.load(work / "labels" / "annotations.json")
    assert [image.name for image in images] == ["a_0.png", "a_1.png", "b_0.png", "b_1.png"]
    assert list(CAR) in images[0].objects.boxes.tolist()
    assert info["detector"] == "stand-in"
    for image in images:
        copy = (work / "labels" / "images" / image.name).read_bytes()
        assert copy == (work / "pictures" / image.name).read_bytes()
    assert outcome.out.startswith("4 images labelled with ")
    frames(work / "pictures", clips=("c",), each=1)
    again = command("label", "pictures")
    assert "1 images labelled" in again.out
    assert "4 labelled before" in again.out
    assert detector.seen == 5 * VIEWS


def test_corrections_stay_until_overwritten(work: Path, detector: StandIn) -> None:
    frames(work / "pictures", clips=("a",), each=1)
    command("label", "pictures")
    path = work / "labels" / "annotations.json"
    facts = json.loads(path.read_text())
    facts["annotations"] = []
    path.write_text(json.dumps(facts))
    assert command("label", "pictures").code == 0
    assert len(coco.load(path)[0][0].objects) == 0
    assert command("label", "pictures", "--overwrite").code == 0
    assert len(coco.load(path)[0][0].objects) > 0


def test_a_clips_frames_are_sampled_by_its_own_time(work: Path, detector: StandIn) -> None:
    # tenths of a second, with a gap
    footage.write_clip(work / "gate.mkv", 7, pts=[0, 1, 2, 3, 4, 20, 21], time_base=Fraction(1, 10))
    outcome = command("label", "gate.mkv", "--every", "0.2", "--output", "mine")
    assert outcome.code == 0, outcome.err
    labelled, _ = coco.load(work / "mine" / "annotations.json")
    assert [image.name for image in labelled] == ["gate_0.jpg", "gate_2.jpg", "gate_4.jpg", "gate_5.jpg"]
    stored = cv2.imread(str(work / "mine" / "images" / "gate_4.jpg"))
    assert stored is not None
    assert footage.number_of(np.ascontiguousarray(stored[..., ::-1])) == 4


def test_a_configuration_names_frames_detector_and_folder(work: Path, detector: StandIn) -> None:
    frames(work / "pictures", clips=("a", "b", "c", "d"), each=1)
    (work / "mine.yaml").write_text(
        "version: 1\ntask: detect\nlabels: {folder: there}\n"
        "data: {folder: pictures, exclude: [d], validation: [b], test: [c]}\n"
    )
    assert command("label", "mine.yaml").code == 0
    images, info = coco.load(work / "there" / "annotations.json")
    assert sorted(image.name for image in images) == ["a_0.png", "b_0.png", "c_0.png"]
    assert info["threshold"] == 0.1


def test_ctrl_c_keeps_what_was_labelled(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(StandIn):
        def detect(self, images):  # type: ignore[no-untyped-def]  # as StandIn's
            if self.seen >= 2 * VIEWS:
                raise KeyboardInterrupt
            return super().detect(images)

    frames(work / "pictures", clips=("a",), each=3)
    install(monkeypatch, Interrupted())
    assert command("label", "pictures").code == 130
    assert len(coco.load(work / "labels" / "annotations.json")[0]) == 2
    second = install(monkeypatch)
    assert command("label", "pictures").code == 0
    assert second.seen == VIEWS


def test_labels_of_another_detector_are_not_mixed_in(work: Path, detector: StandIn) -> None:
    frames(work / "pictures", clips=("a",), each=1)
    command("label", "pictures")
    detector.name = "other"
    outcome = command("label", "pictures")
    assert outcome.code == 2
    assert "its labels were made with detector 'stand-in', not 'other'" in outcome.err


def test_another_image_of_a_labelled_name_is_refused(work: Path, detector: StandIn) -> None:
    frames(work / "pictures", clips=("a",), each=1)
    command("label", "pictures")
    cv2.imwrite(str(work / "pictures" / "a_0.png"), picture(5))
    outcome = command("label", "pictures")
    assert outcome.code == 2
    assert "is labelled already, and pictures/a_0.png is another image; rename one" in outcome.err


def test_what_cannot_be_read_is_counted_and_the_rest_is_labelled(work: Path, detector: StandIn) -> None:
    frames(work / "pictures", clips=("a",), each=2)
    (work / "pictures" / "a_0.png").write_bytes(b"no picture")
    outcome = command("label", "pictures")
    assert outcome.code == 0
    assert "1 images labelled" in outcome.out
    assert "1 unreadable" in outcome.out
    assert "pictures/a_0.png: no image, damaged or truncated" in outcome.err


@pytest.mark.parametrize("given", ["none.mp4", "none"])
def test_what_is_not_there_is_one_line_and_code_2(work: Path, detector: StandIn, given: str) -> None:
    outcome = command("label", given, "--device", "cpu")
    assert outcome.code == 2
    assert outcome.err == f"trainer: {given}: no such file or folder\n"
