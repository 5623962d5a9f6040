import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from streamer.frame import Restored
from streamer.measure import measure, psnr, samples, squared_errors
from tests.values import hidden

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def test_psnr_by_hand() -> None:
    # every sample off by 10: 10 log10(255² / 100)
    assert psnr(100 * 300, 300) == pytest.approx(28.1308, abs=1e-4)


def test_equal_pictures_have_infinite_psnr_and_no_pixels_have_none() -> None:
    assert psnr(0, 300) == math.inf
    assert psnr(0, 0) is None


@pytest.mark.parametrize("device", DEVICES)
def test_errors_are_summed_over_the_picture_and_over_the_areas(device: str) -> None:
    original = torch.full((20, 30, 3), 200, dtype=torch.uint8, device=device)
    other = original.clone()
    other[5:10, 5:15] = 190  # 50 pixels off by 10, half of them in the area
    other[0, 0] = 0
    areas = np.array([[5, 5, 10, 10]], np.int32)
    sums = squared_errors(original, [other, original], areas)
    assert sums == [(50 * 3 * 100 + 3 * 200**2, 25 * 3 * 100), (0, 0)]


def test_the_largest_error_of_a_4k_frame_is_exact() -> None:
    black, white = (
        torch.zeros((2160, 3840, 3), dtype=torch.uint8),
        torch.full((2160, 3840, 3), 255, dtype=torch.uint8),
    )
    assert squared_errors(black, [white], np.zeros((0, 4), np.int32))[0][0] == 2160 * 3840 * 3 * 255**2


def test_overlapping_regions_count_each_pixel_once_and_the_original_is_let_go() -> None:
    image = torch.full((20, 30, 3), 100, dtype=torch.uint8)
    blurred = image.clone()
    blurred[0:10, 0:10] = 110
    regions = np.array([[0, 0, 10, 10], [0, 0, 10, 20]], np.int32)
    result = measure(Restored(hidden(image, blurred, regions), image.clone()))
    assert result.metrics.psnr_blurred == psnr(100 * 3 * 100, 600 * 3)
    assert result.metrics.psnr_blurred_roi == psnr(100 * 3 * 100, 200 * 3)
    assert result.metrics.psnr_restored == math.inf
    assert not any(np.shares_memory(image.numpy(), value) for value in (result.blurred, result.restored))


def test_inside_the_regions_only_what_is_hidden_counts() -> None:
    image = torch.full((20, 30, 3), 100, dtype=torch.uint8)
    blurred = image.clone()
    blurred[0:10, 0:5] = 110
    mask = np.zeros((20, 30), np.uint8)
    mask[0:10, 0:5] = 1
    item = hidden(image, blurred, np.array([[0, 0, 10, 10], [0, 0, 5, 10]], np.int32))
    metrics = measure(Restored(replace(item, mask=mask), None)).metrics
    assert metrics.psnr_blurred_roi == psnr(100, 1)
    kept = measure(Restored(replace(item, mask=np.zeros_like(mask)), None)).metrics
    assert kept.psnr_blurred_roi is None


@pytest.mark.parametrize("device", DEVICES)
def test_errors_are_summed_over_the_masks_share_of_the_areas(device: str) -> None:
    original = torch.zeros((20, 30, 3), dtype=torch.uint8, device=device)
    other = torch.ones_like(original)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 5:15] = 1
    areas = np.array([[0, 0, 10, 10]], np.int32)
    assert squared_errors(original, [other], areas, mask) == [(1800, 75)]
    assert samples(areas, mask) == 75


def test_without_regions_or_restoring_the_metrics_are_none() -> None:
    image = torch.zeros((20, 30, 3), dtype=torch.uint8)
    metrics = measure(Restored(hidden(image, image, np.zeros((0, 4), np.int32)), None)).metrics
    assert metrics.psnr_blurred == math.inf
    assert (metrics.psnr_blurred_roi, metrics.psnr_restored, metrics.psnr_restored_roi) == (None, None, None)
