"""What runs a restorer's network: the same pictures from each engine, and which one is taken, and why."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from streamer import modelfile, nets
from streamer.engine import choice, runtime
from streamer.engine.graph import Range
from streamer.engine.quantise import ranges
from streamer.errors import ConfigError, ModelError
from streamer.modelfile import Header
from streamer.nets import Network
from streamer.restore import engines
from streamer.restore.engines import OnnxRuntimeEngine, OpenVinoEngine, TorchEngine, choose, disagreement
from streamer.restore.export import Export
from streamer.restore.restorer import load
from streamer.restorers import Mode, RestoreConfig
from tests.installed import ENGINES, needs_openvino

CPU = torch.device("cpu")
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "unet": ("unet", {"width": 8, "levels": 3}),
    "a grey unet": ("unet", {"width": 8, "levels": 2, "grey": True, "shuffle": 3, "lean": True}),
    "nafnet": ("nafnet", {"width": 8}),
    "pix2pix": ("pix2pix", {"width": 8, "levels": 4}),
    "chroma": ("chroma", {"side": 64, "channels": 8}),
    "chroma with hints": ("chroma", {"side": 64, "channels": 8, "hints": True}),
    "autoencoder": ("autoencoder", {"widths": [8, 16], "norm": True, "dropout": 0.2, "grey": True}),
}


pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str = "unet") -> Network:
    """Random weights, of which none is zero, as last layers and attention are when fresh."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = nets.build(*NETWORKS[name])
        for weights in made.parameters():
            if not weights.any():
                nn.init.normal_(weights, std=0.1)
    return made.eval()


def engine(name: str, of: Network) -> engines.Engine:
    made = OnnxRuntimeEngine(Export(of))
    return made if name == "onnxruntime" else OpenVinoEngine(Export(of), torch.float32)


def pictures(count: int, height: int, width: int) -> Tensor:
    return torch.from_numpy(
        np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)
    )


class Hinted(Network):
    """Adds hints to the picture."""

    stride, residual, inputs = 4, True, 6

    def forward(self, images: Tensor) -> Tensor:
        return (images[:, :3] + images[:, 3:]).clamp(0.0, 1.0)


class Untranslated(Hinted):
    """Does what ONNX has no operation for here."""

    inputs = 3

    def forward(self, images: Tensor) -> Tensor:
        return torch.erf(images)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "chroma with hints"])
@pytest.mark.parametrize("which", ENGINES)
def test_an_engine_restores_as_torch_does_pictures_of_any_number_and_size(which: str, name: str) -> None:
    of = network(name)
    made = engine(which, of)
    for given in (pictures(3, 48, 48), pictures(1, 48, 96)):
        expected = TorchEngine(of, CPU, torch.float32)(given)
        assert expected.float().std() > 1
        assert not torch.equal(expected, given)
        found = made(given)
        assert found.dtype == torch.uint8
        assert found.shape == given.shape
        assert (found.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("which", ENGINES)
def test_a_network_that_asks_for_sizes_goes_through_an_engine_at_each_of_them(which: str) -> None:
    of = network("chroma with hints")
    made = engine(which, of)
    for given in (pictures(2, 50, 90), pictures(1, 130, 70), pictures(1, 50, 90)):
        hints = torch.rand(len(given), 3, *given.shape[1:3])
        hints[:, :2] -= 0.5
        expected = TorchEngine(of, CPU, torch.float32)(given, hints)
        assert (made(given, hints).int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("which", ENGINES)
def test_hints_go_through_an_engine(which: str) -> None:
    of = Hinted()
    given, hints = pictures(2, 16, 24), torch.rand(2, 3, 16, 24) - 0.5
    expected = (given.permute(0, 3, 1, 2) / 255 + hints).clamp(0, 1).mul(255).round().permute(0, 2, 3, 1)
    for made in (engine(which, of), TorchEngine(of, CPU, torch.float32)):
        assert (made(given, hints).float() - expected).abs().max() <= 1


@pytest.mark.parametrize("which", ENGINES)
def test_what_an_engine_returned_stays_as_it_was(which: str) -> None:
    made = engine(which, network())
    first = made(torch.zeros((1, 16, 16, 3), dtype=torch.uint8))
    before = first.clone()
    assert not torch.equal(made(torch.full((1, 16, 16, 3), 255, dtype=torch.uint8)), before)
    assert torch.equal(first, before)


@pytest.mark.parametrize("which", ENGINES)
def test_the_bundled_restorer_agrees_within_the_tolerance(which: str) -> None:
    of, header = modelfile.load(modelfile.locate("bundled"))
    apart, alike = disagreement(engine(which, of), of, header.size)
    assert apart < 0.001
    assert alike > 60


OTHER = nn.Conv2d(3, 3, 1)


class Meanwhile(Hinted):
    """As if another thread ran a network of its own while this one is traced."""

    inputs = 3

    def forward(self, images: Tensor) -> Tensor:
        assert not isinstance(OTHER(torch.ones(1, 3, 2, 2)), torch.fx.Proxy)
        return images * 0.5


def test_networks_that_run_meanwhile_are_not_taken_for_a_part_of_what_is_translated() -> None:
    white = torch.full((1, 4, 4, 3), 200, dtype=torch.uint8)
    assert (engine("onnxruntime", Meanwhile())(white) == 100).all()


@needs_openvino
def test_of_many_sizes_openvino_keeps_the_last_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "PROGRAMS", 2)
    compiled: list[Any] = []

    def compile_counted(graph: Any, kind: str) -> Any:
        compiled.append(graph)
        return runtime.compile_openvino(graph, kind)

    monkeypatch.setattr(engines, "compile_openvino", compile_counted)
    made = engine("openvino", network())
    for side in (16, 24, 16, 32, 16, 24):  # 24 is the oldest when 32 comes
        made(pictures(1, side, side))
    assert len(compiled) == 4


def test_auto_takes_the_fastest_that_is_installed_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(choice, "installed", lambda name: name == "onnxruntime")
    monkeypatch.setattr(engines, "precision", lambda _: torch.float32)
    with caplog.at_level(logging.INFO):
        chosen = choose(network(), "auto", CPU, "deblur", 64)
    assert isinstance(chosen, OnnxRuntimeEngine)
    assert caplog.messages == [
        f"restoring by deblur runs on {chosen.name}: the fastest that is installed; "
        "openvino is not: pip install 'cctv-streamer[openvino]'"
    ]


def test_with_16_bits_in_hardware_torch_comes_before_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "installed", lambda name: name == "onnxruntime")
    monkeypatch.setattr(engines, "precision", lambda _: torch.bfloat16)
    chosen = choose(network(), "auto", CPU, "deblur", 64)
    assert chosen.name == f"torch {torch.__version__} (cpu, 16 bits)"


