"""An evaluation on a terminal, as a page, and as files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from trainer import report
from trainer.report import Page, Sample, page
from trainer.report.grid import MINUS, intervals
from trainer.summary import Table

if TYPE_CHECKING:
    from trainer.evaluation import Evaluation


def show(evaluation: Evaluation, console: Console) -> None:
    """Print the tables and what the model costs."""
    for tables in _groups(evaluation):
        report.show(report.grid(tables), console)
    costs = ", ".join(f"{cost.name} {cost.ms:.1f}" for cost in evaluation.costs)
    on = f"{evaluation.machine.clock} on {_machine(evaluation)}"
    console.print(f"ms per frame: {costs} ({on})", highlight=False)
    console.print(intervals(evaluation.tables[0]), highlight=False)
    console.print(f"Reference: {evaluation.reference}", highlight=False)


def write(evaluation: Evaluation, folder: Path, curves: bytes | None = None) -> None:
    """Write ``metrics.json``, ``samples.png`` and ``report.html``.

    Args:
        evaluation: what was found.
        folder: where they go.
        curves: a PNG with the curves of the training, for the page.

    Raises:
        SinkError: something cannot be written.
    """
    report.write_json(folder / "metrics.json", evaluation.facts())
    report.write(folder / "samples.png", report.sheet(evaluation.samples))
    report.write(folder / "report.html", html(evaluation, curves))


def html(evaluation: Evaluation, curves: bytes | None = None) -> bytes:
    """Return the page; arguments as for ``write``."""
    chief = evaluation.tables[0]
    pictures = f"{len(chief.rows)} pictures" + ("" if chief.stills else f" of {len(chief.clips)} clips")
    made = Page(
        f"{evaluation.name}: what it restores",
        f"Task {evaluation.task}, measured on {pictures}, on which it was "
        f"{'not ' if evaluation.unseen else ''}trained. Doing nothing is the first row of every table.",
    )
    if not evaluation.unseen:
        made.warning("Training saw clips that this is measured on: it says nothing about other cameras.")
    made.cards(_cards(evaluation))
    for tables in _groups(evaluation):
        made.section(tables[0].title, *_blocks(evaluation, tables))
    _gallery(made, "Worst pictures by gain", evaluation.worst)
    _gallery(made, "Best pictures by gain", evaluation.best)
    _gallery(made, "Pictures evenly spread", evaluation.samples)
    if curves is not None:
        made.section("Training", page.picture(curves, "png", "loss and PSNR by epoch"))
    rows = [[cost.name, f"{cost.ms:.1f}"] for cost in evaluation.costs]
    made.section(
        "Cost", page.plain_table(["picture", "ms per frame"], rows), page.paragraph(_cost(evaluation))
    )
    names = report.grid(evaluation.tables).measures
    made.section("What the columns mean", page.definitions(names), page.paragraph(_method(evaluation)))
    return made.encoded()


def _groups(evaluation: Evaluation) -> list[list[Table]]:
    """Return the tables that are shown as one."""
    return [list(tables) for _, tables in groupby(evaluation.tables, key=lambda table: table.title)]


def _blocks(evaluation: Evaluation, tables: list[Table]) -> list[str]:
    """Return the means, and where clips have names the gain of each and all their numbers."""
    blocks = [page.table(report.grid(tables, clips=False), evaluation.name)]
    if len(tables) > 1 or tables[0].stills:
        return blocks
    gains = {name: clip.systems[evaluation.name]["gain_db"].value for name, clip in tables[0].clips.items()}
    mean = tables[0].means[evaluation.name]["gain_db"]
    blocks.append(page.paragraph(f"Gain of {evaluation.name} by clip, and its mean with the interval:"))
    blocks.append(page.forest(gains, mean.mean, mean.bounds, "dB"))
    blocks.append(page.details("All clips", page.table(report.grid(tables, means=False), evaluation.name)))
    return blocks


def _cards(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Return the numbers to see first: of the chief table's hardest case."""
    table = [each for each in evaluation.tables if each.title == evaluation.tables[0].title][-1]
    grid = report.grid([table], clips=False)
    line = next(line for line in grid.sections[0].lines if line.name == evaluation.name)
    before = grid.sections[0].lines[0]
    cards = []
    for name in ("gain_db", "psnr_regions_db", "psnr_db", "ssim_regions", "ssim", "ciede2000", "worse"):
        if name not in grid.measures or (table.hides and name in ("psnr_db", "ssim")):
            continue
        index = grid.measures.index(name)
        more = line.cells[index].bounds and f"95%: {line.cells[index].bounds}"
        if before.cells[index].text:
            more = f"identity {before.cells[index].text}"
        label = " ".join(part for part in (grid.headings[index], table.case) if part)
        cards.append((label, line.cells[index].text, more))
    cost = next(cost for cost in reversed(evaluation.costs) if cost.name.startswith("720p"))
    cards.append((f"ms per frame, {cost.name}", f"{cost.ms:.1f}", evaluation.machine.processor))
    return cards


def _gallery(made: Page, title: str, samples: Sequence[Sample]) -> None:
    figures = [
        (report.strip(each), each.name, f"{each.gain:+.2f} dB".replace("-", MINUS)) for each in samples
    ]
    made.section(title, page.gallery(figures, list(samples[0].tiles)))


def _cost(evaluation: Evaluation) -> str:
    """Say what costs are of."""
    applied = "Sizes are of whole pictures that go through the network"
    if any("regions" in cost.name for cost in evaluation.costs):
        applied += "; with so many regions a frame is restored as streamer does it"
    return f"{applied}. {evaluation.machine.clock} on {_machine(evaluation)}."


def _machine(evaluation: Evaluation) -> str:
    machine = evaluation.machine
    threads = f"{machine.threads} thread" + ("s" if machine.threads != 1 else "")
    return f"{machine.processor}, {threads}, {machine.engine}"


def _method(evaluation: Evaluation) -> str:
    return (
        "Means are over the frames of a clip, then over clips, so that a long clip counts no more than a "
        f"short one. Small numbers are {intervals(evaluation.tables[0])}. "
        f"The reference recipe: {evaluation.reference}."
    )
