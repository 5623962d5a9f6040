"""Pairs: degraded as streamer hides, clean as the original is."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from streamer.config import BlurConfig
from streamer.errors import SourceError
from streamer.hide import hide
from streamer.restore import cut
from tests.trainer.scenes import CAR, HEIGHT, WIDTH, frames, picture, seed_of
from trainer.config import PairsConfig
from trainer.data import Picture
from trainer.degrade import anywhere, pairs
from trainer.images import read_image

HARD = BlurConfig(quantise=1, scale=1.0, margin=0.0, edge="hard")
BOXES = {"a_0.png": np.array([CAR, (70, 50, 200, 200)], np.float32)}


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    frames(tmp_path, ["a"], each=2)
    return [Picture(tmp_path / f"a_{i}.png", f"a_{i}.png", "a", f"{i:032x}") for i in range(2)]


def test_a_pair_of_regions_is_what_streamer_would_cut(pictures: list[Picture]) -> None:
    form = PairsConfig(of="regions", size=16, context=0.25)
    found = list(pairs(pictures, BOXES, HARD, form, variants=1, seed=0))
    image = torch.from_numpy(picture(seed_of("a", 0)))
    blurred, regions, _ = hide(image, BOXES["a_0.png"], HARD)
    assert len(found) == len(regions) == 2  # a_1 was not looked at
    for i, pair in enumerate(found):
        for pixels, source in ((pair.degraded, blurred), (pair.clean, image)):
            assert pixels.dtype == np.uint16
            assert pixels.shape == (3, 16, 16)
            expected = cut(source, regions, 16, 0.25)[i].numpy()
            np.testing.assert_allclose(pixels / 65535, expected, atol=1e-5)


def test_the_hidden_share_of_each_pixel_is_the_regions_own(pictures: list[Picture]) -> None:
    form = PairsConfig(of="regions", size=12, context=0.25)
    boxes = {"a_0.png": np.array([(20, 16, 60, 48)], np.float32)}
    (pair,) = pairs(pictures, boxes, HARD, form, variants=1, seed=0)
    # 40x32 grown by 10 and 8: the region is the middle two thirds, 8 of 12 pixels
    expected = np.zeros((12, 12), np.uint8)
    expected[2:10, 2:10] = 255
    np.testing.assert_array_equal(pair.hidden, expected)


def test_the_hidden_share_at_the_frames_edge_is_not_centred(pictures: list[Picture]) -> None:
    form = PairsConfig(of="regions", size=16, context=1.0)
    boxes = {"a_0.png": np.array([(0, 0, 24, 18)], np.float32)}
    (pair,) = pairs(pictures, boxes, HARD, form, variants=1, seed=0)
    expected = np.zeros((16, 16), np.uint8)
    expected[:8, :8] = 255  # clipped at the frame: the context is on two sides alone
    np.testing.assert_array_equal(pair.hidden, expected)


def test_a_pair_of_frames_is_the_whole_frame_with_all_that_is_hidden(pictures: list[Picture]) -> None:
    boxes = {"a_0.png": BOXES["a_0.png"], "a_1.png": np.zeros((0, 4), np.float32)}
    form = PairsConfig(of="frames", size=24)
    first, second = pairs(pictures, boxes, HARD, form, variants=1, seed=0)
    assert (WIDTH // 24, HEIGHT // 24) == (4, 3)
    expected = np.zeros((24, 24), np.uint8)
    expected[5, 5:15] = 170  # rows 15 to 18 of the frame, hidden from 16 on
    expected[6:16, 5:15] = 255
    expected[16, 17:], expected[17:, 17:] = (
        85,
        255,
    )  # hidden from row 50 on, and from column 70, half of the pixel
    expected[16:, 17] = expected[16:, 18] // 2 + 1
    np.testing.assert_allclose(first.hidden, expected, atol=1)
    outside = first.hidden == 0
    np.testing.assert_array_equal(first.degraded[:, outside], first.clean[:, outside])
    assert (first.degraded != first.clean).any()
    # a frame without a car is a pair too, as the reference has it
    assert second.hidden.max() == 0
    np.testing.assert_array_equal(second.degraded, second.clean)


def test_the_hidden_share_of_an_ellipse_leaves_its_corners_out(pictures: list[Picture]) -> None:
    how = HARD.model_copy(update={"shape": "ellipse"})
    boxes = {"a_0.png": np.array([(20, 16, 60, 48)], np.float32)}
    for form in (PairsConfig(of="regions", size=40, context=0.25), PairsConfig(of="frames", size=48)):
        (pair,) = pairs(pictures, boxes, how, form, variants=1, seed=0)
        (box,) = pairs(pictures, boxes, HARD, form, variants=1, seed=0)
        share = pair.hidden.astype(float).sum() / box.hidden.astype(float).sum()
        assert share == pytest.approx(np.pi / 4, abs=0.08)
        assert (pair.hidden <= box.hidden).all()
        untouched = pair.hidden == 0
        np.testing.assert_array_equal(pair.degraded[:, 0, 0], pair.clean[:, 0, 0])
        assert untouched.any()


def test_dither_is_the_same_each_time_pairs_are_made(pictures: list[Picture]) -> None:
    form, how = PairsConfig(of="regions", size=64), HARD.model_copy(update={"quantise": 8})
    one, again, other = (
        [pair.degraded.tobytes() for pair in pairs(pictures, BOXES, how, form, variants=1, seed=seed)]
        for seed in (0, 0, 1)
    )
    assert one == again
    assert one != other


def test_the_first_variant_is_exact_and_the_others_differ(pictures: list[Picture]) -> None:
    form = PairsConfig(of="regions", size=16, jitter=0.2, strengths=[0.5, 2.0])
    one = list(pairs(pictures, BOXES, HARD, form, variants=1, seed=0))
    three = list(pairs(pictures, BOXES, HARD, form, variants=3, seed=0))
    assert len(three) == 6
    for exact, first in zip(one, three, strict=False):
        np.testing.assert_array_equal(exact.degraded, first.degraded)
    assert len({pair.degraded.tobytes() for pair in three}) == 6
    again = list(pairs(pictures, BOXES, HARD, form, variants=3, seed=0))
    assert [pair.degraded.tobytes() for pair in again] == [pair.degraded.tobytes() for pair in three]
    other = list(pairs(pictures, BOXES, HARD, form, variants=3, seed=1))
    assert other[-1].degraded.tobytes() != three[-1].degraded.tobytes()


def test_boxes_elsewhere_come_with_the_second_variant(pictures: list[Picture]) -> None:
    form = PairsConfig(of="regions", size=16, elsewhere=3)
    plain, more = (
        list(pairs(pictures, BOXES, HARD, each, variants=2, seed=0))
        for each in (PairsConfig(of="regions", size=16), form)
    )
    per_frame = len(plain) // (2 * len(pictures))
    assert len(plain) < len(more) <= len(plain) + 3 * len(pictures)  # some overlap and are one
    for exact, first in zip(plain[:per_frame], more[:per_frame], strict=True):
        np.testing.assert_array_equal(exact.degraded, first.degraded)


def test_boxes_elsewhere_may_be_wider_than_a_narrow_frame() -> None:
    boxes = anywhere(200, 20, 200, np.random.default_rng(0))
    assert boxes.shape == (200, 4)
    assert boxes.dtype == np.float32
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides[:, 0] > 20).any()
    assert ((sides[:, 1] >= 0.0499 * 200) & (sides[:, 1] <= 0.5001 * 200)).all()
    assert ((boxes[:, 1] >= 0) & (boxes[:, 3] <= 200)).all()


def test_an_image_is_read_as_upright_rgb(tmp_path: Path) -> None:
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "red.png"), red)
    image = read_image(tmp_path / "red.png")
    assert image.dtype == torch.uint8
    assert image.is_contiguous()
    assert image.shape == (4, 6, 3)
    assert image[0, 0].tolist() == [255, 0, 0]


def test_grey_and_16_bit_images_become_8_bit_rgb(tmp_path: Path) -> None:
    grey = np.full((4, 4), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "deep.png"), grey.astype(np.uint16) * 257)
    for name in ("grey", "deep"):
        image = read_image(tmp_path / f"{name}.png")
        assert image.dtype == torch.uint8
        assert (image == 90).all()


@pytest.mark.parametrize("kept", [0, 10, -40])
def test_a_damaged_or_truncated_image_raises(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "broken.jpg"
    cv2.imwrite(str(path), picture(0))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(SourceError, match=r"broken\.jpg: no image, damaged or truncated"):
        read_image(path)
