"""The whole of a training run and of an evaluation, in the order in which things happen."""

from __future__ import annotations

import logging
import platform
import shutil
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import torch
from rich.console import Console
from torch import nn

from streamer import modelfile
from streamer.device import resolve
from streamer.errors import ConfigError
from streamer.modelfile import Header
from streamer.sink.replace import writing
from streamer.yaml_file import read_yaml
from trainer import anomaly, data, duplicates, partners, report
from trainer.assess import assess
from trainer.config import HIDING, TrainConfig, dump, parse
from trainer.data import Split
from trainer.degrade import BoxesByName
from trainer.evaluate import IDENTITY
from trainer.evaluation import Evaluation
from trainer.pairs import find_boxes
from trainer.reference import REFERENCE, alike, find_reference
from trainer.sides import sides
from trainer.strangeness import Ranking
from trainer.system import System

logger = logging.getLogger(__name__)

MODEL = "model.safetensors"
"""Written last: where it is, the run is whole."""

TASKS = (*modelfile.RESTORING, "anomaly")
"""What model files may be for that are measured here."""

Outcome: TypeAlias = Evaluation | Ranking
"""What is measured of a restorer, or of what tells misbehaving pictures from normal ones."""

MAY_CHANGE = ("device", "fit.devices", "fit.operating_point", "detect.mirror")
"""What may differ between a run and its continuation: labels are found by plain looks, whatever is said."""


def train(
    config: TrainConfig, folder: Path, *, resume: bool, overwrite: bool, steps: int | None, console: Console
) -> Outcome:
    """Train a network and write everything about it to a folder.

    Args:
        config: what and how.
        folder: for ``model.safetensors``, ``metrics.csv``, ``curves.png``, ``samples.png``, ``metrics.json``,
            ``report.html``, ``config.yaml``, ``checkpoints/`` and ``logs/``.
        resume: go on with the run that is in the folder.
        overwrite: start again over a run that is in the folder.
        steps: stop after so many steps, to try things out; None trains all epochs.
        console: where progress goes.

    Raises:
        ConfigError: the folder holds a run already, or another one than is to be resumed; or the data,
            the detector or the device cannot be had.
        SinkError: something cannot be written.
        StreamerError: training came to nothing.
    """
    # imported here: Lightning takes seconds, which evaluating does without
    from trainer.fit import fit

    device = resolve(config.device)
    check(folder, dump(config), resume=resume, overwrite=overwrite, defaults=dump(TrainConfig()))
    split = duplicates.check(read(config), config.data, console)
    boxes: BoxesByName = _boxes(split, config, device, console) if config.task in HIDING else {}
    if config.task == "anomaly":
        anomaly.require_scene(split)  # before hours are spent on what is measured with it
    known, unseen = sides(split, boxes, config, device, console)
    _say(split)
    report.write_yaml(folder / "config.yaml", dump(config))
    fitted = fit(
        config, known, unseen, folder / "checkpoints", device,
        resume=resume, steps=steps, progress=console.is_terminal and not console.quiet,
    )  # fmt: skip
    # where a picture is to be drawn again as it is, doing nothing is perfect and says nothing
    identity = {} if config.task == "anomaly" else fitted.identity
    rows = [{"epoch": "identity", "train_loss": "", **identity}] if identity else []
    report.write_csv(folder / "metrics.csv", [*rows, *fitted.rows])
    curves = report.curves(fitted.rows, identity)
    report.write(folder / "curves.png", curves)
    header = _header(config, split, best=fitted.best, steps=steps)
    # what is measured is what is shipped: after rounding to 16 bits
    draft = folder / "checkpoints" / MODEL
    save(draft, fitted.network, header)
    network, _ = modelfile.load(draft, TASKS)
    found: Outcome
    if config.task == "anomaly":
        found = anomaly.assess(folder.name, network, header, split, config, device, console)
    else:
        model = System(_row_name(folder.name), network, header, device)
        reference = find_reference(config.task, None, folder.parent, model, folder / MODEL, device)
        found = assess(model, reference, split, boxes, config, device, console)
    found.write(folder, curves)
    save(folder / MODEL, fitted.network, replace(header, metrics=found.facts(pictures=False)))
    draft.unlink()
    return found


