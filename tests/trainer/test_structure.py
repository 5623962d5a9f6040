"""SSIM and MS-SSIM as they are reported, against torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from trainer.structure import ms_ssim, ssim_map


def pictures(height: int, width: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture of soft blobs, and the same with noise."""
    random = np.random.default_rng(height)
    coarse = torch.from_numpy(random.random((1, 3, 9, 12), np.float32))
    soft = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    original = soft[0].permute(1, 2, 0).contiguous().numpy()
    other = (original + noise * random.standard_normal(original.shape, np.float32)).clip(0, 1)
    return original, other


def planes(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


@pytest.mark.parametrize(("height", "width"), [(40, 60), (181, 203)])
def test_the_map_is_that_of_torchmetrics(height: int, width: int) -> None:
    original, other = pictures(height, width, 0.1)
    _, expected = structural_similarity_index_measure(
        planes(other), planes(original), data_range=1.0, return_full_image=True
    )
    found = ssim_map(original, other)
    np.testing.assert_allclose(found, expected[0].mean(dim=0).numpy(), atol=2e-4)
    assert 0.1 < found.mean() < 0.9


@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_so_is_the_ms_ssim(noise: float) -> None:
    original, other = pictures(181, 203, noise)
    expected = multiscale_structural_similarity_index_measure(planes(other), planes(original), data_range=1.0)
    assert ms_ssim(original, other) == pytest.approx(float(expected), abs=1e-4)


def test_equal_pictures_are_perfectly_similar_and_small_ones_have_no_ms_ssim() -> None:
    original, _ = pictures(176, 176, 0.0)
    assert ms_ssim(original, original) == pytest.approx(1.0)
    np.testing.assert_allclose(ssim_map(original, original), 1.0, atol=5e-4)
    assert ms_ssim(original[:175], original[:175]) is None
