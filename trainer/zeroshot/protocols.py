"""Zero-shot alerts measured twice, side by side: as the reference does it, and as an alert is decided.

The reference ranks all single sentences for an image: top-1 is whether the best one is of the image's class,
top-5 whether any of the best five is. An alert pools the sentences of each class and the frames of a window,
and is decided by a threshold that was calibrated on other scenes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from streamer.watch.zeroshot import Scorer
from trainer.report import Page, page
from trainer.summary import Estimate
from trainer.zeroshot import calibration, ranking
from trainer.zeroshot.calibration import Windows
from trainer.zeroshot.embedded import Embedded
from trainer.zeroshot.judged import CHANCE, SPREAD, Judged, judge

BEST = (1, 5)
"""How many of the best sentences count."""

IMAGES = 350
"""Images of each class that the reference draws."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """What the reference's protocol says."""

    classes: Sequence[str]
    images: int
    """Of each class."""
    sentences: Sequence[str]
    owners: Sequence[str]
    """The class of each sentence."""
    wins: Sequence[Mapping[str, int]]
    """For how many images of each class each sentence is the best."""
    top: Mapping[int, Estimate]
    """By how many of the best sentences count."""
    floor: Mapping[int, float]
    """What a ranking by chance comes to, likewise."""


@dataclass(frozen=True, slots=True)
class Row:
    """A measure as it is shown."""

    protocol: str
    measure: str
    estimate: Estimate
    floor: float
    """What chance comes to."""


@dataclass(frozen=True, slots=True)
class Report:
    """Both protocols' outcome."""

    ranked: Ranked
    judged: Mapping[str, Judged]
    """By class."""
    normal: str
    """What normal footage is called."""
    scorer: Mapping[str, str]
    """Fingerprint of what scored them."""
    footage: Mapping[str, Any]
    """What they were, as JSON can hold it."""

    def rows(self) -> list[Row]:
        """Return all measures, the reference's first."""
        counts = " + ".join([str(self.ranked.images)] * len(self.ranked.classes))
        reference = f"reference: best of {len(self.ranked.sentences)} sentences, {counts} images"
        rows = [
            Row(reference, f"top-{best}", estimate, self.ranked.floor[best])
            for best, estimate in self.ranked.top.items()
        ]
        for name, found in self.judged.items():
            here = f"classes pooled, {found.clips} + {found.normal} clips, {found.windows} windows"
            rows.append(Row(here, f"{name}: AUROC", found.auroc, CHANCE))
            rows.append(Row(here, f"{name}: balanced accuracy", found.accuracy, CHANCE))
        return rows

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        ranked = self.ranked
        return {
            "reference": {
                "images_per_class": ranked.images,
                "classes": list(ranked.classes),
                **{
                    f"top_{best}": {**estimate.facts(), "floor": ranked.floor[best]}
                    for best, estimate in ranked.top.items()
                },
                "sentences": [
                    {"sentence": text, "class": owner, "best_for": dict(wins)}
                    for text, owner, wins in zip(ranked.sentences, ranked.owners, ranked.wins, strict=True)
                ],
            },
            "pooled": {name: found.facts() | {"floor": CHANCE} for name, found in self.judged.items()},
            "scorer": dict(self.scorer),
            "footage": dict(self.footage),
        }

    def show(self, console: Console) -> None:
        """Print it as a table."""
        if not console.is_terminal:
            console.width = 120
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for heading in ("protocol", "measure"):
            made.add_column(heading)
        for heading in ("value (95%)", "by chance"):
            made.add_column(heading, justify="right")
        for row in self.rows():
            made.add_row(row.protocol, row.measure, row.estimate.text(), f"{row.floor:.3f}")
        console.print(made)
        for line in [*self._notes(), *self._warnings()]:
            console.print(line, highlight=False, soft_wrap=True)

    def html(self) -> bytes:
        """Return a page with it."""
        made = Page("Zero-shot alerts", ", ".join(f"{key} {value}" for key, value in self.scorer.items()))
        for warning in self._warnings():
            made.warning(warning)
        made.cards(
            [(row.measure, f"{row.estimate.mean:.3f}", f"by chance {row.floor:.3f}") for row in self.rows()]
        )
        rows = [
            [row.protocol, row.measure, f"{row.estimate.mean:.3f}", _bounds(row.estimate), f"{row.floor:.3f}"]
            for row in self.rows()
        ]
        made.section(
            "Side by side",
            page.plain_table(["protocol", "measure", "value", "95%", "by chance"], rows),
            *(page.paragraph(note) for note in self._notes()),
        )
        classes = self.ranked.classes
        wins = [
            [text, owner, *(str(wins[name]) for name in classes)]
            for text, owner, wins in zip(
                self.ranked.sentences, self.ranked.owners, self.ranked.wins, strict=True
            )
        ]
        made.section(
            "For how many images each sentence is the best",
            page.plain_table(["sentence", "its class", *(f"{name} images" for name in classes)], wins),
        )
        for name, found in self.judged.items():
            sides = (name, self.normal)
            shares = [
                [clip, *(f"{of[side]:.0%}" if side in of else "" for side in sides)]
                for clip, of in found.raised.items()
            ]
            made.section(
                f"{name}: share of windows that would raise an alert",
                page.plain_table(["clip", *(f"where it shows {side}" for side in sides)], shares),
            )
        return made.encoded()

    def _notes(self) -> list[str]:
        return [
            "top-k: any of the k best sentences is of the image's class; chance is a random ranking's",
            *(found.note() for found in self.judged.values()),
            SPREAD,
        ]

    def _warnings(self) -> list[str]:
        return [found.warning() for found in self.judged.values() if found.by_chance]


