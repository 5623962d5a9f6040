import os
import pickle
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn
from torchvision.models import get_model, get_model_weights

from streamer.detect import weights, zoo
from streamer.errors import ModelError

URL = get_model_weights("ssdlite320_mobilenet_v3_large").DEFAULT.url


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def refused(path: Path) -> str:
    """What is said about a file, after the path that it starts with."""
    with pytest.raises(ModelError) as raised:
        weights.fit(network(), weights.read(path), path, "net")
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"detect.weights: {path}")
    return message.removeprefix(f"detect.weights: {path}")


class Touch:
    """Whoever unpickles it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_state_dict_of_either_kind_is_read_and_fits(tmp_path: Path, suffix: str) -> None:
    saved, path = network(), tmp_path / f"net{suffix}"
    if suffix == ".pth":
        torch.save(saved.state_dict(), path)
    else:
        safetensors.torch.save_file(saved.state_dict(), path)
    loaded = network()
    weights.fit(loaded, weights.read(path), path, "net")
    for name, value in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.pth") == ": no such file"
    assert refused(tmp_path) == ": no such file"


@pytest.mark.parametrize("form", ["zip", "pickle"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, form: str) -> None:
    path, proof = tmp_path / "net.pth", tmp_path / "ran"
    if form == "zip":
        torch.save({"weight": Touch(proof)}, path)
    else:
        path.write_bytes(pickle.dumps({"weight": Touch(proof)}, protocol=2))
    assert refused(path) == ": a pickle that carries code, which is refused; a state dict was expected"
    assert not proof.exists()
    # the proof is one: without the care it would be there
    torch.load(path, weights_only=False) if form == "zip" else pickle.loads(path.read_bytes())
    assert proof.exists()


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(network(), path)
    assert "a pickle that carries code, which is refused" in refused(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("damage", ["empty", "text", "first bytes", "half", "tail"])
def test_a_damaged_file_is_said_in_one_line(tmp_path: Path, damage: str, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    if suffix == ".pth":
        torch.save(network().state_dict(), path)
    else:
        safetensors.torch.save_file(network().state_dict(), path)
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "text": b"<html>Not Found</html>\n" * 100,
            "first bytes": content[:10],
            "half": content[: len(content) // 2],
            "tail": content[:-1],
        }[damage]
    )
    found = "empty" if damage == "empty" else "truncated, damaged or not a state dict"
    assert refused(path) == f": {found}; copy it again, or delete it if it was downloaded"


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_torchscript_which_is_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    traced: Any = torch.jit.trace(nn.Linear(3, 4), torch.zeros(1, 3))  # type: ignore[no-untyped-call]  # torch's
    traced.save(str(path))
    assert refused(path).startswith(": truncated, damaged or not a state dict")


def test_what_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    for content, kind in (([1, 2], "list"), ({"model": network().state_dict()}, "dict")):
        torch.save(content, path)
        assert refused(path).startswith(f": holds {kind}, a state dict was expected")


def test_weights_of_another_network_are_refused_and_the_difference_named(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    state = network().state_dict()
    torch.save({**state, "0.weight": torch.zeros(5, 3)}, path)
    assert refused(path) == " does not fit net: 0.weight is (5, 3), expected (4, 3)"
    torch.save({"2.weight": torch.zeros(5), **{k: v for k, v in state.items() if k[0] == "1"}}, path)
    assert refused(path) == (
        " does not fit net: weights 2 missing (such as 0.weight) and 1 unknown (such as 2.weight)"
    )


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({**network().state_dict(), "0.bias": torch.tensor([0.0, float("nan"), 0, 0])}, path)
    assert refused(path) == ": 0.bias holds weights that are not numbers"


def test_the_names_of_torchvisions_first_version_are_taken(tmp_path: Path) -> None:
    """Those of the files that it publishes for its oldest detectors."""
    name, path = "fasterrcnn_mobilenet_v3_large_320_fpn", tmp_path / "old.safetensors"
    state = get_model(name, weights=None, weights_backbone=None).state_dict()
    old = {
        key.replace("inner_blocks.0.0.", "inner_blocks.0.").replace(
            "rpn.head.conv.0.0.", "rpn.head.conv."
        ): value
        for key, value in state.items()
    }
    assert len(old.keys() - state.keys()) == 4
    safetensors.torch.save_file(old, path)
    loaded = zoo.load(name, str(path), torch.device("cpu"), classes=["car"], threshold=0.5)
    assert loaded.detect([torch.zeros(60, 80, 3, dtype=torch.uint8)])[0].boxes.shape[1] == 4


def test_default_weights_that_are_there_already_need_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(*args: object, **kwargs: object) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unwanted)
    path = tmp_path / "hub" / "checkpoints" / "ssdlite320_mobilenet_v3_large_coco-a79551df.pth"
    path.parent.mkdir(parents=True)
    name = "ssdlite320_mobilenet_v3_large"
    torch.save(get_model(name, weights=None, weights_backbone=None).state_dict(), path)
    assert weights.fetch(URL) == path
    zoo.load(name, "default", torch.device("cpu"), classes=["car"], threshold=0.5)


def test_default_weights_that_cannot_be_had_name_the_file_and_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise urllib.error.URLError(OSError(-3, "Temporary failure in name resolution"))

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(ModelError) as raised:
        weights.fetch(URL)
    file, folder = "ssdlite320_mobilenet_v3_large_coco-a79551df.pth", tmp_path / "hub" / "checkpoints"
    assert str(raised.value) == (
        f"detect.weights: {file} cannot be downloaded "
        "(<urlopen error [Errno -3] Temporary failure in name resolution>): "
        f"get {URL} and put it into {folder}, or name your copy as detect.weights: PATH"
    )


def test_a_download_is_kept_only_if_it_is_the_file_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's own download, of a local file whose content is not what its name promises."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    served = tmp_path / "net-12345678.pth"
    served.write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"net-12345678\.pth cannot be downloaded \(invalid hash value"):
        weights.fetch(served.as_uri())
    assert list((tmp_path / "home" / "hub" / "checkpoints").iterdir()) == []
