"""The folder that one camera's outputs go to."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from streamer.errors import ConfigError

OUTPUTS = ("blurred.mp4", "restored.mp4", "frames.csv", "detections.jsonl", "events.jsonl", "summary.json")
"""All that a camera's folder may hold of ours."""


def check_outputs(directory: Path, overwrite: bool, files: Iterable[str] = OUTPUTS) -> None:
    """Make sure that a camera's outputs can be written, and that no earlier ones are among them.

    Args:
        directory: the camera's folder; made where it is not there.
        overwrite: whether earlier outputs are removed, all of them, so that nothing old is left looking new.
        files: names of the outputs.

    Raises:
        ConfigError: there are outputs and ``overwrite`` is off, or the folder cannot be written to.
    """
    existing = [path for path in map(directory.joinpath, files) if path.exists() or path.is_symlink()]
    if existing and not overwrite:
        raise ConfigError(f"{existing[0]} exists already: use --overwrite, or another output.directory")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path in existing:
            path.unlink()
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ConfigError(f"{directory}: cannot be written to: {error.strerror}") from error
