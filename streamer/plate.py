"""The colours that a fixed camera's view usually has, as a hint for a network that colours grey pictures.

What is learnt comes from hidden pictures that are in colour; nothing here ever sees an original. ``trainer``
makes its hints with the same code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from streamer.cells import grow, shrink
from streamer.night import is_grey
from streamer.ycbcr import ycbcr

DEVIATION = 0.06
"""By how much luma may differ from the plate's (of 1) until the hint counts for 0.6 only."""

EVERY = 1.0
"""Seconds of the source's time from one sample to the next, at least."""

LEAST_STEP, FIRST_STEP = 1 / 255, 32 / 255
"""By how much a sample moves the plate at most: the second over the number of samples, but no less than the
first. So what passes by moves it by a level, however bright it is, as a running median is moved (McFarlane
and Schofield, 1995), and the first samples still find the middle soon."""

LIKENESS = 0.5
"""After an interruption the plate stays where its luma correlates with the picture's by this at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """A camera's view without what passes through it, at a quarter of the resolution."""

    colours: torch.Tensor
    """float32 ``[ceil(H / 4), ceil(W / 4), 3]``: luma, 0 to 1, cb and cr, -0.5 to 0.5."""
    samples: torch.Tensor
    """int32 ``[ceil(H / 4), ceil(W / 4)]``: from how many pictures; 0 where none has shown it."""


def reduce(picture: torch.Tensor) -> torch.Tensor:
    """Return luma, cb and cr of a picture at a plate's resolution.

    Args:
        picture: uint8 ``[H, W, 3]``, RGB, on any device.

    Returns:
        float32 ``[ceil(H / 4), ceil(W / 4), 3]``, as in ``Plate.colours``.
    """
    return ycbcr(shrink(picture.float()) / 255)


def hints(picture: torch.Tensor, plate: Plate | None) -> torch.Tensor:
    """Say what colours to expect in a picture.

    Args:
        picture: uint8 ``[H, W, 3]``, RGB, on the plate's device.
        plate: None, or one of pictures of another size, where nothing is known.

    Returns:
        float32 ``[3, H, W]``: cb, cr and confidence, which is ``exp(-(luma - plate's luma)² / (2 · 0.06²))``,
        0 where nothing is known; interpolated from the plate's resolution.
    """
    height, width = picture.shape[:2]
    colours = reduce(picture)
    if plate is None or plate.colours.shape != colours.shape:
        return torch.zeros((3, height, width), device=picture.device)
    apart = colours[..., 0] - plate.colours[..., 0]
    confidence = torch.exp(-apart.square() / (2 * DEVIATION**2)) * (plate.samples > 0)
    return grow(torch.stack([plate.colours[..., 1], plate.colours[..., 2], confidence]), height, width)


def learn(plate: Plate | None, picture: torch.Tensor, hidden: torch.Tensor) -> Plate:
    """Return a plate that has seen one more picture.

    Args:
        plate: so far; None, or one of pictures of another size, where this is the first.
        picture: uint8 ``[H, W, 3]``, RGB, in colour.
        hidden: bool ``[H, W]``, on the same device: what is not to be learnt.
    """
    colours = reduce(picture)
    shown = shrink(hidden[..., None].float())[..., 0] == 0
    if plate is None or plate.colours.shape != colours.shape:
        return Plate(torch.where(shown[..., None], colours, 0.0), shown.int())
    most = torch.clamp(FIRST_STEP / plate.samples.clamp(min=1), min=LEAST_STEP)
    step = torch.clamp(colours - plate.colours, min=-most[..., None], max=most[..., None])
    step = torch.where(plate.samples[..., None] > 0, step, colours)  # never shown before
    return Plate(plate.colours + torch.where(shown[..., None], step, 0.0), plate.samples + shown.int())


class Learner:
    """One camera's plate over time."""

    def __init__(self) -> None:
        self.plate: Plate | None = None
        """What is known by now."""
        self._seen_at = float("-inf")
        self._doubtful = False

    def interrupt(self) -> None:
        """Take note that what follows may show something else, or the same after a reconnect."""
        self._doubtful, self._seen_at = True, float("-inf")

    def due(self, time_s: float) -> bool:
        """Whether a picture at that time, in the source's, is to be seen."""
        return time_s - self._seen_at >= EVERY

    def see(self, time_s: float, picture: torch.Tensor, hidden: torch.Tensor) -> None:
        """Take a picture in; one that is grey teaches nothing.

        Args:
            time_s: of the picture, in the source's time.
            picture: uint8 ``[H, W, 3]``, RGB, hidden.
            hidden: bool ``[H, W]``, on the same device: what is hidden of it.
        """
        if self.plate is not None and self._doubtful and not _alike(self.plate, picture):
            self.plate = None
        self._doubtful, self._seen_at = False, time_s
        if not is_grey(picture):
            self.plate = learn(self.plate, picture, hidden)


def _alike(plate: Plate, picture: torch.Tensor) -> bool:
    """Whether a picture seems to be of a plate's view."""
    now = reduce(picture)
    if now.shape != plate.colours.shape:
        return False
    seen = plate.samples > 0
    both = torch.stack([plate.colours[seen][:, 0], now[seen][:, 0]])
    return bool(torch.corrcoef(both)[0, 1] >= LIKENESS)  # NaN, of something plain, is not
