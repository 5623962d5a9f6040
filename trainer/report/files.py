"""Files that are written whole or not at all, and their folders with them."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from streamer.sink.replace import write, writing


def reserve(path: Path) -> None:
    """Make sure, before the work that leads to a file, that it can be written; nothing is made yet.

    Raises:
        SinkError: it cannot, as far as can be told now.
    """
    with writing(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=next(folder for folder in path.parents if folder.exists())):
            pass


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Write plain data as JSON; errors as in ``write``."""
    write(path, (json.dumps(facts, indent=2) + "\n").encode())


def write_yaml(path: Path, facts: Mapping[str, Any]) -> None:
    """Write plain data as YAML; errors as in ``write``."""
    write(path, yaml.safe_dump(dict(facts), sort_keys=False).encode())


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the first row's keys as columns; errors as in ``write``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write(path, text.getvalue().encode())
