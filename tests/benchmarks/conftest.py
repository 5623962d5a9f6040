"""What tests of the scripts that measure share."""

from pathlib import Path

import numpy as np
import pytest

from streamer.classes import COCO
from tests.streamer.detect import onnx_file


@pytest.fixture
def sees_a_car(tmp_path: Path) -> Path:
    """A YOLOX network that sees the same car in every picture, hence in every tile."""
    output = np.zeros((1, 84, 85), np.float32)
    output[0, 17, :4] = (0.5, 0.5, 1.0, 1.0)
    output[0, 17, [4, 5 + COCO.index("car")]] = 0.9
    return onnx_file.constant(tmp_path / "car.onnx", output, (1, 3, 64, 64))
