"""Model files: what is written comes back; nothing else gets in."""

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from streamer import modelfile, nets
from streamer.errors import ModelError
from streamer.modelfile import Header
from streamer.nets import Network

CONFIG = {"width": 4, "levels": 2, "shuffle": 2}
HEADER = Header(
    "unet", CONFIG, "deblur", size=16, context=0.25,
    training={"clips": {"train": ["a"]}}, metrics={"gain_db": 1.5},
)  # fmt: skip


def network() -> Network:
    """A small one with weights of its own."""
    torch.manual_seed(1)
    built = nets.build("unet", CONFIG)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.normal_()
    return built


def saved(path: Path, header: Header = HEADER, *, half: bool = False) -> Path:
    """A model file."""
    modelfile.save(path, network(), header, half=half)
    return path


def raw(path: Path, tensors: dict[str, torch.Tensor], header: dict[str, Any] | str | None) -> Path:
    """A safetensors file with any header, or none."""
    text = header if isinstance(header, str) else json.dumps(header)
    metadata = None if header is None else {"cctv-streamer": text}
    safetensors.torch.save_file(tensors, path, metadata)
    return path


def facts(**changed: Any) -> dict[str, Any]:
    """A header as JSON data, changed."""
    return {"network": "unet", "config": CONFIG, "task": "deblur", "size": 16, "context": 0.25} | changed


def test_a_saved_model_comes_back_as_it_was(tmp_path: Path) -> None:
    loaded, header = modelfile.load(saved(tmp_path / "model.safetensors"))
    assert header == HEADER
    assert not loaded.training
    expected = network().state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    for name, weight in loaded.state_dict().items():
        assert weight.device.type == "cpu"
        assert torch.equal(weight, expected[name])
    images = torch.rand(1, 3, 16, 16)
    assert torch.equal(loaded(images), network()(images))


def test_half_precision_halves_the_file_and_loads_as_float32(tmp_path: Path) -> None:
    whole, half = saved(tmp_path / "whole.safetensors"), saved(tmp_path / "half.safetensors", half=True)
    weights = 4 * sum(p.numel() for p in network().parameters())
    assert whole.stat().st_size - half.stat().st_size == pytest.approx(weights / 2, abs=16)
    loaded, _ = modelfile.load(half)
    for name, weight in loaded.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, network().state_dict()[name].half().float())


