"""A run as a page: all cameras side by side, then each with what was over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from streamer.report.camera import blocks_of, dropped_of, listed, share, warnings_of
from streamer.report.gather import Gathered
from streamer.report.page import Page, paragraph, plain_table


def page_of(name: str, cameras: Sequence[Gathered], now: datetime) -> bytes:
    """Return the page.

    Args:
        name: of the folder.
        cameras: at least one.
        now: when it is made.
    """
    events = sum(len(camera.events) for camera in cameras)
    several = len(cameras) > 1
    title = f"{name}: {len(cameras)} cameras" if several else f"Camera {cameras[0].name}"
    made = Page(title, f"What streamer wrote, as of {now:%d %B %Y, %H:%M} (UTC{now:%z})")
    if several:
        frames = sum(camera.written for camera in cameras)
        lost = sum(dropped_of(camera).total() for camera in cameras)
        whole = sum(camera.causes.total() for camera in cameras)
        made.cards(
            [
                ("cameras", f"{len(cameras)}", _states(cameras)),
                ("frames written", f"{frames:,}", ""),
                ("dropped", f"{lost:,}", share(lost, frames + lost)),
                ("hidden whole", f"{whole:,}", share(whole, frames)),
                ("events", f"{events:,}", listed(Counter(e["kind"] for c in cameras for e in c.events))),
            ]
        )
        anchors = [f"camera-{number}" for number in range(1, len(cameras) + 1)]
        made.section("Cameras", _overview(cameras, anchors))
        for camera, anchor in zip(cameras, anchors, strict=True):
            made.section(camera.name, *blocks_of(camera), anchor=anchor)
    else:
        made.section("What became of it", *blocks_of(cameras[0]))
    made.section("How to read this", *(paragraph(text) for text in _EXPLAINED))
    return made.encoded()


_EXPLAINED = (
    "PSNR is how close a picture comes to the original, in decibels over all pixels, or over those that are "
    "hidden: the lower it is for blurred, the more is hidden, and what restored has beyond it is what the "
    "restorer gave back. Frames in which nothing differs are in no mean.",
    "Lines and steps are means over equal spans of time, bands reach down to the lowest frame of each span. "
    "Dropped frames stand where the next frame was written. Pictures of events show nothing that was hidden.",
)


def _overview(cameras: Sequence[Gathered], anchors: Sequence[str]) -> str:
    headings = ["camera", "state", "written", "dropped", "hidden whole", "fps", "objects", "hidden dB",
                "restored dB", "events"]  # fmt: skip
    rows = []
    for camera in cameras:
        said, means = camera.summary or {}, camera.frames.all
        psnr = [means.get(f"psnr_{kind}_roi_db") for kind in ("blurred", "restored")]
        decibels = ["" if each is None else f"{each.mean:.1f}" for each in psnr]
        rows.append([
            camera.name, _state(camera), f"{camera.written:,}", f"{dropped_of(camera).total():,}",
            f"{camera.causes.total():,}", f"{said['fps']:.1f}" if "fps" in said else "",
            f"{camera.classes.total():,}", *decibels, f"{len(camera.events):,}",
        ])  # fmt: skip
    return plain_table(headings, rows, anchors)


def _state(camera: Gathered) -> str:
    if camera.summary is None:
        return "no summary"
    return "failed" if warnings_of(camera) else "complete"


def _states(cameras: Sequence[Gathered]) -> str:
    counts = Counter(_state(camera) for camera in cameras)
    return "all complete" if set(counts) == {"complete"} else listed(counts)
