import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from streamer.config import ZonesConfig
from streamer.polygon import fault
from streamer.zones import covered, rasterise, touched

WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
MIDDLE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 3), (64, 48), (1279, 719)])
def test_the_whole_frame_as_a_zone_covers_every_pixel(width: int, height: int) -> None:
    assert covered([WHOLE], width, height).all()
    assert touched([WHOLE], width, height).all()


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=6),
    st.integers(1, 40), st.integers(1, 40), st.randoms(use_true_random=False),
)  # fmt: skip
def test_every_pixel_that_a_polygon_touches_is_in_its_mask(
    corners: list[tuple[float, float]], width: int, height: int, chance: random.Random
) -> None:
    mask = touched([corners[:3]], width, height)
    points = np.array(corners[:3]) * (width, height)
    for _ in range(50):
        shares = np.array([chance.random() for _ in range(3)]) + 1e-9
        x, y = (shares / shares.sum()) @ points  # somewhere in the triangle
        assert mask[min(int(y), height - 1), min(int(x), width - 1)]


def test_zones_follow_the_frames_size() -> None:
    config = ZonesConfig(keep=(MIDDLE,))
    for width, height in ((40, 20), (400, 200)):
        keep = rasterise(config, "hard", width, height).keep
        assert keep is not None
        assert keep.shape == (height, width)
        assert keep.mean() == pytest.approx(0.25, abs=0.05)


def test_without_zones_there_is_nothing_to_hide_keep_or_ask() -> None:
    zones = rasterise(ZonesConfig(), "soft", 64, 48)
    assert (zones.hide, zones.keep, zones.only) == ((), None, None)
    assert zones.counts(np.zeros((2, 4), np.float32)).tolist() == [True, True]


def test_what_is_kept_is_never_what_is_hidden() -> None:
    both = rasterise(ZonesConfig(hide=(MIDDLE,), keep=(WHOLE,)), "soft", 64, 48)
    assert both.keep is not None
    marked = np.zeros((48, 64), np.uint8)
    both.hide[0].mark(marked)
    assert (both.keep + marked == 1).all()
    assert rasterise(ZonesConfig(hide=(WHOLE,), keep=(MIDDLE,)), "soft", 64, 48).keep is None


def test_a_box_counts_if_it_reaches_into_a_zone_by_a_pixel_wherever_its_middle_is() -> None:
    zones = rasterise(ZonesConfig(only=(MIDDLE,)), "soft", 64, 48)
    reaching = (20, 20, 30, 30), (0, 0, 17, 13), (0, 0, 64, 48)
    beside = (0, 0, 13, 9), (60, 40, 99, 99), (-90, -90, -80, -80)
    assert zones.counts(np.array(reaching + beside, np.float32)).tolist() == [True] * 3 + [False] * 3


def test_putting_back_copies_the_pixels_of_the_zone_and_no_other() -> None:
    zones = rasterise(ZonesConfig(keep=(MIDDLE,)), "soft", 64, 48)
    original = torch.full((48, 64, 3), 7, dtype=torch.uint8)
    hidden = torch.zeros_like(original)
    zones.put_back(original, hidden)
    assert zones.keep is not None
    assert np.array_equal(hidden.numpy(), zones.keep[..., None].repeat(3, 2) * 7)


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        (WHOLE, None),
        (((0.0, 0.0), (1.0, 0.0), (0.5, 0.1), (0.5, 0.9)), None),
        (((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)), "encloses no area"),
        (((0.2, 0.2), (0.2, 0.2), (0.2, 0.2)), "encloses no area"),
        (
            ((0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)),
            "its sides cross; list the points in order",
        ),
    ],
)
def test_a_polygon_encloses_something_and_does_not_cross_itself(
    corners: tuple[tuple[float, float], ...], expected: str | None
) -> None:
    found = fault(corners)
    assert found is None if expected is None else str(found).startswith(expected)
