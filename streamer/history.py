"""`streamer events`: what the runs in a folder raised, one line for each event."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from streamer import event, rows
from streamer.errors import ConfigError
from streamer.section import suggest

logger = logging.getLogger(__name__)

FILE = "events.jsonl"


def show(
    path: Path,
    *,
    cameras: Collection[str] = (),
    kinds: Collection[str] = (),
    since: float | None = None,
    as_json: bool = False,
) -> None:
    """Print events on standard output.

    Args:
        path: a run's folder of outputs, a camera's folder, or its ``events.jsonl``.
        cameras: only theirs; none means all.
        kinds: only those; none means all.
        since: only what was not over by then, in seconds of the camera's time.
        as_json: a JSON line for each, as its last line in the file.

    Raises:
        ConfigError: there is no such file, a line is wrong, there is no such camera, or a kind is misspelt.
    """
    files = _files(path)
    found = [each for file in files for each in read(file)]
    known = list(dict.fromkeys((*event.TAMPER_KINDS, *sorted(each["kind"] for each in found))))
    for kind in kinds:
        if kind in known:
            continue
        if near := suggest(kind, known):
            raise ConfigError(f"unknown kind {kind!r}{near}; known: {', '.join(known)}")
        # files do not say what was watched for: an accident that has not happened is no mistake
        logger.warning("no event is of kind %r; known: %s", kind, ", ".join(known))
    there = {each["camera"] for each in found} | {file.resolve().parent.name for file in files}
    for camera in cameras:
        if camera not in there:
            raise ConfigError(f"{path}: no camera {camera!r} in it{suggest(camera, sorted(there))}")
    chosen = [
        each
        for each in found
        if (not cameras or each["camera"] in cameras)
        and (not kinds or each["kind"] in kinds)
        and (since is None or each.get("end_s") is None or each["end_s"] > since)
    ]
    chosen.sort(key=lambda each: (each["camera"], each["start_s"]))
    if as_json:
        for each in chosen:
            print(json.dumps(each))  # noqa: T201
    else:
        _print(chosen)


def read(file: Path) -> Iterator[dict[str, Any]]:
    """Yield each event of a file once, as its last line says it; a last line that was cut off is left out.

    Raises:
        ConfigError: the file cannot be read, or a line is wrong; names the line.
    """
    yield from {said["id"]: said for said in lines(file)}.values()


def lines(file: Path) -> Iterator[dict[str, Any]]:
    """Yield what each line of a file says; errors as of ``read``."""
    for number, line in rows.read(file):
        yield event.read(line, f"{file}, line {number}")


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if (path / FILE).is_file():
        return [path / FILE]
    found = sorted(path.glob(f"*/{FILE}"))
    if not found:
        raise ConfigError(
            f"{path}: no {FILE} in it, nor in a folder in it; `watch: {{tamper: {{}}}}` makes one"
        )
    return found


def _print(events: Collection[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("camera", "kind", "start", "end", "score", "thumbnail"):
        table.add_column(column, justify="right" if column in ("start", "end", "score") else "left")
    for each in events:
        end = "open" if each.get("end_s") is None else f"{each['end_s']:.1f} s"
        start, score = f"{each['start_s']:.1f} s", f"{each['score']:.2f}"
        table.add_row(each["camera"], each["kind"], start, end, score, str(each.get("thumbnail") or ""))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)
    if not events:
        console.print("no event")
