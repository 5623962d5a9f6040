"""One camera's part of a page: its numbers, what was over time, its events, and what ran."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from streamer.plain import real
from streamer.report import thumbnail
from streamer.report.axis import TimeAxis
from streamer.report.buckets import Buckets
from streamer.report.chart import COLOURS, Curve, Layer, curves, lanes, layers
from streamer.report.gather import LATENCY, LOOKS, MISSING, WHOLE, Gathered
from streamer.report.page import cards_of, facts, heading, paragraph, plain_table, warning

PICTURED = 100
"""Events of a camera that are listed with their pictures, the latest; charts have all of them."""

NAMED = 6
"""Classes of objects that have a colour of their own."""

_CLASS_COLOURS = {"person": 2, "car": 1, "truck": 3, "bus": 4, "motorcycle": 5, "bicycle": 6, "face": 7}
"""The same on all pages, as far as they are known here."""


def blocks_of(camera: Gathered) -> list[str]:
    """Return all that a page says of a camera."""
    blocks = [warning(text) for text in warnings_of(camera)]
    blocks.append(cards_of(_cards(camera)))
    first, last = camera.first, camera.last
    axis = TimeAxis(first, last if last > first else first + 1.0, camera.began)
    blocks += _psnr(camera, axis)
    blocks += _objects(camera, axis)
    blocks += _losses(camera, axis)
    blocks += _events(camera, axis)
    return [*blocks, heading("What ran"), facts(_ran(camera))]


def warnings_of(camera: Gathered) -> list[str]:
    """Return what must not be overlooked: nothing where all went well."""
    said = camera.summary
    if said is None:
        return [
            "There is no summary: the run was killed, or it goes on. This is what its files hold so far; why "
            "frames were dropped is not known."
        ]
    errors = [(said.get("error"), "The camera failed"), (said.get("run_error"), "The run failed")]
    return [f"{what}: {error}" for error, what in errors if error]


def _cards(camera: Gathered) -> list[tuple[str, str, str]]:
    said = camera.summary or {}
    dropped, whole = dropped_of(camera), camera.causes
    read = said.get("frames_read")
    cards = [
        ("frames written", f"{camera.written:,}", "" if read is None else f"of {read:,} read"),
        ("dropped", f"{dropped.total():,}", share(dropped.total(), camera.written + dropped.total())),
        ("hidden whole", f"{whole.total():,}", share(whole.total(), camera.written)),
    ]
    if "fps" in said:
        cards.append(("processed", f"{said['fps']:.1f}", "frames a second"))
    if LOOKS in camera.seen.all:
        mean = camera.classes.total() / camera.seen.all[LOOKS].count
        cards.append(("objects", f"{mean:.1f}", "a frame"))
    before, after = (camera.frames.all.get(f"psnr_{kind}_roi_db") for kind in ("blurred", "restored"))
    if before is not None:
        restored = "" if after is None else f"restored {after.mean:.1f} dB"
        cards.append(("PSNR, hidden", f"{before.mean:.1f} dB", restored))
    kinds = Counter(event["kind"] for event in camera.events)
    return [*cards, ("events", f"{len(camera.events):,}", listed(kinds))]


def _psnr(camera: Gathered, axis: TimeAxis) -> list[str]:
    blocks = []
    for title, suffix in (("PSNR of what is hidden", "_roi_db"), ("PSNR of the whole frame", "_db")):
        named = ("blurred", 2), ("restored", 1)
        drawn = [
            Curve(name, colour, list(camera.frames.runs(f"psnr_{name}{suffix}")))
            for name, colour in named
            if f"psnr_{name}{suffix}" in camera.frames.all
        ]
        if drawn:
            blocks.append(curves(title, "dB", axis, camera.frames.width, drawn))
    if not blocks:
        return [paragraph("No frame has a PSNR: nothing was hidden, or none was written.")]
    if camera.equal:
        equal = (
            f"{_several(camera.equal, 'frame')} of {camera.written:,} left as seen: nothing differs there."
        )
        blocks.append(paragraph(equal))
    return blocks


def _objects(camera: Gathered, axis: TimeAxis) -> list[str]:
    if not camera.classes:
        looked = LOOKS in camera.seen.all
        return [paragraph("No object was found." if looked else "Nobody looked for objects.")]
    seen = camera.seen
    common = [label for label, _ in camera.classes.most_common(NAMED)]
    others = [label for label in camera.classes if label not in common]
    looks = {start: tally.total for start, tally in seen.spans(LOOKS)}
    free = [colour for colour in range(1, COLOURS) if colour not in map(_CLASS_COLOURS.get, common)]
    drawn = []
    for label in common:
        colour = _CLASS_COLOURS.get(label) or free.pop()
        drawn.append(Layer(f"{label} ({camera.classes[label]:,})", colour, _means(seen, [label], looks)))
    if others:
        count = sum(camera.classes[label] for label in others)
        drawn.append(Layer(f"others ({count:,})", COLOURS, _means(seen, others, looks)))
    drawn = [layer for layer in drawn if layer.values]
    if not drawn:
        return [paragraph("Objects were found, and no line says when.")]
    return [layers("Objects", "mean in a frame", axis, seen.width, drawn, whole=False)]


def _means(seen: Buckets, labels: Sequence[str], looks: Mapping[float, float]) -> dict[float, float]:
    found: defaultdict[float, float] = defaultdict(float)
    for label in labels:
        for start, tally in seen.spans(f"class {label}"):
            found[start] += tally.total
    return {start: total / looks[start] for start, total in found.items()}


def _losses(camera: Gathered, axis: TimeAxis) -> list[str]:
    dropped, whole = dropped_of(camera), camera.causes
    if not dropped and not whole:
        return [paragraph("No frame was dropped, and none was hidden whole because something failed.")]
    blocks = []
    missing = {start: t.total for start, t in camera.frames.spans(MISSING) if t.total}
    hidden = {start: t.total for start, t in camera.seen.spans(WHOLE)}
    width = max(camera.frames.width, camera.seen.width)
    drawn = [
        Layer(name, colour, _wider(values, width))
        for name, colour, values in (("dropped", 5, missing), ("hidden whole", 4, hidden))
        if values
    ]
    if drawn:
        unit = f"frames in {width:.3g} s"
        blocks.append(layers("Frames dropped and hidden whole", unit, axis, width, drawn, whole=True))
    rows = [[f"dropped: {cause}", f"{count:,}"] for cause, count in dropped.most_common()]
    rows += [[f"hidden whole: {cause}", f"{count:,}"] for cause, count in whole.most_common()]
    return [*blocks, plain_table(["cause", "frames"], rows)]


def _wider(values: Mapping[float, float], width: float) -> dict[float, float]:
    """Join spans, whose widths are powers of two times the finest, into such of ``width`` seconds."""
    joined: defaultdict[float, float] = defaultdict(float)
    for start, value in values.items():
        joined[start // width * width] += value
    return dict(joined)


def dropped_of(camera: Gathered) -> Counter[str]:
    """Return dropped frames by cause; without a summary what the gaps between frames' numbers tell."""
    if camera.summary is not None and "frames_dropped" in camera.summary:
        return Counter(camera.summary["frames_dropped"])
    missing = camera.frames.all.get(MISSING)
    return Counter({"not known": int(missing.total)} if missing is not None and missing.total else {})


