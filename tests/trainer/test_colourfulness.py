"""How colourful pictures are, on ones whose measure can be worked out."""

import math

import numpy as np
import pytest

from trainer.colourfulness import change, chroma, colourfulness


def test_grey_has_no_colour() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (8, 9, 1), np.uint8).repeat(3, axis=2)
    assert colourfulness(grey) == pytest.approx(0.0, abs=1e-4)


def test_one_colour_counts_by_its_distance_from_grey_alone() -> None:
    picture = np.full((4, 4, 3), (200, 100, 50), np.uint8)
    assert colourfulness(picture) == pytest.approx(0.3 * math.hypot(100, 100), rel=1e-5)


def test_two_colours_count_by_their_spread_too() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0], picture[1] = (100, 0, 50), (0, 100, 50)  # red-green is 100 and -100, yellow-blue 0
    assert colourfulness(picture) == pytest.approx(100.0)


def test_colours_change_by_the_mean_difference_of_their_chroma() -> None:
    before, after = np.full((3, 5, 3), 90, np.uint8), np.full((3, 5, 3), 140, np.uint8)
    assert change(chroma(before), chroma(after)) == 0.0  # brighter, no other colour
    after[..., 0] = 190
    red, blue = (chroma(after)[0, 0].astype(int) - chroma(before)[0, 0]).tolist()
    assert red > 20 > 0 > blue
    assert change(chroma(before), chroma(after)) == pytest.approx((red - blue) / 2)
