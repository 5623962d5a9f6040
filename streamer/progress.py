"""What a person sees while a run goes on, and the table when it is over."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streamer.camera import Camera
from streamer.errors import one_line
from streamer.pipeline import Run

logger = logging.getLogger(__name__)

PLAIN_EVERY = 10.0
"""Seconds between log lines where there is no terminal."""


class Progress:
    """A line per camera: redrawn in place on a terminal, a log line now and then elsewhere."""

    def __init__(self, run: Run, *, enabled: bool) -> None:
        self._run = run
        self._enabled = enabled
        self._said_at = time.monotonic()
        console = Console(stderr=True, markup=False, highlight=False)
        self._live = None
        if enabled and console.is_terminal:
            self._live = Live(
                console=console, get_renderable=self._table, refresh_per_second=4, transient=True
            )

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self) -> None:
        """Say how far things are, where that is due; call it as often as you like."""
        if self._live is not None or not self._enabled or time.monotonic() - self._said_at < PLAIN_EVERY:
            return
        self._said_at = time.monotonic()
        for camera in self._run.cameras.values():
            if camera.ended_at is None:
                logger.info("%s: %s", camera.name, ", ".join(filter(None, _facts(camera))))

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for camera in self._run.cameras.values():
            done = camera.books.written
            bar = (
                ProgressBar(total=camera.expected, completed=done, width=20)
                if camera.expected
                else Text("live" if camera.live else "")
            )
            style = "red" if camera.error else "dim" if camera.ended_at else ""
            table.add_row(camera.name, bar, *_facts(camera), style=style)
        return table


def _facts(camera: Camera) -> list[str]:
    done, total = camera.books.written, camera.expected
    fps = done / max(1e-3, (camera.ended_at or time.monotonic()) - camera.started_at)
    dropped, whole = camera.books.dropped.total(), camera.books.hidden_whole.total()
    left = (total - done) / fps if total and fps > 0 and camera.ended_at is None else None
    return [
        f"{done} of {total} frames" if total else f"{done} frames",
        f"{fps:.1f} fps",
        f"{left // 60:.0f}:{left % 60:02.0f} left" if left is not None and left >= 0 else "",
        f"{camera.books.latency_ms:.0f} ms behind" if camera.live else "",
        f"{dropped} dropped" if dropped else "",
        f"{whole} hidden whole" if whole else "",
        one_line(camera.error) if camera.error else "",
    ]


def closing_table(run: Run) -> None:
    """Print what became of each camera on standard output."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("camera", "read", "written", "dropped", "hidden whole", "fps"):
        table.add_column(column, justify="left" if column == "camera" else "right")
    for column in ("blurred dB", "restored dB", "blurred roi", "restored roi"):
        table.add_column(column, justify="right")
    table.add_column("")
    for camera in run.cameras.values():
        facts = camera.summary()
        means = [
            "" if facts[name] is None else f"{facts[name]:.2f}"
            for name in ("psnr_blurred_db", "psnr_restored_db", "psnr_blurred_roi_db", "psnr_restored_roi_db")
        ]
        table.add_row(
            camera.name,
            str(facts["frames_read"]),
            str(facts["frames_written"]),
            _by_cause(facts["frames_dropped"]),
            _by_cause(facts["frames_hidden_whole"]),
            f"{facts['fps']:.1f}",
            *means,
            Text("failed" if facts["error"] else "", style="red"),
        )
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)
    if run.stopped_by is not None:
        console.print(f"ended early by {run.stopped_by}")


def _by_cause(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    causes = ", ".join(f"{count} {cause}" for cause, count in counts.items())
    return f"{total} ({causes})" if total else "0"
