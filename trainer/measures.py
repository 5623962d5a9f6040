"""What is measured of a picture against its original."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from streamer.boxes import Boxes
from streamer.measure import psnr, samples, squared_errors
from trainer import ciede2000
from trainer.colourfulness import change, chroma, colourfulness
from trainer.structure import ms_ssim, ssim_map

BEST_PSNR = 100.0
"""In dB: what counts for a picture that came back exactly, whose PSNR is infinite."""

Measures: TypeAlias = Mapping[str, float]
"""By name: ``psnr_db``, ``ssim``, ``ms_ssim`` where the picture is large enough for it, where something is
hidden ``psnr_regions_db`` and ``ssim_regions``; of colours ``ciede2000``, ``colourfulness``, and from the
second frame of a clip on ``chroma_change``."""


def chief_measure(*, hides: bool) -> str:
    """Return the measure that gains are of: what is hidden counts where something is."""
    return "psnr_regions_db" if hides else "psnr_db"


def similarity(
    original: Tensor, other: Tensor, areas: Boxes, mask: NDArray[np.uint8] | None, *, hides: bool
) -> dict[str, float]:
    """Measure how near a picture is to its original.

    Args:
        original: uint8, or float32 of 0 to 255, ``[H, W, 3]``, on the CPU.
        other: likewise.
        areas: int32 ``[D, 4]``, not overlapping: what is hidden.
        mask: uint8 ``[H, W]``: 1 for what is hidden of them; None for all.
        hides: whether they are measured besides the whole picture.
    """
    everywhere, inside = squared_errors(original, [other], areas, mask)[0]
    one, two = (_unit(image) for image in (original, other))
    similar = ssim_map(one, two)
    found = {
        "psnr_db": _decibels(everywhere, original.numel()),
        "ssim": float(similar.mean(dtype=np.float64)),
    }
    if (scales := ms_ssim(one, two)) is not None:
        found["ms_ssim"] = scales
    if hides:
        counted = np.zeros(similar.shape, bool)
        for x0, y0, x1, y1 in areas.tolist():
            counted[y0:y1, x0:x1] = True if mask is None else mask[y0:y1, x0:x1]
        found["psnr_regions_db"] = _decibels(inside, samples(areas, mask))
        found["ssim_regions"] = float(similar[counted].mean(dtype=np.float64))
    return found


def _decibels(squared_error: int, count: int) -> float:
    found = psnr(squared_error, count)
    return BEST_PSNR if found is None else min(found, BEST_PSNR)


class Flicker:
    """The colours of a clip's frame before, and how much those of the next one differ."""

    def __init__(self) -> None:
        self._clip = ""
        self._before: dict[str, NDArray[np.uint8]] = {}

    def changes(self, clip: str, pictures: Mapping[str, NDArray[np.uint8]]) -> dict[str, float]:
        """Return the change since the clip's frame before by name; nothing for its first one."""
        now = {name: chroma(picture) for name, picture in pictures.items()}
        before, self._before = self._before, now
        follows, self._clip = clip == self._clip, clip
        if not follows:
            return {}
        return {
            name: change(before[name], frame)
            for name, frame in now.items()
            if name in before and before[name].shape == frame.shape
        }


def colours(original: Tensor, other: Tensor) -> dict[str, float]:
    """Measure a picture's colours: uint8 ``[H, W, 3]`` twice."""
    one, two = (ciede2000.lab(_unit(image)) for image in (original, other))
    return {
        "ciede2000": float(ciede2000.difference(one, two).mean(dtype=np.float64)),
        "colourfulness": colourfulness(other.numpy()),
    }


def _unit(picture: Tensor) -> NDArray[np.float32]:
    """Turn uint8 or float32 of 0 to 255 into float32 of 0 to 1."""
    return np.asarray(picture.numpy() / np.float32(255), np.float32)
