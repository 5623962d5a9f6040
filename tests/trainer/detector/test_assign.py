"""Which cell finds what, against places worked out by hand."""

import torch
from torch import Tensor

from streamer.nets.fcos import cells
from trainer.detector.assign import BACKGROUND, IGNORED, Objects, assign

CENTRES, STRIDES = cells(64, 96)
"""8 rows of 12 cells, 4 of 6, 2 of 3."""


def objects(*boxes: tuple[float, float, float, float], doubtful: tuple[float, ...] | None = None) -> Objects:
    some = [] if doubtful is None else [doubtful]
    sure, unsure = (torch.tensor(each, dtype=torch.float32).reshape(-1, 4) for each in (boxes, some))
    return Objects(sure, torch.arange(len(boxes)), unsure)


def places(classes: Tensor, wanted: int) -> set[tuple[float, float]]:
    return {(x, y) for x, y in CENTRES[classes == wanted].tolist()}


def test_cells_lie_in_the_middle_of_their_squares_grid_after_grid() -> None:
    assert len(CENTRES) == 96 + 24 + 6
    assert CENTRES[:2].tolist() == [[4, 4], [12, 4]]
    assert CENTRES[12].tolist() == [4, 12]
    assert CENTRES[96].tolist() == [8, 8]
    assert CENTRES[-1].tolist() == [80, 48]
    assert sorted(set(STRIDES.flatten().tolist())) == [8, 16, 32]


def test_a_small_object_is_found_by_the_cells_about_its_centre() -> None:
    # centre (30, 22): within 12 pixels of it lie columns 20, 28, 36 (not 44) and rows 12, 20, 28 of stride 8
    classes, boxes = assign(objects((16, 10, 44, 34)), CENTRES, STRIDES)
    assert places(classes, 0) == {(x, y) for x in (20, 28, 36) for y in (12, 20, 28)}
    assert {tuple(box) for box in boxes[classes == 0].tolist()} == {(16, 10, 44, 34)}
    assert not boxes[classes == BACKGROUND].any()


def test_an_object_smaller_than_a_cell_is_found_by_the_cell_that_holds_its_centre() -> None:
    classes, _ = assign(objects((17, 17, 19, 19)), CENTRES, STRIDES)
    assert places(classes, 0) == {(20, 20)}


def test_an_object_of_a_middling_size_is_found_on_two_grids() -> None:
    classes, _ = assign(objects((10, 10, 70, 50)), CENTRES, STRIDES)
    assert set(STRIDES[classes == 0].flatten().tolist()) == {8, 16}


def test_a_large_object_is_found_on_the_coarsest_grid() -> None:
    classes, _ = assign(objects((-80, 0, 100, 64)), CENTRES, STRIDES)
    assert set(STRIDES[classes == 0].flatten().tolist()) == {32}


def test_where_two_objects_meet_the_smaller_is_found() -> None:
    classes, _ = assign(objects((8, 8, 48, 48), (24, 24, 32, 32)), CENTRES, STRIDES)
    assert places(classes, 1) == {(28, 28)}
    assert (20, 20) in places(classes, 0)


def test_what_is_in_doubt_is_ignored_except_where_something_is_sure() -> None:
    classes, _ = assign(objects((17, 17, 19, 19), doubtful=(16, 16, 32, 24)), CENTRES, STRIDES)
    assert places(classes, 0) == {(20, 20)}
    assert places(classes, IGNORED) == {(28, 20)}


def test_an_empty_picture_is_all_background() -> None:
    classes, boxes = assign(objects(), CENTRES, STRIDES)
    assert (classes == BACKGROUND).all()
    assert not boxes.any()
