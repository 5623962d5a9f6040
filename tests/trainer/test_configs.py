"""Every configuration that is shipped trains, on pictures that are made here in place of its own."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from streamer import modelfile
from tests.trainer.scenes import command, install, picture, seed_of
from trainer import config

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

TASKS = {path.name: yaml.safe_load(path.read_text()).get("task") for path in sorted(CONFIGS.glob("*.yaml"))}

OWN = (None, "detect", "anomaly", "accident")
"""Tasks that are no restorer's, which have tests of their own."""

RESTORERS = [name for name, task in TASKS.items() if task not in OWN]


def shrunk(name: str, folder: Path) -> dict[str, Any]:
    """A configuration with other data, and batches of two."""
    facts: dict[str, Any] = yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))
    facts["device"] = "cpu"
    facts["data"] = {
        "folder": str(folder / "pictures"), "cache": str(folder / "cache"),
        "validation": ["b"], "test": ["c"],
    }  # fmt: skip
    facts["fit"] = {**facts["fit"], "batch": 2}
    facts["fit"].pop("backbone", None)  # a file that is not shipped
    return facts


def test_there_are_configurations_for_each_bundled_restorer() -> None:
    assert {"deblur.yaml", "denoise.yaml", "colourise.yaml", "reference.yaml"} <= set(RESTORERS)


@pytest.mark.parametrize("name", RESTORERS)
def test_a_configuration_trains_for_two_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    install(monkeypatch)
    (tmp_path / "pictures").mkdir()
    for clip in "abc":
        for number in range(2):
            coloured = picture(seed_of(clip, number)) // np.array([1, 2, 3], np.uint8)
            large = np.kron(coloured, np.ones((3, 3, 1), np.uint8))
            cv2.imwrite(str(tmp_path / "pictures" / f"{clip}_{number}.png"), large)
    facts = shrunk(name, tmp_path)
    path = tmp_path / name
    path.write_text(yaml.safe_dump(facts), encoding="utf-8")
    outcome = command("fit", path, "--steps", "2", "--runs", tmp_path / "runs")
    assert outcome.code == 0, outcome.err
    _, header = modelfile.load(tmp_path / "runs" / path.stem / "model.safetensors")
    assert (header.task, header.network) == (facts["task"], facts["network"]["name"])
    assert header.training["steps"] == 2
    assert header.metrics["tables"][0]["frames"] == 2


def test_the_readmes_examples_are_configurations() -> None:
    text = (CONFIGS.parent / "README.md").read_text(encoding="utf-8")
    section = text.partition("## What can be trained\n")[2].partition("\n## ")[0]
    examples = [yaml.safe_load(block.partition("```")[0]) for block in section.split("```yaml\n")[1:]]
    parsed = [config.parse({"version": 1, **example}) for example in examples]
    assert [one.task for one in parsed] == ["deblur", "inpaint", "denoise", "colourise", "paired"]
