"""The discriminator: what it sees, and whom each loss teaches."""

import math

import pytest
import torch

from trainer.adversary import Discriminator, fooling, judging


def test_each_logit_judges_a_patch_of_70_pixels() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(inputs=3, size=256).eval()
    shown = torch.rand(1, 3, 256, 256, requires_grad=True)
    logits = discriminator(torch.rand(1, 3, 256, 256), shown)
    assert logits.shape == (1, 1, 30, 30)
    logits[0, 0, 15, 15].backward()
    assert shown.grad is not None
    seen = shown.grad.abs().sum(dim=(0, 1)) > 0
    rows, columns = seen.any(dim=1).nonzero(), seen.any(dim=0).nonzero()
    assert (int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1) == (70, 70)


def test_it_has_the_papers_layers() -> None:
    weights = [tuple(w.shape) for w in Discriminator(inputs=3, size=128).parameters() if w.dim() == 4]
    assert weights == [(64, 6, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4), (1, 512, 4, 4)]
    assert Discriminator(inputs=6, size=128).layers[0].in_channels == 9


@pytest.mark.parametrize(("size", "logits"), [(8, 2), (16, 2), (24, 4), (32, 2), (64, 6)])
def test_small_pictures_get_a_discriminator_that_fits(size: int, logits: int) -> None:
    discriminator = Discriminator(inputs=3, size=size)
    pictures = torch.rand(2, 3, size, size)
    assert discriminator(pictures, pictures).shape == (2, 1, logits, logits)


def test_it_sees_the_degraded_picture_too() -> None:
    discriminator = Discriminator(inputs=3, size=16).eval()
    one, other, shown = torch.rand(3, 1, 3, 16, 16)
    assert not torch.equal(discriminator(one, shown), discriminator(other, shown))


def test_the_losses_are_cross_entropies() -> None:
    discriminator = Discriminator(inputs=3, size=16)
    last = discriminator.layers[-1]
    assert isinstance(last, torch.nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(1.5)  # a probability of 82% that anything is clean
    pictures = torch.rand(3, 2, 3, 16, 16)
    for_clean, for_restored = math.log1p(math.exp(-1.5)), math.log1p(math.exp(1.5))
    assert judging(discriminator, *pictures).item() == pytest.approx(0.5 * (for_clean + for_restored))
    assert fooling(discriminator, pictures[0], pictures[1]).item() == pytest.approx(for_clean)


def test_each_loss_teaches_one_network_alone() -> None:
    discriminator = Discriminator(inputs=3, size=16)
    degraded, clean, restored = torch.rand(3, 2, 3, 16, 16)
    restored.requires_grad_()
    judging(discriminator, degraded, clean, restored).backward()  # type: ignore[no-untyped-call]  # torch's own omission
    blamed = restored.grad is not None
    assert not blamed
    assert all(weight.grad is not None for weight in discriminator.parameters())
    discriminator.zero_grad()
    fooling(discriminator, degraded, restored).backward()  # type: ignore[no-untyped-call]  # torch's own omission
    assert restored.grad is not None
    assert all(weight.grad is None for weight in discriminator.parameters())
    assert all(weight.requires_grad for weight in discriminator.parameters())


def test_it_learns_to_tell_noise_from_pictures() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(inputs=3, size=16)
    adam = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    clean = torch.linspace(0, 1, 16).expand(4, 3, 16, 16)
    for _ in range(20):
        adam.zero_grad()
        loss = judging(discriminator, clean, clean, (clean + 0.2 * torch.randn_like(clean)).clamp(0, 1))
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own omission
        adam.step()
    assert loss.item() < 0.1
