"""SSIM and MS-SSIM against torchmetrics, the definition written out, and values by hand."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchmetrics.functional.image import structural_similarity_index_measure

from streamer import nets
from trainer import losses, similarity


def pair(side: int, width: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Two pictures that resemble each other at every scale, float32 ``[2, 3, side, width]`` each."""
    torch.manual_seed(0)
    size = side, width or side
    clean = torch.nn.functional.interpolate(torch.rand(2, 3, 9, 9), size, mode="bicubic").clamp(0, 1)
    noise = torch.nn.functional.interpolate(torch.randn(2, 3, 17, 17), size, mode="bilinear")
    return (0.9 * clean + 0.1 * noise + 0.05 * torch.randn(2, 3, *size)).clamp(0, 1), clean


def by_definition(restored: torch.Tensor, clean: torch.Tensor) -> tuple[NDArray[Any], NDArray[Any]]:
    """Luminance and contrast times structure of one channel, float64 ``[H, W]``, with OpenCV's Gaussian."""
    x, y = restored.numpy().astype(np.float64), clean.numpy().astype(np.float64)

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        return cv2.GaussianBlur(values, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT_101)

    mx, my = mean(x), mean(y)
    vx, vy, covariance = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    luminance = (2 * mx * my + 0.0001) / (mx**2 + my**2 + 0.0001)
    return luminance, (2 * covariance + 0.0009) / (vx + vy + 0.0009)


def test_ssim_is_that_of_torchmetrics() -> None:
    restored, clean = pair(40, 56)
    found = similarity.ssim(restored, clean, torch.ones(2, 1, 40, 56))
    expected = structural_similarity_index_measure(restored, clean, data_range=1.0, reduction="none")
    assert isinstance(expected, torch.Tensor)
    assert 0.3 < float(found.min()) < float(found.max()) < 0.95
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


def test_a_windows_weight_is_that_of_the_pixel_in_its_middle() -> None:
    restored, clean = pair(24)
    weight = torch.zeros(2, 1, 24, 24)
    weight[0, 0, 3, 20], weight[0, 0, 12, 12], weight[1, 0, 23, 0] = 1.0, 0.5, 0.25

    def at(picture: int, row: int, column: int) -> float:
        maps = [by_definition(r, c) for r, c in zip(restored[picture], clean[picture], strict=True)]
        return float(np.mean([(luminance * structure)[row, column] for luminance, structure in maps]))

    expected = [(at(0, 3, 20) + 0.5 * at(0, 12, 12)) / 1.5, at(1, 23, 0)]
    assert similarity.ssim(restored, clean, weight).tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("side", "scales"), [(11, 1), (40, 2), (64, 3), (176, 5)])
def test_ms_ssim_is_the_product_over_the_scales_that_fit(side: int, scales: int) -> None:
    restored, clean = pair(side)
    betas = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:scales])
    betas /= betas.sum()
    expected = np.ones(2)
    x, y = restored, clean
    for scale, beta in enumerate(betas):
        for index in range(2):
            maps = [by_definition(r, c) for r, c in zip(x[index], y[index], strict=True)]
            last = scale == scales - 1
            values = [luminance * structure if last else structure for luminance, structure in maps]
            expected[index] *= np.mean(values) ** beta
        x, y = (torch.nn.functional.avg_pool2d(part, 2) for part in (x, y))
    found = similarity.ms_ssim(restored, clean, torch.ones(2, 1, side, side))
    assert 0.3 < float(found.min()) < 0.98
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-4)


def test_flat_pictures_differ_in_luminance_alone_which_counts_at_the_coarsest_scale() -> None:
    dark, bright = torch.full((1, 3, 176, 176), 0.2), torch.full((1, 3, 176, 176), 0.6)
    luminance = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    weight = torch.ones(1, 1, 176, 176)
    assert similarity.ssim(dark, bright, weight).item() == pytest.approx(luminance, abs=2e-3)
    assert similarity.ms_ssim(dark, bright, weight).item() == pytest.approx(luminance**0.1333, abs=2e-3)


@pytest.mark.parametrize(
    ("side", "scales"),
    [(11, 1), (21, 1), (22, 2), (43, 2), (44, 3), (87, 3), (88, 4), (175, 4), (176, 5), (1000, 5)],
)
def test_every_scale_holds_a_whole_window(side: int, scales: int) -> None:
    assert similarity.scales(side) == scales
    assert side >> (scales - 1) >= similarity.WINDOW


def test_16_bits_around_it_change_nothing() -> None:
    restored, clean = pair(24)
    weight = torch.ones(2, 1, 24, 24)
    with torch.autocast("cpu", torch.bfloat16):
        found = similarity.ms_ssim(restored, clean, weight)
    assert torch.equal(found, similarity.ms_ssim(restored, clean, weight))


def test_a_picture_of_the_opposite_is_no_number_below_zero_and_has_a_way_back() -> None:
    clean = pair(48)[1]
    restored = (1 - clean).requires_grad_()
    found = similarity.ms_ssim(restored, clean, torch.ones(2, 1, 48, 48))
    assert 0 < float(found.min().detach()) < float(found.max().detach()) < 0.2
    found.sum().backward()  # type: ignore[no-untyped-call]  # torch's own omission
    assert restored.grad is not None
    assert bool(torch.isfinite(restored.grad).all())
    assert float(restored.grad.abs().max()) > 0


@pytest.mark.parametrize("name", ["ssim", "ms_ssim"])
def test_a_network_that_starts_from_nothing_learns_from_it_alone(name: str) -> None:
    clean = pair(24)[1]
    torch.manual_seed(0)
    network = nets.build("autoencoder", {"widths": [16, 32]})
    adam = torch.optim.Adam(network.parameters(), lr=4e-3)
    found = []
    for _ in range(80):
        adam.zero_grad()
        loss = losses.LOSSES[name](network(clean), clean, torch.ones(2, 1, 24, 24))
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own omission
        adam.step()
        found.append(loss.item())
    assert found[0] > 0.5
    assert found[-1] < 0.3 * found[0]
