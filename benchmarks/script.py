"""What the scripts that measure have in common: how they end, and where their numbers go."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from streamer.errors import StreamerError


def save(path: Path | None, facts: Mapping[str, Any]) -> None:
    """Write numbers as JSON, after the command that made them; None writes nothing."""
    if path is not None:
        facts = {"command": " ".join(["python", *sys.argv]), **facts}
        path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def start(main: Callable[[], None]) -> None:
    """Run a script; what is wrong with what it was given is said in one line."""
    try:
        main()
    except StreamerError as error:
        sys.exit(str(error))
