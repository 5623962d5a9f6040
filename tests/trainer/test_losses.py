"""Losses against values by hand."""

import math
import re

import pytest
import torch

from trainer import losses, similarity

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
    torch.manual_seed(0)
    restored = torch.rand(2, 3, 24, 24).requires_grad_()
    weight = torch.zeros(2, 1, 24, 24)
    weight[..., :12] = 1.0
    losses.LOSSES[name](restored, torch.rand(2, 3, 24, 24), weight).backward()  # type: ignore[no-untyped-call]  # torch's own omission
    assert restored.grad is not None
    assert (restored.grad[..., 12:] == 0).all()
    assert (restored.grad[..., :12] != 0).all()


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_a_loss_is_zero_for_what_is_clean_and_at_least_nearly_so_for_what_has_no_weight(name: str) -> None:
    clean, other = torch.rand(2, 3, 24, 24), torch.rand(2, 3, 24, 24)
    weight = torch.ones(2, 1, 24, 24)
    assert losses.LOSSES[name](clean, clean, weight).item() == pytest.approx(0.0, abs=1.1e-3)
    assert losses.LOSSES[name](other, clean, 0 * weight).item() == pytest.approx(0.0, abs=1.1e-3)
    assert losses.LOSSES[name](other, clean, weight).item() > 0.05


def test_the_structural_losses_are_what_is_missing_from_the_measures() -> None:
    torch.manual_seed(0)
    clean = torch.rand(2, 3, 48, 48)
    restored = 0.5 * clean + 0.5 * torch.rand(2, 3, 48, 48)
    weight = torch.ones(2, 1, 48, 48)
    for name in ("ssim", "ms_ssim"):
        measured = getattr(similarity, name)(restored, clean, weight).mean()
        torch.testing.assert_close(losses.LOSSES[name](restored, clean, weight), 1 - measured)


def test_pixels_without_weight_do_not_count_in_the_windows_beside_them() -> None:
    torch.manual_seed(0)
    clean, restored = torch.rand(1, 3, 24, 24), torch.rand(1, 3, 24, 24)
    weight = torch.zeros(1, 1, 24, 24)
    weight[..., :12] = 1.0
    pasted = torch.where(weight > 0, restored, clean)
    for name in ("ssim", "ms_ssim"):
        loss = losses.LOSSES[name]
        torch.testing.assert_close(loss(restored, clean, weight), loss(pasted, clean, weight))


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ({"mse": 1.0}, 0.05),
        ({"mse": 2, "l1": 0.5}, 2 * 0.05 + 0.5 * 0.2),
        ({"l1": 100, "adversarial": 1}, 100 * 0.2),  # whose part trainer.adversary computes
    ],
)
def test_a_mix_is_the_weighted_sum(mix: dict[str, float], expected: float) -> None:
    restored = torch.tensor([0.1, 0.3]).expand(1, 3, 1, 2)
    loss = losses.build(mix)(restored, torch.zeros(1, 3, 1, 2), torch.ones(1, 1, 1, 2))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert losses.terms(mix) == mix


def test_a_name_alone_is_the_loss_itself() -> None:
    for name, loss in losses.LOSSES.items():
        assert losses.build(name) is loss
        assert losses.terms(name) == {name: 1.0}


KNOWN = "'mse', 'l1', 'charbonnier', 'ssim', 'ms_ssim' or 'adversarial'"


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("mae", f"expected {KNOWN}, found 'mae'"),
        ({"l1": 1.0, "mae": 1.0}, f"expected {KNOWN}, found 'mae'"),
        ({"l1": 0.0}, "l1: expected a weight above 0, found 0.0"),
        ({"l1": math.inf}, "l1: expected a weight above 0, found inf"),
        ({"l1": "1"}, "l1: expected a weight above 0, found '1'"),
        ({"l1": True}, "l1: expected a weight above 0, found True"),
        ({}, "expected a name, or a mix such as {ms_ssim: 0.84, l1: 0.16}, found {}"),
        (["l1"], "expected a name, or a mix such as {ms_ssim: 0.84, l1: 0.16}, found ['l1']"),
        (None, "expected a name, or a mix such as {ms_ssim: 0.84, l1: 0.16}, found None"),
        (
            "adversarial",
            "adversarial: expected another loss beside it, such as {l1: 100, adversarial: 1}",
        ),
        (
            {"adversarial": 1.0},
            "adversarial: expected another loss beside it, such as {l1: 100, adversarial: 1}",
        ),
    ],
)
def test_what_is_no_loss_is_said(loss: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        losses.terms(loss)


def test_psnr_is_each_pictures_own() -> None:
    found = losses.psnr(RESTORED, CLEAN, FIRST)
    torch.testing.assert_close(found, torch.tensor([20.0, 20.0 - 20 * math.log10(2)]))
    assert losses.psnr(CLEAN, CLEAN, ALL).tolist() == [100.0, 100.0]


def test_a_picture_without_weight_does_not_break_the_batch() -> None:
    weight = torch.zeros(2, 1, 1, 2)
    weight[0] = 1
    assert losses.mse(RESTORED, CLEAN, weight).item() == pytest.approx(0.05 / 2, rel=1e-5)
