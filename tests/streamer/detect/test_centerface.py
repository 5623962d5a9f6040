from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from streamer.detect import Detector, onnx
from streamer.detect.centerface import LONGEST
from streamer.errors import ModelError
from tests.streamer.detect import onnx_file

CPU = torch.device("cpu")


@pytest.fixture
def detector(tmp_path: Path) -> Detector:
    return onnx.load(
        onnx_file.centerface(tmp_path / "faces.onnx", 20.0), CPU, classes=["face"], threshold=0.5
    )


def picture(height: int, width: int, *bright: tuple[int, int]) -> torch.Tensor:
    """Black, with cells of 4x4 white pixels whose first row and column are given."""
    image = torch.zeros(height, width, 3, dtype=torch.uint8)
    for row, column in bright:
        image[row : row + 4, column : column + 4] = 255
    return image


def test_a_face_is_where_its_cell_is_and_as_large_as_the_network_says(detector: Detector) -> None:
    assert detector.name == "faces.onnx"
    assert detector.engine == f"onnxruntime {onnxruntime.__version__} (CPU, 1 thread)"
    # of sizes that the file does not say it takes
    first, second = detector.detect([picture(64, 96, (20, 40)), picture(128, 32)])
    np.testing.assert_allclose(first.boxes, [[32, 12, 52, 32]], rtol=1e-5)
    np.testing.assert_allclose(first.scores, [1.0], rtol=1e-5)
    assert first.labels == ("face",)
    assert len(second) == 0


def test_faces_apart_are_several_and_boxes_of_one_face_are_one(detector: Detector) -> None:
    (found,) = detector.detect([picture(64, 96, (20, 8), (20, 12), (20, 72))])
    assert len(found) == 2


def test_other_sizes_are_stretched_to_whole_multiples_and_boxes_back(detector: Detector) -> None:
    # 48x80 becomes 64x96, so that 20 pixels there are 15x16.7 here
    image = torch.full((48, 80, 3), 255, dtype=torch.uint8)
    (found,) = detector.detect([image])
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    np.testing.assert_allclose(sides, [[20 * 80 / 96, 20 * 48 / 64]] * len(found), rtol=1e-4)
    centres = (found.boxes[:, 2:] + found.boxes[:, :2]) / 2
    assert centres.min() > 0
    assert centres[:, 0].max() > 70
    assert centres[:, 1].max() > 40


def test_a_large_picture_is_scaled_down(detector: Detector) -> None:
    (found,) = detector.detect([torch.full((64, 2 * LONGEST, 3), 255, dtype=torch.uint8)])
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    np.testing.assert_allclose(sides, [[40, 40]] * len(found), rtol=1e-4)


def test_the_threshold_itself_is_enough(tmp_path: Path) -> None:
    path = onnx_file.centerface(tmp_path / "faces.onnx", 20.0)
    image = picture(32, 32, (8, 8))
    image[8:12, 8:12] = 51
    score = onnx.load(path, CPU, classes=["face"], threshold=0.1).detect([image])[0].scores
    for threshold, count in ((float(score[0]), 1), (float(np.nextafter(score[0], 1)), 0)):
        assert len(onnx.load(path, CPU, classes=["face"], threshold=threshold).detect([image])[0]) == count


@pytest.mark.parametrize("size", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_refused(tmp_path: Path, size: float) -> None:
    detector = onnx.load(
        onnx_file.centerface(tmp_path / "faces.onnx", size), CPU, classes=["face"], threshold=0.5
    )
    with pytest.raises(ValueError, match="not a number"):
        detector.detect([picture(32, 32, (8, 8))])


def test_it_knows_faces_alone(tmp_path: Path) -> None:
    path = onnx_file.centerface(tmp_path / "faces.onnx", 20.0)
    with pytest.raises(ModelError) as raised:
        onnx.load(path, CPU, classes=["face", "person"], threshold=0.5)
    assert str(raised.value) == ("detect.classes: faces.onnx does not know the class 'person'; it knows face")