def test_loading_can_be_trained_on(tmp_path: Path) -> None:
    loaded, _ = modelfile.load(saved(tmp_path / "model.safetensors"))
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "model.safetensors")
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        modelfile.save(path, network(), HEADER, half=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


class Exploit:
    """Runs code when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_with_code_is_refused_and_its_code_does_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    plain, zipped = tmp_path / "plain.safetensors", tmp_path / "zipped.safetensors"
    plain.write_bytes(pickle.dumps(Exploit(trace)))
    torch.save({"weights": Exploit(trace)}, zipped)
    for path in (plain, zipped):
        with pytest.raises(ModelError, match=rf"{path.name}: a pickle or zip, which may carry code"):
            modelfile.load(path)
    assert not trace.exists()


def test_a_header_whose_length_looks_like_a_pickle_is_none(tmp_path: Path) -> None:
    starts = set()
    for padding in range(0, 256, 8):
        path = saved(tmp_path / "model.safetensors", replace(HEADER, training={"x": "y" * padding}))
        starts.add(path.read_bytes()[0])
        assert modelfile.load(path)[1].network == "unet"
    assert 0x80 in starts


@pytest.mark.parametrize("kept", [1, 7, 8, 9, 60, 500, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = saved(tmp_path / "model.safetensors")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        ModelError, match=r"model\.safetensors: (truncated or damaged|not a safetensors file)"
    ):
        modelfile.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\xff\xd8\xff\xe0 a picture, say", "not a safetensors file"),
        (b"version: 1\n" * 9, "not a safetensors file"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", "truncated or damaged"),
        (b"\x02\0\0\0\0\0\0\0{}", "without our header"),
    ],
)
def test_what_is_no_model_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"model\.safetensors: .*{message}"):
        modelfile.load(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model file"):
        modelfile.load(tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match="cannot be read"):
        modelfile.load(tmp_path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "a safetensors file without our header"),
        ("{", "its header is damaged"),
        ({"network": "unet"}, "its header is damaged: config: Field required"),
        (facts(size="16"), "its header is damaged: size"),
        (facts(size=0), "its header is damaged: size"),
        (facts(context=-1.0), "its header is damaged: context"),
        (facts(version=2), "version 2, but this program reads up to 1"),
        (facts(task="detect"), "a model for 'detect', expected one for 'deblur' or 'inpaint'"),
        (facts(network="gan"), "cannot build its network: unknown network 'gan'"),
        (facts(config={"depth": 3}), "cannot build its network: depth: unknown key"),
        (
            facts(config={"width": 8}),
            r"don't fit its network 'unet': down\.0\.0\.first\.bias is \(4,\), expected \(8,\)",
        ),
        (facts(config=CONFIG | {"levels": 1}), r"down\.0.* is \(4,\), expected none"),
    ],
)
def test_a_foreign_or_wrong_header_is_refused(
    tmp_path: Path, header: dict[str, Any] | str | None, message: str
) -> None:
    path = raw(tmp_path / "model.safetensors", network().state_dict(), header)
    with pytest.raises(ModelError, match=message) as caught:
        modelfile.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_infinite_weights_are_refused(tmp_path: Path) -> None:
    weights = network().state_dict()
    name = next(iter(weights))
    missing = {key: value for key, value in weights.items() if key != name}
    with pytest.raises(ModelError, match=rf"{name} is none, expected"):
        modelfile.load(raw(tmp_path / "a.safetensors", missing, facts()))
    with pytest.raises(ModelError, match=rf"{name} holds weights that are not numbers"):
        modelfile.load(raw(tmp_path / "b.safetensors", weights | {name: weights[name] * torch.inf}, facts()))


def test_a_restorer_of_any_task_is_read(tmp_path: Path) -> None:
    path = raw(tmp_path / "model.safetensors", network().state_dict(), facts(task="denoise"))
    assert modelfile.load(path)[1].task == "denoise"


def test_names_are_located(tmp_path: Path) -> None:
    path = saved(tmp_path / "mine.safetensors")
    assert modelfile.locate(str(path)) == path
    assert modelfile.locate("bundled") == modelfile.locate("bundled:deblur")
    with pytest.raises(ModelError, match=r"none\.safetensors: no such model file"):
        modelfile.locate(str(tmp_path / "none.safetensors"))
    for name in ("bundled:colour", "bundled:../deblur", "bundled:"):
        with pytest.raises(
            ModelError, match="this installation; it carries bundled:colourise, bundled:deblur"
        ):
            modelfile.locate(name)


@pytest.mark.parametrize(
    ("name", "task", "region"),
    [
        ("bundled", "deblur", True),
        ("bundled:deblur-sigma4", "deblur", True),
        ("bundled:denoise", "denoise", False),
        ("bundled:colourise", "colourise", False),
    ],
)
def test_bundled_restorers_are_small_and_say_what_they_are(name: str, task: str, region: bool) -> None:
    path = modelfile.locate(name)
    assert path.stat().st_size < 4 * 2**20
    content = path.read_bytes()
    loaded, header = modelfile.load(path)
    assert header.task == task
    assert header.size is None or header.size % loaded.stride == 0
    for table in header.metrics["tables"]:
        rows, measure = dict(table["mean_over_clips"]), "psnr_regions_db" if region else "psnr_db"
        identity = rows.pop("identity")[measure]["mean"]
        assert len(rows) == 1
        assert next(iter(rows.values()))[measure]["mean"] > identity
    clips = header.training["clips"]
    assert not set(clips["train"]) & {*clips["test"], *clips["validation"]}
    if region:
        assert not set(clips["train"]) & {"test4", "test10", "test11", "test27"}
    assert b"/tmp/" not in content  # of the machine that trained it
