"""``summary.json``: what became of a camera, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamer.errors import SinkError


def write_summary(path: Path, facts: Mapping[str, Any]) -> None:
    """Write facts as JSON.

    Args:
        path: the file; an existing one is replaced.
        facts: strings, numbers (finite), None, and mappings and lists of them.

    Raises:
        SinkError: it cannot be written; then there is no file.
    """
    text = json.dumps(facts, indent=2, allow_nan=False) + "\n"
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from None
