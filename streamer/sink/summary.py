"""``summary.json``: what became of a camera, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamer.sink.replace import replace


def write_summary(path: Path, facts: Mapping[str, Any]) -> None:
    """Write facts as JSON.

    Args:
        path: the file; an existing one is replaced.
        facts: strings, numbers (finite), None, and mappings and lists of them.

    Raises:
        SinkError: it cannot be written; then there is no file.
    """
    text = json.dumps(facts, indent=2, allow_nan=False) + "\n"
    replace(path, text.encode())
