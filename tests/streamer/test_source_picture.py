"""Colours and orientation, against the standards' formulas and numpy."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.config import CameraConfig
from streamer.frame import Frame
from streamer.source import SourceStats, read
from streamer.source.picture import Converter, upright
from tests.footage import LUMA, Image, bars, picture, to_frame, write_clip


def first_frame(path: Path) -> Frame:
    source = read("yard", CameraConfig(source=str(path)), threading.Event(), SourceStats())
    return next(item for item in source if isinstance(item, Frame))


def in_the_bars(image: Image) -> Any:
    """The two middle columns of each of the eight bars, where no neighbour's colour bleeds in."""
    width = image.shape[1] // 8
    columns = [bar * width + width // 2 + side for bar in range(8) for side in (-1, 0)]
    return image[:, columns].astype(int)


EIGHT_BIT = ["yuv420p", "yuv422p", "yuv444p"]
DEEP = ["yuv420p10le", "yuv422p10le", "yuv444p10le"]


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("pix_fmt", [*EIGHT_BIT, *DEEP])
def test_colours_follow_the_tags(pix_fmt: str, matrix: str, full_range: bool, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [bars()], pix_fmt=pix_fmt, matrix=matrix, full_range=full_range)
    frame = first_frame(path)
    assert np.abs(in_the_bars(frame.image) - in_the_bars(bars())).max() <= 3
    assert frame.stream.matrix == matrix


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le"])
def test_grey_has_its_range_too(pix_fmt: str, full_range: bool, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", [bars()], codec="ffv1", pix_fmt=pix_fmt, full_range=full_range)
    grey = np.round(bars() @ np.array(LUMA["bt709"]))[..., None].repeat(3, axis=-1)
    assert np.abs(in_the_bars(first_frame(path).image) - in_the_bars(grey)).max() <= 1


@pytest.mark.parametrize(
    ("size", "matrix"),
    [((64, 48), "bt601"), ((64, 718), "bt601"), ((64, 720), "bt709"), ((64, 1080), "bt709")],
)
def test_without_a_tag_the_height_tells_the_matrix(
    size: tuple[int, int], matrix: str, tmp_path: Path
) -> None:
    image = bars(*size)
    frame = to_frame(image, "yuv420p", matrix, full_range=False)
    frame.colorspace, frame.color_range = 2, 0
    converted = Converter().convert(frame)
    assert converted.matrix == matrix
    assert np.abs(in_the_bars(converted.image) - in_the_bars(image)).max() <= 3


def test_an_untagged_file_is_limited_range(tmp_path: Path) -> None:
    frame = first_frame(write_clip(tmp_path / "a.mp4", [bars(64, 720)], matrix=None, tagged=False))
    assert np.abs(in_the_bars(frame.image) - in_the_bars(bars(64, 720))).max() <= 3
    assert frame.stream.matrix == "bt709"


@pytest.mark.parametrize("codec", ["libx264rgb", "ffv1"])
def test_rgb_stays_as_it_is(codec: str, tmp_path: Path) -> None:
    pix_fmt = "rgb24" if codec == "libx264rgb" else "bgr0"
    frame = first_frame(write_clip(tmp_path / "a.mkv", [bars()], codec=codec, pix_fmt=pix_fmt))
    assert np.array_equal(frame.image, bars())


def test_motion_jpeg_is_full_range_bt601(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "a.avi", [bars()], codec="mjpeg", pix_fmt="yuvj422p", matrix="bt601", full_range=True
    )
    frame = first_frame(path)
    assert np.abs(in_the_bars(frame.image) - in_the_bars(bars())).max() <= 3
    assert frame.stream.matrix == "bt601"


@pytest.mark.parametrize("colorspace", [0, 3, 8, 10, 12, 14])
def test_a_matrix_that_no_player_knows_is_taken_by_height_and_never_fails(colorspace: int) -> None:
    frame = to_frame(bars(), "yuv420p", "bt601", full_range=False)
    frame.colorspace = colorspace
    image = Converter().convert(frame).image
    assert np.abs(in_the_bars(image) - in_the_bars(bars())).max() <= (3 if colorspace != 10 else 60)


def test_bt2020_is_converted_with_its_own_matrix() -> None:
    frame = to_frame(bars(), "yuv420p10le", "bt709", full_range=False)
    frame.colorspace = 9
    by_2020 = Converter().convert(frame)
    frame.colorspace = 1
    by_709 = Converter().convert(frame)
    assert by_2020.matrix == "bt709"
    assert np.abs(by_2020.image.astype(int) - by_709.image).max() > 5


@pytest.mark.parametrize(("width", "height"), [(65, 47), (63, 48), (64, 49), (2, 2), (17, 3)])
def test_odd_sizes_keep_every_pixel(width: int, height: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(width)
    grey = rng.integers(20, 236, (height, width, 1), np.uint8).repeat(3, axis=-1)
    frame = first_frame(write_clip(tmp_path / "a.mkv", [grey], codec="libvpx-vp9"))
    assert frame.image.shape == (height, width, 3)
    assert frame.image.flags.c_contiguous
    assert np.abs(frame.image.astype(int) - grey).max() <= 4


def test_images_are_writable_contiguous_and_each_their_own(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [picture(1, 66, 48), picture(2, 66, 48)])
    source = read("yard", CameraConfig(source=str(path)), threading.Event(), SourceStats())
    first, second = (item for item in source if isinstance(item, Frame))
    kept = second.image.copy()
    first.image[:] = 0
    assert first.image.flags.c_contiguous
    assert np.array_equal(second.image, kept)


@pytest.mark.parametrize("mirrored", ["", "h", "v", "hv"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_display_matrix_is_obeyed(rotation: int, mirrored: str, tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "a.mp4",
        1,
        pix_fmt="yuv444p",
        rotation=rotation,
        hflip="h" in mirrored,
        vflip="v" in mirrored,
    )
    expected = np.rot90(picture(0), rotation // 90)
    expected = expected[:, ::-1] if "h" in mirrored else expected
    expected = expected[::-1] if "v" in mirrored else expected
    frame = first_frame(path)
    assert (frame.stream.width, frame.stream.height) == (expected.shape[1], expected.shape[0])
    assert np.abs(frame.image.astype(int) - expected).max() <= 3
    assert frame.image.flags.c_contiguous


def test_an_angle_that_is_no_quarter_turn_is_left_as_it_is(tmp_path: Path) -> None:
    frame = first_frame(write_clip(tmp_path / "a.mp4", 1, pix_fmt="yuv444p", rotation=30))
    assert np.abs(frame.image.astype(int) - picture(0)).max() <= 3


def test_upright_moves_a_single_pixel_where_the_matrix_says() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 1] = 255
    turned = upright(image, (0, 1, -1, 0))  # a quarter turn clockwise: the top row becomes the right column
    assert turned.shape == (3, 2, 3)
    assert turned[1, 1].tolist() == [255, 255, 255]
    assert turned.sum() == 3 * 255
