"""COCO JSON: out, in, and what is wrong with a file that was damaged or edited by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer import coco
from streamer.coco import Labelled
from streamer.errors import ConfigError
from streamer.frame import Detections

CAR = Detections(
    np.array([[1.5, 2.0, 11.5, 8.0], [0.0, 0.0, 4.0, 9.0]], np.float32),
    np.array([0.9, 0.25], np.float32),
    ("car", "person"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "annotations.json"
    coco.save(
        path, [Labelled("a_1.jpg", 20, 10, CAR), Labelled("b/b_2.png", 8, 6, Detections.none())], {"x": 1}
    )
    return path


def test_what_is_written_is_read_back(path: Path) -> None:
    images, info = coco.load(path)
    assert [(image.name, image.width, image.height) for image in images] == [
        ("a_1.jpg", 20, 10),
        ("b/b_2.png", 8, 6),
    ]
    np.testing.assert_array_equal(images[0].objects.boxes, CAR.boxes)
    np.testing.assert_allclose(images[0].objects.scores, CAR.scores)
    assert images[0].objects.labels == ("car", "person")
    assert len(images[1].objects) == 0
    assert info == {"x": 1}


def test_the_file_is_as_coco_has_it(path: Path) -> None:
    facts = json.loads(path.read_text())
    assert facts["annotations"][0] == {
        "id": 1, "image_id": 1, "category_id": 3, "bbox": [1.5, 2.0, 10.0, 6.0],
        "area": 60.0, "iscrowd": 0, "score": 0.9,
    }  # fmt: skip
    assert facts["categories"][2] == {"id": 3, "name": "car"}


def test_another_tools_numbers_and_extras_are_understood(tmp_path: Path) -> None:
    facts = {
        "licenses": [], "info": "none",
        "categories": [{"id": 0, "name": "truck", "supercategory": ""}],
        "images": [{"id": 7, "file_name": "x.png", "width": 50, "height": 40, "flickr_url": ""}],
        "annotations": [{"id": 3, "image_id": 7, "category_id": 0, "bbox": [45, -2, 10, 12], "area": 0}],
    }  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps(facts))
    (image,), info = coco.load(tmp_path / "x.json")
    # what a person drew has no score, and may reach off the picture
    np.testing.assert_array_equal(image.objects.boxes, [[45, 0, 50, 10]])
    assert (image.objects.labels, image.objects.scores.tolist(), info) == (("truck",), [1.0], {})


@pytest.mark.parametrize(
    ("key", "index", "change", "message"),
    [
        ("annotations", 1, {"category_id": 99}, "annotations[1].category_id: there is no category 99"),
        ("annotations", 0, {"image_id": 5}, "annotations[0].image_id: there is no image 5"),
        (
            "annotations", 0, {"bbox": [1, 2, 3]},
            "annotations[0].bbox: expected [x, y, width, height] in pixels, found [1, 2, 3]",
        ),
        ("annotations", 0, {"bbox": [1, 2, 3, float("nan")]}, "bbox: expected [x, y, width, height]"),
        ("annotations", 0, {"bbox": [1, 2, 0, 4]}, "bbox: [1, 2, 0, 4] covers nothing of its image"),
        ("annotations", 0, {"bbox": [30, 2, 3, 4]}, "covers nothing of its image of 20x10 pixels"),
        ("annotations", 1, {"score": "high"}, "[1].score: expected a number from 0 to 1, found 'high'"),
        ("images", 1, {"id": 1}, "images[1].id: 1 is a_1.jpg's already"),
        ("annotations", 1, {"score": 10**400}, "[1].score: expected a number from 0 to 1, found 1000"),
        ("annotations", 0, {"bbox": [1, 2, 3, 10**400]}, "bbox: expected [x, y, width, height]"),
        ("images", 0, {"height": 10**400}, "[0].height: expected a whole number from 1 on, found 1000"),
        ("images", 0, {"width": 0}, "images[0].width: expected a whole number from 1 on, found 0"),
        ("images", 0, {"file_name": None}, "images[0].file_name: expected a text, found None"),
        ("categories", 0, {"name": "Person"}, "categories[0].name: 'Person' is none of COCO's class names"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_named(
    path: Path, key: str, index: int, change: dict[str, Any], message: str
) -> None:
    facts = json.loads(path.read_text())
    facts[key][index] |= change
    path.write_text(json.dumps(facts))
    with pytest.raises(ConfigError) as caught:
        coco.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [],\n "annotations": [}', "line 2, column 18: no JSON"),
        ("[]", "expected images, annotations and categories"),
        ('{"categories": []}', "images: is missing"),
        ('{"categories": [], "images": {}}', "images: expected a list"),
        ('{"categories": ["car"]}', "categories[0]: expected keys and values, found 'car'"),
    ],
)
def test_a_damaged_file_is_named_by_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ConfigError) as caught:
        coco.load(tmp_path / "x.json")
    assert message in str(caught.value)


@pytest.mark.parametrize("value", ["1" * 5000, "[" * 100_000 + "]" * 100_000])
def test_what_the_reader_of_json_itself_gives_up_on_is_told(tmp_path: Path, value: str) -> None:
    (tmp_path / "x.json").write_text(f'{{"categories": [{{"id": {value}}}]}}')
    with pytest.raises(ConfigError, match=r"no JSON: a number of too many digits, or lists too deep$"):
        coco.load(tmp_path / "x.json")


def test_lists_too_deep_are_refused_in_one_line(tmp_path: Path) -> None:
    for depth in range(900, 1010):
        (tmp_path / "x.json").write_text(f'{{"categories": [{{"id": {"[" * depth + "]" * depth}}}]}}')
        with pytest.raises(ConfigError, match=r"^[^\n]+$"):
            coco.load(tmp_path / "x.json")


def test_a_missing_file_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; `trainer label` and `streamer export` write one"):
        coco.load(tmp_path / "none.json")
