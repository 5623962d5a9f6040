"""Frames of labelled clips as a zero-shot network sees them, in the windows that its alerts look at."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from streamer.errors import SourceError
from streamer.frame import Image
from streamer.watch.glances import EARLY
from streamer.watch.zeroshot import Scorer
from trainer.images import read_image
from trainer.sampled import sampled
from trainer.zeroshot.calibration import Windows
from trainer.zeroshot.labelled import Part

logger = logging.getLogger(__name__)

BATCH = 16
"""Pictures that the network is given at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """All frames of all parts, one part after the other."""

    parts: Sequence[Part]
    embeddings: NDArray[np.float32]
    """``[F, D]``."""
    of: NDArray[np.intp]
    """``[F]``: the part of each frame."""
    windows: Sequence[slice]
    """Frames that are pooled, those of a video or a part's images one after the other; none is in two."""
    failed: int
    """Files that cannot be read, at least in part."""

    @property
    def labels(self) -> list[str]:
        """Return the class of each frame."""
        return [self.parts[part].label for part in self.of]

    @property
    def scenes(self) -> list[str]:
        """Return the scene of each frame."""
        return [self.parts[part].scene for part in self.of]


def embed(parts: Sequence[Part], scorer: Scorer, every: float, window: float, console: Console) -> Embedded:
    """Embed what ``streamer`` would look at.

    Args:
        parts: of labelled clips. Images, whose times nobody knows, are taken to be ``every`` seconds apart.
        scorer: the network.
        every: seconds from one frame of a video to the next.
        window: seconds that are pooled. What is left over behind the last whole window is passed over, unless
            there is no whole one.
        console: where progress goes.

    Raises:
        SourceError: nothing can be read.
    """
    length = max(1, ceil((window - EARLY) / every))  # looks that a window of the run has
    rows: list[NDArray[np.float32]] = []
    of: list[int] = []
    windows: list[slice] = []
    failures: list[str] = []
    for number in track(
        range(len(parts)), "looking", console=console, transient=True, disable=not console.is_terminal
    ):
        part = parts[number]
        for run in (_images(part.images, failures), *(_video(p, every, failures) for p in part.videos)):
            start = len(of)
            for batch in _batches(run):
                rows.append(scorer.embed(batch))
                of += [number] * len(batch)
            windows += _windows(start, len(of), length)
    for failure in failures:
        logger.warning("%s", failure)
    if not rows:
        raise SourceError("none of the labelled images and videos can be read")
    return Embedded(parts, np.concatenate(rows), np.array(of, np.intp), windows, len(failures))


def _windows(start: int, end: int, length: int) -> list[slice]:
    if start < end < start + length:
        return [slice(start, end)]
    return [slice(first, first + length) for first in range(start, end - length + 1, length)]


def _images(paths: Sequence[Path], failures: list[str]) -> Iterator[Image]:
    for path in paths:
        try:
            yield read_image(path).numpy()
        except SourceError as error:
            failures.append(str(error))


def _video(path: Path, every: float, failures: list[str]) -> Iterator[Image]:
    try:
        for frame in sampled(path.stem, path, every - EARLY):
            yield frame.image
    except SourceError as error:
        failures.append(str(error))


def _batches(pictures: Iterator[Image]) -> Iterator[list[Image]]:
    while batch := list(islice(pictures, BATCH)):
        yield batch


def windows_of(embedded: Embedded, margins: NDArray[np.float32], alert: str, normal: str) -> Windows:
    """Return what a class is calibrated on: the windows of its own clips and of normal ones, and no other's.

    Args:
        embedded: the frames.
        margins: ``[F]``, of the class over the normal one.
        alert: the class.
        normal: the class of what is as it should be.
    """
    pooled = [(float(margins[window].mean()), int(embedded.of[window.start])) for window in embedded.windows]
    kept = [(margin, part) for margin, part in pooled if embedded.parts[part].label in (alert, normal)]
    parts = [embedded.parts[part] for _, part in kept]
    return Windows(
        np.array([margin for margin, _ in kept], np.float64),
        np.array([part.label == alert for part in parts], np.bool_),
        np.array([part for _, part in kept], np.intp),
        [part.scene for part in parts],
    )