def evaluate(
    embedded: Embedded,
    scorer: Scorer,
    windows: Mapping[str, Windows],
    normal: str,
    footage: Mapping[str, Any],
    *,
    seed: int = 0,
) -> Report:
    """Measure by both protocols.

    Args:
        embedded: the frames.
        scorer: that embedded them.
        windows: by class.
        normal: what normal footage is called.
        footage: what they are, to be kept with the numbers.
        seed: of which images are drawn for the reference.

    Raises:
        ConfigError: a class has too few clips.
    """
    judged = {name: judge(name, normal, found, embedded.parts) for name, found in windows.items()}
    similarities = scorer.similarities(embedded.embeddings)
    ranked = rank(similarities, scorer.sentences, scorer.owners, embedded.labels, embedded.scenes, seed=seed)
    return Report(ranked, judged, normal, scorer.fingerprint, footage)


def rank(
    similarities: NDArray[np.float32],
    sentences: Sequence[str],
    owners: Sequence[str],
    labels: Sequence[str],
    scenes: Sequence[str],
    *,
    seed: int = 0,
) -> Ranked:
    """Measure as the reference does, on as many images of each class: ``IMAGES``, or as there are.

    Args:
        similarities: ``[F, S]``, of each image with each sentence.
        sentences: ``[S]``.
        owners: ``[S]``, the class of each.
        labels: ``[F]``, the class of each image.
        scenes: ``[F]``, what each image shows.
        seed: of which are drawn.
    """
    classes = [name for name in dict.fromkeys(owners) if name in set(labels)]
    every = np.array([classes.index(label) for label in labels], np.intp)
    each = min(IMAGES, *np.bincount(every))
    random = np.random.default_rng(seed)
    drawn = np.concatenate(
        [
            np.sort(random.choice(np.flatnonzero(every == side), each, replace=False))
            for side in range(len(classes))
        ]
    )
    chosen, sides = similarities[drawn], every[drawn]
    named = [classes[side] for side in sides]
    again = calibration.draw([scenes[frame] for frame in drawn], seed)
    top = {}
    for best in BEST:
        right = ranking.hits(chosen, owners, named, best)
        spread = calibration.bounds(calibration.mean_of_sides(right, sides, again))
        top[best] = Estimate(float(right.mean()), spread)
    first = chosen.argmax(axis=1)
    wins = [
        {name: int((sides[first == place] == side).sum()) for side, name in enumerate(classes)}
        for place in range(len(sentences))
    ]
    floor = {best: ranking.floor(owners, classes, best) for best in BEST}
    return Ranked(classes, int(each), sentences, owners, wins, top, floor)


def _bounds(estimate: Estimate) -> str:
    return "" if estimate.bounds is None else " to ".join(f"{bound:.3f}" for bound in estimate.bounds)
