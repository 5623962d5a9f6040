"""Tiles of a frame, boxes that a tile cuts, and one box for each object."""

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.classes import COCO
from streamer.detect import tiles
from streamer.detect.stage import stage
from streamer.detectors import DetectConfig
from streamer.frame import Detected, Detections
from tests.values import Object, found, frame

WIDTH, HEIGHT = 700, 350
FRAME = np.array([0, 0, WIDTH, HEIGHT], np.int32)
KINDS = {"bus": "car", "truck": "car"}


def merged(*objects: Object) -> list[list[float]]:
    boxes: list[list[float]] = tiles.merge([(FRAME, found(*objects))], WIDTH, HEIGHT, KINDS).boxes.tolist()
    return boxes


def test_two_by_two_tiles_share_a_quarter_of_their_side() -> None:
    assert tiles.tiles(WIDTH, HEIGHT, 2, 2).tolist() == [
        [0, 0, 400, 200], [300, 0, 700, 200],
        [0, 150, 400, 350], [300, 150, 700, 350],
    ]  # fmt: skip
    assert tiles.tiles(WIDTH, HEIGHT, 2, 1).tolist() == [[0, 0, 400, 350], [300, 0, 700, 350]]


@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (3, 3), (4, 1), (8, 8)])
@pytest.mark.parametrize("size", [(1280, 720), (97, 61), (5, 3), (1, 1)])
def test_tiles_cover_the_frame_and_end_with_it(grid: tuple[int, int], size: tuple[int, int]) -> None:
    places = tiles.tiles(*size, *grid)
    seen = np.zeros((size[1], size[0]), bool)
    for x0, y0, x1, y1 in places.tolist():
        assert 0 <= x0 < x1 <= size[0]
        assert 0 <= y0 < y1 <= size[1]
        seen[y0:y1, x0:x1] = True
    assert len(places) == grid[0] * grid[1]
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
    assert tiles.uncut(np.array([box], np.float32), tile, WIDTH, HEIGHT).tolist() == [whole]


def test_of_an_object_seen_twice_the_better_box_is_kept() -> None:
    left, right = tiles.tiles(WIDTH, HEIGHT, 2, 2)[:2]
    joined = tiles.merge(
        [
            (FRAME, found((320, 50, 380, 100, 0.4, "car"))),
            (left, found((322, 52, 380, 100, 0.9, "car"), (200, 20, 399, 100, 0.95, "bus"))),
            (right, found((321, 50, 381, 100, 0.6, "truck"), (400, 50, 440, 100, 0.5, "person"))),
        ],
        WIDTH,
        HEIGHT,
        KINDS,
    )
    # the bus is cut by the left tile; car and truck are taken for one another, a person for neither
    assert joined.labels == ("car", "person")
    np.testing.assert_array_equal(joined.boxes, [[322, 52, 380, 100], [400, 50, 440, 100]])
    np.testing.assert_allclose(joined.scores, [0.9, 0.5])


def test_boxes_that_overlap_by_less_than_half_are_two_objects() -> None:
    # of 100 wide boxes, 33 apart: IoU 67/133 > 0.5; 34 apart: 66/134 < 0.5
    assert len(merged((0, 0, 100, 50, 0.9, "car"), (33, 0, 133, 50, 0.8, "car"))) == 1
    assert len(merged((0, 0, 100, 50, 0.9, "car"), (34, 0, 134, 50, 0.8, "car"))) == 2


def test_a_part_of_a_larger_surer_object_of_its_kind_is_no_object() -> None:
    whole = (0, 0, 100, 50, 0.9, "car")
    front = (80, 10, 100, 50, 0.8, "truck")
    assert merged(whole, front) == [[0, 0, 100, 50]]
    assert len(merged((0, 0, 100, 50, 0.7, "car"), front)) == 2  # surer than the whole
    assert len(merged(whole, (80, 10, 100, 50, 0.8, "person"))) == 2  # of another kind
    # 17 of 20 columns inside are 85%, 16 are 80%
    assert len(merged(whole, (83, 10, 103, 50, 0.8, "car"))) == 1
    assert len(merged(whole, (84, 10, 104, 50, 0.8, "car"))) == 2


def test_boxes_are_clipped_to_the_frame_and_those_off_it_are_gone() -> None:
    assert merged((-10, -5, 40, 30, 0.9, "car"), (700, 10, 730, 40, 0.8, "car")) == [[0, 0, 40, 30]]


def test_for_hiding_a_cut_box_that_nothing_else_holds_stays() -> None:
    left, right = tiles.tiles(WIDTH, HEIGHT, 2, 2)[:2]
    passes = [
        (FRAME, found()),
        (left, found((200, 20, 399, 100, 0.6, "bus"))),
        (right, found((301, 20, 500, 100, 0.7, "bus"))),
    ]
    covered = tiles.cover(passes, WIDTH, HEIGHT)
    np.testing.assert_array_equal(covered.boxes, [[301, 20, 500, 100], [200, 20, 399, 100]])
    assert len(tiles.merge(passes, WIDTH, HEIGHT, KINDS)) == 0


