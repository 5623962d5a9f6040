"""What a look at a picture keeps of it: how sharp it is, where its edges run, how bright it is.

Everything is kept for the cells of one grid, so that what vehicles and persons hide can be left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Image

Map: TypeAlias = NDArray[np.float32]
Grey: TypeAlias = NDArray[np.uint8]
Cells: TypeAlias = NDArray[np.float32]
"""float32 ``[ROWS, COLUMNS]``: a value for each cell."""

ROWS, COLUMNS = 9, 16
"""Cells of the grid."""

FINE = 640
"""Longest side in pixels at which sharpness is measured: a Gaussian of 2 pixels in 720p is still one of 1."""

WIDTH, HEIGHT = 320, 180
"""Pixels at which edges are compared, whatever the picture's proportions."""

REACH = 6.0
"""Pixels of ``WIDTH`` and ``HEIGHT`` that smoothing and gradients carry a pixel's level, at most."""

WHITE, BLACK = 250, 24
"""Levels from which on a pixel is saturated, and up to which it is dark."""

LEAST_GRADIENT = 2.5
"""Levels a pixel: weaker gradients are mostly noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A picture, measured."""

    time_s: float
    """Presentation time in seconds."""
    fine: Grey
    """uint8 ``[h, w]``, the longest side ``FINE`` at most: grey."""
    grey: Map
    """float32 ``[HEIGHT, WIDTH]``: grey, 0 to 255, smoothed."""
    across: Map
    """float32 ``[HEIGHT, WIDTH]``: gradient to the right, as a share of 1 that a strong edge has."""
    down: Map
    """float32 ``[HEIGHT, WIDTH]``: gradient downwards."""
    detail: Cells
    """Logarithm of the variance of the Laplacian."""
    sharpness: Cells
    """Logarithm of what is fine to what is coarse, which no change of light or contrast moves much."""
    outlines: Cells
    """Logarithm of what is coarse: ``detail`` less ``sharpness``."""
    level: Cells
    """Mean grey, 0 to 255."""
    clear: NDArray[np.bool_]
    """bool ``[ROWS, COLUMNS]``: cells that no object stands in front of."""
    white: float
    """Share of saturated pixels."""
    black: float
    """Share of dark pixels."""
    shown: NDArray[np.bool_]
    """bool ``[ROWS, COLUMNS]``: cells of which nothing is hidden, so that they may be kept."""


def look(
    image: Image, boxes: NDArray[np.float32], time_s: float, hidden: NDArray[np.float32] | None = None
) -> Look:
    """Measure a picture.

    Args:
        image: uint8 ``[H, W, 3]``, RGB.
        boxes: float32 ``[N, 4]``, in pixels: what to leave out.
        time_s: presentation time in seconds.
        hidden: float32 ``[R, 4]``, in pixels: what nobody may see; None where nothing of it will be kept.
    """
    height, width = image.shape[:2]
    shown = np.zeros((ROWS, COLUMNS), np.bool_)
    if hidden is not None:
        reach = np.array([-width / WIDTH, -height / HEIGHT, width / WIDTH, height / HEIGHT], np.float32)
        shown = _clear(hidden + REACH * reach, width, height)
    return look_at_grey(reduced(image), _clear(boxes, width, height), time_s, shown)


def reduced(image: Image) -> Grey:
    """Return a picture in grey, its longest side ``FINE`` at most.

    Args:
        image: uint8 ``[H, W, 3]``, RGB.
    """
    height, width = image.shape[:2]
    # grey first: averaging three channels costs thrice
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = FINE / max(height, width)
    if scale < 1.0:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def look_at_grey(
    fine: Grey, clear: NDArray[np.bool_], time_s: float, shown: NDArray[np.bool_] | None = None
) -> Look:
    """Measure what ``reduced`` made; ``clear`` and ``shown`` as in ``Look``, None where nothing is shown."""
    small = cv2.resize(fine, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), np.float32)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.25)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.25)
    strength = cv2.magnitude(across, down)
    softened = 1.0 / (strength + max(LEAST_GRADIENT, float(strength.mean())))
    laplacian = cv2.Laplacian(fine, cv2.CV_16S).astype(np.float32)
    energy = np.log(cells(laplacian * laplacian) + 2.0)
    coarse = np.log(cells(strength * strength) + 2.0)
    return Look(
        time_s, fine, grey, across * softened, down * softened, energy, energy - coarse, coarse, cells(grey),
        clear,
        white=float(np.count_nonzero(fine >= WHITE)) / fine.size,
        black=float(np.count_nonzero(fine <= BLACK)) / fine.size,
        shown=np.zeros((ROWS, COLUMNS), np.bool_) if shown is None else shown,
    )  # fmt: skip


def cells(values: Map) -> Cells:
    """Return the mean of values, float32 ``[h, w]``, over each cell."""
    return np.asarray(cv2.resize(values, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA), np.float32)


def _clear(boxes: NDArray[np.float32], width: int, height: int) -> NDArray[np.bool_]:
    """Return which cells no box reaches into."""
    clear = np.ones((ROWS, COLUMNS), np.bool_)
    for x0, y0, x1, y1 in (boxes * np.array([COLUMNS / width, ROWS / height] * 2, np.float32)).tolist():
        clear[_span(y0, y1, ROWS), _span(x0, x1, COLUMNS)] = False
    return clear


def _span(first: float, last: float, count: int) -> slice:
    return slice(min(count, max(0, int(first))), min(count, max(0, int(np.ceil(last)))))


def everywhere() -> NDArray[np.bool_]:
    """Return the cells of a picture without objects."""
    return np.ones((ROWS, COLUMNS), np.bool_)


def weighted_median(values: Sequence[float] | NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    """Return the value below which half of the weight lies; 0 where there is none.

    Args:
        values: ``[N]``.
        weights: float32 ``[N]``, none negative.
    """
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    if reached.size == 0 or reached[-1] <= 0.0:
        return 0.0
    place = min(int(np.searchsorted(reached, reached[-1] / 2)), reached.size - 1)
    return float(np.asarray(values)[order][place])