def evaluate_model(
    model: str,
    config: TrainConfig | None,
    folder: Path | None,
    reference: Path | None,
    runs: Path,
    device: str | None,
    console: Console,
) -> Outcome:
    """Measure a model file on the test clips.

    Args:
        model: ``bundled``, ``bundled:NAME``, or the path of a model file.
        config: whose data, split, detector and blur apply; None takes those that it was trained with.
        folder: for ``metrics.json``, ``samples.png`` and ``report.html``; None writes nothing.
        reference: model file of the reference recipe; None takes that of its run, where there is one.
        runs: folder of all runs.
        device: in place of the configuration's.
        console: where progress goes.

    Raises:
        ConfigError: the model, the data, the detector or the device cannot be had.
        SinkError: something cannot be written.
    """
    path = modelfile.locate(model)
    network, header = modelfile.load(path, TASKS)
    if config is None:
        if "config" not in header.training:
            raise ConfigError(f"{path}: does not say what it was trained with; give a configuration after it")
        try:
            config = parse(header.training["config"])
        except ConfigError as error:
            raise ConfigError(
                f"{path}: was trained by another version ({error}); give a configuration after it"
            ) from None
    if not alike(header.task, config.task):
        raise ConfigError(f"task: is {config.task}, but {path} was trained for {header.task}")
    resolved = resolve(device or config.device)
    row = model if model.startswith("bundled") else path.parent.name if path.name == MODEL else path.stem
    found: Outcome
    if config.task == "anomaly":
        if reference is not None:
            raise ConfigError("--reference: a ranking is held against chance alone; leave it out")
        split = duplicates.check(read(config, tests=True), config.data, console)
        _say(split)
        anomaly.require_scene(split)
        found = anomaly.assess(row, network, header, split, config, resolved, console)
    else:
        system = System(_row_name(row), network, header, resolved)
        held_against = find_reference(header.task, reference, runs, system, path, resolved)
        split = duplicates.check(read(config, tests=True), config.data, console)
        boxes = _boxes(split, config, resolved, console) if config.task in HIDING else {}
        _say(split)
        found = assess(system, held_against, split, boxes, config, resolved, console)
    if folder is not None:
        found.write(folder)
    return found


def _row_name(name: str) -> str:
    """Return what a model's row is called: not as another row is."""
    return f"{name} (model)" if name in (IDENTITY, REFERENCE) else name


def read(config: TrainConfig, *, tests: bool = False) -> Split:
    """Find all pictures, with partners where they have any, and split them; errors as in ``data.read``.

    Args:
        config: says where they are.
        tests: find what is measured on, and of the rest what that takes.
    """
    if config.paired is not None:
        return partners.read(config.paired, config.data, config.seed)
    return (data.read_test if tests else data.read)(config.data, config.seed)


def _boxes(split: Split, config: TrainConfig, device: torch.device, console: Console) -> BoxesByName:
    # of subsets each is looked at when its turn comes
    pictures = split.pictures if config.data.subsets is None else [*split.validation, *split.test]
    boxes, unreadable = find_boxes(pictures, config, device, console)
    split.counts["unreadable"] += len(unreadable)
    return boxes


def _say(split: Split) -> None:
    """Log what is on which side."""
    sides = ", ".join(
        f"{len(getattr(split, side))} frames of {len(clips)} clips for {side}"
        for side, clips in split.clips().items()
    )
    left_out = ", ".join(f"{count} {cause}" for cause, count in sorted(split.counts.items()) if count)
    logger.info("%s; left out: %s", sides, left_out or "none")


def check(
    folder: Path,
    facts: Mapping[str, Any],
    *,
    resume: bool,
    overwrite: bool,
    defaults: Mapping[str, Any] = {},
) -> None:
    """Refuse to mix runs up.

    Args:
        folder: of the run.
        facts: the whole configuration, as plain data.
        resume: whether the run that is in the folder is to go on.
        overwrite: whether it is to be replaced.
        defaults: what holds for keys that the run to resume was started without.

    Raises:
        ConfigError: there is a run, and neither was asked for; or there is none, or another one, to resume.
    """
    last = folder / "checkpoints" / "last.ckpt"
    if not resume:
        if (folder / MODEL).exists() or last.exists():
            if not overwrite:
                raise ConfigError(
                    f"{folder}: holds a run already; --resume continues it, --overwrite replaces it"
                )
            (folder / MODEL).unlink(missing_ok=True)
            last.unlink(missing_ok=True)
            shutil.rmtree(folder / "logs", ignore_errors=True)
        return
    if not last.exists():
        raise ConfigError(f"{folder}: no run to resume, {last} is not there; start it without --resume")
    before, now = _flat(read_yaml(folder / "config.yaml")), _flat(facts)
    for key, value in _flat(defaults).items():  # an earlier version of this program knew fewer keys
        if not any(f"{known}.".startswith(f"{key}.") for known in before):
            before[key] = value
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key) and key not in MAY_CHANGE:
            raise ConfigError(
                f"{key}: is {now.get(key)!r}, but {folder} was started with {before.get(key)!r}; "
                "change it back, or start again with --overwrite"
            )


def _flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested keys and values with their keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _header(config: TrainConfig, split: Split, *, best: int, steps: int | None) -> Header:
    by_region = config.task in HIDING and config.pairs.of != "frames"
    return Header(
        network=config.network.name,
        config=config.network.options,
        task=config.task,
        size=None if config.pairs.of == "crops" else config.pairs.size,
        context=config.pairs.context if by_region else 0.0,
        training={
            "config": dump(config),
            "clips": split.clips(),
            "best_epoch": best,
            "steps": steps,
            "versions": versions("torch", "lightning", "opencv-python"),
        },
    )


def save(path: Path, network: nn.Module, header: Header, *, half: bool = True) -> None:
    """Write a model file; arguments as of ``modelfile.save``.

    Raises:
        SinkError: it cannot be written.
    """
    with writing(path):
        modelfile.save(path, network, header, half=half)


def versions(*packages: str) -> dict[str, str]:
    """Return what a model was made with, for its header: Python's version and those of packages."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}
