"""A file that is written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamer.errors import SinkError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of what the system refuses within that a file cannot be written.

    Raises:
        SinkError: for an OSError.
    """
    try:
        yield
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror or error}") from error


def replace(path: Path, content: bytes) -> None:
    """Write a file; an existing one stays until all is written.

    Raises:
        SinkError: it cannot be written; then there is no new file.
    """
    temporary = path.with_name(f".{path.name}.part")
    with writing(path):
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise


def write(path: Path, content: bytes) -> None:
    """Write a file as ``replace`` does, and its folder where that is not there; errors as of ``replace``."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, content)
