"""Everything that is measured of a restorer on the test pictures, beside doing nothing and the reference."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from rich.console import Console

from streamer.errors import ConfigError, SourceError
from streamer.modelfile import Header
from trainer.conditions import FULL_SIZE, conditions
from trainer.config import HIDING, TrainConfig
from trainer.cost import costs, machine
from trainer.data import Picture, Split
from trainer.degrade import BoxesByName
from trainer.evaluate import Row, Scored, at_size, score, score_whole
from trainer.evaluation import Evaluation
from trainer.pairs import follow
from trainer.report import Sample, sample
from trainer.store import decode
from trainer.summary import Table
from trainer.system import System

logger = logging.getLogger(__name__)

SAMPLES = 6
"""Pictures that are shown whatever their gain, evenly spread."""

EXTREMES = 8
"""Pictures that are shown for the least gain, and for the most."""

DEGRADED = {"deblur": "blurred", "denoise": "noisy", "colourise": "grey"}
"""What a task calls its input; others say degraded."""


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
    if config.task in HIDING:
        tables, regions = _hidden(model, systems, split, boxes, config, shown, console)
    else:
        tables, regions = _whole(model, systems, split, config, shown, device, console), ""
    if not all(table.rows for table in tables):
        raise ConfigError(_nothing(split, config))
    overlap = seen_before(model.header, (row.picture.clip for row in tables[0].rows))
    worst, best = shown.extremes()
    return Evaluation(
        name=model.name,
        task=config.task,
        tables=tables,
        test=_test(tables[0], config, regions),
        unseen=not overlap,
        reference=reference[1],
        samples=shown.spread,
        worst=worst,
        best=best,
        costs=costs(model, device),
        machine=machine(model, device),
    )


def _hidden(
    model: System,
    systems: Sequence[System],
    split: Split,
    boxes: BoxesByName,
    config: TrainConfig,
    shown: _Shown,
    console: Console,
) -> tuple[list[Table], str]:
    """Return the tables of what is hidden, and a digest of all regions."""
    used = [picture for picture in split.test if len(boxes.get(picture.name, ()))]
    size = model.header.size if model.mode == "frame" else None
    square = [each for each in systems if each.mode == "frame" and each.header.size == size]
    digest = hashlib.sha256()
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
    return tables, digest.hexdigest()[:16]


def _whole(
    model: System,
    systems: Sequence[System],
    split: Split,
    config: TrainConfig,
    shown: _Shown,
    device: torch.device,
    console: Console,
) -> list[Table]:
    """Return a table for every condition under which whole pictures are restored."""
    tables = []
    every = list(conditions(config, readable(split.test), model, device))
    for condition in every:
        doing = f"evaluating {condition.case}".strip()
        scored = score_whole(
            follow(condition.pictures, doing, console),
            condition.pairing,
            [*condition.beside, *systems],
            rounded=condition.rounded,
            colour=config.task == "colourise",
        )
        rows: list[Row] = []
        for frame in scored:
            rows.append(frame.row)
            if condition is every[-1]:
                shown.look(frame, len(condition.pictures))
        tables.append(Table(condition.title, rows, condition.case))
    return tables


def readable(pictures: Iterable[Picture]) -> list[Picture]:
    """Leave out what is no image, damaged or truncated, and say so."""
    found = []
    for picture in pictures:
        try:
            decode(picture)
        except SourceError as error:
            logger.warning("left out: %s", error)
            continue
        found.append(picture)
    return found


def seen_before(header: Header, clips: Iterable[str]) -> list[str]:
    """Return which clips a model was trained on, and say so where there are any."""
    overlap = sorted(set(header.training.get("clips", {}).get("train", ())) & set(clips))
    if overlap:
        logger.warning("training saw %s: the numbers do not say what it does elsewhere", ", ".join(overlap))
    return overlap


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
