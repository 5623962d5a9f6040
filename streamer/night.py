"""Whether it is night for a camera, by its hidden pictures: they are grey, as in infrared light, or dark."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from streamer.ycbcr import ycbcr

SIDE, MEAN_OF = 96, 3
"""About so many pixels a side are looked at, averaged over squares of so many: dither is not colour."""

GREY = 2.0
"""Of 255 levels: a picture is grey where 95% of those have less chroma. What a camera records that sees by
infrared light has none, but for an overlay."""

DARK, DIM = 45.0, 60.0
"""Of 255 levels: median luma below which a picture is dark, and above which it is so no longer."""

SECONDS = 3.0
"""How long, in the source's time, pictures must say otherwise before night begins or ends."""


def look(picture: torch.Tensor) -> tuple[float, float]:
    """Return the median luma and the 95th percentile of the chroma of a picture, in levels of 255.

    Args:
        picture: uint8 ``[H, W, 3]``, RGB, on any device.
    """
    height, width = picture.shape[:2]
    picked = picture[:: max(1, height // SIDE), :: max(1, width // SIDE)].cpu()
    planes = picked.permute(2, 0, 1)[None].float()
    means = F.avg_pool2d(planes, MEAN_OF, ceil_mode=True, count_include_pad=False)
    seen = ycbcr(means[0].flatten(1).T)
    chroma = seen[:, 1:].abs().amax(dim=1)
    return float(seen[:, 0].median()), float(chroma.kthvalue(-(-95 * len(chroma) // 100)).values)


def is_grey(picture: torch.Tensor) -> bool:
    """Whether there is no colour in a picture, uint8 ``[H, W, 3]``, but for a small part of it."""
    return look(picture)[1] < GREY


class Night:
    """One camera's day and night."""

    def __init__(self) -> None:
        self._night: bool | None = None
        self._otherwise_since: float | None = None

    def forget(self) -> None:
        """Begin anew: the next picture alone decides."""
        self._night = self._otherwise_since = None

    def at(self, time_s: float, picture: torch.Tensor) -> bool:
        """Say whether it is night.

        Args:
            time_s: of the picture, in the source's time.
            picture: uint8 ``[H, W, 3]``, RGB, hidden.
        """
        luma, chroma = look(picture)
        seems = chroma < GREY or luma < (DIM if self._night else DARK)
        if self._night is None:
            self._night = seems
        if seems == self._night:
            self._otherwise_since = None
        elif self._otherwise_since is None:
            self._otherwise_since = time_s
        elif time_s - self._otherwise_since >= SECONDS:
            self._night, self._otherwise_since = seems, None
        return self._night
