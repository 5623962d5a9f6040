"""What networks cost: counts by hand, and `trainer models` as a command."""

import json
from pathlib import Path

import pytest
import torch

from streamer import modelfile, nets
from tests.trainer.scenes import command
from trainer import models

CPU = torch.device("cpu")


def test_the_references_arithmetic_is_counted_by_hand() -> None:
    found = models.cost(models.choose("autoencoder"), CPU)
    kernel = 16
    half = 3 * 64 / 4 + 64 * 128 / 16 + 128 * 256 / 64  # a quarter of the pixels after each convolution
    assert found.multiply_adds_per_pixel == 2 * kernel * half  # transposed ones spread each of their inputs
    weights = 2 * kernel * (3 * 64 + 64 * 128 + 128 * 256) + (64 + 128 + 256) + (128 + 64 + 3)
    assert found.parameters == weights
    assert found.megabytes == 2 * weights / 1e6
    assert found.stride == 8
    assert found.ms_per_megapixel > 0


def test_a_depthwise_convolution_counts_for_one_channel_each() -> None:
    options = {"width": 4, "encoder": [1], "middle": 0, "decoder": [0], "shuffle": 1}
    found = models.cost(models.Choice("small", "nafnet", options), CPU)
    block = 4 * 8 + 9 * 8 + 4 * 4 + 4 * 8 + 4 * 4
    shrink, grow = 4 * 4 * 8 / 4, 8 * 16 / 4
    attention = 4 * 4 / 960**2  # once for the whole picture
    expected = 9 * 3 * 4 + block + shrink + grow + 9 * 4 * 3 + attention
    assert found.multiply_adds_per_pixel == pytest.approx(expected, rel=1e-9)


def test_the_size_is_that_of_the_model_file(tmp_path: Path) -> None:
    choice = models.Choice(
        "p", "pix2pix", {"width": 8, "levels": 3}
    )  # batch normalisation counts its batches
    header = modelfile.Header(network=choice.network, config=choice.options, task="deblur")
    network = nets.build(choice.network, choice.options)
    modelfile.save(tmp_path / "model.safetensors", network, header, half=True)
    file = (tmp_path / "model.safetensors").read_bytes()
    header_size = 8 + int.from_bytes(file[:8], "little")
    assert models.cost(choice, CPU).megabytes == pytest.approx((len(file) - header_size) / 1e6)


def test_timing_leaves_the_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        models.cost(models.Choice("u", "unet", {"width": 4, "levels": 1}), CPU)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_every_network_and_bundled_model_is_listed_with_all_its_options() -> None:
    listed = {choice.name: choice for choice in models.everything()}
    assert set(nets.NAMES) | {"bundled:deblur"} <= set(listed)
    assert listed["unet"].options["levels"] == 3
    assert listed["nafnet"].options["encoder"] == [1, 1, 1]
    header = modelfile.load(modelfile.locate("bundled:deblur"))[1]
    assert listed["bundled:deblur"].network == header.network
    assert header.config.items() <= listed["bundled:deblur"].options.items()


def test_the_command_prints_a_table_of_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("version: 1\nnetwork: {name: unet, width: 4, levels: 2, grey: true}\n")
    outcome = command("models", "autoencoder", "mine.yaml", "bundled:deblur")
    assert outcome.code == 0, outcome.err
    lines = [line.strip() for line in outcome.out.splitlines()]
    reference = next(line.split() for line in lines if line.startswith("autoencoder"))
    assert reference[-5:-2] == ["1,317,507", "2.64", "34,304"]
    assert reference[-1] == "8"
    mine = next(line for line in lines if line.startswith("mine.yaml"))
    assert "unet: width 4, levels 2, blocks 1, shuffle 2" in mine
    assert any(line.startswith("bundled:deblur") for line in lines)
    assert "CPU time of one thread" in outcome.out


def test_the_command_prints_json(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("version: 1\nnetwork: {name: unet, width: 4, levels: 2}\n")
    outcome = command("models", path, "--json")
    assert outcome.code == 0, outcome.err
    facts = json.loads(outcome.out)
    assert facts["device"] == "cpu"
    (model,) = facts["models"]
    assert (model["name"], model["network"], model["stride"]) == (str(path), "unet", 4)
    assert model["options"] == nets.options("unet", {"width": 4, "levels": 2}).model_dump()
    assert model["parameters"] == sum(p.numel() for p in nets.build("unet", model["options"]).parameters())


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("nowhere.yaml", "trainer: nowhere.yaml: no such file"),
        ("resnet", "trainer: resnet: no such model file"),
        ("detector.yaml", "trainer: detector.yaml: configures a detector; expected a restorer"),
        ("broken.yaml", "trainer: broken.yaml: network: widht: unknown key (did you mean 'width'?)"),
    ],
)
def test_what_is_no_restorer_is_one_line_and_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("detector.yaml").write_text("version: 1\ntask: detect\n")
    Path("broken.yaml").write_text("version: 1\nnetwork: {name: unet, widht: 8}\n")
    outcome = command("models", argument)
    assert outcome.code == 2
    assert outcome.err.startswith(message)
    assert outcome.err.count("\n") == 1
