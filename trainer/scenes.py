"""Normal footage as scenes: the looks that a watcher would take of each, without cuts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np

from streamer.cut import is_cut, thumbnail
from streamer.errors import SourceError, one_line
from streamer.frame import Image
from trainer.data import clip_of, images_below, natural
from trainer.images import read_image

EVERY = 0.2
"""Seconds from one look to the next; images, whose times nobody knows, are taken to be so far apart."""

LEAST = 12
"""Looks that a scene must have."""

MOST = 60
"""Looks that are taken of a scene: the first ones."""


def read(footage: Sequence[Path], chosen: Collection[str] = ()) -> Iterator[tuple[str, list[Image]]]:
    """Yield the scenes of footage by name: the clip's, with a number where it has several.

    Args:
        footage: clips, and folders with images, whose clips are told as those of training data.
        chosen: names of the clips to take; all where empty.

    Raises:
        ConfigError: a folder has no images.
        SourceError: a clip or an image cannot be read.
    """
    for path in footage:
        clips = _images(path) if path.is_dir() else [(path.stem, _frames(path))]
        yield from of_clips((clip, pictures) for clip, pictures in clips if not chosen or clip in chosen)


def of_clips(clips: Iterable[tuple[str, Iterator[Image]]]) -> Iterator[tuple[str, list[Image]]]:
    """Yield the scenes of clips, each given as its name and its pictures in order; names as in ``read``."""
    for clip, pictures in clips:
        scenes = [scene[:MOST] for scene in split(pictures) if len(scene) >= LEAST]
        for number, scene in enumerate(scenes, 1):
            yield clip if len(scenes) == 1 else f"{clip}, scene {number}", scene


def split(pictures: Iterator[Image]) -> list[list[Image]]:
    """Divide pictures where one does not continue the one before, as ``streamer`` tells that."""
    scenes: list[list[Image]] = []
    before = None
    for picture in pictures:
        now = thumbnail(picture)
        if before is None or is_cut(before, now):
            scenes.append([])
        if len(scenes[-1]) < MOST:
            scenes[-1].append(picture)
        before = now
    return scenes


def _images(folder: Path) -> Iterator[tuple[str, Iterator[Image]]]:
    clips: dict[str, list[Path]] = {}
    for path in images_below(folder)[0]:
        clips.setdefault(clip_of(path.relative_to(folder).as_posix(), "name"), []).append(path)
    for clip, paths in clips.items():
        yield clip, in_order(paths)


def in_order(paths: Iterable[Path]) -> Iterator[Image]:
    """Read a clip's images in the order of the numbers in their names, whatever folders they lie in."""
    for path in sorted(paths, key=lambda path: natural(Path(path.name))):
        yield read_image(path).numpy()


def _frames(path: Path) -> Iterator[Image]:
    last = -EVERY
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                if frame.time is None or frame.time >= last + EVERY - 0.005:
                    last = last + EVERY if frame.time is None else frame.time
                    yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    except (av.FFmpegError, OSError, IndexError) as error:
        raise SourceError(f"{path}: cannot be read as a clip: {one_line(error)}") from error
