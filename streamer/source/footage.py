"""Which files are footage: of a folder, and of what the command line names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from streamer.address import mask
from streamer.config import NAME
from streamer.errors import ConfigError, SourceError

VIDEOS = frozenset([
    ".264", ".265", ".3gp", ".asf", ".avi", ".divx", ".flv", ".h264", ".h265", ".hevc", ".m2ts", ".m4v",
    ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm",
    ".wmv",
])  # fmt: skip
"""Endings by which a folder's videos are known; a file that is named itself may have any."""
IMAGES = frozenset([".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"])
"""Endings by which a folder's images are known."""


def natural(path: Path) -> list[tuple[int, str]]:
    """Sort key under which ``clip2`` comes before ``clip10``."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts] + [(-1, path.name)]


def videos_in(folder: Path) -> list[Path]:
    """A folder's videos in natural order, hidden files left out."""
    return _listed(folder, VIDEOS)


def images_in(folder: Path) -> list[Path]:
    """A folder's numbered images in natural order, hidden files left out."""
    return [path for path in _listed(folder, IMAGES) if re.search(r"\d", path.stem)]


def _listed(folder: Path, endings: frozenset[str]) -> list[Path]:
    try:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in endings and not path.name.startswith(".") and path.is_file()
        ]
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed: {error.strerror}") from None
    return sorted(found, key=natural)


def expand(footage: Sequence[Path]) -> dict[str, Path]:
    """Cameras for what the command line names.

    A file is a camera, a folder's videos are a camera each, and a folder of numbered images is one. Each is
    called by its stem, made fit to be a folder's name; a repeated one gets ``-2``, ``-3`` and so on.

    Raises:
        ConfigError: something is not there, or a folder holds neither.
    """
    return _named(path for given in footage for path in _cameras(given))


def _cameras(given: Path) -> list[Path]:
    if not given.exists():
        raise ConfigError(f"{mask(str(given))}: no such file or folder")
    if not given.is_dir():
        return [given]
    try:
        videos = videos_in(given)
        if videos or images_in(given):
            return videos or [given]
    except SourceError as error:
        raise ConfigError(str(error)) from None
    raise ConfigError(f"{given}: holds neither a video nor numbered images")


def _named(paths: Iterable[Path]) -> dict[str, Path]:
    cameras: dict[str, Path] = {}
    taken: set[str] = set()
    for path in paths:
        stem = _fit(path.resolve().name if path.is_dir() else path.stem)
        name, count = stem, 1
        while name.casefold() in taken:
            count += 1
            name = f"{stem}-{count}"
        taken.add(name.casefold())
        cameras[name] = path
    return cameras


def _fit(stem: str) -> str:
    """``stem`` with what no camera name may hold replaced; short enough for a number at its end."""
    name = re.sub(r"[^A-Za-z0-9_. -]", "_", stem)
    name = re.sub(r"\.{2,}", ".", name)[:90].strip(" .-")
    return name if NAME.fullmatch(name) else "camera"
