"""The folder that one camera's outputs go to."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from streamer.errors import ConfigError

OUTPUTS = ("blurred.mp4", "restored.mp4", "frames.csv", "detections.jsonl", "events.jsonl", "summary.json")
"""All files that a camera's folder may hold of ours."""

EVENTS = "events"
"""The folder in it with the events' pictures."""

PICTURE = re.compile(r"[0-9a-f]{32}\.jpg")
"""What one of them is called: other pictures in that folder are not ours."""


def check_outputs(directory: Path, overwrite: bool, sources: Iterable[Path] = ()) -> None:
    """Make sure that a camera's outputs can be written; nothing that is there is touched.

    Args:
        directory: the camera's folder; made where it is not there.
        overwrite: whether there may be earlier outputs.
        sources: files and folders that the run reads, of any camera.

    Raises:
        ConfigError: there are outputs and ``overwrite`` is off, the folder cannot be written to, or one of
            them is a source.
    """
    outputs = _outputs(directory)
    read = {path.resolve() for source in sources for path in (source, *_content(source))}
    for path in (directory, directory / EVENTS, *outputs):
        if path.resolve() in read:
            raise ConfigError(f"{path} is a source of this run: use another output.directory")
    existing = [path for path in outputs if os.path.lexists(path)]
    if existing and not overwrite:
        raise ConfigError(f"{existing[0]} exists already: use --overwrite, or another output.directory")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise _unwritable(directory, error) from error


def _outputs(directory: Path) -> list[Path]:
    try:
        pictures = [path for path in _content(directory / EVENTS) if PICTURE.fullmatch(path.name)]
    except OSError as error:
        raise _unwritable(directory, error) from error
    return [*(directory / name for name in OUTPUTS), *sorted(pictures)]


def _content(source: Path) -> list[Path]:
    return list(source.iterdir()) if source.is_dir() else []


def clear_outputs(directory: Path) -> None:
    """Remove a camera's earlier outputs, all of them, so that nothing old is left looking new.

    Raises:
        ConfigError: one of them cannot be removed.
    """
    try:
        for path in _outputs(directory):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(directory, error) from error


def _unwritable(directory: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{directory}: cannot be written to: {error.strerror}")
