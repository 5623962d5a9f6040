"""A page that needs nothing but itself: styles within, pictures as data URIs, no scripts."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from trainer.report.grid import MEASURES, MINUS, Cell, Grid

_STYLE = """
:root { --ink: #1c2430; --soft: #5f6b7a; --line: #dde3ea; --paper: #fff; --back: #f3f5f8; --mark: #1769aa;
  --good: #1a7f4b; --bad: #b3372c; --tint: #eef5fb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #98a4b3; --line: #313a46;
  --paper: #1b2129; --back: #13171d; --mark: #6cb6f5; --good: #58c48a; --bad: #ee7d72; --tint: #202c38; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); line-height: 1.5;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 0 0 12px; }
p { margin: 0 0 12px; } .soft, figcaption, small { color: var(--soft); }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 20px 24px;
  margin-top: 20px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin-top: 20px; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 14px 18px; }
.card b { display: block; font-size: 24px; font-weight: 650; } .card small { display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: var(--soft); font-size: 13px; text-align: right; vertical-align: bottom; }
th, td { padding: 5px 8px; white-space: nowrap; }
td.section { white-space: normal; max-width: 150px; } td { text-align: right; }
th.name, td.name { text-align: left; } tbody { border-top: 1px solid var(--line); }
tbody.mean { border-top: 2px solid var(--ink); } tr.model td { font-weight: 600; background: var(--tint); }
td small { display: block; font-weight: 400; font-size: 11px; }
 .good { color: var(--good); } .bad { color: var(--bad); }
.warning { border-left: 4px solid var(--bad); padding-left: 12px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(480px, 1fr)); gap: 16px; }
figure { margin: 0; } figcaption { font-size: 13px; display: flex; justify-content: space-between; gap: 8px; }
img { display: block; width: 100%; height: auto; border-radius: 6px; }
details { margin-top: 12px; } summary { cursor: pointer; color: var(--mark); }
.heads { display: flex; font-size: 12px; color: var(--soft); } .heads span { flex: 1; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0; }
dt { font-weight: 600; } dd { margin: 0; color: var(--soft); } svg { width: 100%; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .axis { stroke: var(--line); }
svg .soft { fill: var(--soft); }
@media (max-width: 560px) { .grid { grid-template-columns: 1fr; } main { padding: 16px 8px; } }
"""


class Page:
    """Collects sections, then is written as one file."""

    def __init__(self, title: str, subtitle: str) -> None:
        """Start with a heading.

        Args:
            title: of the page.
            subtitle: a sentence below it.
        """
        self._title = title
        self._parts = [f"<h1>{escape(title)}</h1><p class='soft'>{escape(subtitle)}</p>"]

    def warning(self, text: str) -> None:
        """Add a line that must not be overlooked."""
        self._parts.append(f"<section><p class='warning'>{escape(text)}</p></section>")

    def cards(self, cards: Sequence[tuple[str, str, str]]) -> None:
        """Add the numbers to see first: label, number and what belongs to it."""
        made = "".join(
            f"<div class='card'><small>{escape(label)}</small><b>{escape(number)}</b>"
            f"<small>{escape(more) or '&nbsp;'}</small></div>"
            for label, number, more in cards
        )
        self._parts.append(f"<div class='cards'>{made}</div>")

    def section(self, title: str, *blocks: str) -> None:
        """Add a section of blocks that the functions below made."""
        self._parts.append(f"<section><h2>{escape(title)}</h2>{''.join(blocks)}</section>")

    def encoded(self) -> bytes:
        """Return the file's contents."""
        head = (
            "<meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'>"
            f"<title>{escape(self._title)}</title><style>{_STYLE}</style>"
        )
        body = "\n".join(self._parts)
        page = f"<html lang='en'><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>"
        return f"<!doctype html>\n{page}\n".encode()


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p class='soft'>{escape(text)}</p>"


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


def plain_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of text; the first column is of names."""
    heads = "".join(f"<th{_left(i)}>{escape(text)}</th>" for i, text in enumerate(headings))
    body = "".join(
        "<tr>" + "".join(f"<td{_left(i)}>{escape(text)}</td>" for i, text in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<div class='wide'><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"


def _left(column: int) -> str:
    return "" if column else " class='name'"


def details(summary: str, block: str) -> str:
    """Return a block that is folded away until it is asked for."""
    return f"<details><summary>{escape(summary)}</summary>{block}</details>"


def definitions(names: Sequence[str]) -> str:
    """Return what the measures mean."""
    rows = "".join(
        f"<dt>{escape(MEASURES[name].heading)}</dt><dd>{escape(MEASURES[name].meaning)}</dd>"
        for name in names
    )
    return f"<dl>{rows}</dl>"


def picture(content: bytes, kind: str, caption: str) -> str:
    """Return a picture within the page.

    Args:
        content: of its file.
        kind: ``png`` or ``jpeg``.
        caption: what it shows, for who cannot see it.
    """
    data = base64.b64encode(content).decode()
    return f"<img alt='{escape(caption)}' src='data:image/{kind};base64,{data}'>"


def gallery(figures: Sequence[tuple[bytes, str, str]], headings: Sequence[str]) -> str:
    """Return JPEGs in a grid, each with what stands left and right below it, under the tiles' headings."""
    heads = "".join(f"<span>{escape(heading)}</span>" for heading in headings)
    made = "".join(
        f"<figure><div class='heads'>{heads}</div>{picture(content, 'jpeg', left)}"
        f"<figcaption><span>{escape(left)}</span><span>{escape(right)}</span></figcaption></figure>"
        for content, left, right in figures
    )
    return f"<div class='grid'>{made}</div>"


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
