"""The networks' shapes, by hand."""

from typing import Any

import pytest
import torch

from streamer import nets
from streamer.errors import ConfigError, ModelError
from streamer.nets import autoencoder, nafnet, pix2pix, unet

SMALL_LATENT = {"widths": [8, 16, 16, 32], "norm": True, "dropout": 0.1, "grey": True}
CONFIGS: list[tuple[str, dict[str, Any]]] = [
    ("autoencoder", {}),
    ("autoencoder", {"widths": [4]}),
    ("autoencoder", SMALL_LATENT),
    ("unet", {}),
    ("unet", {"width": 4, "levels": 1, "shuffle": 1}),
    ("unet", {"width": 4, "levels": 4, "blocks": 2, "shuffle": 3}),
    ("unet", {"width": 4, "grey": True}),
    ("nafnet", {}),
    ("nafnet", {"width": 4, "encoder": [2], "middle": 0, "decoder": [0], "shuffle": 3}),
    ("pix2pix", {"width": 4, "levels": 2}),
    ("pix2pix", {"width": 4, "levels": 5}),
]


@pytest.mark.parametrize(("name", "config"), CONFIGS)
def test_every_network_keeps_the_shape_and_the_range(name: str, config: dict[str, Any]) -> None:
    network = nets.build(name, config).eval()
    assert network.inputs == 3
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
    # as the model files of earlier versions name them
    assert {name.rpartition(".")[0] for name in network.state_dict()} == {
        f"{half}.{index}" for half in ("encoder", "decoder") for index in (0, 2, 4)
    }


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("autoencoder", {"widths": [32, 64]}),
        ("autoencoder", {"widths": [32, 64, 64], "norm": True}),
        ("unet", {"width": 16, "levels": 2}),
        ("nafnet", {"width": 16, "encoder": [1], "decoder": [1]}),
        ("pix2pix", {"width": 16, "levels": 3, "dropout": 0.0}),
    ],
)
def test_every_network_learns_one_batch_by_heart(one_thread: None, name: str, config: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = nets.build(name, config)
    clean = torch.nn.functional.interpolate(torch.rand(2, 3, 4, 4), (16, 16), mode="bilinear")
    degraded = (clean + 0.2 * torch.randn_like(clean)).clamp(0, 1)
    adam = torch.optim.Adam(network.parameters(), lr=4e-3)
    for _ in range(100):
        adam.zero_grad()
        error = torch.nn.functional.mse_loss(network(degraded), clean)
        error.backward()  # type: ignore[no-untyped-call]  # torch's own omission
        adam.step()
    assert error.item() < 0.05 * float(torch.nn.functional.mse_loss(degraded, clean))


@pytest.mark.parametrize(
    ("depth", "side"), [(3, 28), (4, 14), (5, 7)], ids=["reference", "14x14 latent", "7x7 latent"]
)
def test_each_further_width_of_an_autoencoder_halves_the_latent_picture(depth: int, side: int) -> None:
    network = autoencoder.Autoencoder(autoencoder.Options(widths=(4,) * (depth - 1) + (2,)))
    assert network.stride == 2**depth
    assert network.encoder(torch.zeros(1, 3, 224, 224)).shape == (1, 2, side, side)


def test_normalisation_and_dropout_follow_every_layer_of_an_autoencoder_but_the_last() -> None:
    network = autoencoder.Autoencoder(autoencoder.Options(widths=(4, 8), norm=True, dropout=0.25))
    kinds = [type(layer).__name__ for layer in [*network.encoder, *network.decoder]]
    down = ["Conv2d", "BatchNorm2d", "ReLU", "Dropout2d"]
    assert kinds == [*down, *down, "ConvTranspose2d", *down[1:], "ConvTranspose2d", "Sigmoid"]
    assert network.encoder[3].p == 0.25
    images = torch.rand(1, 3, 16, 16)
    assert not torch.equal(network(images), network(images))  # other channels are dropped
    network.eval()
    assert torch.equal(network(images), network(images))


@pytest.mark.parametrize("name", ["autoencoder", "unet"])
def test_a_grey_network_sees_brightness_alone_and_gives_equal_channels(name: str) -> None:
    torch.manual_seed(0)
    network = nets.build(name, {"grey": True}).eval()
    assert network.grey
    assert not nets.build(name, {}).grey
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        colours = torch.rand(1, 3, 16, 16)
        luma = (0.299 * colours[:, :1] + 0.587 * colours[:, 1:2] + 0.114 * colours[:, 2:]).expand(
            1, 3, 16, 16
        )
        restored = network(colours)
        torch.testing.assert_close(restored, network(luma))
    assert torch.equal(restored[:, 0], restored[:, 1])
    assert torch.equal(restored[:, 0], restored[:, 2])
    assert float(restored.std()) > 0


@pytest.mark.parametrize("shuffle", [1, 2, 3])
@pytest.mark.parametrize("name", ["unet", "nafnet"])
def test_a_fresh_residual_network_is_the_identity(name: str, shuffle: int) -> None:
    network = nets.build(name, {"width": 4, "shuffle": shuffle})
    images = torch.rand(2, 3, network.stride, 3 * network.stride)
    assert network.residual
    torch.testing.assert_close(network(images), images, rtol=0, atol=0)


def test_a_fresh_grey_unet_gives_the_brightness() -> None:
    red = torch.zeros(1, 3, 8, 8)
    red[:, 0] = 1.0
    network = unet.UNet(unet.Options(width=4, grey=True))
    torch.testing.assert_close(network(red), torch.full_like(red, 0.299))


def test_a_nafnet_block_gates_attends_and_adds_as_the_paper_has_it() -> None:
    torch.manual_seed(0)
    block = nafnet.Block(3)
    layers: list[Any] = [*block.spatial, *block.pointwise]
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(torch.rand_like(parameter) - 0.5)
    features = torch.rand(2, 3, 5, 4)
    norm, widen, depthwise, _, attention, narrow = layers[:6]

    def normalised(x: torch.Tensor, layer: torch.nn.LayerNorm) -> torch.Tensor:
        mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
        scaled = (x - mean) / (variance + 1e-6).sqrt()
        return scaled * layer.weight.view(1, 3, 1, 1) + layer.bias.view(1, 3, 1, 1)

    inner = depthwise(widen(normalised(features, norm)))
    gated = inner[:, :3] * inner[:, 3:]
    attended = gated * attention.mix(gated.mean(dim=(2, 3), keepdim=True))
    first = features + block.beta * narrow(attended)
    norm, widen, _, narrow = layers[6:]
    inner = widen(normalised(first, norm))
    expected = first + block.gamma * narrow(inner[:, :3] * inner[:, 3:])
    torch.testing.assert_close(block(features), expected)
    assert depthwise.groups == 6


def test_a_nafnet_has_the_weights_that_its_options_say() -> None:
    network = nafnet.NAFNet(nafnet.Options(width=8, encoder=(1, 2), middle=3, decoder=(2, 1), shuffle=2))
    assert network.stride == 8

    def block(c: int) -> int:
        norms, spatial = 4 * c, (2 * c * c + 2 * c) + (9 * 2 * c + 2 * c) + 2 * (c * c + c)
        return norms + spatial + (2 * c * c + 2 * c) + (c * c + c) + 2 * c

    head, tail = 9 * 12 * 8 + 8, 9 * 8 * 12 + 12
    shrink = (4 * 8 * 16 + 16) + (4 * 16 * 32 + 32)
    grow = 32 * 64 + 16 * 32
    expected = head + 2 * block(8) + 4 * block(16) + 3 * block(32) + shrink + grow + tail
    assert sum(p.numel() for p in network.parameters()) == expected


def test_pix2pix_is_the_papers_generator() -> None:
    with torch.device("meta"):
        network = pix2pix.Pix2Pix(pix2pix.Options(levels=8))
    down = [w.shape[:2] for n, w in network.named_parameters() if n.startswith("down") and w.dim() == 4]
    up = [w.shape[:2] for n, w in network.named_parameters() if n.startswith(("up", "last")) and w.dim() == 4]
    assert [tuple(shape) for shape in down] == [
        (64, 3), (128, 64), (256, 128), (512, 256), (512, 512), (512, 512), (512, 512), (512, 512),
    ]  # fmt: skip
    assert [tuple(shape) for shape in up] == [  # transposed convolutions have their inputs first
        (512, 512), (1024, 512), (1024, 512), (1024, 512), (1024, 256), (512, 128), (256, 64), (128, 3),
    ]  # fmt: skip

    def having(kind: type[torch.nn.Module], layers: torch.nn.ModuleList) -> list[bool]:
        return [any(isinstance(part, kind) for part in layer.modules()) for layer in layers]

    assert having(torch.nn.Dropout, network.up) == [True] * 3 + [False] * 4
    assert having(torch.nn.BatchNorm2d, network.down) == [False] + [True] * 6 + [False]
    assert having(torch.nn.BatchNorm2d, network.up) == [True] * 7
    assert (network.stride, network.residual) == (256, False)


def test_pix2pix_trains_on_a_single_picture_of_its_stride() -> None:
    network = pix2pix.Pix2Pix(pix2pix.Options(width=4, levels=3))
    assert network(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8, 8)


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
    with pytest.raises(
        ModelError, match=r"unknown network 'resnet'; known are autoencoder, unet, nafnet, pix2pix, chroma$"
    ):
        nets.build("resnet", {})


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("unet", {"widht": 8}, r"widht: unknown key \(did you mean 'width'\?\)"),
        ("unet", {"width": 0}, r"width: expected greater than or equal to 4"),
        ("unet", {"width": 10**9}, r"width: expected less than or equal to 256"),
        ("unet", {"width": "8"}, r"width: expected a valid integer"),
        ("autoencoder", {"width": 8}, r"width: unknown key \(did you mean 'widths'\?\)"),
        ("autoencoder", {"widths": [64, 0]}, r"widths\.1: expected greater than or equal to 1, found 0"),
        ("autoencoder", {"widths": 64}, r"widths: expected a list, found 64"),
        ("autoencoder", {"dropout": 1.0}, r"dropout: expected less than 1, found 1\.0"),
        ("nafnet", {"encoder": [1, -1, 1]}, r"encoder\.1: expected greater than or equal to 0"),
        (
            "nafnet",
            {"encoder": [1, 1], "decoder": [1]},
            r"^decoder: expected as many levels as encoder has, which is 2, found \[1\]$",
        ),
        ("nafnet", {"encoder": [2]}, r"^decoder: expected as many levels as encoder has, which is 1"),
        ("pix2pix", {"levels": 1}, r"levels: expected greater than or equal to 2"),
    ],
)
def test_a_wrong_option_is_named(name: str, config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        nets.build(name, config)
