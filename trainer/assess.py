"""Everything that is measured of a restorer on the test pictures, beside doing nothing and the reference."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from streamer import modelfile
from streamer.errors import ConfigError
from trainer.bootstrap import CONFIDENCE, RESAMPLINGS
from trainer.config import HIDING, TrainConfig
from trainer.cost import Cost, Machine, costs, machine
from trainer.data import Picture, Split
from trainer.degrade import BoxesByName
from trainer.evaluate import Pairing, Row, Scored, System, at_size, paired_by, score, score_whole
from trainer.pairs import follow
from trainer.plates import Plated, halves, in_order
from trainer.report import Sample, sample
from trainer.summary import Table
from trainer.tasks import degradation

logger = logging.getLogger(__name__)

REFERENCE = "reference"
"""The row of the reference recipe, after the identity's."""

REFERENCES = {"deblur": "reference", "denoise": "denoise-reference"}
"""The run that trains the reference recipe, by task."""

SAMPLES = 6
"""Pictures that are shown whatever their gain, evenly spread."""

EXTREMES = 8
"""Pictures that are shown for the least gain, and for the most."""

SIGMAS = (15.0, 25.0, 50.0, 51.0)
"""Strengths of noise that a blind denoiser is measured at: the literature's, and the reference's."""

DEGRADED = {"deblur": "blurred", "denoise": "noisy", "colourise": "grey"}
"""What a task calls its input; others say degraded."""

FULL_SIZE = "At full size, as streamer restores"

PLATED = "With the camera's plate: the second half of each clip, after the first was seen in colour"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found."""

    name: str
    """Of the model."""
    task: str
    tables: Sequence[Table]
    """The first one is what the model is chosen by."""
    test: Mapping[str, Any]
    """Which pictures, and how they were degraded: what two evaluations must share to be compared."""
    unseen: bool
    """Whether training saw none of these clips."""
    reference: str
    """Where the reference recipe's row is from, or why there is none."""
    samples: Sequence[Sample]
    worst: Sequence[Sample]
    """Of the least gain, the least first."""
    best: Sequence[Sample]
    """Of the most gain, the most first."""
    costs: Sequence[Cost]
    machine: Machine

    def facts(self, *, pictures: bool = True) -> dict[str, Any]:
        """Return it as plain data, for JSON.

        Args:
            pictures: with all clips and pictures, and with costs; otherwise what fits a model file's header.
        """
        facts: dict[str, Any] = {
            "version": 1,
            "model": self.name,
            "task": self.task,
            "unseen": self.unseen,
            "reference": self.reference,
            "test": dict(self.test),
            "intervals": {"confidence": CONFIDENCE, "resamplings": RESAMPLINGS, "over": "clips"},
            "tables": [table.facts(pictures=pictures) for table in self.tables],
        }
        if pictures:
            costs = [cost.facts() for cost in self.costs]
            facts["cost"] = {"machine": self.machine.facts(), "ms_per_frame": costs}
        return facts


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


def assess(
    model: System,
    reference: tuple[System | None, str],
    split: Split,
    boxes: BoxesByName,
    config: TrainConfig,
    device: torch.device,
    console: Console,
) -> Evaluation:
    """Measure a model on the test pictures.

    Args:
        model: what it is about.
        reference: as ``find_reference`` returns it.
        split: of which the test side is measured.
        boxes: what to hide in pictures, for tasks that hide.
        config: how they are degraded.
        device: where networks run.
        console: where progress goes.

    Raises:
        ConfigError: nothing is hidden in any of the pictures, or nothing changes them.
    """
    systems = [system for system in (reference[0], model) if system is not None]
    shown = _Shown(model, DEGRADED.get(config.task, "degraded"))
    digest = hashlib.sha256()
    if config.task in HIDING:
        used = [picture for picture in split.test if len(boxes.get(picture.name, ()))]
        size = model.header.size if model.mode == "frame" else None
        square = [each for each in systems if each.mode == "frame" and each.header.size == size]
        rows: list[Row] = []
        small: list[Row] = []
        for frame in score(follow(used, "evaluating", console), boxes, config.blur, systems):
            rows.append(frame.row)
            digest.update(frame.regions.tobytes())
            shown.look(frame, len(used))
            if size is not None and (scored := at_size(frame, square, size)) is not None:
                small.append(scored.row)
        tables = [Table(FULL_SIZE, rows)]
        if small:
            tables.append(Table(f"At {size}x{size}, as it was trained", small))
    else:
        tables = []
        conditions = list(_conditions(config, in_order(split.test), model))
        for condition in conditions:
            used = condition.pictures
            doing = f"evaluating {condition.case}".strip()
            colour = config.task == "colourise"
            scored_frames = score_whole(
                follow(used, doing, console),
                condition.pairing,
                systems,
                rounded=condition.rounded,
                colour=colour,
            )
            rows = []
            for frame in scored_frames:
                rows.append(frame.row)
                if condition is conditions[-1]:
                    shown.look(frame, len(used))
            tables.append(Table(condition.title, rows, condition.case))
    if not all(table.rows for table in tables):
        raise ConfigError(_nothing(split, config))
    seen = set(model.header.training.get("clips", {}).get("train", ()))
    overlap = sorted(seen & {row.picture.clip for row in tables[0].rows})
    if overlap:
        logger.warning("training saw %s: the numbers do not say what it does elsewhere", ", ".join(overlap))
    worst, best = shown.extremes()
    return Evaluation(
        name=model.name,
        task=config.task,
        tables=tables,
        test=_test(tables[0], config, digest.hexdigest()[:16]),
        unseen=not overlap,
        reference=reference[1],
        samples=shown.spread,
        worst=worst,
        best=best,
        costs=costs(model, device),
        machine=machine(model, device),
    )