@pytest.mark.parametrize(
    ("whole", "left"),
    [
        ((190, 18, 502, 102, 0.7, "bus"), [[190, 18, 502, 102]]),
        ((190, 25, 502, 102, 0.7, "bus"), [[190, 20, 502, 102]]),  # grows to hold all of its part
        ((190, 18, 502, 102, 0.5, "bus"), [[200, 20, 399, 100], [190, 18, 502, 102]]),  # less sure
        ((190, 18, 502, 102, 0.7, "truck"), [[190, 18, 502, 102], [200, 20, 399, 100]]),
        ((240, 18, 502, 102, 0.7, "bus"), [[240, 18, 502, 102], [200, 20, 399, 100]]),  # holds 80%
    ],
)
def test_for_hiding_a_cut_box_goes_where_a_whole_and_surer_one_holds_it(
    whole: Object, left: list[list[float]]
) -> None:
    tile = tiles.tiles(WIDTH, HEIGHT, 2, 2)[0]
    passes = [(FRAME, found(whole)), (tile, found((200, 20, 399, 100, 0.6, "bus")))]
    assert tiles.cover(passes, WIDTH, HEIGHT).boxes.tolist() == left


def test_thousands_of_faint_boxes_take_megabytes() -> None:
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 300, (3000, 2))
    boxes = np.concatenate([start, start + rng.uniform(4, 12, (3000, 2))], axis=1).astype(np.float32)
    labels = tuple(COCO[index % 6] for index in range(3000))
    many = Detections(boxes, np.linspace(0.05, 0.01, 3000, dtype=np.float32), labels)
    tracemalloc.start()
    try:
        assert len(tiles.cover([(FRAME, many)], WIDTH, HEIGHT)) > 1000
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()


def test_no_piece_of_an_object_stands_for_the_whole() -> None:
    tile = tiles.tiles(WIDTH, HEIGHT, 2, 2)[0]
    # IoU 0.8: among equals the surer piece would be all that is left
    passes = [(FRAME, found((200, 20, 450, 100, 0.6, "bus"))), (tile, found((200, 20, 400, 100, 0.9, "bus")))]
    assert [200, 20, 450, 100] in tiles.cover(passes, WIDTH, HEIGHT).boxes.tolist()


@pytest.mark.parametrize(
    "box",
    [
        (5000, 5000, 5100, 5100),
        (-9, 10, -1, 20),
        (10, 351, 20, 352),
        (200, 40, 200, 90),  # without width, so that clipping leaves nothing of it
        (200, 40, 200, 40),
        (-5000, 10, 40, 30),
        (-5000, -5000, 8000, 8000),
    ],
)
def test_for_hiding_a_box_that_cannot_be_clipped_stays_as_it_is(box: tuple[float, ...]) -> None:
    tile = tiles.tiles(WIDTH, HEIGHT, 2, 2)[0]
    bus = (100, 20, 300, 100, 0.9, "bus")
    strange = (*box, 0.8, "bus")
    for found_there in [[(FRAME, found(bus, strange))], [(FRAME, found(bus)), (tile, found(strange))]]:  # type: ignore[arg-type]
        covered = tiles.cover(found_there, WIDTH, HEIGHT)
        assert covered.boxes.tolist() == [list(bus[:4]), list(box)]
        np.testing.assert_allclose(covered.scores, [0.9, 0.8])


boxes = st.builds(
    lambda x, y, w, h, score, label: (x, y, x + w, y + h, score, label),
    st.integers(0, 600), st.integers(0, 300), st.integers(5, 300), st.integers(5, 200),
    st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.sampled_from(["car", "person"]),
)  # fmt: skip


@given(st.lists(boxes, max_size=6), st.lists(boxes, max_size=6), st.sampled_from([0.1, 0.3, 0.5, 0.9]))
def test_for_hiding_no_object_loses_more_than_overlapping_boxes_of_it_ever_do(
    whole: list[Object], pieces: list[Object], threshold: float
) -> None:
    """Whatever the least score: each box overlaps by half with one that stays, or lies in it entirely."""
    tile = tiles.tiles(WIDTH, HEIGHT, 2, 2)[0]
    inside = [(*np.minimum(box[:4], [*tile[2:], *tile[2:]]).tolist(), *box[4:]) for box in pieces]
    inside = [box for box in inside if box[2] > box[0] and box[3] > box[1]]
    covered = tiles.cover([(FRAME, found(*whole)), (tile, found(*inside))], WIDTH, HEIGHT)
    for box in [*whole, *inside]:
        if box[4] < threshold:
            continue
        x0, y0, x1, y1 = np.clip(box[:4], 0, [WIDTH, HEIGHT, WIDTH, HEIGHT]).tolist()
        held = False
        for other, score, label in zip(covered.boxes.tolist(), covered.scores, covered.labels, strict=True):
            across = min(x1, other[2]) - max(x0, other[0])
            down = min(y1, other[3]) - max(y0, other[1])
            shared = max(0.0, across) * max(0.0, down)
            union = (x1 - x0) * (y1 - y0) + (other[2] - other[0]) * (other[3] - other[1]) - shared
            near = shared > tiles.IOU * union or shared >= tiles.IOU * (x1 - x0) * (y1 - y0)
            held |= near and label == box[5] and score >= np.float32(threshold)
        assert held, box


