"""What an autoencoder's ranking of strange pictures is worth, beside chance and what streamer makes of them.

The pictures are those of ``trainer.tamper``: what comes after the first half of each scene, as it is, and
every second of it after each of the misdeeds that the reference has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from streamer.errors import ConfigError
from streamer.frame import Image
from streamer.modelfile import Header
from streamer.nets import Network
from streamer.watch.tamper import Tamper
from trainer import ranking, report, scenes, tamper
from trainer.assess import readable, seen_before
from trainer.config import TrainConfig
from trainer.data import Picture, Split
from trainer.images import read_image
from trainer.ranking import OBVIOUS, RANKED, SHARE
from trainer.report import Page, page
from trainer.residual import draw, residual
from trainer.summary import Estimate

PUBLISHED = 54
"""Of the ``RANKED``, as the reference has it for its own footage."""

COLUMNS: Mapping[str, Sequence[str]] = {"blurred": OBVIOUS[:4], "walls": ("wall",), "covered": ("cover",)}
"""The misdeeds that are told apart."""

ERROR = "reconstruction MSE (reference)"
NEGATIVE = "its negative"
GRADIENTS = "gradients drawn again"
SMOOTH = "smoothness (log-Laplacian)"
PRODUCT = "streamer's tamper score"
SCORES = (ERROR, NEGATIVE, GRADIENTS, SMOOTH, PRODUCT)
"""What ranks pictures, in the order in which it is shown."""

Scored: TypeAlias = Mapping[str, list[dict[str, float]]]
"""Each picture's scores by name; by misdeed, under ``NORMAL`` of what is as it was."""

NORMAL = "normal"


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
            "intervals": {"confidence": 0.95, "resamplings": ranking.ROUNDS, "over": "scenes"},
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
            f"In brackets 95%, by a bootstrap over {len(self.scenes)} scenes with "
            f"{sum(self.scenes.values())} normal and {self.misbehaving} misbehaving pictures."
        )


def assess(
    name: str,
    network: Network,
    header: Header,
    split: Split,
    config: TrainConfig,
    device: torch.device,
    console: Console,
) -> Ranking:
    """Measure a model on the test clips, which have a scene, as ``require_scene`` says.

    Args:
        name: of the model.
        network: as ``modelfile.load`` returns it.
        header: of its file.
        split: of which the test side is measured.
        config: whose seed is that of the misdeeds and of the rankings.
        device: where the network runs.
        console: where progress is drawn.
    """
    network = network.to(device)
    size, seed = header.size or config.pairs.size, config.seed

    def judged(image: Image) -> dict[str, float]:
        found = residual(*draw(network, image, size, device))
        return {
            ERROR: found.error,
            NEGATIVE: -found.error,
            GRADIENTS: found.gradients,
            SMOOTH: -sharpness(image),
        }

    found: dict[str, Scored] = {}
    figures: list[Figure] = []
    every = track(_scenes(split), "scenes", console=console, transient=True, disable=not console.is_terminal)
    for number, (scene, pictures) in enumerate(every):
        half = len(pictures) // 2
        watcher, rest = tamper.learned(pictures[:half]), pictures[half:]
        shown: dict[str, Sequence[Image]] = {NORMAL: rest}
        shown |= {misdeed: list(tamper.after(misdeed, rest, seed + number)) for misdeed in OBVIOUS}
        found[scene] = {kind: _scored(images, judged, watcher) for kind, images in shown.items()}
        if number == 0:
            figures = [
                _figure(f"{scene}, {kind}", *draw(network, images[0], size, device))
                for kind, images in shown.items()
            ]
    measured = list(found.values())
    return Ranking(
        name=name,
        unseen=not seen_before(header, (picture.clip for picture in split.test)),
        scenes={scene: len(scored[NORMAL]) for scene, scored in found.items()},
        misbehaving=sum(len(scored[misdeed]) for scored in measured for misdeed in OBVIOUS),
        rows={"chance": _chance()} | {score: _row(score, measured, seed) for score in SCORES},
        figures=figures,
    )


def sharpness(image: Image) -> float:
    """Return the logarithm of the variance of the Laplacian; uint8 ``[H, W, 3]``, RGB."""
    laplacian = cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F)
    return float(np.log(laplacian.var() + 1.0))


def require_scene(split: Split) -> None:
    """Refuse test clips that nothing can be measured on.

    Raises:
        ConfigError: there is no scene in them.
    """
    if next(_scenes(split), None) is None:
        raise ConfigError(
            f"data.test: none of its clips has {scenes.LEAST} pictures of one scene, which it takes to rank "
            "them; name others"
        )


def _scenes(split: Split) -> Iterator[tuple[str, list[Image]]]:
    def clip_of(picture: Picture) -> str:
        return picture.clip

    clips = groupby(sorted(readable(split.test), key=clip_of), clip_of)
    return scenes.of_clips((clip, _read(list(pictures))) for clip, pictures in clips)


def _read(pictures: Sequence[Picture]) -> Iterator[Image]:
    return (read_image(picture.path).numpy() for picture in pictures)


def _scored(
    images: Sequence[Image], judged: Callable[[Image], dict[str, float]], watcher: Tamper
) -> list[dict[str, float]]:
    verdicts = tamper.verdicts(watcher, images)
    return [judged(image) | {PRODUCT: verdict.score} for image, verdict in zip(images, verdicts, strict=True)]


def _row(score: str, measured: Sequence[Scored], seed: int) -> Row:
    def scored(misdeeds: Sequence[str]) -> list[ranking.Scene]:
        return [(_column(scene, score, misdeeds), _column(scene, score, (NORMAL,))) for scene in measured]

    def precision(chosen: Sequence[ranking.Scene]) -> float:
        return ranking.precision(chosen, np.random.default_rng(seed))

    return Row(
        _estimate(scored(OBVIOUS), precision),
        {name: _estimate(scored(misdeeds), ranking.pooled) for name, misdeeds in COLUMNS.items()},
    )


def _column(scene: Scored, score: str, kinds: Sequence[str]) -> NDArray[np.float64]:
    return np.array([scores[score] for kind in kinds for scores in scene[kind]])


def _estimate(
    chosen: Sequence[ranking.Scene], measure: Callable[[Sequence[ranking.Scene]], float]
) -> Estimate:
    return Estimate(measure(chosen), ranking.interval(chosen, measure))


def _chance() -> Row:
    """What is expected of scores that say nothing."""
    return Row(Estimate(SHARE, None), {name: Estimate(0.5, None) for name in COLUMNS})


def _headings() -> list[str]:
    return ["score", f"of {RANKED}", *(f"AUROC {name}" for name in COLUMNS)]


def _shown(estimate: Estimate, factor: float, form: str) -> str:
    text = format(factor * estimate.mean, form)
    if estimate.bounds is None:
        return text
    low, high = (format(factor * bound, form) for bound in estimate.bounds)
    return f"{text} ({low} to {high})"


def _figure(name: str, picture: torch.Tensor, drawn: torch.Tensor) -> Figure:
    found = residual(picture, drawn)
    both = torch.cat([picture, drawn], dim=3)[0, 0]
    levels = (both * 255).round().to(torch.uint8).numpy()
    return Figure(name, found.error, found.gradients, np.repeat(levels[..., None], 3, axis=2))


def _jpeg(image: Image) -> bytes:
    encoded = cv2.imencode(".jpg", image)[1]
    return bytes(encoded)
