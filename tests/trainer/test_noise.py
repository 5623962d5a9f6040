"""Noise of a sensor, and what a camera's encoder makes of it."""

import numpy as np
import pytest
import torch

from trainer import noise
from trainer.config import NoiseConfig


def add(clean: torch.Tensor, seed: int = 0, **fields: object) -> torch.Tensor:
    return noise.add(clean, NoiseConfig.model_validate(fields), np.random.default_rng(seed))


def ramp(size: int = 96) -> torch.Tensor:
    """A picture of three colours' gradients: float32 ``[3, size, size]``."""
    along = torch.linspace(0, 1, size)
    return torch.stack([along.expand(size, size), along.expand(size, size).T, 1 - along.expand(size, size)])


@pytest.mark.parametrize("level", [10, 60, 200])
def test_the_variance_of_photon_noise_grows_with_the_level(level: int) -> None:
    made = 255 * add(torch.full((3, 200, 200), level / 255), sigma=3.0, gain=2.0)
    assert float(made.mean()) == pytest.approx(level, abs=0.3)
    assert float(made.var()) == pytest.approx(2.0 * level + 3.0**2, rel=0.04)


def test_black_has_the_sensors_own_noise_alone() -> None:
    made = 255 * add(torch.zeros(3, 100, 100), sigma=4.0, gain=5.0)
    assert float(made.std()) == pytest.approx(4.0, rel=0.03)


def test_few_photons_come_in_whole_numbers() -> None:
    made = 255 * add(torch.full((3, 50, 50), 20 / 255), sigma=0.0, gain=10.0)
    torch.testing.assert_close(made / 10, (made / 10).round(), atol=1e-4, rtol=0)
    assert float(made.max()) > 30


def test_a_range_of_gains_differs_from_picture_to_picture() -> None:
    clean = torch.full((3, 64, 64), 100 / 255)
    variances = [float((255 * add(clean, seed, sigma=0.0, gain=[1.0, 4.0])).var()) for seed in range(40)]
    assert 90 < min(variances) < 180
    assert 320 < max(variances) < 430


def test_nothing_more_is_drawn_where_there_is_no_gain() -> None:
    clean = ramp()
    torch.testing.assert_close(add(clean, sigma=20.0), add(clean, sigma=20.0, gain=0.0), rtol=0, atol=0)
    random = np.random.default_rng(0)
    assert random.uniform(20.0, 20.0) == 20.0
    expected = clean + 20 / 255 * torch.from_numpy(random.standard_normal((3, 96, 96), np.float32))
    torch.testing.assert_close(add(clean, sigma=20.0), expected)


def test_a_share_of_the_pictures_is_cut_off_and_in_8_bits() -> None:
    clean = ramp()
    free = [add(clean, seed, sigma=51.0) for seed in range(40)]
    made = [add(clean, seed, sigma=51.0, clipped=0.25) for seed in range(40)]
    cut = [(255 * some).round().clamp(0, 255) / 255 for some in free]
    as_cut = [torch.allclose(one, other, atol=1e-6) for one, other in zip(made, cut, strict=True)]
    as_free = [torch.equal(one, other) for one, other in zip(made, free, strict=True)]
    assert 4 <= sum(as_cut) <= 16
    assert sum(as_cut) + sum(as_free) == 40


@pytest.mark.parametrize(("key", "mild", "strong"), [("jpeg", 95, 10), ("h264", 10, 45)])
def test_compression_loses_more_the_stronger_it_is(key: str, mild: int, strong: int) -> None:
    clean = (ramp() + 0.2 * torch.rand(1, 96, 96, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    errors = [float((add(clean, sigma=0.0, **{key: how}) - clean).square().mean()) for how in (mild, strong)]
    assert 0.0 < 3 * errors[0] < errors[1] < 0.02


@pytest.mark.parametrize("fields", [{"jpeg": 90}, {"h264": 15}])
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 60, 40), (30, 90, 220)])
def test_a_plain_colour_survives_compression(fields: dict[str, int], colour: tuple[int, int, int]) -> None:
    clean = (torch.tensor(colour, dtype=torch.float32) / 255)[:, None, None].expand(3, 33, 47)
    made = 255 * add(clean, sigma=0.0, **fields)
    assert made.shape == (3, 33, 47)  # odd sides too
    assert float((made - 255 * clean).abs().max()) <= 4


def test_what_is_compressed_is_the_noisy_picture_in_eight_bits() -> None:
    made = add(ramp(), sigma=30.0, jpeg=[60, 90], h264=[20, 30])
    assert (float(made.min()), float(made.max())) == (0.0, 1.0)
    torch.testing.assert_close(255 * made, (255 * made).round(), atol=1e-3, rtol=0)
    assert 5 < 255 * float((made - ramp()).std()) < 30


def test_the_same_generator_gives_the_same_noise() -> None:
    fields = {"sigma": [5.0, 55.0], "gain": [0.0, 3.0], "jpeg": [30, 90], "h264": [20, 38]}
    torch.testing.assert_close(add(ramp(), 3, **fields), add(ramp(), 3, **fields), rtol=0, atol=0)
    assert not torch.equal(add(ramp(), 3, **fields), add(ramp(), 4, **fields))