def off_in(precision: str) -> type[OpenVinoEngine]:
    class Off(OpenVinoEngine):
        """In that precision each level is too high."""

        def __call__(self, given: Tensor, hints: Tensor | None = None) -> Tensor:
            return super().__call__(given, hints) + 9 * (precision in self.name)

    return Off


@needs_openvino
def test_openvino_uses_16_bits_only_where_that_agrees(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engines, "OpenVinoEngine", off_in("bf16"))
    monkeypatch.setattr(choice, "precision", lambda _: torch.bfloat16)
    with caplog.at_level(logging.INFO):
        chosen = choose(network(), "openvino", CPU, "deblur", None)
    assert chosen.name.endswith("(CPU, 1 thread, f32)")
    assert "dB away from torch on fixed pictures" in caplog.messages[0]
    assert caplog.messages[0].endswith("; trying 32")


@needs_openvino
@pytest.mark.parametrize(
    ("bytes_", "rough", "expected"), [(True, True, "int8"), (True, False, "f32"), (False, True, "f32")]
)
def test_openvino_uses_8_bits_where_the_cpu_has_them_and_they_are_good_enough(
    bytes_: bool, rough: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "multiplies_bytes", lambda: bytes_)
    for module in (choice, engines):
        monkeypatch.setattr(module, "precision", lambda _: torch.float32)
    of = network()
    chosen = choose(of, "openvino", CPU, "deblur", 64, rough=rough)
    name = re.escape(f"(CPU, 1 thread, {expected}")
    assert re.search(name, chosen.name)
    assert disagreement(chosen, of, 64)[1] > 40
    assert not any(module._forward_pre_hooks for module in of.modules())


@needs_openvino
def test_8_bits_give_way_to_more_where_they_do_not_agree(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engines, "OpenVinoEngine", off_in("int8"))
    monkeypatch.setattr(choice, "multiplies_bytes", lambda: True)
    for kind, bits, named in ((torch.bfloat16, 16, "bf16"), (torch.float32, 32, "f32")):
        caplog.clear()
        monkeypatch.setattr(choice, "precision", lambda _, kind=kind: kind)
        with caplog.at_level(logging.INFO):
            chosen = choose(network(), "openvino", CPU, "deblur", None, rough=True)
        assert chosen.name.endswith(f"(CPU, 1 thread, {named})")
        assert re.fullmatch(
            rf"deblur in 8 bits: openvino .*int8.* dB away from torch .*; trying {bits}", caplog.messages[0]
        )


@needs_openvino
def test_a_network_that_cannot_be_translated_is_not_tried_in_more_bits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(choice, "multiplies_bytes", lambda: True)
    monkeypatch.setattr(choice, "precision", lambda _: torch.bfloat16)
    caplog.set_level(logging.INFO)
    with pytest.raises(ModelError, match=r"restore\.engine: openvino cannot run this network .*erf"):
        choose(Untranslated(), "openvino", CPU, "paired", None, rough=True)
    assert not any("trying" in message for message in caplog.messages)


