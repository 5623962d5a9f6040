import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer import detect
from streamer.classes import COCO, STREET
from streamer.config import CameraConfig
from streamer.detectors import DetectConfig
from streamer.errors import ConfigError, ModelError
from streamer.frame import Detections
from tests.streamer.detect import onnx_file
from tests.values import detections

CPU = torch.device("cpu")


def load(config: DetectConfig) -> detect.Detector:
    return detect.load(config, CPU, classes=("car",), threshold=0.5)


def network(path: Path) -> Path:
    return onnx_file.constant(path, np.zeros((1, 84, 85), np.float32), (1, 3, 64, 64))


def test_bundled_is_our_own_detector_in_the_package_and_small() -> None:
    assert detect.bundled_path().parent.parent.name == "models"
    assert detect.bundled_path().stat().st_size < 10e6
    detector = load(DetectConfig())
    assert detector.name == "street.safetensors"
    (found,) = detector.detect([torch.zeros(72, 128, 3, dtype=torch.uint8)])
    assert set(found.labels) <= set(STREET)


def test_a_path_that_ends_in_onnx_is_that_file(tmp_path: Path) -> None:
    path = network(tmp_path / "Mine.ONNX")
    assert load(DetectConfig(model=str(path))).name == "Mine.ONNX"


def test_weights_for_an_onnx_file_are_refused(tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx")
    with pytest.raises(ConfigError, match=r"detect\.weights: only torchvision's detectors take weights"):
        load(DetectConfig(model=str(path), weights="other.pth"))


def test_any_other_word_is_a_name_of_torchvisions() -> None:
    with pytest.raises(ModelError, match=r"unknown detector 'yolo' *.*; known: bundled, a path that ends"):
        load(DetectConfig(model="yolo"))


def test_selection_is_by_class_and_by_threshold_with_the_threshold_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = np.array([0.9, 0.7, 0.69, 0.7], np.float32)
    boxes = np.arange(16, dtype=np.float32).reshape(4, 4)
    found = Detections(boxes, scores, ("car", "car", "car", "person"))
    config = DetectConfig(classes=("car", "bus"), threshold=1.0, hide_threshold=1.0)
    monkeypatch.setattr("streamer.detectors.FAINT", 0.7)
    chosen = detect.select(found, config)
    assert chosen.labels == ("car", "car")
    np.testing.assert_array_equal(chosen.scores, scores[:2])
    np.testing.assert_array_equal(chosen.boxes, boxes[:2])


def test_selection_knows_groups_and_all_classes() -> None:
    found = Detections(np.zeros((80, 4), np.float32), np.ones(80, np.float32), COCO)
    vehicles = detect.select(found, DetectConfig(classes=("vehicle",)))
    assert vehicles.labels == ("bicycle", "car", "motorcycle", "bus", "truck")
    assert detect.select(found, DetectConfig(classes=COCO)).labels == COCO


def test_what_is_large_is_hidden_from_its_own_score_on() -> None:
    # of a frame of 1000x1000, 0.6% is 6000 pixels
    found = detections((0, 0, 60, 100), (0, 0, 61, 100), (-500, 0, -490, 10))
    both = DetectConfig(hide_threshold=0.05, hide_threshold_large=0.2)
    np.testing.assert_allclose(detect.hides_from(found, both, 1000, 1000), [0.05, 0.2, 0.05])
    untold = DetectConfig(hide_threshold=0.05)
    np.testing.assert_allclose(detect.hides_from(found, untold, 1000, 1000), [0.05, 0.06, 0.05])
    counted = DetectConfig(hide_threshold=0.05, threshold=0.05)  # what counts as an object is hidden
    np.testing.assert_allclose(detect.hides_from(found, counted, 1000, 1000), [0.05, 0.05, 0.05])
    near = DetectConfig(hide_threshold=0.22, threshold=0.25)
    np.testing.assert_allclose(detect.hides_from(found, near, 1000, 1000), [0.22, 0.25, 0.22])
    one = CameraConfig.model_validate({"source": "-", "detect": [{"hide_threshold": 0.05}]}).detect
    np.testing.assert_allclose(detect.hides_from(found, one, 1000, 1000), [0.05, 0.06, 0.05])
    several = CameraConfig.model_validate({"source": "-", "detect": [{"hide_threshold": 0.05}] * 2}).detect
    np.testing.assert_allclose(detect.hides_from(found, several, 1000, 1000), [0.05, 0.05, 0.05])
    assert detect.hides_from(Detections.none(), both, 1000, 1000).shape == (0,)


def test_selection_from_nothing_is_nothing() -> None:
    assert len(detect.select(Detections.none(), DetectConfig())) == 0


def test_importing_the_room_imports_no_engine() -> None:
    """So that `streamer --help` does not wait for them."""
    code = "import sys, streamer.detect; print({'onnxruntime', 'torchvision', 'cv2'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
