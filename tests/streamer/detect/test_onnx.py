import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from streamer.classes import COCO, STREET
from streamer.detect import Detector, onnx
from streamer.errors import ModelError
from tests.streamer.detect import onnx_file

CPU = torch.device("cpu")
PICTURE = torch.zeros(64, 64, 3, dtype=torch.uint8)


def load(path: Path, device: torch.device = CPU) -> Detector:
    return onnx.load(path, device, classes=STREET, threshold=0.25)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network that sees a car in every picture: column 1, row 2 of stride 8, e times as large as a cell."""
    output = np.zeros((1, 84, 85), np.float32)
    output[0, 17, :5] = (0.5, 0.5, 1.0, 1.0, 0.8)
    output[0, 17, 5 + COCO.index("car")] = 0.5
    return onnx_file.constant(tmp_path / "net.onnx", output, (1, 3, 64, 64))


def test_a_file_is_run_by_onnx_runtime(network: Path) -> None:
    loaded = load(network)
    assert loaded.name == "net.onnx"
    assert loaded.engine == f"onnxruntime {onnxruntime.__version__} (CPU, 1 thread)"
    (found,) = loaded.detect([PICTURE])
    half = np.e * 4
    np.testing.assert_allclose(found.boxes, [[12 - half, 20 - half, 12 + half, 20 + half]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.4], rtol=1e-6)
    assert found.labels == ("car",)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux shows them")
def test_the_engine_starts_no_thread_of_its_own(network: Path) -> None:
    load(network).detect([PICTURE])  # what is started once for the whole process is there from here on
    before = len(list(Path("/proc/self/task").iterdir()))
    loaded = load(network)
    loaded.detect([PICTURE])
    assert len(list(Path("/proc/self/task").iterdir())) == before


def test_a_missing_file_is_said_in_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(ModelError) as raised:
            load(path)
        assert str(raised.value) == f"{path}: no such model file; name an .onnx file that is there"


@pytest.mark.parametrize("damage", ["empty", "text", "half", "tail", "zeros", "another kind"])
def test_a_damaged_file_is_said_in_one_line(network: Path, damage: str) -> None:
    content = network.read_bytes()
    network.write_bytes(
        {
            "empty": b"",
            "text": b"this is no network\n" * 50,
            "half": content[: len(content) // 2],
            "tail": content[:-1],
            "zeros": bytes(1000),
            "another kind": b"RIFF" + content,
        }[damage]
    )
    with pytest.raises(ModelError) as raised:
        load(network)
    assert str(raised.value).startswith(f"{network}: not an ONNX model, or damaged; copy it again (")
    assert "\n" not in str(raised.value)


def test_a_network_of_another_layout_is_refused_with_its_shapes(tmp_path: Path) -> None:
    path = onnx_file.identity(tmp_path / "copy.onnx", (1, 3, 64, 64))
    with pytest.raises(ModelError, match=r"copy\.onnx: unknown layout: its output is \[1, 3, 64, 64\]"):
        load(path)
    output = np.zeros((1, 84, 85), np.float32)
    path = onnx_file.constant(tmp_path / "bytes.onnx", output, (1, 3, 64, 64), onnx_file.UINT8)
    with pytest.raises(
        ModelError, match=r"it takes images tensor\(uint8\) \[1, 3, 64, 64\] and gives output"
    ):
        load(path)


def test_a_free_batch_size_is_taken(tmp_path: Path) -> None:
    output = np.zeros((1, 84, 85), np.float32)
    path = onnx_file.constant(tmp_path / "free.onnx", output, ("batch", 3, 64, 64))
    assert [len(found) for found in load(path).detect([PICTURE] * 3)] == [0, 0, 0]


def test_a_gpu_that_onnx_runtime_cannot_use_is_said_aloud(
    network: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        loaded = load(network, torch.device("cuda", 0))
    assert "(CPU, 1 thread)" in loaded.engine
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "detection does not use cuda:0: this ONNX Runtime has no working CUDA"
    )
    assert len(loaded.detect([PICTURE])[0]) == 1


def test_on_a_cpu_nothing_is_said(network: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        load(network)
    assert caplog.records == []


@pytest.mark.parametrize("works", [True, False])
def test_a_cuda_provider_is_asked_for_and_believed_only_if_it_started(
    network: Path, works: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[Any] = []
    real = onnxruntime.InferenceSession

    def session(path: Path, options: Any, providers: list[Any]) -> Any:
        asked.extend(providers)
        made = real(path, options, providers=["CPUExecutionProvider"])
        if works:
            made.get_providers = lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
        return made

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    loaded = load(network, torch.device("cuda", 1))
    assert asked == [("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"]
    assert ("(cuda:1)" in loaded.engine) is works
    assert (caplog.records == []) is works
