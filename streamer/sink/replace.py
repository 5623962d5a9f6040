"""A file that is written whole or not at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from streamer.errors import SinkError


def replace(path: Path, content: bytes) -> None:
    """Write a file; an existing one stays until all is written.

    Raises:
        SinkError: it cannot be written; then there is no new file.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise SinkError(f"{path}: cannot be written: {error.strerror or error}") from error
