from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from streamer.classes import COCO, COCO_91
from streamer.detect import Detector, onnx
from streamer.errors import ModelError
from tests.streamer.detect import onnx_file

CPU = torch.device("cpu")
Array = NDArray[Any]
PICTURE = torch.zeros(50, 200, 3, dtype=torch.uint8)

BOXES = np.array([[0.1, 0.2, 0.5, 0.6], [0.0, 0.0, 1.0, 1.0], [0.3, 0.3, 0.4, 0.4]], np.float32)
"""Shares of the picture, across before down."""
SCORES = np.array([0.9, 0.6, 0.2], np.float32)


def tensorflow(
    folder: Path, numbers: list[float], changes: Mapping[str, Array] | None = None, *, count: float = 3
) -> Path:
    outputs: dict[str, Array] = {
        "detection_boxes:0": BOXES[None][..., [1, 0, 3, 2]],
        "detection_classes:0": np.array([numbers], np.float32),
        "detection_scores:0": SCORES[None],
        "num_detections:0": np.array([count], np.float32),
    }
    shape = (1, "height", "width", 3)
    return onnx_file.constants(folder / "tf.onnx", {**outputs, **(changes or {})}, shape, onnx_file.UINT8)


def model_zoo(folder: Path, numbers: list[int], **changes: Array) -> Path:
    outputs: dict[str, Array] = {
        "bboxes": BOXES[None],
        "labels": np.array([numbers], np.int64),
        "scores": SCORES[None],
    }
    return onnx_file.constants(folder / "zoo.onnx", {**outputs, **changes}, (1, 3, 40, 40))


def torchvision(folder: Path, numbers: list[int], shape: tuple[int | str, ...] = (3, 100, 100)) -> Path:
    # its order is another for each family of detectors
    outputs: dict[str, Array] = {
        "boxes": BOXES * 100,
        "scores": SCORES,
        "labels": np.array(numbers, np.int64),
    }
    return onnx_file.constants(folder / "tv.onnx", outputs, shape)


def load(path: Path, *classes: str, threshold: float = 0.5) -> Detector:
    return onnx.load(path, CPU, classes=classes or ("person", "stop sign", "toothbrush"), threshold=threshold)


def numbers_of(*names: str) -> list[int]:
    return [COCO_91.index(name) for name in names]


@pytest.mark.parametrize("layout", ["tensorflow", "model zoo", "torchvision", "torchvision, batch"])
def test_boxes_are_in_pixels_of_the_picture_and_named_as_the_layout_numbers_them(
    layout: str, tmp_path: Path
) -> None:
    numbers = numbers_of("person", "stop sign", "toothbrush")
    path = {
        "tensorflow": lambda: tensorflow(tmp_path, [float(number) for number in numbers]),
        "model zoo": lambda: model_zoo(
            tmp_path, [1 + COCO.index(name) for name in ("person", "stop sign", "toothbrush")]
        ),
        "torchvision": lambda: torchvision(tmp_path, numbers),
        "torchvision, batch": lambda: torchvision(tmp_path, numbers, (1, 3, 100, 100)),
    }[layout]()
    detector = load(path)
    (found,) = detector.detect([PICTURE])
    np.testing.assert_allclose(found.boxes, [[20, 10, 100, 30], [0, 0, 200, 50]], rtol=1e-5)
    np.testing.assert_array_equal(found.scores, SCORES[:2])
    assert found.labels == ("person", "stop sign")
    assert [len(each) for each in detector.detect([PICTURE, PICTURE[:10, :10]])] == [2, 2]


def test_coco_numbers_its_classes_with_gaps() -> None:
    # https://github.com/pytorch/vision, _COCO_CATEGORIES; ids of instances_val2017.json
    assert (numbers_of("person", "car", "truck", "stop sign", "backpack", "toothbrush")) == [
        1, 3, 8, 13, 27, 90,
    ]  # fmt: skip
    assert [name for name in COCO_91 if name in COCO] == list(COCO)


