import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.boxes import Boxes, disjoint, joined, pad, rounded, whole

COORDINATES = st.floats(-1e6, 1e6, width=32)
BOX = st.tuples(COORDINATES, COORDINATES, COORDINATES, COORDINATES)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_a_box_is_grown_by_its_share_and_rounded_outwards() -> None:
    assert pad(boxes((10, 20, 30, 60)), 100, 100, 0.1).tolist() == [[8, 16, 32, 64]]
    assert pad(boxes((10.4, 20.6, 30.2, 60.1)), 100, 100, 0.0).tolist() == [[10, 20, 31, 61]]


def test_a_box_that_reaches_off_the_frame_is_clipped() -> None:
    assert pad(boxes((-50, -50, 20, 20), (90, 90, 300, 300)), 100, 100, 0.0).tolist() == [
        [0, 0, 20, 20],
        [90, 90, 100, 100],
    ]


def test_a_box_beside_the_frame_vanishes_and_no_box_gives_none() -> None:
    assert pad(boxes((-50, 10, -20, 20), (120, 10, 140, 20)), 100, 100, 0.05).shape == (0, 4)
    assert pad(boxes(), 100, 100, 0.05).shape == (0, 4)


def test_a_box_thinner_than_a_pixel_covers_the_pixel_it_lies_on() -> None:
    assert pad(boxes((10.2, 10.2, 10.3, 10.3)), 100, 100, 0.0).tolist() == [[10, 10, 11, 11]]


@given(st.lists(BOX, max_size=8), st.integers(1, 3000), st.integers(1, 3000), st.floats(0, 2))
def test_whatever_the_boxes_what_comes_out_lies_in_the_frame_and_covers_them(
    rows: list[tuple[float, float, float, float]], width: int, height: int, padding: float
) -> None:
    padded = pad(boxes(*rows), width, height, padding)
    assert padded.dtype == np.int32
    assert ((padded[:, :2] >= 0) & (padded[:, 2:] <= [width, height])).all()
    assert (padded[:, 2:] > padded[:, :2]).all()
    for x0, y0, x1, y1 in boxes(*rows):
        if x1 > x0 and y1 > y0 and x1 > 0 and y1 > 0 and x0 < width and y0 < height:
            visible = np.array([max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)])
            assert any(
                (p[0] <= visible[0])
                and (p[1] <= visible[1])
                and (p[2] >= visible[2])
                and (p[3] >= visible[3])
                for p in padded
            )


def whole_boxes(*rows: tuple[int, int, int, int]) -> Boxes:
    return np.array(rows, np.int32).reshape(-1, 4)


def test_boxes_are_joined_where_one_covers_hardly_more() -> None:
    twice = whole_boxes((0, 0, 100, 100), (4, 0, 104, 100))
    assert joined(twice, 0.0).tolist() == [[0, 0, 104, 100]]  # side by side, nothing more is covered
    slanted = whole_boxes((0, 0, 100, 100), (10, 10, 110, 110))
    # 110² against 100² + 100² - 90² is 1.017
    assert joined(slanted, 0.01).tolist() == slanted.tolist()[::-1]
    assert joined(slanted, 0.02).tolist() == [[0, 0, 110, 110]]
    assert joined(whole_boxes((0, 0, 9, 9), (2, 2, 4, 4)), 0.0).tolist() == [[0, 0, 9, 9]]
    assert len(joined(whole_boxes((0, 0, 9, 9), (50, 50, 59, 59)), 0.5)) == 2


def test_a_box_is_joined_with_the_one_that_takes_least_more() -> None:
    left, between, right = (0, 0, 100, 100), (98, 10, 107, 90), (107, 5, 206, 95)
    # 1.3% more than it and the left one, 0.9% more than it and the right one, 5.9% more than all
    assert sorted(joined(whole_boxes(left, right, between), 0.03).tolist()) == [[*left], [98, 5, 206, 95]]
    assert joined(whole_boxes(left, right, between), 0.06).tolist() == [[0, 0, 206, 100]]


def test_a_row_of_boxes_does_not_grow_without_end() -> None:
    stairs = whole_boxes(*((10 * n, 10 * n, 10 * n + 100, 10 * n + 100) for n in range(40)))
    steps = joined(stairs, 0.1)
    assert 1 < len(steps) < 40
    assert painted(steps).sum() <= 1.2 * painted(stairs).sum()


SMALL = st.integers(0, 30)


@given(
    st.lists(st.tuples(SMALL, SMALL, st.integers(1, 20), st.integers(1, 20)), max_size=12), st.floats(0, 0.5)
)
def test_joined_boxes_cover_all_and_no_more_than_the_slack_allows(
    rows: list[tuple[int, int, int, int]], slack: float
) -> None:
    before = whole_boxes(*((x, y, x + w, y + h) for x, y, w, h in rows))
    after = joined(before, slack)
    assert after.dtype == np.dtype(np.int32)
    was = painted(before)
    assert not (was & ~painted(after)).any()
    for x0, y0, x1, y1 in after:
        assert (x1 - x0) * (y1 - y0) <= (1 + slack + 1e-9) * was[y0:y1, x0:x1].sum()


def painted(rows: Boxes) -> NDArray[np.bool_]:
    picture = np.zeros((500, 500), bool)
    for x0, y0, x1, y1 in rows:
        picture[y0:y1, x0:x1] = True
    return picture


@given(st.lists(st.tuples(SMALL, SMALL, st.integers(1, 20), st.integers(1, 20)), max_size=8))
def test_disjoint_boxes_cover_the_same_pixels_once(rows: list[tuple[int, int, int, int]]) -> None:
    given_boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.int32).reshape(-1, 4)
    union = np.zeros((60, 60), bool)
    for x0, y0, x1, y1 in given_boxes:
        union[y0:y1, x0:x1] = True
    count = np.zeros((60, 60), int)
    for x0, y0, x1, y1 in disjoint(given_boxes):
        count[y0:y1, x0:x1] += 1
    assert np.array_equal(count, union.astype(int))


def test_the_whole_frame_is_one_box() -> None:
    assert whole(7, 5).tolist() == [[0, 0, 7, 5]]


@given(st.lists(st.tuples(*[st.floats(-9000, 9000, width=32)] * 4), max_size=4))
def test_rounded_boxes_survive_being_written_with_two_digits(
    rows: list[tuple[float, float, float, float]],
) -> None:
    once = rounded(boxes(*rows))
    written = np.array([[float(f"{edge:.2f}") for edge in box] for box in once.tolist()]).reshape(-1, 4)
    assert np.array_equal(rounded(once), once)
    assert np.array_equal(written.astype(np.float32), once)
    assert np.abs(once - boxes(*rows)).max(initial=0.0) <= 0.00501
