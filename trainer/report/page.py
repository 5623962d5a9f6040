"""What the trainer's pages show beside what every page may: tables of measures, and gains by clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from streamer.report.page import Page, details, gallery, paragraph, picture, plain_table
from trainer.report.grid import MEASURES, MINUS, Cell, Grid

__all__ = [
    "Page",
    "definitions",
    "details",
    "forest",
    "gallery",
    "paragraph",
    "picture",
    "plain_table",
    "table",
]


def table(grid: Grid, marked: str) -> str:
    """Return a table.

    Args:
        grid: what stands in it.
        marked: the line that it is about.
    """
    heads = "".join(f"<th>{escape(heading)}</th>" for heading in grid.headings)
    bodies = []
    for section in grid.sections:
        rows = []
        for index, line in enumerate(section.lines):
            first = ""
            if index == 0:
                first = (
                    f"<td class='name section' rowspan='{len(section.lines)}'>{escape(section.name)}"
                    f"<small class='soft'>{escape(section.counts)}</small></td>"
                )
            cells = "".join(_cell(name, cell) for name, cell in zip(grid.measures, line.cells, strict=True))
            kind = " class='model'" if line.name == marked else ""
            rows.append(f"<tr{kind}>{first}<td class='name'>{escape(line.name)}</td>{cells}</tr>")
        kind = " class='mean'" if section.name == "mean" else ""
        bodies.append(f"<tbody{kind}>{''.join(rows)}</tbody>")
    return (
        f"<div class='wide'><table><thead><tr><th class='name'>{escape(grid.first)}</th><th></th>{heads}"
        f"</tr></thead>{''.join(bodies)}</table></div>"
    )


def _cell(measure: str, cell: Cell) -> str:
    kind = ""
    if measure == "gain_db" and cell.text:
        kind = " class='bad'" if cell.text.startswith(MINUS) else " class='good'"
    bounds = f"<small class='soft'>{escape(cell.bounds)}</small>" if cell.bounds else ""
    return f"<td{kind}>{escape(cell.text)}{bounds}</td>"


def definitions(names: Sequence[str]) -> str:
    """Return what the measures mean."""
    rows = "".join(
        f"<dt>{escape(MEASURES[name].heading)}</dt><dd>{escape(MEASURES[name].meaning)}</dd>"
        for name in names
    )
    return f"<dl>{rows}</dl>"


def forest(values: Mapping[str, float], mean: float, bounds: tuple[float, float] | None, unit: str) -> str:
    """Return a drawing of each clip's value and of the mean with its interval, about zero.

    Args:
        values: by clip.
        mean: over clips.
        bounds: its interval, where there is one.
        unit: of all.
    """
    width, height, left, right = 900, 24, 150, 820
    extremes: list[float] = [0.0, mean, *values.values(), *(bounds or ())]
    low, high = min(extremes), max(extremes)
    margin = 0.06 * ((high - low) or 1.0)

    def x(value: float) -> float:
        """Return where a value stands, in the drawing's units."""
        return left + (value - low + margin) / (high - low + 2 * margin) * (right - left)

    rows = []
    lines = [*((name, value, None) for name, value in values.items()), ("mean", mean, bounds)]
    for index, (name, value, span) in enumerate(lines):
        y = height * index + height / 2
        colour = "var(--bad)" if value < 0 else "var(--good)"
        if name == "mean" and index == len(lines) - 1:
            colour = "var(--mark)"
        start, end, width_of_line = x(0), x(value), 2
        if span is not None:
            start, end, width_of_line = x(span[0]), x(span[1]), 3
        line = (
            f"<line x1='{start:.1f}' x2='{end:.1f}' y1='{y}' y2='{y}' stroke='{colour}' "
            f"stroke-width='{width_of_line}'/>"
        )
        rows.append(
            f"<text x='{left - 12}' y='{y + 4}' text-anchor='end'>{escape(name)}</text>{line}"
            f"<circle cx='{x(value):.1f}' cy='{y}' r='4.5' fill='{colour}'/>"
            f"<text class='soft' x='{width}' y='{y + 4}' text-anchor='end'>{value:+.2f}</text>"
        )
    total = height * len(lines)
    zero = f"<line class='axis' x1='{x(0):.1f}' x2='{x(0):.1f}' y1='0' y2='{total}'/>"
    note = f"<text class='soft' x='{x(0):.1f}' y='{total + 14}' text-anchor='middle'>0 {escape(unit)}</text>"
    return (
        f"<svg viewBox='0 0 {width} {total + 20}' role='img' aria-label='gain by clip'>{zero}{note}"
        f"{''.join(rows)}</svg>"
    )