def _events(camera: Gathered, axis: TimeAxis) -> list[str]:
    if not camera.events:
        return [paragraph("No event was raised.")]
    spans: dict[str, list[tuple[float, float]]] = {}
    for event in camera.events:
        end_s = axis.last if event.get("end_s") is None else event["end_s"]
        spans.setdefault(event["kind"], []).append((event["start_s"], end_s))
    figures = "".join(_event(camera, event, axis) for event in camera.events[-PICTURED:])
    blocks = [lanes("Events", axis, spans), f"<div class='events'>{figures}</div>"]
    if (left := len(camera.events) - PICTURED) > 0:
        text = f"{_several(left, 'earlier event')} are not listed here; `streamer events` lists all of them."
        blocks.append(paragraph(text))
    return blocks


def _event(camera: Gathered, event: Mapping[str, Any], axis: TimeAxis) -> str:
    kind, start_s, end_s = event["kind"], event["start_s"], event.get("end_s")
    picture = thumbnail.load(camera.folder, event.get("thumbnail"))
    shown = "<div class='none'>no picture</div>"
    if picture is not None:
        data = base64.b64encode(picture).decode()
        shown = f"<img alt='{escape(kind)}' src='data:image/jpeg;base64,{data}'>"
    step = 0.1 if axis.last - axis.first < 600.0 else 1.0
    until = "on, still open" if end_s is None else f"to {axis.text(end_s, step)}, {_length(end_s - start_s)}"
    measured = event.get("evidence")
    evidence = (
        ", ".join(f"{name} {value:.3g}" for name, value in measured.items() if real(value))
        if isinstance(measured, dict)
        else ""
    )
    return (
        f"<figure class='event'>{shown}<figcaption><b>{escape(kind)}</b>, score {event['score']:.2f}<br>"
        f"{escape(axis.text(start_s, step))} {escape(until)}<br><small>{escape(evidence)}</small>"
        f"</figcaption></figure>"
    )


def _ran(camera: Gathered) -> list[tuple[str, str]]:
    said = camera.summary or {}
    restorers = ", ".join(f"{name} ({count:,})" for name, count in camera.restorers.items() if name)
    rows: list[tuple[str, object]] = [
        ("source", said.get("source")),
        ("detector", said.get("detector")),
        ("engine", said.get("engine")),
        ("device", said.get("device")),
        ("restorers", restorers or "none"),
        ("began", f"{camera.began:%d %B %Y, %H:%M:%S}" if camera.began else None),
        ("duration", _length(camera.last - camera.first)),
        ("processing", _length(said["seconds"]) if "seconds" in said else None),
        ("ended by", said.get("stopped_by") or (None if camera.summary is None else "its source's end")),
        ("reconnects", said.get("reconnects") or None),
        ("corrupt packets", said.get("corrupt_packets") or None),
    ]
    if said.get("live") and (behind := camera.frames.all.get(LATENCY)) is not None:
        rows.append(("latency", f"{behind.mean:,.0f} ms, {behind.most:,.0f} at most"))
    versions = said.get("versions") or {}
    rows += [(name, version) for name, version in versions.items()]
    return [(name, f"{value}") for name, value in rows if value is not None]


def listed(counts: Counter[str]) -> str:
    """Return the most frequent names with their counts."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common(4))


def share(count: int, of: int) -> str:
    """Return a share in percent; nothing for none."""
    return f"{count / of:.2%}" if count else ""


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("s" if count != 1 else "")


def _length(seconds: float) -> str:
    if seconds < 60.0:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
