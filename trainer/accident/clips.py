"""Clips whose frames are labelled one by one: in which of them an accident is in view."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from streamer.errors import ConfigError
from trainer.accident.config import AccidentDataConfig
from trainer.data import download, images_below, scene_of

_NUMBER = re.compile(r"(.+)_(\d+)(?:-\d+)?")


class Labelled(NamedTuple):
    """A frame."""

    path: Path
    accident: bool


@dataclass(frozen=True, slots=True)
class Clip:
    """What one camera showed for a while."""

    name: str
    scene: str
    """The first of the clips that show the same."""
    frames: Mapping[int, Labelled]
    """By their numbers, in order; numbers may be missing."""


def find(config: AccidentDataConfig) -> list[Clip]:
    """Find all clips.

    Raises:
        ConfigError: there is no dataset or folder, or nothing in it that can be learned from.
    """
    if config.folder is None:
        root = download(config.kaggle)
    else:
        root = Path(config.folder).expanduser()
        if not root.is_dir():
            raise ConfigError(f"data.folder: {root}: no such folder")
    clips: dict[str, dict[int, Labelled]] = {}
    for path in images_below(root)[0]:
        if match := _NUMBER.fullmatch(path.stem):
            accident = config.accident in path.relative_to(root).parts[:-1]
            clips.setdefault(match[1], {}).setdefault(int(match[2]), Labelled(path, accident))
    if not clips:
        raise ConfigError(f"{root}: no images of clips in it or below; their names are CLIP_NUMBER")
    if unknown := [name for name in config.test if name not in clips]:
        raise ConfigError(f"data.test: there is no clip {unknown[0]!r} in {root}")
    for group in config.groups:
        unknown = [name for name in group if name not in clips]
        if 0 < len(unknown) < len(group):
            # misspelt: the clip that is meant would be trained on while its scene is left out
            raise ConfigError(f"data.groups: there is no clip {unknown[0]!r} in {root}")
    scene = scene_of(list(clips), config.groups)
    return [Clip(name, scene[name], dict(sorted(frames.items()))) for name, frames in clips.items()]
