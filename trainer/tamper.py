"""What camera tamper detection is worth: on normal footage, to which misdeeds are done.

The first half of each scene is learned from. The looks at the second half are what is normal; each misdeed is
done to the same looks. No detector runs, so that traffic is not left out of the comparison as it is in a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from streamer.config import TamperConfig
from streamer.errors import ConfigError
from streamer.frame import Detections, Image
from streamer.watch.look import look
from streamer.watch.tamper import Tamper
from streamer.watch.verdict import Verdict, judge
from trainer import ranking, scenes
from trainer.misdeeds import MISDEEDS, freeze, gradually, sensed
from trainer.ranking import OBVIOUS, RANKED, SHARE

SECONDS = 8.0
"""From a misdeed's beginning on, within which an event is to be raised."""

OVER = {"at once": 1, "slowly": 15}
"""Looks that a misdeed takes to be done: none in between, and 3 seconds."""

NOTHING = Detections.none()


@dataclass(slots=True)
class Scene:
    """What was measured on one scene."""

    normal: list[float] = field(default_factory=list)
    """Scores of the looks."""
    scores: dict[str, list[float]] = field(default_factory=dict)
    """Of the same looks after each misdeed."""
    right: dict[str, list[bool]] = field(default_factory=dict)
    """Of those that score 0.5 or more: whether the kind is right."""
    alarms: dict[str, dict[str, tuple[float, bool] | None]] = field(default_factory=dict)
    """By misdeed and how quickly it was done: after how many seconds, and whether its kind is right."""

    def against(self, misdeeds: Sequence[str]) -> ranking.Scene:
        """Return the scores after some misdeeds, and those of what is normal."""
        return np.array([score for name in misdeeds for score in self.scores[name]]), np.array(self.normal)


