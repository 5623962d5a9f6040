"""The whole command with detectors that a user brings: faces, several at once, tiles."""

import json
from pathlib import Path

import numpy as np
import pytest

from streamer.classes import COCO
from tests import footage
from tests.standin import command, summary
from tests.streamer.detect import onnx_file

WIDTH, HEIGHT = 192, 128
FACE = (slice(40, 60), slice(80, 100))
CAR = (slice(64, 112), slice(16, 64))


@pytest.fixture(autouse=True)
def here(here: Path) -> Path:
    """An empty folder to work in, with a clip and detectors."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[CAR] = np.random.default_rng(1).choice([0, 30], (48, 48, 1))
    picture[48:52, 88:92] = 255  # what the stand-in for CenterFace takes for the middle of a face
    footage.write_clip(here / "yard.mp4", [picture] * 6)
    onnx_file.centerface(here / "faces.onnx", 20.0)
    # a car at the place of the one above: YOLOX with --decode_in_inference, of a picture of 96x64
    output = np.zeros((1, 126, 85), np.float32)
    rows, columns = np.mgrid[:8, :12].reshape(2, -1)
    output[0, :96, 0], output[0, :96, 1] = columns * 8.0, rows * 8.0
    output[0, 50, :5] = (20, 44, 24, 24, 0.9)
    output[0, 50, 5 + COCO.index("car")] = 1.0
    onnx_file.constant(here / "cars.onnx", output, (1, 3, 64, 96))
    return here


def run(detect: str) -> list[dict[str, object]]:
    """Run the command on the clip; returns what it found in the first frame."""
    Path("cam.yaml").write_text(
        f"version: 1\ndevice: cpu\ndetect: {detect}\ncameras: {{yard: {{source: yard.mp4}}}}\n"
        "blur: {method: solid, colour: [0, 255, 0], edge: hard}\nrestore: off\n",
        encoding="utf-8",
    )
    outcome = command("run", "cam.yaml", "--quiet")
    assert outcome.code == 0, outcome.err
    lines = (Path("out/yard") / "detections.jsonl").read_text().splitlines()
    assert len(lines) == 6
    first: list[dict[str, object]] = json.loads(lines[0])["objects"]
    return first


def hidden(place: tuple[slice, slice]) -> bool:
    """Whether a place is covered in all pictures that were written."""
    pictures = [image[place].astype(int) for image in footage.read_clip(Path("out/yard/blurred.mp4")).images]
    green = [(image[..., 1] - image[..., [0, 2]].max(axis=2)) > 100 for image in pictures]
    return len(green) == 6 and all(each.mean() > 0.95 for each in green)


def test_faces_are_hidden_by_a_file_like_centerfaces() -> None:
    (face,) = run("{model: faces.onnx, classes: [face]}")
    assert face["class"] == "face"
    np.testing.assert_allclose(np.array(face["box"]), [80, 40, 100, 60], atol=0.5)
    assert hidden(FACE)
    assert not hidden(CAR)
    assert summary(Path("out/yard"))["detector"] == "faces.onnx"


def test_several_detectors_hide_what_any_of_them_finds() -> None:
    found = run("[{model: cars.onnx, classes: [vehicle]}, {model: faces.onnx, classes: [face]}]")
    assert sorted(str(each["class"]) for each in found) == ["car", "face"]
    assert hidden(FACE)
    assert hidden(CAR)
    assert summary(Path("out/yard"))["detector"] == "cars.onnx + faces.onnx"


def test_tiles_look_closer_and_put_what_they_find_in_its_place() -> None:
    # this network's car is at the same place of every picture, so of every tile and of the whole frame
    found = run("{model: cars.onnx, tiles: 2x2}")
    assert len(found) > 1
    assert hidden(CAR)
    assert summary(Path("out/yard"))["detector"] == "cars.onnx in 2x2 tiles"


@pytest.mark.parametrize(
    ("detect", "message"),
    [
        (
            "{model: faces.onnx}",
            "faces.onnx does not know the class 'bicycle'; it knows face",
        ),
        ("{model: cars.onnx, tiles: 2}", "detect.tiles: expected columns and rows of tiles, from 1x1 to 8x8"),
        (
            "[{model: cars.onnx}, {model: face.onnx}]",
            "face.onnx: no such model file; name an .onnx file",
        ),
        ("[{model: cars.onnx}, faces.onnx]", "detect.1: expected keys and values, found 'faces.onnx'"),
    ],
)
def test_what_users_get_wrong_is_one_line(detect: str, message: str) -> None:
    Path("cam.yaml").write_text(
        f"version: 1\ndetect: {detect}\ncameras: {{yard: {{source: yard.mp4}}}}\n", encoding="utf-8"
    )
    outcome = command("run", "cam.yaml", "--quiet")
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1


def test_check_says_what_each_detector_looks_for() -> None:
    Path("cam.yaml").write_text(
        "version: 1\ndetect:\n- {model: cars.onnx, classes: [car], tiles: 2x2}\n"
        "- {model: faces.onnx, classes: [face], threshold: 0.4}\ncameras: {yard: {source: yard.mp4}}\n",
        encoding="utf-8",
    )
    outcome = command("check", "cam.yaml")
    assert outcome.code == 0
    assert "car from 0.25; face from 0.4" in outcome.out
    assert "detector cars.onnx in 2x2 tiles + faces.onnx on onnxruntime" in outcome.out
