"""What an autoencoder that learned sharp pictures says of a blurred one."""

import numpy as np
import pytest
import torch

from streamer import nets
from streamer.nets import Network
from tests.scene import blurred, view
from trainer.residual import FAINT, draw, residual

SIZE = 64
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> Network:
    """Trained for a moment to draw sharp views again."""
    torch.manual_seed(0)
    made = nets.build("autoencoder", {"widths": [8, 16, 8], "grey": True})
    adam = torch.optim.Adam(made.parameters(), 0.01)
    sharp = torch.stack([torch.from_numpy(view(seed, SIZE, SIZE)) for seed in range(16)])

    planes = sharp.permute(0, 3, 1, 2).float() / 255

    for _ in range(150):
        adam.zero_grad()
        (made(planes) - planes.mean(dim=1, keepdim=True)).square().mean().backward()
        adam.step()
    return made.eval()


@pytest.mark.parametrize("seed", [20, 21, 22])
def test_a_blurred_picture_is_normal_by_its_error_and_strange_by_its_gradients(
    network: Network, seed: int
) -> None:
    sharp = view(seed, SIZE, SIZE)
    before, after = (residual(*draw(network, image, SIZE, CPU)) for image in (sharp, blurred(sharp, 2.0)))
    assert after.error < before.error
    assert after.gradients > before.gradients


def test_the_share_of_gradients_is_one_for_a_perfect_copy_and_none_for_a_flat_one() -> None:
    picture = torch.from_numpy(view(0, SIZE, SIZE)[None, None, ..., 0].astype(np.float32) / 255)
    same = residual(picture, picture)
    assert same.error == 0.0
    assert same.gradients == pytest.approx(1.0, abs=1e-3)
    flat = residual(picture, torch.full_like(picture, 0.5))
    assert flat.gradients == 0.0
    assert flat.error == pytest.approx(float((picture - 0.5).square().mean()))
    # half the contrast has a quarter of the energy
    assert residual(picture, picture / 2).gradients == pytest.approx(0.25, abs=1e-3)


def test_a_flat_picture_has_a_share_too() -> None:
    flat = torch.full((1, 1, SIZE, SIZE), 0.5)
    assert residual(flat, flat).gradients == 0.0
    ramp = flat + torch.linspace(0, 0.063, SIZE)
    assert residual(flat, ramp).gradients == pytest.approx(1e-6 / FAINT, rel=1e-3)


def test_a_network_sees_the_brightness_of_the_resized_picture(network: Network) -> None:
    red = np.zeros((48, 80, 3), np.uint8)
    red[..., 0] = 255
    picture, drawn = draw(network, red, SIZE, CPU)
    assert picture.shape == drawn.shape == (1, 1, SIZE, SIZE)
    assert torch.unique(picture).tolist() == pytest.approx([0.299])