class Bright:
    """Finds the white in a picture, as one box, and remembers how many pictures it was asked about."""

    name, engine, batch_size = "bright", "none", 12

    def __init__(self) -> None:
        self.calls: list[int] = []

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        self.calls.append(len(images))
        return [self._one(image.numpy()) for image in images]

    def _one(self, image: NDArray[np.uint8]) -> Detections:
        rows, columns = np.nonzero(image[..., 0] == 255)
        if len(rows) == 0:
            return Detections.none()
        x0, y0, x1, y1 = (
            float(side) for side in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        )
        return found((x0, y0, x1, y1, 0.5, "person"))


def white(x0: int, y0: int, x1: int, y1: int, width: int = WIDTH, height: int = HEIGHT) -> torch.Tensor:
    image = torch.zeros(height, width, 3, dtype=torch.uint8)
    image[y0:y1, x0:x1] = 255
    return image


def test_a_tiled_detector_finds_each_object_once_and_where_it_is_in_the_frame() -> None:
    bright = Bright()
    tiled = tiles.Tiled(bright, 2, 2)
    assert (tiled.name, tiled.engine, tiled.batch_size) == ("bright in 2x2 tiles", "none", 2)
    # of other sizes too; an object across the tiles' edges is whole in the frame alone
    pictures = [white(610, 40, 640, 60), white(20, 10, 30, 20, 60, 50), white(250, 100, 450, 250)]
    detections = tiled.detect(pictures)
    assert [each.boxes.tolist() for each in detections] == [
        [[610, 40, 640, 60]], [[20, 10, 30, 20]], [[250, 100, 450, 250]],
    ]  # fmt: skip
    assert bright.calls == [15]  # all tiles of all pictures in one call
    assert len(tiled.detect([torch.zeros(30, 50, 3, dtype=torch.uint8)])[0]) == 0
    assert tiled.detect([]) == []


def test_what_only_a_tile_shows_well_enough_is_found() -> None:
    class Small(Bright):
        """Sees what takes at least a hundredth of its picture."""

        def _one(self, image: NDArray[np.uint8]) -> Detections:
            share = float((image[..., 0] == 255).mean())
            return super()._one(image) if share >= 0.01 else Detections.none()

    picture = white(100, 100, 140, 130)  # 0.5% of the frame, 1.5% of a tile
    assert len(Small().detect([picture])[0]) == 0
    (detections,) = tiles.Tiled(Small(), 2, 2).detect([picture])
    np.testing.assert_array_equal(detections.boxes, [[100, 100, 140, 130]])


@pytest.mark.parametrize("grid", ["1x1", "2x2"])
@pytest.mark.parametrize(
    ("box", "score", "failure"),
    [
        ((5000, 5000, 5100, 5100), 0.99, "detector"),
        ((5000, 5000, 5100, 5100), 0.05, None),
        ((-9000, 10, 40, 30), 0.99, "detector"),
        ((20, 10, 20, 30), 0.99, None),
    ],
)
def test_a_detector_gone_wrong_is_not_trusted_with_tiles_either(
    grid: str, box: tuple[float, float, float, float], score: float, failure: str | None
) -> None:
    class Same(Bright):
        def _one(self, image: NDArray[np.uint8]) -> Detections:
            return found((*box, score, "car"))

    config = DetectConfig(tiles=grid)
    detector = Same() if grid == "1x1" else tiles.Tiled(Same(), *config.grid)
    ((item,),) = stage([[frame()]], detector, torch.device("cpu"), {"gate": config})
    assert isinstance(item, Detected)
    assert item.failure == failure
    if score < 0.5:
        assert len(item.detections) == 0
    elif failure is None:  # a pixel of it is hidden
        assert list(box) in item.detections.boxes.tolist()


def test_a_detector_that_returns_no_numbers_raises_through_its_tiles() -> None:
    class Broken(Bright):
        def _one(self, image: NDArray[np.uint8]) -> Detections:
            return found((0, 0, float("nan"), 1, 0.5, "car"))

    with pytest.raises(ValueError, match="not a number"):
        tiles.Tiled(Broken(), 2, 2).detect([white(0, 0, 1, 1)])
