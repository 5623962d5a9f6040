"""Changes to pairs: the same for both pictures, and the same again for the same seed."""

import pytest
import torch

from trainer.augment import augment


def batch(count: int = 64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs whose parts are functions of one another, so that a change to one alone shows."""
    degraded = 0.3 + 0.4 * torch.rand(count, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    return degraded, degraded.clone(), degraded[:, :1].clone()


@pytest.mark.parametrize(("kind", "axis"), [("mirror", 2), ("flip", 1)])
def test_half_of_the_pairs_are_turned_with_all_their_parts(kind: str, axis: int) -> None:
    before, after = batch(), augment(batch(), [kind], seed=1)
    turned = 0
    for i in range(64):
        expected = before[0][i]
        if not torch.equal(after[0][i], expected):
            expected = expected.flip(axis)
            turned += 1
        assert torch.equal(after[0][i], expected)
        assert torch.equal(after[1][i], expected)
        assert torch.equal(after[2][i], expected[:1])
    assert 16 < turned < 48


def test_colours_change_alike_in_both_pictures_and_not_where_is_hidden() -> None:
    before, (degraded, clean, hidden) = batch(), augment(batch(), ["colour"], seed=1)
    assert torch.equal(degraded, clean)
    assert torch.equal(hidden, before[2])
    assert (degraded - before[0]).abs().mean() > 0.05
    assert float(degraded.min()) >= 0.0
    assert float(degraded.max()) <= 1.0


def test_a_blur_and_a_change_of_colours_commute() -> None:
    clean = batch(8)[0]
    blurred = clean.mean(dim=(2, 3), keepdim=True).expand_as(clean).contiguous()
    degraded, changed, _ = augment((blurred, clean, clean[:, :1]), ["colour"], seed=1)
    inside = ((changed > 0) & (changed < 1)).all(dim=(1, 2, 3))  # where nothing was cut off
    assert inside.sum() > 4
    expected = changed.mean(dim=(2, 3), keepdim=True).expand_as(changed)
    torch.testing.assert_close(degraded[inside], expected[inside])


def test_the_seed_says_what_happens() -> None:
    kinds = ["mirror", "flip", "colour"]
    first, again, other = augment(batch(), kinds, 1), augment(batch(), kinds, 1), augment(batch(), kinds, 2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_nothing_asked_for_is_nothing_changed() -> None:
    assert all(torch.equal(a, b) for a, b in zip(augment(batch(), [], 1), batch(), strict=True))
