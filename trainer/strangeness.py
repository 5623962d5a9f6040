"""What a ranking of strange pictures was worth: on a terminal, as a page, and as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from rich import box
from rich.console import Console
from rich.table import Table

from streamer.frame import Image
from trainer import ranking, report
from trainer.bootstrap import CONFIDENCE
from trainer.ranking import OBVIOUS, RANKED, SHARE
from trainer.report import Page, page
from trainer.summary import Estimate

PUBLISHED = 54
"""Of the ``RANKED``, as the reference has it for its own footage."""

COLUMNS: Mapping[str, Sequence[str]] = {"blurred": OBVIOUS[:4], "walls": ("wall",), "covered": ("cover",)}
"""The misdeeds that are told apart."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one score is worth."""

    precision: Estimate
    """Share of misbehaving pictures among the ``RANKED`` highest scores, at ``SHARE``."""
    auroc: Mapping[str, Estimate]
    """Of misbehaving against normal pictures, by column."""

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {
            "precision": self.precision.facts(),
            "auroc": {name: estimate.facts() for name, estimate in self.auroc.items()},
        }


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture as the network sees it and as it draws it."""

    name: str
    error: float
    """Mean squared."""
    gradients: float
    pictures: Image
    """uint8 ``[S, 2 S, 3]``: the two side by side."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The outcome over all scenes."""

    name: str
    """Of the model."""
    unseen: bool
    """Whether training saw none of these clips."""
    scenes: Mapping[str, int]
    """Normal pictures by scene."""
    misbehaving: int
    """How many misbehaving ones there are."""
    rows: Mapping[str, Row]
    """By score, chance first."""
    figures: Sequence[Figure]

    def facts(self, *, pictures: bool = True) -> dict[str, Any]:
        """Return it as plain data, for JSON.

        Args:
            pictures: with the scenes' names; otherwise what fits a model file's header.
        """
        facts: dict[str, Any] = {
            "version": 1,
            "model": self.name,
            "task": "anomaly",
            "unseen": self.unseen,
            "normal": sum(self.scenes.values()),
            "misbehaving": self.misbehaving,
            "share": SHARE,
            "ranked": RANKED,
            "published": PUBLISHED / RANKED,
            "intervals": {"confidence": CONFIDENCE, "resamplings": ranking.ROUNDS, "over": "scenes"},
            "rows": {name: row.facts() for name, row in self.rows.items()},
        }
        return {**facts, "scenes": dict(self.scenes)} if pictures else facts

    def show(self, console: Console) -> None:
        """Print it as a table."""
        if not console.is_terminal:
            console.width = 140
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        first, *others = _headings()
        made.add_column(first)
        for heading in others:
            made.add_column(heading, justify="right")
        for cells in self._cells():
            made.add_row(*cells)
        console.print(made)
        console.print(self._method(), highlight=False, soft_wrap=True)

    def write(self, folder: Path, curves: bytes | None = None) -> None:
        """Write ``metrics.json`` and ``report.html``.

        Args:
            folder: where they go.
            curves: a PNG with the curves of the training, for the page.

        Raises:
            SinkError: something cannot be written.
        """
        report.write_json(folder / "metrics.json", self.facts())
        report.write(folder / "report.html", self._html(curves))

    def _html(self, curves: bytes | None) -> bytes:
        made = Page(
            f"{self.name}: what it finds strange",
            f"Pictures of {len(self.scenes)} scenes, on which it was {'not ' if self.unseen else ''}trained, "
            "as they are and after misdeeds.",
        )
        if not self.unseen:
            made.warning("Training saw clips that this is measured on: it says nothing about other cameras.")
        rows = list(self._cells())
        made.section("Ranking", page.plain_table(_headings(), rows), page.paragraph(self._method()))
        figures = [
            (_jpeg(figure.pictures), figure.name, f"MSE {figure.error:.4f}, gradients {figure.gradients:.2f}")
            for figure in self.figures
        ]
        made.section("What it draws", page.gallery(figures, ["picture", "drawn again"]))
        if curves is not None:
            made.section("Training", page.picture(curves, "png", "loss and PSNR by epoch"))
        return made.encoded()

    def _cells(self) -> Iterator[list[str]]:
        for name, row in self.rows.items():
            yield [
                name,
                _shown(row.precision, 100.0, ".1f"),
                *(_shown(estimate, 1.0, ".3f") for estimate in row.auroc.values()),
            ]

    def _method(self) -> str:
        return (
            f"Misbehaving among the {RANKED} highest scores, where {SHARE:.1%} of all are; for the reference "
            f"{PUBLISHED} are published, on footage of its own. AUROC of the misbehaving against the normal. "
            f"In brackets {CONFIDENCE:.0%}, by a bootstrap over {len(self.scenes)} scenes with "
            f"{sum(self.scenes.values())} normal and {self.misbehaving} misbehaving pictures."
        )


def _headings() -> list[str]:
    return ["score", f"of {RANKED}", *(f"AUROC {name}" for name in COLUMNS)]


def _shown(estimate: Estimate, factor: float, form: str) -> str:
    text = format(factor * estimate.mean, form)
    if estimate.bounds is None:
        return text
    low, high = (format(factor * bound, form) for bound in estimate.bounds)
    return f"{text} ({low} to {high})"


def _jpeg(image: Image) -> bytes:
    encoded = cv2.imencode(".jpg", image)[1]
    return bytes(encoded)
