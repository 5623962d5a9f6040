"""Looks in a mirror: every other one of each camera, and what is found is where it is in the frame."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from streamer.detect.mirror import back, mirrored
from streamer.detect.stage import stage
from streamer.detectors import DetectConfig
from streamer.frame import Batch, Detected, Detections, Discontinuity, Frame
from tests.crash import Finder
from tests.values import detections, frame

CPU = torch.device("cpu")
CAR = (4, 10, 24, 20)
MIRROR = DetectConfig(mirror=True)


class Noting(Finder):
    """Finds the bright car, and notes on which side of each picture it was."""

    def __init__(self, failing: Sequence[int] = ()) -> None:
        self.sides: list[str] = []
        self.calls = 0
        self._failing = set(failing)

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        self.calls += 1
        if self.calls in self._failing:
            raise RuntimeError("broken")
        found = super().detect(images)
        self.sides += [
            "plain" if each.boxes[0, 0] < image.shape[1] / 2 else "mirrored"
            for each, image in zip(found, images, strict=True)
        ]
        return found


def frames(count: int, start: int = 0, camera: str = "gate") -> list[Frame]:
    picture = np.full((48, 64, 3), 30, np.uint8)
    picture[CAR[1] : CAR[3], CAR[0] : CAR[2]] = 220
    return [frame(picture, camera=camera, index=index) for index in range(start, start + count)]


def run(
    batches: Sequence[Sequence[Frame | Discontinuity]], detector: Finder, **settings: DetectConfig
) -> list[Detected]:
    made = stage([list(batch) for batch in batches], detector, CPU, settings or {"gate": MIRROR})
    return [item for batch in made for item in batch if isinstance(item, Detected)]


def boxes(items: Sequence[Detected]) -> list[list[list[float]]]:
    return [item.detections.boxes.tolist() for item in items]


@pytest.mark.parametrize("width", [63, 64])
def test_a_picture_is_turned_left_to_right_and_what_is_found_in_it_back(width: int) -> None:
    image = torch.zeros(48, width, 3, dtype=torch.uint8)
    image[10:20, 4:24] = 200
    (found,) = Finder().detect([mirrored(image)])
    assert found.boxes.tolist() == [[width - 24, 10, width - 4, 20]]
    turned = back(found, width)
    assert turned.boxes.tolist() == [list(CAR)]
    assert turned.boxes.dtype == np.float32
    assert (turned.labels, turned.scores.tolist()) == (found.labels, found.scores.tolist())
    assert torch.equal(mirrored(mirrored(image)), image)


def test_what_is_found_off_the_frame_is_off_it_on_the_other_side() -> None:
    assert back(detections((-10, 5, 5, 9), (60, 0, 70, 5)), 64).boxes.tolist() == [
        [59, 5, 74, 9],
        [-6, 0, 4, 5],
    ]
    assert len(back(Detections.none(), 64)) == 0


def test_every_other_frame_is_looked_at_in_a_mirror_and_objects_stay_where_they_are() -> None:
    detector = Noting()
    items = run([frames(3), frames(3, 3)], detector)
    assert detector.sides == ["plain", "mirrored"] * 3
    assert boxes(items) == [[list(CAR)]] * 6
    assert all((item.image.numpy() == item.frame.image).all() for item in items)


@pytest.mark.parametrize(
    ("config", "sides"),
    [(DetectConfig(), ["plain", "mirrored"] * 2), (DetectConfig(mirror=False), ["plain"] * 4)],
)
def test_looks_are_mirrored_in_turn_unless_that_is_not_wanted(config: DetectConfig, sides: list[str]) -> None:
    detector = Noting()
    run([frames(4)], detector, gate=config)
    assert detector.sides == sides


@pytest.mark.parametrize("every", [2, 3])
def test_of_every_nth_frame_it_is_every_other_look(every: int) -> None:
    detector = Noting()
    items = run(
        [frames(2 * every), frames(2 * every, 2 * every)],
        detector,
        gate=DetectConfig(every=every, mirror=True),
    )
    assert detector.sides == ["plain", "mirrored", "plain", "mirrored"]
    assert [item.detections.looked for item in items] == [index % every == 0 for index in range(4 * every)]
    assert [each for each in boxes(items) if each] == [[list(CAR)]] * 4


def test_each_camera_has_its_turns_and_a_cut_begins_them_anew() -> None:
    detector = Noting()
    gate, yard = frames(4), frames(2, camera="yard")
    run(
        [[gate[0], yard[0], gate[1], Discontinuity("gate"), gate[2], yard[1], gate[3]]],
        detector, gate=MIRROR, yard=MIRROR,
    )  # fmt: skip
    assert detector.sides == ["plain", "plain", "mirrored", "plain", "mirrored", "mirrored"]


def test_a_camera_that_wants_it_and_one_that_does_not_share_a_batch() -> None:
    detector = Noting()
    gate, yard = frames(2), frames(2, camera="yard")
    items = run(
        [[gate[0], yard[0], gate[1], yard[1]]],
        detector, gate=DetectConfig(mirror=False), yard=MIRROR,
    )  # fmt: skip
    assert detector.sides == ["plain", "plain", "plain", "mirrored"]
    assert boxes(items) == [[list(CAR)]] * 4


def test_after_a_failure_objects_are_where_they_are() -> None:
    # the batch fails, then its second picture alone
    detector = Noting(failing=[1, 3])
    batch: Batch[Frame] = list(frames(4))
    items = run([batch], detector)  # type: ignore[list-item]  # frames alone
    assert [item.failure for item in items] == [None, "detector", None, None]
    assert [each for each in boxes(items) if each] == [[list(CAR)]] * 3
