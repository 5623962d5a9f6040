"""The colouriser: brightness stays, hints are followed, and it may learn by heart."""

import pytest
import torch

from streamer import nets
from streamer.nets.network import grey

pytestmark = pytest.mark.usefixtures("one_thread")

RANDOM = torch.Generator().manual_seed(0)


def muted(*shape: int) -> torch.Tensor:
    """Colours that are possible at their brightness and at any other."""
    return 0.4 + 0.2 * torch.rand(*shape, generator=RANDOM)


def test_fresh_weights_give_the_grey_picture_of_any_size() -> None:
    network = nets.build("chroma", {"side": 64}).eval()
    for height, width in ((72, 128), (31, 17), (200, 64)):
        picture = torch.rand(2, 3, height, width, generator=RANDOM)
        with torch.inference_mode():
            made = network(picture)
        torch.testing.assert_close(made, grey(picture).expand_as(picture))


def test_a_sure_hint_is_the_colour_and_brightness_stays() -> None:
    network = nets.build("chroma", {"side": 64, "hints": True}).eval()
    assert network.inputs == 6
    picture = muted(1, 3, 48, 64)
    luma = grey(picture)
    cb, cr = (picture[:, 2:] - luma) / 1.772, (picture[:, :1] - luma) / 1.402
    sure = torch.zeros_like(luma)
    sure[..., :32] = 1
    with torch.inference_mode():
        made = network(torch.cat([luma.expand(-1, 3, -1, -1), cb, cr, sure], dim=1))
    torch.testing.assert_close(made[..., :32], picture[..., :32], atol=1e-3, rtol=0)
    torch.testing.assert_close(made[..., 32:], luma.expand(-1, 3, -1, -1)[..., 32:], atol=1e-5, rtol=0)
    torch.testing.assert_close(grey(made), luma, atol=1e-3, rtol=0)


def test_it_learns_a_picture_by_heart_and_keeps_the_backbones_statistics() -> None:
    torch.manual_seed(0)
    network = nets.build("chroma", {"side": 64, "channels": 16}).train()
    before = {name: value.clone() for name, value in network.named_buffers()}
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, 0, :32], picture[:, 2, 32:] = 0.6, 0.6
    given = grey(picture).expand_as(picture)
    adam = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        adam.zero_grad()
        loss = (network(given) - picture).square().mean()
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]
    for name, value in network.named_buffers():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
