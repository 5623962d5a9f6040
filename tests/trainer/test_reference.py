"""When a model is held against the reference recipe, and why not."""

from pathlib import Path
from typing import Any

import pytest
import torch

from streamer import modelfile, nets
from streamer.errors import ConfigError
from streamer.modelfile import Header
from trainer.reference import REFERENCE, alike, find_reference
from trainer.system import System

CPU = torch.device("cpu")
SMALL = {"width": 4, "levels": 2}


def file(path: Path, task: str, **options: Any) -> Path:
    network = nets.build("unet", {**SMALL, **options})
    modelfile.save(path, network, Header("unet", {**SMALL, **options}, task), half=True)
    return path


def model(task: str) -> System:
    return System("mine", nets.build("unet", SMALL), Header("unet", SMALL, task), CPU)


def test_that_of_its_run_is_found(tmp_path: Path) -> None:
    path = file(tmp_path / "reference" / "model.safetensors", "deblur")
    system, note = find_reference("deblur", None, tmp_path, model("deblur"), tmp_path / "mine", CPU)
    assert system is not None
    assert system.name == REFERENCE
    assert note == f"measured with the same pictures, from {path}"
    itself, note = find_reference("deblur", None, tmp_path, model("deblur"), path, CPU)
    assert (itself, note) == (None, "this is the reference recipe itself")


def test_its_absence_is_said(tmp_path: Path) -> None:
    none, note = find_reference("denoise", None, tmp_path, model("denoise"), tmp_path / "mine", CPU)
    assert none is None
    assert note.startswith(
        f"no {tmp_path}/denoise-reference/model.safetensors: `trainer fit configs/denoise-"
    )
    _, note = find_reference("colourise", None, tmp_path, model("colourise"), tmp_path / "mine", CPU)
    assert note == "there is no reference recipe for colourise"
    file(tmp_path / "denoise-reference" / "model.safetensors", "denoise", grey=True)
    none, note = find_reference("denoise", None, tmp_path, model("denoise"), tmp_path / "mine", CPU)
    assert none is None
    assert note.endswith("knows no colour, unlike this model")


def test_one_for_another_task_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path / "other.safetensors", "deblur")
    with pytest.raises(ConfigError, match="a model for 'deblur', expected one for 'denoise'"):
        find_reference("denoise", path, tmp_path, model("denoise"), tmp_path / "mine", CPU)
    with pytest.raises(ConfigError, match="no such model file"):
        find_reference("denoise", tmp_path / "none", tmp_path, model("denoise"), tmp_path / "mine", CPU)


def test_what_hides_is_alike_whatever_the_method() -> None:
    assert alike("denoise", "denoise")
    assert alike("deblur", "inpaint")
    assert not alike("deblur", "denoise")
    assert not alike("inpaint", "paired")
