"""The strong pass: a frame and all its tiles; what is cut and what is merged has its tests with the tiles."""

from collections.abc import Sequence

import numpy as np
import torch

from streamer.frame import Detections
from trainer import strong

WIDTH, HEIGHT = 700, 350


class White:
    """Finds the white in a picture, as one box of the class that is next in turn."""

    name, engine, batch_size = "white", "none", 1

    def __init__(self, *classes: str) -> None:
        self._classes = classes
        self.asked = 0

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        return [self._one(image) for image in images]

    def _one(self, image: torch.Tensor) -> Detections:
        self.asked += 1
        rows, columns = np.nonzero(image.numpy()[..., 0] == 255)
        if len(rows) == 0:
            return Detections.none()
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        label = self._classes[self.asked % len(self._classes)]
        # the smaller the picture, the surer
        return Detections(np.array([box], np.float32), np.array([1 / image.numel()], np.float32), (label,))


def test_what_is_found_in_tiles_is_put_where_it_is_in_the_frame_and_only_once() -> None:
    image = torch.zeros(HEIGHT, WIDTH, 3, dtype=torch.uint8)
    image[40:60, 610:640] = 255
    detector = White("person")
    detections = strong.detect(detector, image)
    np.testing.assert_array_equal(detections.boxes, [[610, 40, 640, 60]])
    assert detector.asked == 1 + 4 + 9


def test_an_object_that_is_found_as_car_and_as_truck_is_one() -> None:
    image = torch.zeros(HEIGHT, WIDTH, 3, dtype=torch.uint8)
    image[40:60, 610:640] = 255
    assert len(strong.detect(White("car", "truck"), image)) == 1
    assert sorted(strong.detect(White("car", "person"), image).labels) == ["car", "person"]


def test_what_only_tiles_cut_is_no_label() -> None:
    class Cut(White):
        def _one(self, image: torch.Tensor) -> Detections:
            return super()._one(image) if image.shape[1] < WIDTH else Detections.none()

    image = torch.zeros(HEIGHT, WIDTH, 3, dtype=torch.uint8)
    image[100:250, 250:450] = 255  # across the edges of all tiles
    assert len(strong.detect(Cut("car"), image)) == 0


def test_nothing_found_is_nothing_merged() -> None:
    assert len(strong.detect(White("car"), torch.zeros(30, 50, 3, dtype=torch.uint8))) == 0
