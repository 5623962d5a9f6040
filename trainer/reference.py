"""The reference recipe, which every model is held against beside doing nothing."""

from __future__ import annotations

from pathlib import Path

import torch

from streamer import modelfile
from streamer.errors import ConfigError
from trainer.config import HIDING
from trainer.system import System

REFERENCE = "reference"
"""The row of the reference recipe, after the identity's."""

REFERENCES = {"deblur": "reference", "denoise": "denoise-reference"}
"""The run that trains the reference recipe, by task."""


def find_reference(
    task: str, given: Path | None, runs: Path, model: System, file: Path, device: torch.device
) -> tuple[System | None, str]:
    """Return the reference recipe's model, and where it is from or why there is none.

    Args:
        task: of the model that it is held against.
        given: its file, or None for that of its run where there is one.
        runs: folder of all runs.
        model: which is held against it.
        file: of the model, which is not held against itself.
        device: where it runs.

    Raises:
        ConfigError: what is given is not there, or is for another task.
    """
    path = given
    if path is None:
        run = REFERENCES.get(task)
        if run is None:
            return None, f"there is no reference recipe for {task}"
        path = runs / run / "model.safetensors"
        if not path.exists():
            return None, f"no {path}: `trainer fit configs/{run}.yaml` makes it, --reference names another"
    if path.resolve() == file.resolve():
        return None, "this is the reference recipe itself"
    network, header = modelfile.load(path)
    if given is None and network.grey != model.network.grey:
        return (
            None,
            f"{path} {'knows no' if network.grey else 'is for'} colour, unlike this model",
        )
    if not alike(header.task, task):
        raise ConfigError(f"--reference: {path}: a model for {header.task!r}, expected one for {task!r}")
    return System(REFERENCE, network, header, device), f"measured with the same pictures, from {path}"


def alike(one: str, other: str) -> bool:
    """Say whether a model for one task can be held to another: those that hide differ in the method alone."""
    return one == other or {one, other} <= {*HIDING, "inpaint"}
