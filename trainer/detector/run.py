"""The whole of a detector's training run and of an evaluation, in the order in which things happen."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

from streamer import coco, detect, modelfile
from streamer.detect import engines
from streamer.detect.fcos import FcosDetector
from streamer.detectors import HIDE_THRESHOLD, DetectConfig
from streamer.device import resolve
from streamer.errors import ConfigError
from streamer.frame import Detections
from streamer.modelfile import Header
from trainer import data, duplicates, label, report
from trainer.data import Split
from trainer.detector.config import DetectorConfig, parse
from trainer.detector.evaluate import THRESHOLDS, Evaluation, evaluate
from trainer.detector.fit import fit
from trainer.detector.samples import Sample, Samples
from trainer.pairs import follow
from trainer.run import MODEL, check, save, versions

logger = logging.getLogger(__name__)

Labels = Mapping[str, Detections]
"""What is in each frame, by its name."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found."""

    name: str
    """Of the model."""
    sides: Mapping[str, Evaluation]
    """On clips that training did not see: ``validation``, to choose a recipe by, and ``test``, to report."""

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {"model": self.name, **{side: found.facts() for side, found in self.sides.items()}}

    def show(self, console: Console) -> None:
        """Print the tables."""
        for side, found in self.sides.items():
            console.print(found.table(f"{self.name} on the {side} clips, single frames"))


def label_frames(
    config: DetectorConfig | None,
    footage: Sequence[Path],
    folder: Path | None,
    console: Console,
    *,
    every: float,
    device: str | None,
    overwrite: bool,
) -> label.Labels:
    """Label a configuration's frames, footage, or both.

    Args:
        config: names the frames, the detector, the device and the folder; None: only footage, by defaults.
        footage: images, clips, and folders with either.
        folder: of the labels, in place of the configuration's.
        console: where progress goes.
        every: seconds from one frame of a clip to the next one that is labelled.
        device: in place of the configuration's.
        overwrite: label anew what is labelled already.

    Raises:
        ConfigError: there is nothing to label, or the detector or the device cannot be had.
        SinkError: the folder cannot be written.
    """
    pictures = [] if config is None else data.read(config.data, config.seed).pictures
    teacher = label.TEACHER if config is None else config.detect
    resolved = resolve(device or ("auto" if config is None else config.device))
    target = folder or Path("labels" if config is None else config.labels.folder)
    report.reserve(target / label.FILE)
    return label.label(
        pictures, footage, target, teacher, resolved, console, every=every, overwrite=overwrite
    )


def train(
    config: DetectorConfig,
    folder: Path,
    *,
    resume: bool,
    overwrite: bool,
    steps: int | None,
    console: Console,
) -> Report:
    """Train a detector and write everything about it to a folder.

    Args:
        config: what and how.
        folder: for ``model.safetensors``, ``metrics.csv``, ``metrics.json``, ``config.yaml`` and
            ``checkpoints/``.
        resume: go on with the run that is in the folder.
        overwrite: start again over a run that is in the folder.
        steps: stop after so many, to try things out; None takes all.
        console: where progress goes.

    Raises:
        ConfigError: the folder holds a run already, or another one than is to be resumed; or labels, frames,
            the backbone or the device cannot be had.
        SinkError: something cannot be written.
        StreamerError: training came to nothing.
    """
    device = resolve(config.device)
    facts = config.model_dump(mode="json")
    defaults = parse({"version": config.version, "task": config.task}).model_dump(mode="json")
    check(folder, facts, resume=resume, overwrite=overwrite, defaults=defaults)
    split, labels = read(config, console)
    report.write_yaml(folder / "config.yaml", facts)
    samples = Samples(
        [Sample(picture.path, labels[picture.name]) for picture in split.train],
        config.network.classes,
        (config.network.height, config.network.width),
        config.labels.threshold,
        config.view,
        config.seed,
    )
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("training", total=steps or config.fit.steps)
        fitted = fit(
            config, samples, folder / "checkpoints" / "last.ckpt", device,
            resume=resume, steps=steps, progress=lambda step: bar.update(task, completed=step),
        )  # fmt: skip
    report.write_csv(folder / "metrics.csv", fitted.rows)
    if (point := config.fit.operating_point) is not None:
        fitted.network.rescore(point, HIDE_THRESHOLD)
    header = Header(
        network="fcos",
        config=config.network.model_dump(mode="json"),
        task="detect",
        training={
            "config": facts,
            "clips": split.clips(),
            "steps": steps or config.fit.steps,
            "versions": versions("torch", "torchvision", "opencv-python"),
        },
    )
    # what is measured is what is shipped: after rounding to 16 bits
    draft = folder / "checkpoints" / MODEL
    save(draft, fitted.network, header)
    network, _ = modelfile.load_detector(draft)
    heads = engines.choose(network, "auto", device)
    detector = FcosDetector(
        heads, network, folder.name, classes=config.network.classes, threshold=min(THRESHOLDS)
    )
    found = _evaluate(detector, folder.name, split, labels, config, device, console)
    report.write_json(folder / "metrics.json", found.facts())
    save(folder / MODEL, fitted.network, replace(header, metrics=found.facts()))
    draft.unlink()
    return found


