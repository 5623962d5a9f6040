"""The strong pass: tiles, boxes that a tile cuts, and one box for each object."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from streamer.frame import Detections
from trainer import strong

WIDTH, HEIGHT = 700, 350


def found(*objects: tuple[float, float, float, float, float, str]) -> Detections:
    return Detections(
        np.array([each[:4] for each in objects], np.float32).reshape(-1, 4),
        np.array([each[4] for each in objects], np.float32),
        tuple(each[5] for each in objects),
    )


def test_two_by_two_tiles_share_a_quarter_of_their_side() -> None:
    assert strong.tiles(WIDTH, HEIGHT, 2).tolist() == [
        [0, 0, 400, 200], [300, 0, 700, 200],
        [0, 150, 400, 350], [300, 150, 700, 350],
    ]  # fmt: skip


@pytest.mark.parametrize("grid", [1, 2, 3])
@pytest.mark.parametrize("size", [(1280, 720), (97, 61), (5, 3)])
def test_tiles_cover_the_frame_and_end_with_it(grid: int, size: tuple[int, int]) -> None:
    places = strong.tiles(*size, grid)
    seen = np.zeros((size[1], size[0]), bool)
    for x0, y0, x1, y1 in places.tolist():
        assert 0 <= x0 < x1 <= size[0]
        assert 0 <= y0 < y1 <= size[1]
        seen[y0:y1, x0:x1] = True
    assert len(places) == grid**2
    assert seen.all()
    assert (places[-1, 2:] == size).all()


@pytest.mark.parametrize(
    ("box", "whole"),
    [
        ((310, 10, 390, 190), True),
        ((300, 10, 390, 190), False),  # ends at the tile's inner left edge
        ((303, 10, 390, 190), False),  # so near it that it is taken for cut
        ((305, 10, 390, 190), True),
        ((310, 0, 390, 190), True),  # the upper edge is the frame's own
        ((310, -4, 390, 190), True),
        ((650, 10, 705, 100), True),  # and so is the right one
        ((310, 10, 390, 199), False),
    ],
)
def test_a_box_that_ends_at_an_inner_edge_is_cut(box: tuple[float, ...], whole: bool) -> None:
    tile = np.array([300, 0, 700, 200], np.int32)
    assert strong.uncut(np.array([box], np.float32), tile, WIDTH, HEIGHT).tolist() == [whole]


def test_of_an_object_seen_twice_the_better_box_is_kept() -> None:
    frame = np.array([0, 0, WIDTH, HEIGHT], np.int32)
    left, right = strong.tiles(WIDTH, HEIGHT, 2)[:2]
    merged = strong.merge(
        [
            (frame, found((320, 50, 380, 100, 0.4, "car"))),
            (left, found((322, 52, 380, 100, 0.9, "car"), (200, 20, 399, 100, 0.95, "bus"))),
            (right, found((321, 50, 381, 100, 0.6, "truck"))),
        ],
        WIDTH,
        HEIGHT,
    )
    # the bus is cut by the left tile; car and truck are different classes, so that both stay
    assert merged.labels == ("car", "truck")
    np.testing.assert_array_equal(merged.boxes, [[322, 52, 380, 100], [321, 50, 381, 100]])
    np.testing.assert_allclose(merged.scores, [0.9, 0.6])


def test_boxes_that_overlap_by_less_than_half_are_two_objects() -> None:
    frame = np.array([0, 0, WIDTH, HEIGHT], np.int32)
    # of 100 wide boxes, 33 apart: IoU 67/133 > 0.5; 34 apart: 66/134 < 0.5
    near = strong.merge([(frame, found((0, 0, 100, 50, 0.9, "car"), (33, 0, 133, 50, 0.8, "car")))], 700, 350)
    far = strong.merge([(frame, found((0, 0, 100, 50, 0.9, "car"), (34, 0, 134, 50, 0.8, "car")))], 700, 350)
    assert (len(near), len(far)) == (1, 2)


def test_boxes_are_clipped_to_the_frame_and_those_off_it_are_gone() -> None:
    frame = np.array([0, 0, WIDTH, HEIGHT], np.int32)
    both = found((-10, -5, 40, 30, 0.9, "car"), (700, 10, 730, 40, 0.8, "car"))
    np.testing.assert_array_equal(strong.merge([(frame, both)], WIDTH, HEIGHT).boxes, [[0, 0, 40, 30]])


class Bright:
    """Finds the white in a picture, as one box."""

    name, engine, batch_size = "bright", "none", 1

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        return [self._one(image.numpy()) for image in images]

    def _one(self, image: NDArray[np.uint8]) -> Detections:
        rows, columns = np.nonzero(image[..., 0] == 255)
        if len(rows) == 0:
            return Detections.none()
        x0, y0, x1, y1 = (
            float(side) for side in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        )
        return found((x0, y0, x1, y1, 1 / image.size, "person"))


def test_what_is_found_in_tiles_is_put_where_it_is_in_the_frame() -> None:
    image = torch.zeros(HEIGHT, WIDTH, 3, dtype=torch.uint8)
    image[40:60, 610:640] = 255
    detections = strong.detect(Bright(), image)
    np.testing.assert_array_equal(detections.boxes, [[610, 40, 640, 60]])


def test_nothing_found_is_nothing_merged() -> None:
    assert len(strong.detect(Bright(), torch.zeros(30, 50, 3, dtype=torch.uint8))) == 0
