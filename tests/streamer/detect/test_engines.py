"""What runs our own detector: the same numbers from each engine, and which one is taken, with its reason."""

from __future__ import annotations

import copy
import functools
import importlib.util
import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from streamer import detect, modelfile
from streamer.config import parse
from streamer.detect import engines
from streamer.detect.engines import TOLERANCE, OnnxRuntimeHeads, OpenVinoHeads, TorchHeads, choose
from streamer.detect.export import export
from streamer.detectors import DetectConfig
from streamer.engine import choice
from streamer.errors import ConfigError, ModelError
from streamer.frame import Detections
from streamer.modelfile import Header
from streamer.nets.fcos import Fcos, Options
from streamer.pipeline import Run
from tests import footage
from tests.installed import ENGINES, needs_openvino

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
OPTIONS = Options(classes=("car", "person"), height=64, width=96, channels=8, blocks=1)


@functools.cache
def trained() -> Fcos:
    """A network that finds many things in noise, others in every cell, as fresh weights do not."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Fcos(OPTIONS)
        noise = torch.rand(8, 3, *made.size) * 255
        for module in made.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.3)
            elif isinstance(module, nn.Conv2d) and module.bias is not None:  # the last of a head's branches
                nn.init.normal_(module.weight, std=0.03 if module.out_channels == 4 else 0.3)
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            made.train()(noise)  # what the layers see becomes what they expect to
    return made.eval()


def network() -> Fcos:
    """A copy, since engines move it about."""
    return copy.deepcopy(trained())


def heads(engine: str, of: Fcos) -> engines.Heads:
    if engine == "torch":
        return TorchHeads(of, CPU)
    if engine == "openvino":
        return OpenVinoHeads(export(of), torch.float32)
    return OnnxRuntimeHeads(export(of))


def settings(model: Path | str, engine: str) -> DetectConfig:
    return DetectConfig.model_validate({"model": str(model), "engine": engine})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    header = Header(network="fcos", config=OPTIONS.model_dump(mode="json"), task="detect")
    modelfile.save(tmp_path / "mine.safetensors", network(), header, half=True)
    return tmp_path / "mine.safetensors"


def assert_found(expected: Detections, found: Detections, pixels: float) -> None:
    """Check that whatever is surely expected was found, but in which order scores that are alike come."""
    sure = expected.scores > 0.35
    assert sure.sum() > 3
    for index in np.flatnonzero(sure):
        apart = np.abs(found.boxes - expected.boxes[index]).max(axis=1)
        apart[np.array(found.labels) != expected.labels[index]] = np.inf
        assert apart.min() < pixels
        assert abs(found.scores[apart.argmin()] - expected.scores[index]) < pixels / 100


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_says_what_torch_says_of_any_number_of_pictures(engine: str, count: int) -> None:
    of = network()
    random = np.random.default_rng(count)
    pictures = torch.from_numpy(random.integers(0, 256, (count, 64, 96, 3), np.uint8))
    expected = TorchHeads(of, CPU)(pictures)
    given = heads(engine, of)(pictures)
    assert [tuple(each.shape) for each in given] == [(count, 126, 2), (count, 126, 4)]
    assert expected[0].std() > 0.5  # all alike would agree whatever it is
    for one, other in zip(given, expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_an_engine_returned_stays_as_it_was(engine: str) -> None:
    made = heads(engine, network())
    black, white = (torch.full((1, 64, 96, 3), level, dtype=torch.uint8) for level in (0, 255))
    first, _ = made(black)
    before = first.clone()
    second, _ = made(white)
    assert not torch.equal(second, before)
    assert torch.equal(first, before)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_network_of_the_default_size_goes_through_an_engine(engine: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        of = Fcos().eval()
    assert engines.disagreement(heads(engine, of), of)[0] < TOLERANCE


@pytest.mark.parametrize("engine", ENGINES)
def test_a_detector_finds_the_same_with_an_engine_as_with_torch(path: Path, engine: str) -> None:
    random = np.random.default_rng(0)
    images = [
        torch.from_numpy(random.integers(0, 256, (*size, 3), np.uint8)) for size in ((90, 160), (64, 50))
    ]

    def find(name: str) -> list[Detections]:
        loaded = detect.load(settings(path, name), CPU, classes=("car", "person"), threshold=0.3)
        assert loaded.engine.startswith(f"{name} ")
        return loaded.detect(images)

    for expected, found in zip(find("torch"), find(engine), strict=True):
        assert_found(expected, found, 0.2)
        assert_found(found, expected, 0.2)


def test_auto_takes_the_fastest_that_is_installed_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(choice, "installed", lambda engine: engine == "onnxruntime")
    with caplog.at_level(logging.INFO):
        chosen = choose(network(), "auto", CPU)
    assert isinstance(chosen, OnnxRuntimeHeads)
    assert [record.getMessage() for record in caplog.records] == [
        f"detection runs on {chosen.name}: the fastest that is installed; "
        "openvino is not: pip install 'cctv-streamer[openvino]'"
    ]


@needs_openvino
def test_auto_takes_openvino_where_it_is_installed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        chosen = choose(network(), "auto", CPU)
    assert isinstance(chosen, OpenVinoHeads)
    assert caplog.messages[-1] == f"detection runs on {chosen.name}: the fastest that is installed"


def test_with_no_other_engine_auto_takes_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "installed", lambda engine: False)
    assert choose(network(), "auto", CPU).name == f"torch {torch.__version__} (cpu)"


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_an_engine_that_is_asked_for_and_not_installed_names_what_to_install(
    path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as raised:
        detect.load(settings(path, engine), CPU, classes=("car",), threshold=0.1)
    assert str(raised.value) == (
        f"detect.engine: {engine} is not installed: pip install {choice.PACKAGES[engine]}, or set it to auto"
    )


class _Off(OnnxRuntimeHeads):
    """An engine that is wrong: each logit by as much as ``by``."""

    by = 0.0

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        logits, distances = super().__call__(pictures)
        return logits + self.by, distances


@pytest.mark.parametrize(("by", "found"), [(0.02, r"is 0\.02\d? away"), (float("nan"), "is nan away")])
def test_an_engine_that_does_not_agree_with_torch_is_not_used(
    by: float, found: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_Off, "by", by)
    monkeypatch.setattr(engines, "OnnxRuntimeHeads", _Off)
    monkeypatch.setattr(choice, "installed", lambda engine: engine == "onnxruntime")
    with caplog.at_level(logging.INFO):
        assert isinstance(choose(network(), "auto", CPU), TorchHeads)
    warning, taken = caplog.messages
    assert "from torch on a fixed picture (0.005 is allowed); taking the next one" in warning
    assert taken == (
        f"detection runs on torch {torch.__version__} (cpu): no faster one can be used; "
        "openvino is not: pip install 'cctv-streamer[openvino]'"
    )
    with pytest.raises(ModelError, match=rf"^detect\.engine: onnxruntime .*{found}.*; set it to auto$"):
        choose(network(), "onnxruntime", CPU)


def test_an_engine_within_the_tolerance_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Off, "by", 0.002)
    monkeypatch.setattr(engines, "OnnxRuntimeHeads", _Off)
    assert isinstance(choose(network(), "onnxruntime", CPU), _Off)


def test_an_engine_that_cannot_be_started_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: bytes, kind: torch.dtype) -> None:
        raise OSError("libtbb.so.12: cannot open\nshared object file")

    monkeypatch.setattr(engines, "OpenVinoHeads", broken)
    monkeypatch.setattr(choice, "installed", lambda engine: True)
    with caplog.at_level(logging.WARNING):
        assert isinstance(choose(network(), "auto", CPU), OnnxRuntimeHeads)
    assert caplog.messages == [
        "detect.engine: openvino cannot run this network "
        "(OSError: libtbb.so.12: cannot open shared object file); taking the next one"
    ]
    with pytest.raises(ModelError, match=r"openvino cannot run this network \(OSError"):
        choose(network(), "openvino", CPU)


class _Bent(Fcos):
    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        return torch.erf(pictures), pictures


def test_a_layer_without_translation_is_named() -> None:
    of = _Bent(OPTIONS)
    with pytest.raises(NotImplementedError, match=r"no translation of .*erf"):
        export(of)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux shows them")
def test_onnx_runtime_starts_no_thread_of_its_own() -> None:
    pictures = torch.zeros(2, 64, 96, 3, dtype=torch.uint8)
    heads("onnxruntime", network())(pictures)  # what is started once for the whole process is there now
    before = len(list(Path("/proc/self/task").iterdir()))
    made = heads("onnxruntime", network())
    made(pictures)
    assert len(list(Path("/proc/self/task").iterdir())) == before


@needs_openvino
def test_openvino_works_in_one_thread_pinned_nowhere_and_in_single_precision() -> None:
    made = OpenVinoHeads(export(network()), torch.float32)
    given = made.compiled.get_property
    assert given("INFERENCE_NUM_THREADS") == given("NUM_STREAMS") == 1
    assert given("ENABLE_CPU_PINNING") is False
    assert given("INFERENCE_PRECISION_HINT").to_string() == "f32"
    assert made.name.endswith(" (CPU, 1 thread, f32)")


@needs_openvino
def test_openvino_computes_in_16_bits_where_the_processor_has_them_and_the_result_is_near(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(choice, "precision", lambda device: torch.bfloat16)
    bundled, _ = modelfile.load_detector(detect.bundled_path())
    assert choose(copy.deepcopy(bundled), "openvino", CPU).name.endswith("bf16)")
    monkeypatch.setattr(engines, "COARSE", 0.0)
    with caplog.at_level(logging.INFO):
        assert choose(copy.deepcopy(bundled), "openvino", CPU).name.endswith("f32)")
    assert re.match(r"detection in 16 bits: openvino .* away from torch .*; trying 32$", caplog.messages[-2])
    monkeypatch.setattr(choice, "precision", lambda device: torch.float32)
    assert choose(copy.deepcopy(bundled), "openvino", CPU).name.endswith("f32)")


@needs_openvino
def test_openvino_reports_to_nobody() -> None:
    """Importing it sends a message to its makers where that module can be imported."""
    OpenVinoHeads(export(network()), torch.float32)
    assert sys.modules["openvino_telemetry"] is None


@pytest.mark.gpu
def test_on_cuda_torch_works_there_and_finds_the_same(path: Path) -> None:
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8))
    config = DetectConfig(model=str(path))
    cuda = detect.load(config, torch.device("cuda", 0), classes=("car", "person"), threshold=0.3)
    cpu = detect.load(config, CPU, classes=("car", "person"), threshold=0.3)
    assert cuda.engine == f"torch {torch.__version__} (cuda:0)"
    (found,), (expected,) = cuda.detect([image.cuda()]), cpu.detect([image])
    assert_found(expected, found, 2.0)


@pytest.mark.parametrize(
    ("model", "engine", "only"),
    [
        ("net.onnx", "torch", "onnxruntime"),
        ("net.onnx", "openvino", "onnxruntime"),
        ("fasterrcnn_resnet50_fpn", "onnxruntime", "torch"),
    ],
)
def test_an_engine_that_does_not_run_the_model_is_refused(model: str, engine: str, only: str) -> None:
    config = settings(model, engine)
    with pytest.raises(ConfigError) as raised:
        detect.load(config, CPU, classes=("car",), threshold=0.1)
    assert str(raised.value) == (
        f"detect.engine: {model} runs on {only} alone, found {engine!r}; set it to auto"
    )


@pytest.mark.parametrize("engine", ["torch", *ENGINES])
def test_a_run_hides_what_its_engine_finds_and_says_which_it_was(
    engine: str, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = footage.write_clip(tmp_path / "yard.mp4", 4)
    settings = {
        "version": 1, "device": "cpu", "restore": "off", "output": {"directory": str(tmp_path / "out")},
        "detect": {"model": str(path), "engine": engine, "classes": ["car", "person"], "threshold": 0.3},
    }  # fmt: skip
    with caplog.at_level(logging.INFO), Run(parse(settings, sources={"yard": str(clip)})) as run:
        results = list(run)
    assert [len(result.detections) > 0 for result in results] == [True] * 4
    facts = json.loads((tmp_path / "out" / "yard" / "summary.json").read_text())
    assert facts["engine"].startswith(f"{engine} ")
    assert facts["frames_written"] == 4
    assert facts["frames_hidden_whole"] == {}
    assert f"detection runs on {facts['engine']}: as detect.engine says" in caplog.messages


AFTERWARDS = """
import signal, sys, threading
import torch
from streamer.detect.engines import OpenVinoHeads
from streamer.detect.export import export
from streamer.nets.fcos import Fcos, Options

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
made = [OpenVinoHeads(export(Fcos(Options(height=32, width=64, channels=8, blocks=1)).eval()), torch.float32)]
thread = threading.Thread(target=made.clear)
thread.start()
thread.join()
threads = [threading.Thread(target=bytearray, args=(10_000_000,)) for _ in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
signal.raise_signal(signal.SIGTERM)
"""


@needs_openvino
def test_a_signal_after_openvino_is_gone_does_not_crash_the_process() -> None:
    outcome = subprocess.run([sys.executable, "-c", AFTERWARDS], capture_output=True, text=True, check=False)
    assert outcome.returncode == 143, outcome.stderr
