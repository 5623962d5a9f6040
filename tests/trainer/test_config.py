"""A training run's file: what it says, and what is wrong with it."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from streamer import nets
from streamer.config import BlurConfig
from streamer.detectors import DetectConfig
from streamer.errors import ConfigError
from streamer.nets.autoencoder import Autoencoder
from trainer import config

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def test_the_reference_is_the_recipe_as_it_was_written() -> None:
    loaded = config.load(CONFIGS / "reference.yaml")
    assert loaded.detect.classes == ("car",)
    assert (loaded.blur.kernel, loaded.blur.scale, loaded.blur.quantise) == (51, 1.0, 1)
    assert (loaded.pairs.of, loaded.pairs.size) == ("frames", 128)
    assert (loaded.network.name, loaded.network.options) == ("autoencoder", {})
    fit = loaded.fit
    assert (fit.loss, fit.epochs, fit.rate, fit.schedule, fit.ema) == ("mse", 5, 0.001, "constant", None)


def test_the_reference_denoisers_differ_in_the_network_alone() -> None:
    first, second = (config.load(CONFIGS / f"denoise-reference{which}.yaml") for which in ("", "-unet"))
    assert first.model_copy(update={"network": second.network}) == second
    assert (first.task, first.noise.sigma, first.pairs.size) == ("denoise", 51, 224)
    assert (first.fit.loss, first.fit.rate) == ("mse", 2e-4)
    assert (first.network.name, second.network.name) == ("autoencoder", "unet")
    for each in (first, second):
        network = nets.build(each.network.name, each.network.options)
        assert network.grey
        if isinstance(network, Autoencoder):
            assert network.encoder(torch.zeros(1, 1, 224, 224)).shape[2:] == (14, 14)


def test_deblur_hides_as_the_streamer_does_by_default() -> None:
    loaded = config.load(CONFIGS / "deblur.yaml")
    assert loaded.blur == BlurConfig()
    assert loaded.detect == DetectConfig()
    assert loaded.pairs.of == "regions"


@pytest.mark.parametrize("name", ["reference", "deblur"])
def test_shipped_configurations_keep_the_footage_out_and_scenes_together(name: str) -> None:
    data = config.load(CONFIGS / f"{name}.yaml").data
    assert {"test4", "test10", "test11", "test27"} <= set(data.exclude)
    assert ["test8", "test9"] in data.groups
    assert ["test14", "test23"] in data.groups
    assert isinstance(data.test, list)
    assert isinstance(data.validation, list)
    assert not {*data.test, *data.validation} & set(data.exclude)


@pytest.mark.parametrize("loss", ["ssim", {"ms_ssim": 0.84, "l1": 0.16}, {"l1": 100, "adversarial": 1}])
def test_what_is_dumped_loads_as_the_same(loss: object) -> None:
    loaded = config.parse({"version": 1, "fit": {"loss": loss}})
    assert loaded.fit.loss == loss
    assert config.parse(yaml.safe_load(yaml.safe_dump(config.dump(loaded)))) == loaded


def test_the_environment_is_substituted(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("version: 1\ndata: {folder: '${FRAMES}'}\n")
    assert config.load(path, {"FRAMES": "/some/where"}).data.folder == "/some/where"
    with pytest.raises(ConfigError, match=r"data\.folder: the environment variable FRAMES is not set"):
        config.load(path, {})


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({}, "version: is missing"),
        ({"version": 2}, "version: expected 1"),
        ({"version": 1, "blurr": {}}, r"blurr: unknown key \(did you mean 'blur'\?\)"),
        ({"version": 1, "fit": {"epoch": 5}}, r"fit\.epoch: unknown key \(did you mean 'epochs'\?\)"),
        ({"version": 1, "fit": {"epochs": 0}}, r"fit\.epochs: expected greater than or equal to 1"),
        ({"version": 1, "fit": {"epochs": "5"}}, r"fit\.epochs: expected a valid integer, found '5'"),
        (
            {"version": 1, "fit": {"loss": "mae"}},
            r"fit\.loss: expected 'mse', 'l1', .* or 'adversarial', found 'mae'",
        ),
        ({"version": 1, "fit": {"loss": {"l1": -1}}}, r"fit\.loss: l1: expected a weight above 0, found -1"),
        (
            {"version": 1, "fit": {"loss": None}},
            r"fit\.loss: expected a name, or a mix such as .* found None",
        ),
        (
            {"version": 1, "fit": {"loss": "ms_ssim"}, "pairs": {"size": 8}},
            r"pairs\.size: expected at least 11, the window of ms_ssim, found 8",
        ),
        (
            {"version": 1, "fit": {"loss": {"l1": 100, "adversarial": 1}, "devices": 2}},
            r"fit: devices: expected 1 with an adversarial loss, found 2",
        ),
        (
            {"version": 1, "fit": {"loss": {"l1": 100, "adversarial": 1}, "precision": "16-mixed"}},
            r"fit: precision: expected '32-true' or 'bf16-mixed' with an adversarial loss, found '16-mixed'",
        ),
        (
            {"version": 1, "task": "inpaint", "blur": {"method": "pixelate"}},
            r"blur\.method: inpaint draws what is hidden without a trace, pixelate is for deblur",
        ),
        ({"version": 1, "task": "paired"}, r"paired: is missing; expected the folders `{degraded: FOLDER, "),
        (
            {"version": 1, "task": "denoise", "paired": {"degraded": "a", "clean": "b"}},
            "paired: denoise makes its own pairs; expected task: paired or colourise",
        ),
        (
            {
                "version": 1,
                "task": "paired",
                "paired": {"degraded": "a", "clean": "b"},
                "data": {"extra": ["c"]},
            },
            r"data\.extra: its pictures have no partners; paired has the folders",
        ),
        (
            {"version": 1, "task": "anomaly", "anomaly": {"pictures": 50}},
            r"anomaly: misbehaving: expected fewer than the 50 of pictures, found 50",
        ),
        (
            {"version": 1, "task": "anomaly", "pairs": {"of": "crops"}},
            r"pairs\.of: anomaly takes whole pictures; expected frames, found crops",
        ),
        (
            {"version": 1, "task": "anomaly", "data": {"subsets": {"count": 2, "each": 9}}},
            r"data\.subsets: anomaly draws its own, as anomaly\.subsets says; leave it out",
        ),
        (
            {"version": 1, "task": "anomaly", "network": {"name": "unet"}},
            r"network: unet hands its input on, so that nothing is strange to it; expected autoencoder",
        ),
        ({"version": 1, "fit": {"augment": ["scale"]}}, r"fit\.augment: scale is for crops where nothing is"),
        (
            {"version": 1, "noise": {"jpeg": [90, 30]}},
            r"noise\.jpeg: expected a number from 1 to 100, or two",
        ),
        ({"version": 1, "noise": {"h264": 60}}, r"noise\.h264: expected a number from 0 to 51, or two"),
        ({"version": 1, "noise": {"gain": -1.0}}, r"noise\.gain: expected a number from 0 to 255, or two"),
        ({"version": 1, "data": {"subsets": {"count": 2}}}, r"data\.subsets\.each: is missing"),
        ({"version": 1, "task": "sharpen"}, r"task: expected 'deblur', .* or 'anomaly', found 'sharpen'"),
        ({"version": 1, "network": {"name": "gan"}}, "network: unknown network 'gan'; known are"),
        ({"version": 1, "network": {"name": "unet", "depth": 1}}, "network: depth: unknown key"),
        (
            {"version": 1, "pairs": {"size": 100}},
            r"pairs\.size: autoencoder works on .* multiples of 8, 100 is",
        ),
        ({"version": 1, "pairs": {"strengths": [2.0, 1.0]}}, r"pairs\.strengths: expected two factors"),
        ({"version": 1, "data": {"test": []}}, r"data\.test: expected at least one clip"),
        (
            {"version": 1, "data": {"validation": 1.5}},
            r"data\.validation: expected .* a share between 0 and 1",
        ),
        ({"version": 1, "blur": {"car": {"method": "solid"}}}, "blur: car: pairs know no classes"),
        ({"version": 1, "detect": {"classes": ["lorry"]}}, "unknown class 'lorry'"),
        (
            {"version": 1, "detect": {"threshold": 3.0}},
            r"detect\.threshold: expected less than or equal to 1",
        ),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, facts: dict[str, Any], message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(facts))
    with pytest.raises(ConfigError, match=message) as caught:
        config.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_inpaint_hides_by_what_leaves_nothing() -> None:
    facts = {"version": 1, "task": "inpaint", "blur": {"scale": 1.2}}
    parsed = config.parse(facts)
    assert (parsed.blur.method, parsed.blur.scale) == ("solid", 1.2)
    assert facts["blur"] == {"scale": 1.2}
    assert config.parse(config.dump(parsed)) == parsed
    assert config.parse({"version": 1}).blur.method == "gaussian"
