"""`streamer export`: detections as COCO JSON, which annotation tools read and write."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from streamer import coco, lines
from streamer.coco import Labelled
from streamer.errors import ConfigError
from streamer.frame import Detections
from streamer.recordings import FILE, image_name

logger = logging.getLogger(__name__)


def export(path: Path, target: Path, *, overwrite: bool = False) -> None:
    """Write what was seen and hidden in each frame; frames that were hidden whole are left out.

    Args:
        path: a run's folder of outputs, a camera's folder, or its ``detections.jsonl``.
        target: the file to write.
        overwrite: replace an existing one.

    Raises:
        ConfigError: there are no detections, a line is wrong, or the file is there already or is theirs.
        SinkError: it cannot be written.
    """
    if os.path.lexists(target) and not overwrite:
        raise ConfigError(f"{target} exists already: use --overwrite, or name another file")
    files = _files(path)
    for file in files.values():
        if target.exists() and target.samefile(file):
            raise ConfigError(f"{target} is what the detections are read from: name another file")
    images = [image for camera, file in files.items() for image in _images(camera, file)]
    coco.save(target, images, {"description": f"detections of {', '.join(files)}, by streamer export"})
    logger.info("%s: %d images, %d objects", target, len(images), sum(len(each.objects) for each in images))


def _files(path: Path) -> dict[str, Path]:
    """Return the files by camera."""
    if path.is_file():
        return {path.resolve().parent.name: path}
    if (path / FILE).is_file():
        return {path.resolve().name: path / FILE}
    found = {file.parent.name: file for file in sorted(path.glob(f"*/{FILE}"))}
    if not found:
        raise ConfigError(f"{path}: no {FILE} in it, nor in a folder in it")
    return found


def _images(camera: str, file: Path) -> Iterator[Labelled]:
    for each in lines.read(file):
        if each.size is None:
            raise ConfigError(f"{file}, line {each.line}: no line so far tells the size of the pictures")
        if each.failure is None and each.found.looked:
            width, height = each.size
            objects = _inside(each.found.keep(each.hidden), width, height)
            yield Labelled(image_name(camera, each.frame), width, height, objects)


def _inside(found: Detections, width: int, height: int) -> Detections:
    """Clip boxes to the picture, as COCO has them; without those that lie off it."""
    boxes = np.clip(found.boxes, 0, np.array([width, height] * 2, np.float32))
    clipped = replace(found, boxes=boxes)
    return clipped.keep((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
