"""Charts over time, as SVG within a page: they stretch with it, and what is written on them does not.

The curves are SVG; ticks and titles are text of the page that stands beside them, so that it is as large on a
phone as on a screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from streamer.report.axis import SIZE, Tick, TimeAxis, ValueAxis
from streamer.report.buckets import Spans

COLOURS = 8
"""How many the pages' style has; the last one is for what has none of its own."""

LANES = 12
"""Kinds of which each has a lane of its own."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The mean over time as a line, and how far down single values are."""

    name: str
    colour: int
    """1 to ``COLOURS``."""
    runs: Sequence[Spans]
    """Each drawn as one line; none where there is nothing."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One of the values that lie upon each other."""

    name: str
    colour: int
    """1 to ``COLOURS``."""
    values: Mapping[float, float]
    """By where a span begins, in seconds."""


def curves(title: str, unit: str, axis: TimeAxis, width: float, drawn: Sequence[Curve]) -> str:
    """Return a chart of lines, with a band from each down to the least of every span.

    Args:
        title: of the chart.
        unit: of the values.
        axis: the time.
        width: seconds of a span.
        drawn: of which at least one has something to draw.
    """
    tallies = [tally for curve in drawn for run in curve.runs for _, tally in run]
    least, most = min(tally.least for tally in tallies), max(tally.mean for tally in tallies)
    values = ValueAxis.around(least, most, from_zero=False)
    bands, strokes = "", ""
    for curve in drawn:
        band, stroke = "", ""
        for run in curve.runs:
            ends = [axis.place(run[0][0]), axis.place(run[-1][0] + width)]
            places = [axis.place(start + width / 2) for start, _ in run]
            if len(run) == 1:  # a point would not be seen
                places, run = ends, [run[0]] * 2
            means = [(x, values.place(tally.mean)) for x, (_, tally) in zip(places, run, strict=True)]
            lows = [(x, values.place(tally.least)) for x, (_, tally) in zip(places, run, strict=True)]
            stroke += _path(means)
            band += _path([*means, *reversed(lows)]) + "z"
        bands += f"<path class='band c{curve.colour}' d='{band}'/>"
        strokes += f"<path class='curve c{curve.colour}' d='{stroke}'/>"
    keys = [(curve.name, curve.colour) for curve in drawn]
    return _figure(title, unit, axis, values.ticks(), _levels(values, axis) + bands + strokes, keys)


def layers(
    title: str, unit: str, axis: TimeAxis, width: float, drawn: Sequence[Layer], *, whole: bool
) -> str:
    """Return a chart of values upon each other, a step for each span.

    Args:
        title: of the chart.
        unit: of the values.
        axis: the time.
        width: seconds of a span.
        drawn: from the lowest to the highest; at least one.
        whole: whether the values are whole numbers.
    """
    starts = sorted({start for layer in drawn for start in layer.values})
    heights = dict.fromkeys(starts, 0.0)
    tops: list[dict[float, float]] = []
    for layer in drawn:
        heights = {start: height + layer.values.get(start, 0.0) for start, height in heights.items()}
        tops.append(heights)
    values = ValueAxis.around(0.0, max(heights.values()), from_zero=True, whole=whole)
    shapes = ""
    below = dict.fromkeys(starts, 0.0)
    for layer, above in zip(drawn, tops, strict=True):
        path = ""
        for start in starts:
            low, high = values.place(below[start]), values.place(above[start])
            if high < low:
                left, right = axis.place(start), max(axis.place(start) + 1, axis.place(start + width))
                path += f"M{left} {low}V{high}H{right}V{low}z"
        shapes += f"<path class='layer c{layer.colour}' d='{path}'/>"
        below = above
    keys = [(layer.name, layer.colour) for layer in drawn]
    return _figure(title, unit, axis, values.ticks(), _levels(values, axis) + shapes, keys)


def lanes(title: str, axis: TimeAxis, drawn: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return a chart of when something was, with a lane for each name.

    Args:
        title: of the chart.
        axis: the time.
        drawn: by name, from when to when in seconds, rising.
    """
    rows = ""
    for number, (name, spans) in enumerate(list(drawn.items())[:LANES]):
        path, reached = "", -1
        for start, end in spans:
            left, right = max(axis.place(start), reached), max(axis.place(end), axis.place(start) + 4)
            if right > reached:
                path += f"M{left} 0H{right}V{SIZE}H{left}z"
            reached = max(reached, right)
        colour = number % (COLOURS - 1) + 1
        drawing = _drawing(f"{title}: {name}", f"<path class='layer c{colour}' d='{path}'/>")
        rows += f"<div class='lane'><span>{escape(name)}</span>{drawing}</div>"
    return (
        f"<figure class='chart lanes'><figcaption><b>{escape(title)}</b></figcaption>"
        f"<div class='plot'>{rows}{_times(axis)}</div></figure>"
    )


def _figure(
    title: str, unit: str, axis: TimeAxis, ticks: Iterable[Tick], shapes: str, keys: Sequence[tuple[str, int]]
) -> str:
    named = "".join(
        f"<span class='key'><svg class='swatch' viewBox='0 0 2 1'><rect class='c{colour}' width='2' "
        f"height='1'/></svg>{escape(name)}</span>"
        for name, colour in keys
    )
    levels = "".join(f"<span style='top:{t.place / SIZE:.2%}'>{escape(t.text)}</span>" for t in ticks)
    return (
        f"<figure class='chart'><figcaption><b>{escape(title)}</b><span class='unit'>{escape(unit)}</span>"
        f"<span class='keys'>{named}</span></figcaption>"
        f"<div class='plot'><div class='levels'>{levels}</div>{_drawing(f'{title}, {unit}', shapes)}"
        f"{_times(axis)}</div></figure>"
    )


def _drawing(label: str, shapes: str) -> str:
    return (
        f"<svg class='drawing' viewBox='0 0 {SIZE} {SIZE}' preserveAspectRatio='none' role='img' "
        f"aria-label='{escape(label)}'>{shapes}</svg>"
    )


def _times(axis: TimeAxis) -> str:
    ticks = "".join(f"<span style='{_across(tick)}'>{escape(tick.text)}</span>" for tick in axis.ticks())
    return f"<div class='times'>{ticks}</div><div class='unit under'>{escape(axis.title)}</div>"


def _across(tick: Tick) -> str:
    # what stands at the end does not reach beyond it
    return f"left:{tick.place / SIZE:.2%}" if tick.place < 0.97 * SIZE else "right:0;transform:none"


def _levels(values: ValueAxis, axis: TimeAxis) -> str:
    path = "".join(f"M0 {tick.place}H{SIZE}" for tick in values.ticks())
    path += "".join(f"M{tick.place} 0V{SIZE}" for tick in axis.ticks())
    return f"<path class='level' d='{path}'/>"


def _path(points: Sequence[tuple[int, int]]) -> str:
    first, *others = points
    return f"M{first[0]} {first[1]}" + "".join(f"L{x} {y}" for x, y in others)
