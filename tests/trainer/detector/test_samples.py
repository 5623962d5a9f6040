"""Training pictures: what is in them is where it is said to be."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from streamer.frame import Detections
from trainer.detector.config import ViewConfig
from trainer.detector.samples import PADDING, Sample, Samples, _Found, collate

SIZE = (64, 96)
BOX = (60, 40, 90, 80)


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """A dark frame with a white object, and a grey one that is in doubt."""
    image = np.full((120, 160, 3), 20, np.uint8)
    image[40:80, 60:90] = 255
    image[5:25, 100:130] = 150
    cv2.imwrite(str(tmp_path / "a_1.png"), image)
    boxes = np.array([BOX, (100, 5, 130, 25)], np.float32)
    return Sample(tmp_path / "a_1.png", Detections(boxes, np.array([0.9, 0.2], np.float32), ("car", "bus")))


def samples(sample: Sample, **view: float | list[float]) -> Samples:
    plain = {"zoom": [1.0, 1.0], "stretch": 0.0, "mosaic": 0.0, "paste": 0.0, "colour": 0.0}
    return Samples([sample], ("person", "car"), SIZE, 0.5, ViewConfig.model_validate({**plain, **view}), 3)


def test_a_plain_picture_is_the_frame_scaled_to_fit(sample: Sample) -> None:
    views = [samples(sample)[index] for index in range(8)]
    for picture, objects in views:
        assert picture.shape == (3, *SIZE)
        # 160 x 120 fits 96 x 64 at 64 / 120, so that a car of 30 x 40 is one of 16 x 21.3
        (box,) = objects.boxes.tolist()
        assert (box[2] - box[0], box[3] - box[1]) == pytest.approx((15.94, 21.33), abs=0.1)
        assert objects.classes.tolist() == [1]


@pytest.mark.parametrize("index", range(12))
def test_an_object_is_where_its_box_says(sample: Sample, index: int) -> None:
    picture, objects = samples(sample, zoom=[0.7, 1.5], stretch=0.3, mosaic=0.5)[index]
    white = (picture.float().mean(dim=0) > 200).numpy()
    boxed = np.zeros(SIZE, bool)
    for x0, y0, x1, y1 in [*objects.boxes.round().int().tolist(), *objects.doubtful.round().int().tolist()]:
        boxed[y0:y1, x0:x1] = True
    grown = cv2.dilate(boxed.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert not (white & ~grown).any()
    for x0, y0, x1, y1 in objects.boxes.tolist():
        assert white[int(y0) + 2 : int(y1) - 1, int(x0) + 2 : int(x1) - 1].all()


@pytest.mark.parametrize("index", range(12))
def test_with_pieces_pasted_on_it_every_object_is_said_and_what_is_said_is_there(
    sample: Sample, index: int
) -> None:
    picture, objects = samples(sample, zoom=[0.7, 1.5], mosaic=0.5, paste=1.0)[index]
    white = (picture.float().mean(dim=0) > 200).numpy()
    boxed = np.zeros(SIZE, np.uint8)
    for x0, y0, x1, y1 in [*objects.boxes.round().int().tolist(), *objects.doubtful.round().int().tolist()]:
        boxed[y0:y1, x0:x1] = 1
    # what less than a tenth is left of is said no more
    assert (white & (cv2.dilate(boxed, np.ones((3, 3), np.uint8)) == 0)).mean() < 0.01
    for x0, y0, x1, y1 in objects.boxes.round().int().tolist():
        assert white[y0:y1, x0:x1].mean() >= 0.4


def test_pieces_of_other_frames_lie_on_the_picture(sample: Sample) -> None:
    # seldom does a piece show nothing that was not there
    with_pieces = [samples(sample, paste=1.0)[index][0] for index in range(8)]
    without = [samples(sample)[index][0] for index in range(8)]
    changed = [not torch.equal(one, other) for one, other in zip(with_pieces, without, strict=True)]
    assert sum(changed) >= 7


def test_nothing_shows_through_a_piece_that_its_frame_does_not_fill(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = _Found(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros((0, 4), np.float32))
    monkeypatch.setattr(Samples, "_draw", lambda self, canvas, *rest, **more: nothing)
    canvas = np.full((*SIZE, 3), 200, np.uint8)
    samples(sample)._paste_pieces(canvas, [], np.random.default_rng(0))
    assert set(np.unique(canvas).tolist()) == {PADDING, 200}


def test_what_pieces_cover_is_in_doubt_or_gone() -> None:
    boxes = np.array([(0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10), (60, 0, 70, 10)], np.float32)
    found = _Found(boxes, np.arange(4), boxes[[1, 3]])
    covered = np.zeros((10, 80), bool)
    covered[:, 4:66] = True  # 60%, all, all and 60% of them
    left = found.under(covered)
    assert left.classes.tolist() == []
    assert left.doubtful[:, 0].tolist() == [60, 0, 60]
    covered[:] = False
    covered[:, 6:25] = True  # 40% and half
    left = found.under(covered)
    assert left.classes.tolist() == [0, 1, 2, 3]
    assert left.doubtful[:, 0].tolist() == [20, 60]


def test_a_class_that_is_not_wanted_is_left_out(sample: Sample) -> None:
    objects = samples(sample)[0][1]
    assert len(objects.boxes) == 1
    assert len(objects.doubtful) == 0


def test_a_label_of_a_low_score_is_in_doubt(sample: Sample) -> None:
    unsure = Samples(
        [sample], ("bus", "car"), SIZE, 0.5, ViewConfig(zoom=[1.0, 1.0], mosaic=0.0, paste=0.0), 3
    )
    objects = unsure[0][1]
    assert (len(objects.boxes), len(objects.doubtful)) == (1, 1)


def test_a_picture_follows_from_its_number_alone(sample: Sample) -> None:
    view: dict[str, float | list[float]] = {"zoom": [0.7, 1.5], "mosaic": 0.5, "colour": 0.3}
    forwards = [samples(sample, **view)[index] for index in range(4)]
    backwards = [samples(sample, **view)[index] for index in reversed(range(4))][::-1]
    for (one, there), (other, again) in zip(forwards, backwards, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(there.boxes, again.boxes)
    assert len({one.sum().item() for one, _ in forwards}) > 1


def test_pictures_are_stacked_and_objects_listed(sample: Sample) -> None:
    pictures, objects = collate([samples(sample)[index] for index in range(3)])
    assert pictures.shape == (3, 3, *SIZE)
    assert len(objects) == 3
