import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.stencil import Stencil, lay_opencv, lay_torch

WIDTH, HEIGHT = 90, 70
START = st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1))
SIZE = st.tuples(st.integers(1, WIDTH), st.integers(1, HEIGHT))
EDGE = st.sampled_from(["soft", "hard"])


def ellipse(region: tuple[int, int, int, int], edge: str = "hard") -> NDArray[np.uint8]:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    Stencil.ellipse(region, edge, WIDTH, HEIGHT).mark(mask)
    return mask


@given(START, SIZE, EDGE)
def test_an_ellipse_lies_in_its_region_reaches_its_sides_and_holds_its_middle(
    start: tuple[int, int], size: tuple[int, int], edge: str
) -> None:
    x0, y0 = start
    x1, y1 = min(WIDTH, x0 + size[0]), min(HEIGHT, y0 + size[1])
    mask = ellipse((x0, y0, x1, y1), edge)
    rows, columns = np.nonzero(mask)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (x0, y0, x1, y1)
    assert mask[(y0 + y1) // 2, (x0 + x1) // 2]


@given(START, SIZE, EDGE, st.booleans())
def test_what_is_opaque_is_the_filling_what_lies_beyond_is_not_touched_and_torch_agrees(
    start: tuple[int, int], size: tuple[int, int], edge: str, round_: bool
) -> None:
    region = (*start, min(WIDTH, start[0] + size[0]), min(HEIGHT, start[1] + size[1]))
    stencil = (Stencil.ellipse if round_ else Stencil.box)(region, edge, WIDTH, HEIGHT)
    x0, y0, x1, y1 = stencil.area
    below = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    part = np.random.default_rng(1).integers(0, 256, (y1 - y0, x1 - x0, 3), np.uint8)
    one, other = below.copy(), torch.from_numpy(below.copy())
    lay_opencv(one, part, stencil)
    lay_torch(other, torch.from_numpy(part), stencil)
    assert np.abs(one.astype(int) - other.numpy()).max() <= 2
    opaque = np.zeros((HEIGHT, WIDTH), np.uint8)
    stencil.mark(opaque)
    whole = below.copy()
    whole[y0:y1, x0:x1] = part
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[y0:y1, x0:x1] = False
    for picture in (one, other.numpy()):
        assert np.array_equal(picture[opaque == 1], whole[opaque == 1])
        assert np.array_equal(picture[outside], below[outside])
        if edge == "hard":
            assert np.array_equal(picture[opaque == 0], below[opaque == 0])


def test_a_soft_edge_falls_off_outside_the_shape_alone() -> None:
    soft, hard = (Stencil.ellipse((20, 20, 70, 60), edge, WIDTH, HEIGHT) for edge in ("soft", "hard"))
    assert np.array_equal(ellipse((20, 20, 70, 60), "soft"), ellipse((20, 20, 70, 60), "hard"))
    assert soft.soft == 3
    assert hard.soft == 0
    assert soft.opacity is not None
    middle = soft.opacity[23, :].tolist()  # the row through its middle, from the area's left end
    assert middle[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0], abs=0.01)


def test_of_an_object_at_the_frames_edge_half_an_ellipse_is_hidden_widest_at_the_edge() -> None:
    mask = ellipse((0, 20, 30, 60))
    assert mask[20:60, 0].all()  # all of its height
    assert mask[40, :30].all()
    assert not mask[20, 29]
    band = ellipse((0, 20, WIDTH, 60))
    assert band[20:60].all()


def test_a_polygons_stencil_is_its_mask_with_an_edge_around_it() -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:40, 30:50] = 1
    mask[20:30, 40:50] = 0
    hard, soft = Stencil.polygon(mask, "hard"), Stencil.polygon(mask, "soft")
    for stencil in (hard, soft):
        marked = np.zeros_like(mask)
        stencil.mark(marked)
        assert np.array_equal(marked, mask)
        assert stencil.region == (30, 20, 50, 40)
    assert hard.area == hard.region
    assert soft.area == (28, 18, 52, 42)
    assert soft.opacity is not None
    assert soft.opacity[15, :2].tolist() == pytest.approx([1 / 3, 2 / 3])
