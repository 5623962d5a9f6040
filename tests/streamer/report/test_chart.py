"""Charts as SVG: where lines and steps stand, and that names cannot break out."""

import re
from collections.abc import Sequence

from streamer.report.axis import TimeAxis
from streamer.report.buckets import Spans, Tally
from streamer.report.chart import Curve, Layer, curves, lanes, layers

AXIS = TimeAxis(0.0, 10.0)
EVIL = "<script>'\"&"


def spans(*means: tuple[float, float, float]) -> Spans:
    made = []
    for start, mean, least in means:
        tally = Tally()
        tally.add(least)
        tally.add(2 * mean - least)
        made.append((start, tally))
    return made


def paths(svg: str, kind: str) -> Sequence[str]:
    return re.findall(rf"<path class='{kind}[^']*' d='([^']*)'", svg)


def test_a_line_goes_through_means_and_its_band_down_to_the_least() -> None:
    run = spans((0.0, 20.0, 10.0), (5.0, 15.0, 15.0))
    drawn = curves("PSNR", "dB", AXIS, 5.0, [Curve("blurred", 2, [run])])
    # 10 dB to 20 dB is what the axis shows, from the bottom to the top
    assert paths(drawn, "curve") == ["M250 0L750 500"]
    assert paths(drawn, "band") == ["M250 0L750 500L750 500L250 1000z"]


def test_a_single_span_is_drawn_as_wide_as_it_is_and_gaps_stay_open() -> None:
    runs = [spans((0.0, 20.0, 20.0)), spans((4.0, 10.0, 10.0), (5.0, 10.0, 10.0))]
    drawn = curves("PSNR", "dB", AXIS, 1.0, [Curve("blurred", 1, runs)])
    assert paths(drawn, "curve") == ["M0 0L100 0M450 1000L550 1000"]


def test_layers_stand_upon_each_other() -> None:
    both = [Layer("car", 1, {0.0: 2.0, 5.0: 1.0}), Layer("bus", 2, {5.0: 1.0})]
    drawn = layers("Objects", "a frame", AXIS, 5.0, both, whole=True)
    assert paths(drawn, "layer") == ["M0 1000V0H500V1000zM500 1000V500H1000V1000z", "M500 500V0H1000V500z"]


def test_lanes_show_when_something_was_and_join_what_touches() -> None:
    drawn = lanes("Events", AXIS, {"covered": [(1.0, 2.0), (1.5, 3.0), (9.0, 99.0)]})
    assert paths(drawn, "layer") == ["M100 0H200V1000H100zM200 0H300V1000H200zM900 0H1000V1000H900z"]


def test_what_is_short_can_still_be_seen() -> None:
    assert paths(lanes("Events", AXIS, {"moved": [(5.0, 5.0)]}), "layer") == ["M500 0H504V1000H500z"]


def test_names_are_escaped() -> None:
    drawn = lanes(EVIL, AXIS, {EVIL: [(0.0, 1.0)]})
    drawn += layers(EVIL, EVIL, AXIS, 1.0, [Layer(EVIL, 1, {0.0: 1.0})], whole=False)
    drawn += curves(EVIL, EVIL, AXIS, 1.0, [Curve(EVIL, 1, [spans((0.0, 1.0, 1.0))])])
    assert "<script" not in drawn
    assert EVIL[8:] not in drawn
    assert drawn.count("&lt;script&gt;&#x27;&quot;&amp;") >= 8
