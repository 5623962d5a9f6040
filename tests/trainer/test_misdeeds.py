"""Misbehaviour that is made: seeded, of the strength that was asked for, and what its name says."""

import cv2
import numpy as np
import pytest

from tests.scene import view
from trainer.misdeeds import MISDEEDS, freeze, gradually, sensed

VIEW = view(0, 640, 384)


def state(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def sharpness(image: np.ndarray) -> float:
    return float(cv2.Laplacian(image, cv2.CV_64F).var())


@pytest.mark.parametrize("name", MISDEEDS)
def test_a_misdeed_is_the_same_for_the_same_seed_and_leaves_the_picture_as_it_was(name: str) -> None:
    deed, before = MISDEEDS[name].deed, VIEW.copy()
    done = deed(VIEW, 1.0, state())
    assert done.dtype == np.uint8
    assert done.shape == VIEW.shape
    assert np.array_equal(done, deed(VIEW, 1.0, state()))
    assert np.array_equal(VIEW, before)
    assert np.abs(done.astype(int) - VIEW).mean() > 0.5
    if not name.startswith(("defocus", "black")):  # which are alike whatever is drawn, or nearly
        assert not np.array_equal(done, deed(VIEW, 1.0, state(2)))


@pytest.mark.parametrize("name", MISDEEDS)
def test_none_of_a_misdeed_is_the_picture_itself_and_half_of_it_is_less(name: str) -> None:
    deed = MISDEEDS[name].deed
    off = [np.abs(deed(VIEW, amount, state()).astype(int) - VIEW).mean() for amount in (0.0, 0.3, 1.0)]
    assert off[0] == 0.0
    assert 0.0 < off[1] <= off[2] * 1.1  # what was shifted far is not more unlike than what was shifted


def test_defocus_blurs_by_the_pixels_of_a_picture_of_1280() -> None:
    wide = view(0, 1280, 96)
    done = MISDEEDS["defocus 4"].deed(wide, 1.0, state())
    assert np.array_equal(done, cv2.GaussianBlur(wide, (0, 0), 4.0))


def test_a_cover_hides_more_than_half_and_a_wall_all() -> None:
    for seed in range(5):
        covered = MISDEEDS["cover"].deed(VIEW, 1.0, state(seed))
        untouched = np.all(covered == VIEW, axis=2).mean()
        assert untouched < 0.45
    wall = MISDEEDS["wall"].deed(VIEW, 1.0, state())
    other = MISDEEDS["wall"].deed(view(5, 640, 384), 1.0, state())
    assert np.array_equal(wall, other)  # nothing of what was in view


def test_black_is_dark_overexposure_saturates_and_a_smear_softens() -> None:
    assert MISDEEDS["black"].deed(VIEW, 1.0, state()).max() < 16
    assert (MISDEEDS["overexposure"].deed(VIEW, 1.0, state()) == 255).mean() > 0.5
    assert sharpness(MISDEEDS["smear"].deed(VIEW, 1.0, state())) < 0.5 * sharpness(VIEW)


def test_a_shift_moves_the_picture_without_blurring_it() -> None:
    for seed in range(5):
        done = MISDEEDS["shift"].deed(VIEW, 1.0, state(seed)).astype(np.float32).mean(axis=2)
        plain = VIEW.astype(np.float32).mean(axis=2)
        (right, down), response = cv2.phaseCorrelate(plain, done)
        assert max(abs(right) / 640, abs(down) / 384) > 0.03
        assert response > 0.1


def test_done_gradually_it_grows_to_all_of_it_in_the_same_way() -> None:
    deed = MISDEEDS["cover"].deed
    done = list(gradually([VIEW] * 6, deed, 3, 4))
    off = [np.abs(picture.astype(int) - VIEW).mean() for picture in done]
    assert off[0] < off[1] < off[2] < off[3] == off[4] == off[5]
    assert np.array_equal(done[5], deed(VIEW, 1.0, state(3)))
    assert np.array_equal(next(gradually([VIEW], deed, 3, 1)), done[5])


def test_frozen_pictures_are_the_first_one() -> None:
    pictures = [view(seed, 160, 96) for seed in range(3)]
    assert all(np.array_equal(picture, pictures[0]) for picture in freeze(pictures))


def test_a_sensors_noise_is_small_and_of_each_picture_its_own() -> None:
    one, other = sensed(VIEW, 1), sensed(VIEW, 2)
    assert not np.array_equal(one, other)
    assert 0.3 < np.abs(one.astype(int) - other).mean() < 2.0
    assert np.array_equal(one, sensed(VIEW, 1))