@needs_openvino
def test_ranges_come_from_other_pictures_than_those_by_which_engines_are_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examples: list[Tensor] = []

    def noted(of: nn.Module, given: list[Tensor]) -> dict[str, Range]:
        examples.extend(given)
        return ranges(of, given)

    monkeypatch.setattr(engines, "ranges", noted)
    monkeypatch.setattr(engines, "precision", lambda _: torch.bfloat16)
    assert engines.quantised(network(), 32).name.endswith("(CPU, 1 thread, int8 and bf16)")
    judged = [engines.planes(each, None) for each in engines.fixed_pair(32, 0)[:2]]
    assert not any(torch.equal(one, other) for one in examples for other in judged)
    assert max(each.diff(dim=-1).abs().mean() for each in examples) > 0.3  # noise: 1 / 3


def test_a_network_that_asks_for_sizes_is_written_in_8_bits_at_each_of_them() -> None:
    of = network("chroma with hints")
    given = engines.planes(pictures(2, 64, 64), torch.zeros(2, 3, 64, 64))
    files = [Export(of, ranges(of, [given])).of(side, 64) for side in (64, 96)]
    assert all(b"QuantizeLinear" in each for each in files)
    assert files[0] != files[1]
    assert b"QuantizeLinear" not in Export(of).of(64, 64)


@needs_openvino
@pytest.mark.parametrize(
    ("model", "mode", "expected"),
    [
        ("bundled", None, True),
        ("bundled", "frame", False),
        ("bundled:denoise", None, False),
        ("bundled:denoise", "regions", False),  # at their own sizes
        ("bundled:deblur-sigma4", None, False),
        ("other.safetensors", "regions", False),
    ],
)
def test_what_restores_hidden_regions_as_squares_does_so_in_8_bits_and_nothing_else(
    model: str, mode: Mode | None, expected: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(choice, "multiplies_bytes", lambda: True)
    header = Header(*NETWORKS["nafnet"], task="deblur", size=32)
    modelfile.save(Path("other.safetensors"), network("nafnet"), header, half=False)
    made = load(RestoreConfig(model=model, mode=mode, engine="openvino"), CPU)
    assert ("int8" in made.engine.name) is expected


@needs_openvino
def test_the_bundled_restorer_in_8_bits_restores_as_well() -> None:
    """On pictures by which nothing was chosen, with the whole contrast that there can be."""
    of, header = modelfile.load(modelfile.locate("bundled"))
    made = engines.quantised(of, header.size)
    assert "int8" in made.name
    apart, alike = disagreement(made, of, header.size)
    assert apart < 0.02
    assert alike > 48
    clean, degraded, _ = engines.fixed_pair(64, 0, seed=7)
    given = torch.cat([clean, degraded, 255 - degraded, 255 * (degraded > 127)]).to(torch.uint8)
    expected = TorchEngine(of, CPU, torch.float32)(given)
    assert engines.decibels(made(given), expected) > 40


class Wrong(OnnxRuntimeEngine):
    """An engine whose pictures are of the same quality, and others."""

    def __call__(self, given: Tensor, hints: Tensor | None = None) -> Tensor:
        return super().__call__(given, hints).flip(1)


class Dim(OnnxRuntimeEngine):
    """An engine whose pictures are a little too dark."""

    def __call__(self, given: Tensor, hints: Tensor | None = None) -> Tensor:
        return super().__call__(given, hints).sub(2).clamp(min=0)


@pytest.mark.parametrize("kind", [Wrong, Dim])
def test_an_engine_that_does_not_agree_with_torch_is_not_used(
    kind: type[OnnxRuntimeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "OnnxRuntimeEngine", kind)
    monkeypatch.setattr(engines, "precision", lambda _: torch.float32)
    monkeypatch.setattr(choice, "installed", lambda name: name == "onnxruntime")
    assert isinstance(choose(network(), "auto", CPU, "deblur", None), TorchEngine)
    with pytest.raises(
        ModelError, match=r"^restore\.engine: onnxruntime .* dB away from torch .*set it to auto$"
    ):
        choose(network(), "onnxruntime", CPU, "deblur", None)


def test_a_network_that_cannot_be_translated_runs_on_torch_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        chosen = choose(Untranslated(), "auto", CPU, "paired", None)
    assert isinstance(chosen, TorchEngine)
    assert "no faster one can be used" in caplog.messages[-1]
    assert all("no translation of" in message for message in caplog.messages[:-1])
    with pytest.raises(ModelError, match=r"restore\.engine: onnxruntime cannot run this network .*erf"):
        choose(Untranslated(), "onnxruntime", CPU, "paired", None)


def test_an_engine_that_is_not_installed_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "installed", lambda name: False)
    with pytest.raises(ConfigError) as raised:
        choose(network(), "openvino", CPU, "deblur", 64)
    assert str(raised.value) == (
        "restore.engine: openvino is not installed: pip install 'cctv-streamer[openvino]', or set it to auto"
    )