def test_torchvisions_own_numbering_is_the_same() -> None:
    from torchvision.models.detection import SSDLite320_MobileNet_V3_Large_Weights as Weights

    theirs = Weights.DEFAULT.meta["categories"]
    assert [ours if ours in COCO else None for ours in COCO_91] == [
        name if name in COCO else None for name in theirs
    ]


def test_a_torchvision_export_for_any_size_gets_the_picture_as_it_is(tmp_path: Path) -> None:
    path = torchvision(tmp_path, numbers_of("person", "person", "person"), (3, "height", "width"))
    (found,) = load(path, "person").detect([PICTURE])
    np.testing.assert_allclose(found.boxes, BOXES[:2] * 100, rtol=1e-6)


def test_only_what_is_asked_for_comes_back(tmp_path: Path) -> None:
    path = tensorflow(tmp_path, [1.0, 3.0, 3.0])
    assert load(path, "car", threshold=0.1).detect([PICTURE])[0].labels == ("car", "car")
    assert load(path, "bus").detect([PICTURE])[0].labels == ()
    assert len(load(path, "car", threshold=float(SCORES[1])).detect([PICTURE])[0]) == 1


def test_what_fills_tensorflows_lists_is_not_read(tmp_path: Path) -> None:
    assert len(load(tensorflow(tmp_path, [1.0, 1.0, 1.0], count=1), threshold=0.0).detect([PICTURE])[0]) == 1


@pytest.mark.parametrize("layout", ["tensorflow", "model zoo"])
def test_what_is_not_a_number_is_refused(layout: str, tmp_path: Path) -> None:
    for name in ("score", "box"):
        scores, boxes = SCORES[None].copy(), BOXES[None].copy()
        (scores if name == "score" else boxes)[0, 0] = np.nan
        if layout == "tensorflow":
            path = tensorflow(
                tmp_path, [1.0, 1.0, 1.0], {"detection_scores:0": scores, "detection_boxes:0": boxes}
            )
        else:
            path = model_zoo(tmp_path, [1, 1, 1], scores=scores, bboxes=boxes)
        with pytest.raises(ValueError, match="not a number"):
            load(path).detect([PICTURE])


def test_boxes_in_pixels_where_shares_belong_are_refused(tmp_path: Path) -> None:
    path = model_zoo(tmp_path, [1, 1, 1], bboxes=BOXES[None] * 40)
    with pytest.raises(ValueError, match=r"zoo\.onnx returned boxes that are no shares"):
        load(path).detect([PICTURE])


def test_a_class_that_coco_does_not_have_is_refused_rather_than_missed(tmp_path: Path) -> None:
    for path in (model_zoo(tmp_path, [1, 81, 1]), tensorflow(tmp_path, [1.0, 91.0, 1.0])):
        with pytest.raises(ValueError, match="which COCO's numbering does not have"):
            load(path).detect([PICTURE])


@pytest.mark.parametrize(
    ("changes", "shape", "kind"),
    [
        ({"scores": None}, (1, 3, 40, 40), onnx_file.FLOAT),
        ({}, (1, 40, 40, 3), onnx_file.FLOAT),
        ({}, (1, 3, 40, 40), onnx_file.UINT8),
        ({}, (1, 3, "height", "width"), onnx_file.FLOAT),  # the model zoo's say their size
    ],
)
def test_what_is_like_it_but_not_the_same_is_an_unknown_layout(
    changes: Mapping[str, None], shape: tuple[int | str, ...], kind: int, tmp_path: Path
) -> None:
    outputs: dict[str, Array] = {
        "bboxes": BOXES[None],
        "labels": np.ones((1, 3), np.int64),
        "scores": SCORES[None],
    }
    kept = {name: value for name, value in outputs.items() if name not in changes}
    path = onnx_file.constants(tmp_path / "other.onnx", kept, shape, kind)
    with pytest.raises(ModelError) as raised:
        load(path)
    assert str(raised.value).startswith("other.onnx: unknown layout: it takes images tensor(")
    assert "\n" not in str(raised.value)


def test_a_class_it_does_not_know_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"tf\.onnx does not know the class 'face'; it knows person, bicycle"
    ):
        load(tensorflow(tmp_path, [1.0, 1.0, 1.0]), "face")
