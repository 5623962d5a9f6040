"""Hints: a network takes on a teacher's features, and a teacher that cannot give them is named."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from streamer.errors import ConfigError, ModelError
from streamer.modelfile import load_detector
from streamer.nets.fcos import Fcos, Options
from tests.installed import needs_openvino
from tests.streamer.detect import onnx_file
from tests.trainer.detector.test_run import FACTS, labels
from tests.trainer.scenes import command
from trainer.detector import hints
from trainer.detector.config import HintsConfig
from trainer.detector.hints import Hints

pytestmark = needs_openvino

NAMES = [f"{branch}{grid}" for grid in range(3) for branch in ("score", "box")]


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    return onnx_file.pyramid(tmp_path / "teacher.onnx", NAMES, channels=5, size=32)


def network() -> Fcos:
    torch.manual_seed(0)
    return Fcos(Options(classes=("car",), height=64, width=96, channels=16, blocks=1))


def pictures(seed: int, count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (count, 3, 8, 12), dtype=torch.uint8, generator=generator)
    return coarse.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)


def test_training_brings_the_features_nearer_to_the_teachers(teacher: Path) -> None:
    net = network()
    heard = Hints(HintsConfig(model=str(teacher), outputs=NAMES, weight=1.0), net, batch=2)
    shown = pictures(0)
    heard.measure(pictures(seed) for seed in range(4))
    adam = torch.optim.Adam([*net.parameters(), *heard.parameters()], lr=0.003)
    losses = []
    for _ in range(30):
        net(shown.float())
        loss = heard(shown)
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    # as far as a network can be that says nothing
    assert losses[0] == pytest.approx(0.4, abs=0.25)


def test_the_teacher_is_shown_blue_first(teacher: Path) -> None:
    heard = Hints(HintsConfig(model=str(teacher), outputs=NAMES), network(), batch=2)
    shown = pictures(0)
    expected = heard._teacher(shown[:, [2, 1, 0]].float().numpy())
    for features, said in zip(heard._look(shown), expected.values(), strict=True):
        assert torch.equal(features, torch.from_numpy(said))


def test_channels_are_measured_each_for_itself(teacher: Path) -> None:
    heard = Hints(HintsConfig(model=str(teacher), outputs=NAMES), network(), batch=2)
    batches = [pictures(seed) for seed in range(3)]
    heard.measure(batches)
    features = torch.cat([heard._look(each)[0] for each in batches])
    mean, deviation = heard.get_buffer("mean0"), heard.get_buffer("deviation0")
    torch.testing.assert_close(mean, features.mean(dim=(0, 2, 3), keepdim=True))
    torch.testing.assert_close(deviation, features.std(dim=(0, 2, 3), keepdim=True), atol=1e-3, rtol=1e-2)


def test_a_tensor_that_is_not_there_is_named(teacher: Path) -> None:
    with pytest.raises(ModelError, match=r"fit\.hints\.outputs: .*teacher\.onnx has no tensor 'box9'"):
        Hints(HintsConfig(model=str(teacher), outputs=[*NAMES[:5], "box9"]), network(), batch=2)


def test_a_tensor_of_another_grid_is_named(teacher: Path) -> None:
    swapped = [*NAMES[2:], *NAMES[:2]]
    with pytest.raises(ModelError, match=r"'score1' is \[2,5,4,6\], expected a grid of 8 by 12"):
        Hints(HintsConfig(model=str(teacher), outputs=swapped), network(), batch=2)


def test_a_teacher_may_say_whole_numbers(tmp_path: Path) -> None:
    said = {name: np.full((2, 3, 64 >> 3 + i // 2, 96 >> 3 + i // 2), i) for i, name in enumerate(NAMES)}
    path = onnx_file.constants(tmp_path / "numbers.onnx", said, (1, 3, 32, 32))
    heard = Hints(HintsConfig(model=str(path), outputs=NAMES), network(), batch=2)
    heard.measure([pictures(0)])
    assert all((heard.get_buffer(f"mean{index}") == index).all() for index in range(6))


def test_a_teacher_that_is_missing_or_damaged_is_named(tmp_path: Path, teacher: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx: no such file"):
        Hints(HintsConfig(model="none.onnx", outputs=NAMES), network(), batch=2)
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(teacher.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"damaged\.onnx: OpenVINO cannot use it") as caught:
        Hints(HintsConfig(model=str(damaged), outputs=NAMES), network(), batch=2)
    assert "\n" not in str(caught.value)


def test_without_openvino_hints_say_what_to_install(teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "installed", lambda engine: False)
    with pytest.raises(
        ConfigError, match=r"fit\.hints: takes OpenVINO: pip install 'cctv-streamer\[openvino\]'"
    ):
        Hints(HintsConfig(model=str(teacher), outputs=NAMES), network(), batch=2)


@pytest.fixture
def configured(tmp_path: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with labels and a configuration with hints."""
    monkeypatch.chdir(tmp_path)
    labels(tmp_path / "labels")
    fit: dict[str, Any] = {**FACTS["fit"], "hints": {"model": str(teacher), "outputs": NAMES}}
    Path("mine.yaml").write_text(yaml.safe_dump({**FACTS, "fit": fit}))


@pytest.mark.usefixtures("configured", "heard")
def test_a_run_with_hints_stops_and_goes_on_and_gives_the_same_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert command("fit", "mine.yaml", "--runs", "whole").code == 0
    whole, parts = Path("whole/mine"), Path("runs/mine")
    assert (whole / "metrics.csv").read_text().splitlines()[0] == "step,score_loss,box_loss,hint_loss"
    original = Hints.forward
    taken = []

    def interrupted(self: Hints, shown: torch.Tensor) -> torch.Tensor:
        taken.append(shown)
        if len(taken) == 3:
            signal.raise_signal(signal.SIGINT)
        return original(self, shown)

    with monkeypatch.context() as patched:
        patched.setattr(Hints, "forward", interrupted)
        assert command("fit", "mine.yaml").code == 130
    resumed = command("fit", "mine.yaml", "--resume")
    assert resumed.code == 0, resumed.err
    assert (parts / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    expected, found = (load_detector(run / "model.safetensors")[0].state_dict() for run in (whole, parts))
    # what is kept is the detector alone
    assert list(found) == list(network().state_dict())
    for name, tensor in found.items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.usefixtures("configured")
def test_a_run_that_is_stopped_while_it_measures_the_teacher_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:

    def interrupted(self: Hints, batches: Iterable[torch.Tensor]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Hints, "measure", interrupted)
        assert command("fit", "mine.yaml").code == 130
    assert command("fit", "mine.yaml", "--resume").code == 0
    assert command("fit", "mine.yaml", "--runs", "whole").code == 0
    assert Path("runs/mine/metrics.csv").read_text() == Path("whole/mine/metrics.csv").read_text()


def test_the_default_names_are_those_of_yolox_nano(shared: Path) -> None:
    net = Fcos(Options(height=64, width=96))
    heard = Hints(HintsConfig(model=str(shared / "models/yolox_nano.onnx")), net, batch=1)
    assert [tuple(each.shape) for each in heard._look(pictures(0, count=1))] == [
        (1, 64, 64 // stride, 96 // stride) for stride in (8, 8, 16, 16, 32, 32)
    ]
