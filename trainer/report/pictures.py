"""Curves of a run, and pictures of what was degraded, restored and meant."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.restore import surroundings
from trainer.evaluate import IDENTITY, Scored
from trainer.measures import chief_measure

TILE = (320, 200)
"""Width and height in pixels of one picture among the samples."""

QUALITY = 88
"""Of the JPEGs on a page."""

_HEADING = 28
"""Height in pixels."""

_Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A picture's tiles, small enough to keep many."""

    name: str
    clip: str
    gain: float
    """Of the model, in dB."""
    tiles: Mapping[str, _Image]
    """By heading, what was degraded first, the original last: uint8 ``[200, 320, 3]``."""


def curves(rows: Sequence[Mapping[str, Any]], identity: Mapping[str, float]) -> bytes:
    """Draw loss and PSNR per epoch, as a PNG.

    Args:
        rows: one per epoch, with ``epoch``, ``train_loss``, ``validation_loss``, ``psnr_db`` and
            ``psnr_hidden_db``.
        identity: the same of the degraded input, drawn as level lines.
    """
    # imported here: it takes a second, which `trainer --help` need not
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    for axes, columns, unit in (
        (left, ("train_loss", "validation_loss"), "loss"),
        (right, ("psnr_db", "psnr_hidden_db"), "PSNR of validation, dB"),
    ):
        for column in columns:
            (line,) = axes.plot(epochs, [row[column] for row in rows], marker=".", label=column)
            if column in identity:
                axes.axhline(
                    identity[column], color=line.get_color(), linestyle=":", label=f"{column} of the input"
                )
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        axes.grid(alpha=0.3)
        axes.legend()
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_yscale("log")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()


def sample(scored: Scored, model: str, degraded: str, *, whole: bool) -> Sample:
    """Cut tiles out of a picture.

    Args:
        scored: the picture.
        model: the system whose gain it is.
        degraded: the first tile's heading, such as ``blurred``.
        whole: show all of it; otherwise the largest hidden region, with its surroundings.
    """
    x0, y0, x1, y1 = 0, 0, scored.original.shape[1], scored.original.shape[0]
    if not whole:
        sides = scored.regions[:, 2:] - scored.regions[:, :2]
        largest = scored.regions[int(np.argmax(sides.prod(axis=1)))].tolist()
        x0, y0, x1, y1 = surroundings(largest, 0.25, x1, y1)
    row = scored.row
    chief = chief_measure(hides=row.hides)
    pictures = {degraded: (IDENTITY, scored.degraded)}
    pictures |= {system: (system, image) for system, image in scored.restored.items()}
    tiles = {
        heading: _tile(_bytes(image.numpy()[y0:y1, x0:x1]), f"{row.measures[system][chief]:.1f} dB")
        for heading, (system, image) in pictures.items()
    }
    tiles["original"] = _tile(_bytes(scored.original.numpy()[y0:y1, x0:x1]), row.picture.clip)
    return Sample(row.picture.name, row.picture.clip, row.gain(model), tiles)


def sheet(samples: Sequence[Sample]) -> bytes:
    """Draw samples as the rows of a PNG under their headings."""
    heading = np.full((_HEADING, TILE[0] * len(samples[0].tiles), 3), 255, np.uint8)
    for column, text in enumerate(samples[0].tiles):
        _write_text(heading, text, column * TILE[0] + 8, 20, (0, 0, 0))
    rows = [np.hstack(list(each.tiles.values())) for each in samples]
    return _encoded(".png", np.vstack([heading, *rows]))


def strip(one: Sample) -> bytes:
    """Draw one sample's tiles side by side as a JPEG."""
    return _encoded(".jpg", np.hstack(list(one.tiles.values())), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def _encoded(suffix: str, image: _Image, options: Sequence[int] = ()) -> bytes:
    # neither format refuses pictures of this kind
    return bytes(cv2.imencode(suffix, image[..., ::-1], options)[1])


def _bytes(image: NDArray[Any]) -> _Image:
    return np.ascontiguousarray(np.rint(image).clip(0, 255), np.uint8)


def _tile(image: _Image, caption: str) -> _Image:
    """Fit a picture into a tile, keeping its aspect ratio, with a caption in its corner."""
    tile = np.full((TILE[1], TILE[0], 3), 32, np.uint8)
    height, width = image.shape[:2]
    scale = min(TILE[0] / width, TILE[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shrinks = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    left, top = (TILE[0] - size[0]) // 2, (TILE[1] - size[1]) // 2
    tile[top : top + size[1], left : left + size[0]] = cv2.resize(image, size, interpolation=shrinks)
    _write_text(tile, caption, 6, TILE[1] - 8, (0, 0, 0), thickness=3)
    _write_text(tile, caption, 6, TILE[1] - 8, (255, 255, 255))
    return tile


def _write_text(
    image: _Image, text: str, x: int, y: int, colour: tuple[int, int, int], thickness: int = 1
) -> None:
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness, cv2.LINE_AA)
