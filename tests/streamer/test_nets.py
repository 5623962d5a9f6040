"""The networks' shapes, by hand."""

import pytest
import torch

from streamer import nets
from streamer.errors import ConfigError, ModelError
from streamer.nets import autoencoder, unet

CONFIGS = [
    ("autoencoder", {}),
    ("unet", {}),
    ("unet", {"width": 4, "levels": 1, "shuffle": 1}),
    ("unet", {"width": 4, "levels": 4, "blocks": 2, "shuffle": 3}),
]


@pytest.mark.parametrize(("name", "config"), CONFIGS)
def test_every_network_keeps_the_shape_and_the_range(name: str, config: dict[str, int]) -> None:
    network = nets.build(name, config)
    images = torch.rand(2, 3, network.stride * 3, network.stride * 2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(5.0).add_(0.1)  # far from where training would leave it
        restored = network(images)
    assert restored.shape == images.shape
    assert restored.dtype == torch.float32
    assert float(restored.min()) >= 0.0
    assert float(restored.max()) <= 1.0


def test_the_reference_is_three_convolutions_down_and_three_up() -> None:
    network = autoencoder.Autoencoder()
    shapes = [tuple(weight.shape) for name, weight in network.state_dict().items() if name.endswith("weight")]
    assert shapes == [
        (64, 3, 4, 4),
        (128, 64, 4, 4),
        (256, 128, 4, 4),
        (256, 128, 4, 4),  # transposed convolutions have their inputs first
        (128, 64, 4, 4),
        (64, 3, 4, 4),
    ]
    assert network.encoder(torch.zeros(1, 3, 128, 128)).shape == (1, 256, 16, 16)
    assert isinstance(network.decoder[-1], torch.nn.Sigmoid)
    assert (network.stride, network.residual) == (8, False)
    assert "residual" not in dict(network.named_parameters())


def test_a_fresh_unet_is_the_identity() -> None:
    images = torch.rand(2, 3, 16, 24)
    network = unet.UNet(unet.Options(width=4))
    assert network.residual
    torch.testing.assert_close(network(images), images, rtol=0, atol=0)


def test_a_unet_has_the_weights_that_its_options_say() -> None:
    network = unet.UNet(unet.Options(width=8, levels=2, blocks=1, shuffle=2))
    assert network.stride == 4

    def block(channels: int) -> int:
        return 2 * (9 * channels**2 + channels)

    head, tail = 9 * 12 * 8 + 8, 9 * 8 * 12 + 12
    shrink, grow = 4 * 8 * 16 + 16, 16 * 32 + 32
    expected = head + block(8) + shrink + block(16) + grow + block(8) + tail
    assert sum(p.numel() for p in network.parameters()) == expected


def test_a_unet_sees_across_its_levels() -> None:
    network = unet.UNet(unet.Options(width=4, levels=3, shuffle=2))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0.0, 0.2)
    flat = torch.full((1, 3, 64, 64), 0.5)
    touched = flat.clone()
    touched[:, :, 32, 32] = 0.6
    changed = (network(touched) - network(flat)).abs().sum(dim=1)[0] > 0
    assert changed[32, 32]
    assert changed[:, 12].any()  # the coarsest level alone reaches as far
    assert not changed[:, 0].all()


def test_an_unknown_network_is_named_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"unknown network 'resnet'; known are autoencoder, unet"):
        nets.build("resnet", {})


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("unet", {"widht": 8}, r"widht: unknown key \(did you mean 'width'\?\)"),
        ("unet", {"width": 0}, r"width: expected greater than or equal to 4"),
        ("unet", {"width": 10**9}, r"width: expected less than or equal to 256"),
        ("unet", {"width": "8"}, r"width: expected a valid integer"),
        ("autoencoder", {"width": 8}, r"width: unknown key"),
    ],
)
def test_a_wrong_option_is_named(name: str, config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        nets.build(name, config)
