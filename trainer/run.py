"""The whole of a training run and of an evaluation, in the order in which things happen."""

from __future__ import annotations

import logging
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from streamer import modelfile
from streamer.device import resolve
from streamer.errors import ConfigError, SinkError
from streamer.modelfile import Header
from streamer.nets import Network
from streamer.restore import Restorer
from streamer.yaml_file import read_yaml
from trainer import data, partners, report
from trainer.config import HIDING, TrainConfig, dump, parse
from trainer.data import Split
from trainer.degrade import BoxesByName
from trainer.evaluate import Evaluation, Row, Scored, at_size, mode_of, score, score_whole, summarise
from trainer.pairs import find_boxes, follow
from trainer.sides import sides
from trainer.tasks import degradation

logger = logging.getLogger(__name__)

MODEL = "model.safetensors"
"""Written last: where it is, the run is whole."""

SAMPLES = 6
"""Frames in a picture of samples."""

MAY_CHANGE = ("device", "fit.devices")
"""What may differ between a run and its continuation."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found."""

    name: str
    """Of the model."""
    full: Evaluation
    """Of frames at their full size, as streamer restores them."""
    small: Evaluation | None
    """Of whole frames at the network's own size, for networks that were trained on those."""
    size: int | None
    """That size, in pixels."""
    unseen: bool
    """Whether training saw none of these clips."""

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        facts = {"model": self.name, "unseen": self.unseen, "full_size": self.full.facts()}
        if self.small is not None:
            facts["network_size"] = {"size": self.size, **self.small.facts()}
        return facts

    def show(self, console: Console) -> None:
        """Print the tables."""
        console.print(report.table(self.full, self.name, "At full size, as streamer restores"))
        if self.small is not None:
            title = f"At {self.size}x{self.size}, as it was trained"
            console.print(report.table(self.small, self.name, title))


def train(
    config: TrainConfig, folder: Path, *, resume: bool, overwrite: bool, steps: int | None, console: Console
) -> Report:
    """Train a network and write everything about it to a folder.

    Args:
        config: what and how.
        folder: for ``model.safetensors``, ``metrics.csv``, ``curves.png``, ``samples.png``,
            ``evaluation.json``, ``config.yaml``, ``checkpoints/`` and ``logs/``.
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
    split = read(config)
    boxes: BoxesByName = _boxes(split, config, device, console) if config.task in HIDING else {}
    known, unseen = sides(split, boxes, config, device, console)
    _say(split)
    report.write_yaml(folder / "config.yaml", dump(config))
    fitted = fit(
        config, known, unseen, folder / "checkpoints", device,
        resume=resume, steps=steps, progress=console.is_terminal and not console.quiet,
    )  # fmt: skip
    rows = [{"epoch": "identity", "train_loss": "", **fitted.identity}, *fitted.rows]
    report.write_csv(folder / "metrics.csv", rows)
    report.curves(folder / "curves.png", fitted.rows, fitted.identity)
    header = _header(config, split, best=fitted.best, steps=steps)
    # what is measured is what is shipped: after rounding to 16 bits
    draft = folder / "checkpoints" / MODEL
    _save(draft, fitted.network, header)
    network, _ = modelfile.load(draft)
    found, frames = evaluate(network, header, split, boxes, config, device, console, name=folder.name)
    report.samples(folder / "samples.png", frames, whole_frames=mode_of(header) == "frame")
    report.write_json(folder / "evaluation.json", found.facts())
    _save(folder / MODEL, fitted.network, replace(header, metrics=found.facts()))
    draft.unlink()
    return found


def evaluate_model(
    model: str, config: TrainConfig | None, folder: Path | None, device: str | None, console: Console
) -> Report:
    """Measure a model file on the test clips.

    Args:
        model: ``bundled``, ``bundled:NAME``, or the path of a model file.
        config: whose data, split, detector and blur apply; None takes those that it was trained with.
        folder: for ``evaluation.json`` and ``samples.png``; None writes nothing.
        device: in place of the configuration's.
        console: where progress goes.

    Raises:
        ConfigError: the model, the data, the detector or the device cannot be had.
        SinkError: something cannot be written.
    """
    path = modelfile.locate(model)
    network, header = modelfile.load(path)
    if config is None:
        if "config" not in header.training:
            raise ConfigError(f"{path}: does not say what it was trained with; give a configuration after it")
        try:
            config = parse(header.training["config"])
        except ConfigError as error:
            raise ConfigError(
                f"{path}: was trained by another version ({error}); give a configuration after it"
            ) from None
    resolved = resolve(device or config.device)
    split = read(config)
    boxes = _boxes(split, config, resolved, console) if config.task in HIDING else {}
    _say(split)
    name = path.parent.name if path.name == MODEL else path.stem
    found, frames = evaluate(network, header, split, boxes, config, resolved, console, name=name)
    if folder is not None:
        report.write_json(folder / "evaluation.json", found.facts())
        report.samples(folder / "samples.png", frames, whole_frames=mode_of(header) == "frame")
    return found


def evaluate(
    network: Network,
    header: Header,
    split: Split,
    boxes: BoxesByName,
    config: TrainConfig,
    device: torch.device,
    console: Console,
    *,
    name: str,
) -> tuple[Report, list[Scored]]:
    """Measure a network on the test clips; also return a few frames to show.

    Raises:
        ConfigError: nothing is hidden in any of the frames.
    """
    restorer = Restorer(network, header, device, mode_of(header))
    hides = config.task in HIDING
    used = [picture for picture in split.test if not hides or len(boxes.get(picture.name, ()))]
    shown = {round(i * (len(used) - 1) / max(1, SAMPLES - 1)) for i in range(SAMPLES)}
    rows: list[Row] = []
    small: list[Row] = []
    frames: list[Scored] = []
    size = header.size if mode_of(header) == "frame" else None
    watched = follow(used, "evaluating", console)
    if hides:
        scored_frames = score(watched, boxes, config.blur, restorer)
    else:
        scored_frames = score_whole(watched, degradation(config), restorer)
    for index, frame in enumerate(scored_frames):
        rows.append(frame.row)
        if index in shown:
            frames.append(frame)
        if size is not None and (scored := at_size(frame, network, size)) is not None:
            small.append(scored.row)
    if not rows and not hides:
        raise ConfigError(
            f"data: {config.task} changes none of the {len(used)} pictures for test; expected others"
        )
    if not rows:
        raise ConfigError(
            f"detect: no {', '.join(config.detect.classes)} at or above {config.detect.threshold:g} in the "
            f"{len(split.test)} frames for test; lower detect.threshold or change the split"
        )
    seen = set(header.training.get("clips", {}).get("train", ()))
    overlap = sorted(seen & {row.clip for row in rows})
    if overlap:
        logger.warning("training saw %s: the numbers do not say what it does elsewhere", ", ".join(overlap))
    return Report(name, summarise(rows), summarise(small) if small else None, size, not overlap), frames


def read(config: TrainConfig) -> Split:
    """Find all pictures, with partners where they have any, and split them; errors as in ``data.read``."""
    if config.paired is not None:
        return partners.read(config.paired, config.data, config.seed)
    return data.read(config.data, config.seed)


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
    # an earlier version of this program knew fewer keys
    before, now = _flat(defaults) | _flat(read_yaml(folder / "config.yaml")), _flat(facts)
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
            "versions": {
                "python": platform.python_version(),
                **{name: metadata.version(name) for name in ("torch", "lightning", "opencv-python")},
            },
        },
    )


def _save(path: Path, network: Network, header: Header) -> None:
    try:
        modelfile.save(path, network, header, half=True)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror or error}") from error
