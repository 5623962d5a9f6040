"""The conversion is the standards' own, for every matrix and size."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.sink.colour import Planes, coefficients, fit
from tests import footage


@pytest.mark.parametrize(
    ("matrix", "colour", "codes"),
    [
        # the 100 % colour bars of the standards in 8 bits (ITU-R BT.601-7 and BT.709-6)
        ("bt601", (255, 255, 255), (235, 128, 128)),
        ("bt601", (0, 0, 0), (16, 128, 128)),
        ("bt601", (255, 0, 0), (81, 90, 240)),
        ("bt601", (0, 255, 0), (145, 54, 34)),
        ("bt601", (0, 0, 255), (41, 240, 110)),
        ("bt709", (255, 0, 0), (63, 102, 240)),
        ("bt709", (0, 255, 0), (173, 42, 26)),
        ("bt709", (0, 0, 255), (32, 240, 118)),
    ],
)
@pytest.mark.parametrize("size", [(8, 6), (7, 5)], ids=["even", "odd"])
def test_pure_colours_get_the_standards_codes(
    matrix: str, colour: tuple[int, int, int], codes: tuple[int, int, int], size: tuple[int, int]
) -> None:
    width, height = size
    frame = Planes(width, height, matrix).convert(np.full((height, width, 3), colour, np.uint8))
    for plane, code in zip(frame.planes, codes, strict=True):
        lines = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)
        assert np.abs(lines[:, : plane.width].astype(int) - code).max() <= 1


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("size", [(64, 48), (64, 50), (270, 486), (63, 47), (1, 1)], ids=str)
def test_a_picture_comes_back_from_its_planes(size: tuple[int, int], matrix: str) -> None:
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([40 + 150 * x / width, 40 + 150 * y / height, 200 - 150 * x / width], -1).astype(
        np.uint8
    )
    frame = Planes(width, height, matrix).convert(image)
    assert (frame.width, frame.height) == size
    frame.color_range, frame.colorspace = 1, footage.TAGS[matrix]
    across = 120 // min(width, height) + 4  # colours are shared by 2x2 pixels
    assert np.abs(footage.to_rgb(frame).astype(int) - image).max() <= across


def test_the_next_picture_leaves_nothing_of_the_one_before() -> None:
    planes = Planes(64, 48, "bt709")
    planes.convert(footage.picture(5)).pict_type = 1
    second = planes.convert(footage.picture(9))
    assert (second.pts, second.pict_type) == (None, 0)
    expected = Planes(64, 48, "bt709").convert(footage.picture(9)).to_ndarray()
    assert np.array_equal(second.to_ndarray(), expected)


def test_grey_has_no_colour() -> None:
    assert np.allclose(coefficients("bt709")[1:, :3].sum(axis=1), 0, atol=1e-6)
    assert np.allclose(coefficients("bt601")[0, :3].sum(), 219 / 255)


@pytest.mark.parametrize(
    ("size", "inside"),
    [
        ((128, 48), np.s_[12:36, :]),  # wide: bars above and below
        ((30, 60), np.s_[:, 20:44]),  # tall: bars left and right
        ((16, 12), np.s_[:, :]),  # small: enlarged
        ((1000, 1), np.s_[23:24, :]),  # a line stays a line
    ],
)
def test_another_size_is_fitted_with_its_aspect_kept(
    size: tuple[int, int], inside: tuple[slice, slice]
) -> None:
    fitted = fit(np.full((size[1], size[0], 3), 200, np.uint8), 64, 48)
    assert fitted.shape == (48, 64, 3)
    assert (fitted[inside] == 200).all()
    fitted[inside] = 0
    assert not fitted.any()
