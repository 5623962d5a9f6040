"""How well looks at accidents rank above others, on clips that training never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from streamer.nets import AccidentHead
from streamer.watch.kinematics import NAMES
from trainer.accident.config import AccidentFitConfig
from trainer.accident.fit import fit
from trainer.accident.samples import Samples, tensors
from trainer.bootstrap import bounds

NEAR = 3
"""Looks by which the times of two may differ, each since its clip began, that are equally late."""

ROUNDS = 2000
"""Of the bootstrap over scenes."""

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranking:
    """AUROC of some scores."""

    auroc: float
    """How likely any look at an accident is above any other look, equals counting half."""
    low: float
    """Of the 95% interval, by a bootstrap over scenes (Efron 1979)."""
    high: float
    within: float | None
    """Mean over clips of each one's own; None where no clip has looks of both kinds."""
    matched: float | None
    """Over pairs of looks that come equally late in their clips: lateness, which tells of most of these
    accidents, then tells nothing."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What scores are worth on looks of clips that training never saw."""

    looks: int
    accidents: int
    """Of the looks, those at accidents."""
    clips: int
    rows: Mapping[str, Ranking]
    """By what the score is, the head last; the others are floors."""
    threshold: float
    found: float
    """Share of the looks at accidents that score as much."""
    raised: float
    """Share of the other looks that do."""

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return asdict(self)

    def show(self, console: Console, title: str) -> None:
        """Print it."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
        table.add_column("score")
        for name in ("AUROC", "95%", "within clips", "equally late"):
            table.add_column(name, justify="right")
        for name, row in self.rows.items():
            rest = ("" if value is None else f"{value:.3f}" for value in (row.within, row.matched))
            table.add_row(name, f"{row.auroc:.3f}", f"{row.low:.2f} to {row.high:.2f}", *rest)
        console.print(table)
        console.print(
            f"{self.looks} looks of {self.clips} clips, {self.accidents} at accidents; at the threshold of "
            f"{self.threshold:.2f}: {self.found:.0%} of these, {self.raised:.0%} of the others"
        )


def cross_validate(samples: Samples, options: AccidentFitConfig) -> Scores:
    """Return what a head that has not seen its scene makes of each look: ``AccidentHead.excess``."""
    scores = np.zeros(len(samples))
    for scene in np.unique(samples.scenes):
        out = samples.scenes == scene
        scores[out] = excess(fit(samples.keep(~out), options), samples.keep(out))
    return scores


@torch.inference_mode()
def excess(head: AccidentHead, samples: Samples) -> Scores:
    """Return what a head makes of looks: ``AccidentHead.excess``."""
    return np.asarray(head.excess(*tensors(samples)).numpy(), np.float64)


def threshold_of(scores: Scores, samples: Samples, false_looks: float) -> float:
    """Return the score that so large a share of the looks without an accident exceeds."""
    return float(np.quantile(scores[~samples.accident], 1.0 - false_looks))


def evaluate(scores: Scores, samples: Samples, threshold: float, seed: int) -> Evaluation:
    """Measure scores.

    Args:
        scores: ``[N]``, of looks that training has not seen.
        samples: the looks; some are at accidents, and some are not.
        threshold: from which on a score raises an alert.
        seed: of the bootstrap.
    """
    swerve = NAMES.index("swerve")
    said = {
        "nothing": np.zeros(len(samples)),
        "how late it is in the clip": samples.since.astype(np.float64),
        "swerve at one look": samples.looks[:, -1, swerve].astype(np.float64),
        "swerve over the window": samples.looks[:, :, swerve].mean(axis=1, dtype=np.float64),
        "the head": scores,
    }
    above = scores >= threshold
    return Evaluation(
        len(samples), int(samples.accident.sum()), len(np.unique(samples.clips)),
        {name: rank(each, samples, seed) for name, each in said.items()},
        threshold, float(above[samples.accident].mean()), float(above[~samples.accident].mean()),
    )  # fmt: skip


def rank(scores: Scores, samples: Samples, seed: int) -> Ranking:
    """Say how well scores, ``[N]``, put looks at accidents above others."""
    bad, good = np.flatnonzero(samples.accident), np.flatnonzero(~samples.accident)
    difference = scores[bad][:, None] - scores[good][None]
    won = (difference > 0) + 0.5 * (difference == 0)
    low, high = _interval(won, samples.scenes[bad], samples.scenes[good], seed)
    within = [
        float(won[np.ix_(samples.clips[bad] == clip, samples.clips[good] == clip)].mean())
        for clip in np.intersect1d(samples.clips[bad], samples.clips[good])
    ]
    late = np.abs(samples.since[bad][:, None] - samples.since[good][None]) <= NEAR
    return Ranking(
        float(won.mean()), low, high,
        float(np.mean(within)) if within else None, float(won[late].mean()) if late.any() else None,
    )  # fmt: skip


def _interval(won: Scores, bad: NDArray[np.str_], good: NDArray[np.str_], seed: int) -> tuple[float, float]:
    """Return the interval that the share of pairs won has when scenes are drawn anew.

    Args:
        won: ``[B, G]``, of each pair.
        bad: ``[B]``, the scenes of looks at accidents.
        good: ``[G]``, the scenes of others.
        seed: of the drawing.
    """
    scenes = np.unique(np.concatenate([bad, good]))
    rows, columns = (each[:, None] == scenes[None] for each in (bad, good))
    wins = rows.T.astype(float) @ won @ columns
    pairs = np.outer(rows.sum(axis=0), columns.sum(axis=0)).astype(float)
    drawn = np.random.default_rng(seed).integers(len(scenes), size=(ROUNDS, len(scenes)))
    times = (drawn[:, :, None] == np.arange(len(scenes))).sum(axis=1).astype(float)
    totals = ((times @ pairs) * times).sum(axis=1)
    shares = ((times @ wins) * times).sum(axis=1)[totals > 0] / totals[totals > 0]
    return bounds(shares)
