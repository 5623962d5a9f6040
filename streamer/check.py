"""`streamer check`: what would run, found out without running it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamer import source
from streamer.address import mask
from streamer.config import load
from streamer.device import resolve
from streamer.errors import StreamerError, one_line
from streamer.pipeline import load_detector, load_restorers
from streamer.restore.stage import Link
from streamer.watch.load import load as load_watchers


def check(path: Path, device: str | None = None) -> bool:
    """Validate a configuration, load its models, probe its sources, and print what was found.

    Args:
        path: of the YAML file.
        device: instead of the file's.

    Returns:
        Whether every source can be read.

    Raises:
        ConfigError: the configuration is wrong or a model cannot be had.
    """
    config = load(path, device=device)
    cameras = config.cameras
    found = resolve(config.device)
    detector = load_detector(config, found)
    chains = load_restorers(config, found)
    watchers = load_watchers({name: camera.watch for name, camera in cameras.items()}, found)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("camera", "source", "picture", "frames", "audio", "classes", "restore", "watch", "output"):
        table.add_column(column, overflow="fold")
    good = True
    for name, camera in cameras.items():
        try:
            stream = source.probe(camera)
        except StreamerError as error:
            good = False
            table.add_row(name, mask(camera.source), Text(one_line(error), style="red"))
            continue
        rate = f" at {float(stream.rate):.4g} fps" if stream.rate else ""
        table.add_row(
            name,
            mask(camera.source),
            f"{stream.width}x{stream.height}{rate}",
            "live" if stream.live else str(stream.frames or "?"),
            f"{stream.audio.codec} {stream.audio.sample_rate} Hz" if stream.audio else "none",
            "; ".join(f"{', '.join(d.classes)} from {d.threshold:g}" for d in camera.detect.detectors),
            ", then ".join(_described(link) for link in chains[name]) or "off",
            ", ".join(watchers.of[name]) or "off",
            "off" if camera.output is None else str(Path(camera.output.directory) / name),
        )
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)
    console.print(f"device {found}, detector {detector.name} on {detector.engine}")
    restorers = (link.restorer for chain in chains.values() for link in chain)
    for line in dict.fromkeys(f"restorer {each.name} on {each.engine.name}" for each in restorers):
        console.print(line)
    return good


def _described(link: Link) -> str:
    """Say what a restorer is applied to, and when."""
    applied = f"{link.restorer.name} ({'whole frames' if link.restorer.mode == 'frame' else 'regions'}"
    applied += ", at night" if link.config.when == "night" else ""
    return applied + (f", steady {link.config.steady:g})" if link.config.steady else ")")
