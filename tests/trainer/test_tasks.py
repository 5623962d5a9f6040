"""What each task makes of a clean picture."""

import numpy as np
import pytest
import torch

from trainer import config
from trainer.tasks import degradation


def noise(network: dict[str, object], clean: torch.Tensor) -> torch.Tensor:
    """What `task: denoise` adds for a network, in 255 levels."""
    facts = {"version": 1, "task": "denoise", "pairs": {"of": "crops"}, "network": network}
    degrade = degradation(config.parse(facts))
    degraded = degrade(clean, np.random.default_rng(0))
    assert degraded.shape == clean.shape
    base = clean if "grey" not in network else torch.full_like(clean, float(clean[0, 0, 0]) * 0.299)
    return 255 * (degraded - base)


def test_noise_differs_between_channels_and_has_the_force_that_is_given() -> None:
    added = noise({"name": "unet"}, torch.full((3, 128, 128), 0.5))
    assert float(added.std()) == pytest.approx(51.0, rel=0.02)
    assert abs(float(torch.corrcoef(added.flatten(1))[0, 1])) < 0.05


def test_for_a_network_without_colour_pictures_and_noise_have_none_and_the_force_is_that_on_brightness() -> (
    None
):
    red = torch.zeros(3, 128, 128)
    red[0] = 0.8
    added = noise({"name": "unet", "grey": True}, red)
    assert torch.equal(added[0], added[1])
    assert torch.equal(added[0], added[2])
    assert float(added.std()) == pytest.approx(51.0, rel=0.02)
    assert abs(float(added.mean())) < 1.5
