"""Folders that are expensive to make, kept under a key of everything that made them."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from streamer.errors import SinkError, StreamerError


def key(ingredients: Mapping[str, Any]) -> str:
    """Return a short name that changes whenever anything in ``ingredients`` does (plain JSON data)."""
    text = json.dumps(ingredients, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest(paths: Iterable[Path]) -> str:
    """Return a digest of files' contents, such as a model's, or the code's that makes something."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def folder(path: Path, make: Callable[[Path], None]) -> Path:
    """Return ``path``, filled by ``make`` if it is not there yet.

    It is made under another name and renamed when whole, so a run that is killed in the middle, or a disk
    that is full, leaves nothing that a later run would take for it.

    Args:
        path: of the folder.
        make: fills the empty folder that it is handed.

    Raises:
        SinkError: it cannot be written; names the folder and why.
    """
    if path.is_dir():
        return path
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        temporary.mkdir()
        make(temporary)
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():  # where it is, another run was faster and made the same
                raise
    except StreamerError:
        raise
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return path