@dataclass(frozen=True, slots=True)
class _Condition:
    """How whole pictures are degraded and measured."""

    title: str
    case: str
    pictures: Sequence[Picture]
    pairing: Pairing
    rounded: bool = True


def _conditions(config: TrainConfig, pictures: Sequence[Picture], model: System) -> Iterator[_Condition]:
    """Yield them all; pictures are shown of the last."""
    bare = model.network.grey
    if config.task == "denoise":
        sigma = config.noise.sigma
        for title, rounded in (
            ("Unclipped: floats in, floats out, as the literature has it", False),
            ("8 bits in, 8 bits out, as streamer restores", True),
        ):
            for strength in SIGMAS if isinstance(sigma, list) else (sigma,):
                noise = config.noise.model_copy(update={"sigma": strength})
                degrade = degradation(config.model_copy(update={"noise": noise}))
                pairing = paired_by(degrade, without_colour=bare)
                yield _Condition(title, f"sigma {strength:g}", pictures, pairing, rounded)
        return
    yield _Condition(FULL_SIZE, "", pictures, paired_by(degradation(config), without_colour=bare))
    if config.task == "colourise" and model.network.inputs > 3:
        first, second = halves(pictures)
        if second:
            yield _Condition(PLATED, "", second, Plated(first))


class _Shown:
    """Chooses what to show while pictures pass by."""

    def __init__(self, model: System, degraded: str) -> None:
        self._model = model
        self._degraded = degraded
        self._index = 0
        self._worst: list[Sample] = []
        self._best: list[Sample] = []
        self.spread: list[Sample] = []

    def look(self, scored: Scored, of: int) -> None:
        """Look at the next of so many pictures."""
        found = sample(scored, self._model.name, self._degraded, whole=self._model.mode == "frame")
        if self._index in {round(i * (of - 1) / max(1, SAMPLES - 1)) for i in range(SAMPLES)}:
            self.spread.append(found)
        self._index += 1
        self._worst = sorted([*self._worst, found], key=lambda each: each.gain)[:EXTREMES]
        self._best = sorted([*self._best, found], key=lambda each: -each.gain)[:EXTREMES]

    def extremes(self) -> tuple[list[Sample], list[Sample]]:
        """Return the worst and the best; of few pictures none as both."""
        count = min(EXTREMES, max(1, self._index // 2))
        return self._worst[:count], self._best[:count]


def _test(table: Table, config: TrainConfig, regions: str) -> dict[str, Any]:
    """Return what two evaluations must share to be compared."""
    pictures = hashlib.sha256("".join(sorted(row.picture.digest for row in table.rows)).encode())
    degraded: dict[str, Any] = {"task": config.task}
    if config.task in HIDING:
        degraded = {"blur": config.blur.model_dump(mode="json"), "regions": regions}
    elif config.task == "denoise":
        degraded["noise"] = config.noise.model_dump(mode="json", exclude={"sigma"})
    elif config.task == "colourise":
        degraded["colour"] = config.colour.model_dump(mode="json")
    return {
        "count": len(table.rows),
        "clips": list(table.clips) if not table.stills else len(table.clips),
        "pictures": pictures.hexdigest()[:16],
        "degraded": degraded,
    }


def _nothing(split: Split, config: TrainConfig) -> str:
    if config.task in HIDING:
        return (
            f"detect: no {', '.join(config.detect.classes)} at or above {config.detect.threshold:g} in the "
            f"{len(split.test)} frames for test; lower detect.threshold or change the split"
        )
    return (
        f"data: {config.task} changes none of the {len(split.test)} pictures for test, so nothing is restored"
    )