@dataclass(frozen=True, slots=True)
class Raised:
    """Whether events were raised, over all scenes."""

    share: float
    """Of the scenes in which one was."""
    named: float
    """Share of those whose kind is right."""
    seconds: float | None
    """Median from the misdeed's beginning on; None where there is none."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one misdeed counts for."""

    looks: int
    auroc: float | None
    """Of misdeed against normal, all looks together; None for what a single look does not show."""
    interval: tuple[float, float] | None
    """95%, by a bootstrap over scenes."""
    named: float | None
    """Share of the looks that score 0.5 or more whose kind is right; None where there is none."""
    raised: Mapping[str, Raised]
    """By how quickly it was done."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome over all scenes."""

    scenes: Mapping[str, int]
    """Normal looks by scene."""
    rows: Mapping[str, Row]
    """By misdeed."""
    precision: float
    """Share of misbehaving looks among the ``RANKED`` highest scores, at ``SHARE``; mean over ``DRAWS``."""
    alarmed: float
    """Share of the normal looks that score 0.5 or more."""

    def facts(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    def show(self, console: Console) -> None:
        """Print it as a table."""
        if not console.is_terminal:
            console.width = 140
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        made.add_column("misdeed")
        for column in ("looks", "AUROC", "95%", "right", *(f"{how}: raised, right, s" for how in OVER)):
            made.add_column(column, justify="right")
        for name, row in self.rows.items():
            cells = ["", "", "", ""]
            if row.auroc is not None and row.interval is not None:
                low, high = row.interval
                named = "" if row.named is None else f"{row.named:.0%}"
                cells = [str(row.looks), f"{row.auroc:.3f}", f"{low:.3f} to {high:.3f}", named]
            for raised in row.raised.values():
                after = "" if raised.seconds is None else f", {raised.seconds:.1f}"
                cells.append(f"{raised.share:.0%}, {raised.named:.0%}{after}")
            made.add_row(name, *cells)
        console.print(made)
        console.print(f"precision@{RANKED} at {SHARE:.1%}: {self.precision:.3f}")
        looks = sum(self.scenes.values())
        console.print(
            f"normal looks at 0.5 or more: {self.alarmed:.1%} of {looks}, in {len(self.scenes)} scenes"
        )


def evaluate(footage: Sequence[Path], chosen: Sequence[str], console: Console, *, seed: int = 0) -> Report:
    """Measure tamper detection on normal footage.

    Args:
        footage: clips, and folders with images.
        chosen: names of the clips to take; all where empty.
        console: where progress is drawn.
        seed: of the misdeeds and of the rankings.

    Raises:
        ConfigError: there is nothing to measure.
        SourceError: a clip or an image cannot be read.
    """
    measured: dict[str, Scene] = {}
    for number, (name, pictures) in enumerate(track(scenes.read(footage, chosen), "scenes", console=console)):
        measured[name] = measure(pictures, seed=seed + number)
    if not measured:
        raise ConfigError(
            f"there is no scene of {scenes.LEAST} looks: name normal footage, and clips that are in it"
        )
    names = [*MISDEEDS, "freeze"]
    normal = [score for scene in measured.values() for score in scene.normal]
    return Report(
        {name: len(scene.normal) for name, scene in measured.items()},
        {name: _row(name, list(measured.values())) for name in names},
        ranking.precision(
            [scene.against(OBVIOUS) for scene in measured.values()], np.random.default_rng(seed)
        ),
        fmean(score >= 0.5 for score in normal),
    )


def measure(pictures: Sequence[Image], *, seed: int) -> Scene:
    """Measure one scene.

    Args:
        pictures: uint8 ``[H, W, 3]`` each, RGB, ``scenes.EVERY`` seconds apart.
        seed: of the misdeeds.
    """
    half = len(pictures) // 2
    watcher, rest = learned(pictures[:half]), pictures[half:]
    scene = Scene(normal=[verdict.score for verdict in verdicts(watcher, rest)])
    count = round(SECONDS / scenes.EVERY)
    for name, misdeed in MISDEEDS.items():
        looks = list(verdicts(watcher, after(name, rest, seed)))
        scene.scores[name] = [verdict.score for verdict in looks]
        scene.right[name] = [verdict.kind in misdeed.kinds for verdict in looks if verdict.score >= 0.5]
        scene.alarms[name] = {
            how: _alarm(
                watcher, half, gradually(_to_and_fro(rest, count), misdeed.deed, seed, over), misdeed.kinds
            )
            for how, over in OVER.items()
        }
    lively, start = _longer(watcher, rest, half)
    stuck = freeze(list(_to_and_fro(rest, count)))
    scene.alarms["freeze"] = {"at once": _alarm(lively, start, stuck, ("frozen",))}
    return scene


def learned(pictures: Sequence[Image]) -> Tamper:
    """Return a watcher that has seen normal pictures."""
    watcher = Tamper(TamperConfig(every=scenes.EVERY))
    for number, picture in enumerate(pictures):
        watcher.see(picture, NOTHING, number * scenes.EVERY)
    return watcher


def verdicts(watcher: Tamper, pictures: Iterable[Image]) -> Iterator[Verdict]:
    """Yield what a watcher says of pictures, each alone, without learning from them."""
    for picture in pictures:
        yield judge(look(picture, NOTHING.boxes, 0.0), watcher.reference)


def after(name: str, pictures: Sequence[Image], seed: int) -> Iterator[Image]:
    """Yield every second picture after a misdeed, done to each in another way.

    Args:
        name: of the misdeed.
        pictures: normal ones.
        seed: of what is done.
    """
    place = list(MISDEEDS).index(name)
    for index, picture in enumerate(pictures[::2]):
        yield MISDEEDS[name].deed(picture, 1.0, np.random.default_rng([seed, place, index]))


def _alarm(
    watcher: Tamper, start: int, pictures: Iterator[Image], kinds: Sequence[str]
) -> tuple[float, bool] | None:
    """Let a watcher see more pictures until it raises an event."""
    watcher = deepcopy(watcher)
    for number, picture in enumerate(pictures):
        alert = watcher.see(picture, NOTHING, (start + number) * scenes.EVERY)
        if alert is not None and alert.change == "start":
            return number * scenes.EVERY, alert.kind in kinds
    return None


def _longer(watcher: Tamper, pictures: Sequence[Image], start: int) -> tuple[Tamper, int]:
    """Let a watcher see what is normal for so long that it can tell what freezes."""
    watcher = deepcopy(watcher)
    count = round(SECONDS / scenes.EVERY)
    for number, picture in enumerate(_to_and_fro(pictures, count)):
        watcher.see(sensed(picture, number), NOTHING, (start + number) * scenes.EVERY)
    return watcher, start + count


def _to_and_fro(pictures: Sequence[Image], count: int) -> Iterator[Image]:
    """Yield so many pictures, forwards and backwards, with a sensor's noise of each time."""
    order = [*range(len(pictures)), *range(len(pictures) - 2, 0, -1)]
    for number in range(count):
        yield sensed(pictures[order[number % len(order)]], number)


def _row(name: str, measured: Sequence[Scene]) -> Row:
    alarms = {how: [scene.alarms[name].get(how) for scene in measured] for how in measured[0].alarms[name]}
    raised = {how: _raised(found) for how, found in alarms.items()}
    if name not in measured[0].scores:
        return Row(0, None, None, None, raised)
    pairs = [scene.against((name,)) for scene in measured]
    right = [kind for scene in measured for kind in scene.right[name]]
    looks = sum(len(bad) for bad, _ in pairs)
    bounds = ranking.interval(pairs, ranking.pooled)
    return Row(looks, ranking.pooled(pairs), bounds, fmean(right) if right else None, raised)


def _raised(found: Sequence[tuple[float, bool] | None]) -> Raised:
    alarms = [each for each in found if each is not None]
    named = fmean(right for _, right in alarms) if alarms else 0.0
    return Raised(len(alarms) / len(found), named, median(after for after, _ in alarms) if alarms else None)
