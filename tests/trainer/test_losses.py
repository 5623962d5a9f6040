"""Losses against values by hand."""

import math

import pytest
import torch

from trainer import losses

CLEAN = torch.zeros(2, 3, 1, 2)
RESTORED = torch.tensor([0.1, 0.3]).expand(2, 3, 1, 2).clone()
RESTORED[1] *= 2
ALL = torch.ones(2, 1, 1, 2)
FIRST = torch.tensor([1.0, 0.0]).expand(2, 1, 1, 2)
PARTLY = torch.tensor([1.0, 0.25]).expand(2, 1, 1, 2)


@pytest.mark.parametrize(
    ("name", "weight", "expected"),
    [
        ("mse", ALL, (0.01 + 0.09 + 0.04 + 0.36) / 4),
        ("mse", FIRST, (0.01 + 0.04) / 2),
        ("mse", PARTLY, ((0.01 + 0.0225) / 1.25 + (0.04 + 0.09) / 1.25) / 2),
        ("l1", ALL, (0.1 + 0.3 + 0.2 + 0.6) / 4),
        ("l1", FIRST, (0.1 + 0.2) / 2),
        ("charbonnier", FIRST, (math.hypot(0.1, 1e-3) + math.hypot(0.2, 1e-3)) / 2),
    ],
)
def test_a_loss_is_the_mean_of_what_is_weighted(name: str, weight: torch.Tensor, expected: float) -> None:
    assert losses.LOSSES[name](RESTORED, CLEAN, weight).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_the_gradient_is_zero_where_nothing_is_weighted(name: str) -> None:
    restored = RESTORED.clone().requires_grad_()
    losses.LOSSES[name](restored, CLEAN, FIRST).backward()  # type: ignore[no-untyped-call]  # torch's own omission
    assert restored.grad is not None
    assert (restored.grad[..., 1] == 0).all()
    assert (restored.grad[..., 0] != 0).all()


def test_psnr_is_each_pictures_own() -> None:
    found = losses.psnr(RESTORED, CLEAN, FIRST)
    torch.testing.assert_close(found, torch.tensor([20.0, 20.0 - 20 * math.log10(2)]))
    assert losses.psnr(CLEAN, CLEAN, ALL).tolist() == [100.0, 100.0]


def test_a_picture_without_weight_does_not_break_the_batch() -> None:
    weight = torch.zeros(2, 1, 1, 2)
    weight[0] = 1
    assert losses.mse(RESTORED, CLEAN, weight).item() == pytest.approx(0.05 / 2, rel=1e-5)
