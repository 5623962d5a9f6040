"""Tables as they are shown, on a terminal and on a page alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from trainer.bootstrap import CONFIDENCE, RESAMPLINGS
from trainer.summary import Clip, Estimate, Table

MINUS = "\N{MINUS SIGN}"
"""What stands before negative numbers."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How one is shown."""

    heading: str
    form: str
    """Of the number, as ``format`` has it."""
    meaning: str
    hiding: bool | None = None
    """Whether it is of tables in which something is hidden, or of the others; None: of both."""


MEASURES: Mapping[str, Measure] = {
    "psnr_db": Measure("PSNR dB", ".2f", "of the whole picture"),
    "ssim": Measure("SSIM", ".4f", "structural similarity (Wang et al. 2004), 1 at best"),
    "ms_ssim": Measure(
        "MS-SSIM", ".4f", "the same at five scales, of pictures with 176 pixels a side or more"
    ),
    "psnr_regions_db": Measure("hidden PSNR dB", ".2f", "of what is hidden alone"),
    "ssim_regions": Measure("hidden SSIM", ".4f", "of the windows around what is hidden"),
    "ciede2000": Measure("CIEDE2000", ".2f", "how different colours look (Sharma et al. 2005), 0 at best"),
    "colourfulness_ratio": Measure(
        "colour ratio", ".2f", "colourfulness (Hasler and Süsstrunk 2003) as a share of the original's"
    ),
    "flicker": Measure(
        "flicker", ".2f", "change of colours from frame to frame as a share of the original's"
    ),
    "gain_db": Measure("gain dB", "+.2f", "PSNR over the identity's, of what is hidden where something is"),
    "worse": Measure("worse", ".1%", "share of regions, or of whole pictures, further off than the identity"),
}
"""By name, in the order of the columns."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A number."""

    text: str
    bounds: str = ""
    """Of its interval."""


@dataclass(frozen=True, slots=True)
class Line:
    """A system's numbers, one for each heading."""

    name: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Section:
    """Lines that are to be held against each other."""

    name: str
    counts: str
    """How much was measured."""
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table."""

    title: str
    first: str
    """What sections are called."""
    measures: Sequence[str]
    """Names of the columns, of ``MEASURES``."""
    sections: Sequence[Section]

    @property
    def headings(self) -> list[str]:
        """Of the columns with numbers."""
        return [MEASURES[name].heading for name in self.measures]


def grid(tables: Sequence[Table], *, clips: bool = True, means: bool = True) -> Grid:
    """Lay tables of one title out as one.

    Args:
        tables: one for each case; the identity's line comes first in each section.
        clips: with a section for every clip, unless each is a single picture or there are several cases.
        means: with a section for the mean over clips.
    """
    measures = present(estimates for table in tables for estimates in table.means.values())
    sections: list[Section] = []
    detailed = clips and len(tables) == 1 and not tables[0].stills
    for table in tables:
        if detailed:
            for name, clip in table.clips.items():
                lines = [
                    Line(
                        system,
                        [_number(m, v.value) if (v := values.get(m)) else Cell("") for m in measures],
                    )
                    for system, values in clip.systems.items()
                ]
                sections.append(Section(name, _counts(table, clip), lines))
        if means:
            sections.append(Section(table.case or "mean", _totals(table), lines_of(table.means, measures)))
    return Grid(tables[0].title, "clip" if detailed else "", measures, sections)


def present(rows: Iterable[Mapping[str, object]]) -> list[str]:
    """Return those of ``MEASURES`` that any row has."""
    found = {name for row in rows for name in row}
    return [name for name in MEASURES if name in found]


def lines_of(means: Mapping[str, Mapping[str, Estimate]], measures: Sequence[str]) -> list[Line]:
    """Return a line for each system."""
    return [
        Line(system, [_estimate(name, estimates.get(name)) for name in measures])
        for system, estimates in means.items()
    ]


def _estimate(measure: str, estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell("")
    bounds = ""
    if estimate.bounds is not None:
        bounds = " to ".join(_number(measure, bound).text for bound in estimate.bounds)
    return Cell(_number(measure, estimate.mean).text, bounds)


def _number(measure: str, value: float) -> Cell:
    return Cell(format(value, MEASURES[measure].form).replace("-", MINUS))


def _counts(table: Table, clip: Clip) -> str:
    frames = _several(clip.frames, "frame")
    return f"{frames}, {_several(clip.regions, 'region')}" if table.hides else frames


def _totals(table: Table) -> str:
    clips = len(table.clips)
    if table.stills:
        return f"{clips} pictures"
    frames = _several(len(table.rows), "frame")
    regions = _several(sum(row.regions for row in table.rows), "region")
    return f"{_several(clips, 'clip')}, {frames}" + (f", {regions}" if table.hides else "")


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("s" if count != 1 else "")


def intervals(table: Table) -> str:
    """Say what a table's intervals are."""
    count = len(table.clips)
    if count < 2:
        return "one clip alone has no interval"
    noun = "pictures" if table.stills else "clips"
    return f"{CONFIDENCE:.0%} bootstrap intervals over the {count} {noun}, {RESAMPLINGS:,} resamplings"


def show(table: Grid, console: Console) -> None:
    """Print a table; of intervals that of the last column that has one and is a gain."""
    made = RichTable(
        title=table.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    made.add_column(table.first)
    made.add_column("")
    shown = [i for i, name in enumerate(table.measures) if name != "ms_ssim"]  # a page has room for it
    for index in shown:
        made.add_column(table.headings[index].replace(" ", "\n"), justify="right", no_wrap=True)
    for section in table.sections:
        made.add_section()
        for line, first in zip_longest(section.lines, (section.name, section.counts)[: len(section.lines)]):
            made.add_row(first or "", line.name, *(line.cells[index].text for index in shown))
    console.print(made)
    for section in table.sections:
        for line in section.lines:
            if "gain_db" in table.measures and (b := line.cells[table.measures.index("gain_db")]).bounds:
                where = f"{section.name}, " if section.name != "mean" else ""
                console.print(f"{where}{line.name}: gain {b.text} dB ({b.bounds})", highlight=False)
