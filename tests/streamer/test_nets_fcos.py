"""The detector's network: shapes, cells, and what it learns."""

import pytest
import torch

from streamer import nets
from streamer.errors import ConfigError, ModelError
from streamer.nets.fcos import Fcos, Options, cells

SMALL = Options(classes=("car", "person"), height=64, width=96, channels=8, blocks=1)


def test_there_is_an_output_for_every_cell_of_every_picture() -> None:
    network = Fcos(SMALL).eval()
    centres, strides = cells(64, 96)
    with torch.inference_mode():
        logits, distances = network(torch.zeros(3, 3, 64, 96))
    assert logits.shape == (3, len(centres), 2)
    assert distances.shape == (3, len(strides), 4)


def test_a_fresh_network_finds_nothing_to_speak_of() -> None:
    with torch.inference_mode():
        logits, _ = Fcos(SMALL).eval()(torch.rand(1, 3, 64, 96) * 255)
    assert logits.sigmoid().max() < 0.05


@pytest.mark.parametrize("moved", [32, 64])
def test_an_output_stands_at_the_place_that_it_looks_at(moved: int) -> None:
    torch.manual_seed(0)
    network = Fcos(SMALL).eval()
    picture = torch.full((1, 3, 64, 256), 100.0)
    with torch.inference_mode():
        plain = network(picture)[0]
        picture[..., 24:32, moved : moved + 8] = 255.0
        changed = (network(picture)[0] - plain).abs().sum(dim=2)[0]
    fine = changed[: 8 * 32].reshape(8, 32)
    assert abs(int(fine.sum(dim=0).argmax()) - moved // 8) <= 2


def test_classes_and_size_are_the_options() -> None:
    network = nets.detector("fcos", {"classes": ["bus"], "height": 32, "width": 64})
    assert (network.classes, network.size) == (("bus",), (32, 64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["cars"]}, "classes: expected COCO's class names, each once, found 'cars'"),
        ({"classes": ["car", "car"]}, "each once, found 'car'"),
        ({"height": 100}, "height: .*multiple of 32"),
        ({"depth": 3}, "depth: unknown key"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        nets.detector("fcos", options)


def test_another_network_is_no_detector() -> None:
    with pytest.raises(ModelError, match="unknown detector network 'unet'; known is fcos"):
        nets.detector("unet", {})