def evaluate_model(
    model: str, config: DetectorConfig, folder: Path | None, device: str | None, console: Console
) -> Report:
    """Measure any detector on the clips that a configuration keeps out of training.

    Args:
        model: as ``detect.model`` has it.
        config: whose labels, split and classes apply.
        folder: for ``metrics.json``; None writes nothing.
        device: in place of the configuration's.
        console: where progress goes.

    Raises:
        ConfigError: the model, labels, frames or the device cannot be had.
        SinkError: the folder cannot be written.
    """
    resolved = resolve(device or config.device)
    split, labels = read(config, console)
    detector = detect.load(
        DetectConfig(model=model), resolved, classes=config.network.classes, threshold=min(THRESHOLDS)
    )
    found = _evaluate(detector, detector.name, split, labels, config, resolved, console)
    if folder is not None:
        report.write_json(folder / "metrics.json", found.facts())
    return found


def read(config: DetectorConfig, console: Console) -> tuple[Split, Labels]:
    """Return the labelled frames, divided by clip, and what is in them.

    Raises:
        ConfigError: there are none, or the split leaves a side without any, or near-duplicates cross it.
    """
    folder = Path(config.labels.folder)
    labels = {image.name: image.objects for image in coco.load(folder / label.FILE)[0]}
    pictures = data.find(config.data.model_copy(update={"folder": str(folder / label.FOLDER)}))[0]
    labelled = [picture for picture in pictures if picture.name in labels]
    divided = duplicates.check(data.split(labelled, config.data, config.seed), config.data, console)
    divided.counts["without labels"] += len(pictures) - len(labelled)
    sides = ", ".join(f"{len(getattr(divided, side))} frames for {side}" for side in divided.clips())
    left_out = ", ".join(f"{count} {cause}" for cause, count in sorted(divided.counts.items()) if count)
    logger.info("%s; left out: %s", sides, left_out or "none")
    if not any((labels[p.name].scores >= config.labels.threshold).any() for p in divided.train):
        raise ConfigError(
            f"labels.threshold: none of the labels for training is at or above {config.labels.threshold:g}"
        )
    return divided, labels


def _evaluate(
    detector: detect.Detector,
    name: str,
    split: Split,
    labels: Labels,
    config: DetectorConfig,
    device: torch.device,
    console: Console,
) -> Report:
    sides = {
        side: evaluate(
            follow(pictures, f"evaluating ({side})", console),
            labels, detector, config.labels.threshold, device,
        )
        for side, pictures in (("validation", split.validation), ("test", split.test))
    }  # fmt: skip
    return Report(name, sides)
