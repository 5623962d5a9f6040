"""Pictures degraded, restored by each system, and measured against the original, beside doing nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.boxes import Boxes, disjoint, pad, whole
from streamer.config import BlurConfig
from streamer.hide import hide
from streamer.measure import squared_errors
from streamer.nets.network import grey
from streamer.restore import cut
from streamer.restore.squares import squares
from trainer.crops import Degrade
from trainer.data import Picture
from trainer.degrade import BoxesByName
from trainer.images import read_image
from trainer.measures import Flicker, Measures, chief_measure, colours, similarity
from trainer.store import decode
from trainer.system import System

IDENTITY = "identity"
"""Doing nothing: the first row of every table."""

Pairing: TypeAlias = Callable[[Picture], tuple[Tensor, Tensor]]
"""A picture to what is clean, uint8 ``[H, W, 3]``, and what a network is given: float32 ``[3, H, W]``, or
``[6, H, W]`` with a hint of its colours."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one picture counts for."""

    picture: Picture
    regions: int
    """How many are hidden; 1 for a picture that is degraded all over."""
    measures: Mapping[str, Measures]
    """By system, ``IDENTITY`` first."""
    worsened: Mapping[str, int]
    """How many regions are further from the original than before, by system but for the identity."""
    original: Measures = field(default_factory=dict)
    """The original's own ``colourfulness`` and ``chroma_change``, for what is reported as a share of it."""

    @property
    def hides(self) -> bool:
        """Whether regions are told from the whole picture."""
        return "psnr_regions_db" in self.measures[IDENTITY]

    def gain(self, system: str) -> float:
        """Return a system's PSNR over that of doing nothing, in dB, where something was hidden."""
        chief = chief_measure(hides=self.hides)
        return self.measures[system][chief] - self.measures[IDENTITY][chief]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A picture, degraded and restored, and how near each is to the original."""

    original: Tensor
    """uint8, or where nothing was rounded float32 of 0 to 255, ``[H, W, 3]``."""
    degraded: Tensor
    restored: Mapping[str, Tensor]
    """By system."""
    regions: Boxes
    """int32 ``[R, 4]``: what is hidden."""
    row: Row
    mask: NDArray[np.uint8] | None = None
    """uint8 ``[H, W]``: 1 for what is hidden of the regions; None for all."""


def score(
    pictures: Iterable[Picture], boxes: BoxesByName, blur: BlurConfig, systems: Iterable[System]
) -> Iterator[Scored]:
    """Hide and restore frames at their full size, by the code that runs live.

    Args:
        pictures: frames; those in which nothing is hidden, or that the blur does not change, are left out:
            their identity has no finite PSNR.
        boxes: what to hide in them.
        blur: how.
        systems: what restores them.
    """
    systems = list(systems)
    for picture in pictures:
        if len(boxes.get(picture.name, ())) == 0:
            continue
        original = read_image(picture.path)
        random = np.random.default_rng(int(picture.digest[:8], 16))
        blurred, regions, mask = hide(original, boxes[picture.name], blur, random=random)
        restored = {system.name: system.restore(blurred, regions, mask) for system in systems}
        if (scored := compare(picture, original, blurred, restored, regions, mask)) is not None:
            yield scored


def score_whole(
    pictures: Iterable[Picture],
    pairing: Pairing,
    systems: Iterable[System],
    *,
    rounded: bool = True,
    colour: bool = False,
) -> Iterator[Scored]:
    """Restore pictures that are degraded all over.

    Args:
        pictures: that can be read, each clip's in order; those that were not changed are left out.
        pairing: makes a pair of each.
        systems: what restores them.
        rounded: give networks 8 bits and take 8 bits from them, which is all that streamer knows; otherwise
            nothing is rounded, as the literature on denoising has it.
        colour: measure colours too.
    """
    systems = list(systems)
    flicker = Flicker()
    for picture in pictures:
        original, planes = pairing(picture)
        height, width = original.shape[:2]
        everything = whole(width, height)
        if rounded:
            degraded = _bytes(planes[:3])
            hint = planes[3:] if len(planes) > 3 else None
            restored = {system.name: system.restore(degraded, everything, hint=hint) for system in systems}
        else:
            original = original.float()
            degraded = _levels(planes[:3].clamp(0, 1))
            restored = {system.name: _levels(system.restore_floats(planes[:3])) for system in systems}
        scored = compare(picture, original, degraded, restored, everything, hides=False)
        if scored is None:
            continue
        yield _coloured(scored, flicker) if colour else scored


def paired_by(degrade: Degrade, *, without_colour: bool = False, size: int | None = None) -> Pairing:
    """Return what reads a picture and degrades it; what is drawn at random follows from its contents.

    Args:
        degrade: what is done; hints are left out.
        without_colour: take the picture in grey, for networks that know nothing else.
        size: take the picture resized to a square of so many pixels a side first.
    """

    def pairing(picture: Picture) -> tuple[Tensor, Tensor]:
        both = decode(picture)
        if size is not None:
            both = squares(both, whole(both.shape[1], both.shape[0]), size, 0.0)[0]
        planes = both.permute(2, 0, 1).float() / 255
        original = both[..., :3].contiguous()
        if without_colour:
            bare = grey(planes[None, :3]).expand(1, 3, -1, -1)[0]
            original, planes = _bytes(bare), torch.cat([bare, planes[3:]])
        # the hints that training draws are of the very picture: here they would tell what is asked for
        random = np.random.default_rng(int(picture.digest[:8], 16))
        return original, degrade(planes, random)[:3]

    return pairing


def at_size(frame: Scored, systems: Iterable[System], size: int) -> Scored | None:
    """Score a whole frame once more at the networks' own size, which is how the reference recipe measures.

    Args:
        frame: at its full size.
        systems: applied to the degraded frame after resizing.
        size: side in pixels of the square.

    Returns:
        None as in ``compare``.
    """
    height, width = frame.original.shape[:2]
    everything = whole(width, height)
    original, degraded = (cut(image, everything, size, 0.0) for image in (frame.original, frame.degraded))
    restored = {system.name: system.restore_square(degraded) for system in systems}
    scale = np.array([size / width, size / height] * 2, np.float32)
    regions = pad(frame.regions.astype(np.float32) * scale, size, size, 0.0)
    mask = None
    if frame.mask is not None:  # a pixel counts that is hidden in part, as along the edges of the regions
        share = cv2.resize(frame.mask * np.uint8(255), (size, size), interpolation=cv2.INTER_AREA)
        mask = (share > 0).astype(np.uint8)
    return compare(
        frame.row.picture,
        _bytes(original[0]),
        _bytes(degraded[0]),
        {name: _bytes(image[0]) for name, image in restored.items()},
        regions,
        mask,
        hides=frame.row.hides,
    )


def compare(
    picture: Picture,
    original: Tensor,
    degraded: Tensor,
    restored: Mapping[str, Tensor],
    regions: Boxes,
    mask: NDArray[np.uint8] | None = None,
    *,
    hides: bool = True,
) -> Scored | None:
    """Measure a degraded picture and its restorations against the original.

    Args:
        picture: that it is.
        original: uint8, or float32 of 0 to 255, ``[H, W, 3]``, on the CPU.
        degraded: likewise.
        restored: likewise, by system.
        regions: int32 ``[R, 4]``: what is hidden.
        mask: uint8 ``[H, W]``: 1 for what is hidden of them; None for all.
        hides: whether regions are to be told from the whole picture; otherwise they are all of it.

    Returns:
        None where what is degraded equals the original, so that nothing can be gained.
    """
    areas = disjoint(regions)
    if squared_errors(original, [degraded], areas, mask)[0][1] == 0:
        return None
    worsened = {}
    for system, image in restored.items():
        errors = [squared_errors(original, [degraded, image], region, mask) for region in regions[:, None]]
        worsened[system] = sum(after[1] > before[1] for before, after in errors)
    rows = {
        system: similarity(original, image, areas, mask, hides=hides)
        for system, image in ((IDENTITY, degraded), *restored.items())
    }
    row = Row(picture, len(regions), rows, worsened)
    return Scored(original, degraded, restored, regions, row, mask)


def _coloured(scored: Scored, flicker: Flicker) -> Scored:
    """Add what is measured of colours."""
    pictures = {"": scored.original, IDENTITY: scored.degraded, **scored.restored}
    row = scored.row
    changes = flicker.changes(row.picture.clip, {name: picture.numpy() for name, picture in pictures.items()})
    found = {
        name: colours(scored.original, picture)
        | ({"chroma_change": changes[name]} if name in changes else {})
        for name, picture in pictures.items()
    }
    original = {name: value for name, value in found.pop("").items() if name != "ciede2000"}
    measures = {name: {**row.measures[name], **more} for name, more in found.items()}
    return replace(scored, row=replace(row, measures=measures, original=original))


def _levels(planes: Tensor) -> Tensor:
    """Turn float32 ``[3, H, W]`` of 0 to 1 into float32 ``[H, W, 3]`` of 0 to 255."""
    return (planes * 255).permute(1, 2, 0).contiguous()


def _bytes(planes: Tensor) -> Tensor:
    """Turn float32 ``[3, H, W]`` of 0 to 1 into uint8 ``[H, W, 3]``."""
    return _levels(planes).round().clamp(0, 255).to(torch.uint8)
