"""Events' hidden pictures, read for a page; a line that names anything else gets none."""

from __future__ import annotations

from pathlib import Path

LARGEST = 1 << 20
"""Bytes: ours are some 15,000."""

_JPEG = b"\xff\xd8\xff"


def load(folder: Path, said: object) -> bytes | None:
    """Return the file of a thumbnail.

    Args:
        folder: the camera's.
        said: what a line of ``events.jsonl`` has for it: a path within the folder, or whatever else.

    Returns:
        A JPEG's content; None where there is none, or the path leads out of the folder.
    """
    if not isinstance(said, str) or not said:
        return None
    try:
        path = (folder / said).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            return None
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError):  # a name that no file may have
        return None
    return content if content.startswith(_JPEG) and len(content) <= LARGEST else None
