"""Regions to hidden pixels: what to hide, by which stencil and filling, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.boxes import Boxes, joined, pad, whole
from streamer.channel import Guarded
from streamer.config import BlurConfig, MaskConfig, ZonesConfig
from streamer.detectors import OnFailure
from streamer.errors import HungError
from streamer.failsafe import FailureLog, all_or_each
from streamer.fill import METHODS, fill_opencv, fill_torch, noise, spread
from streamer.frame import Batch, Detected, Dropped, Frame, Hidden
from streamer.stencil import Stencil, lay_opencv, lay_torch
from streamer.zones import Zones, rasterise

GREY = 114
"""The value of every pixel of a frame that is hidden whole."""

SLACK = 0.1
"""How much more than a few boxes, as a share of their area, may be hidden where one replaces them."""

NO_ZONES = ZonesConfig()


class Covering(NamedTuple):
    """A picture with what was to be hidden in it hidden."""

    picture: torch.Tensor
    """uint8 ``[H, W, 3]``, on the original's device."""
    regions: Boxes
    """int32 ``[R, 4]``: boxes that bound what is hidden, of the padded boxes and the zones."""
    mask: NDArray[np.uint8] | None
    """uint8 ``[H, W]``: 1 where nothing of the original shows; None where that is all of the regions."""


def hide(
    image: torch.Tensor,
    boxes: NDArray[np.float32],
    blur: BlurConfig,
    labels: Sequence[str] | None = None,
    zones: Zones | None = None,
    random: np.random.Generator | None = None,
) -> Covering:
    """Hide what lies in the boxes and in the zones for it.

    Args:
        image: uint8 ``[H, W, 3]``, RGB, on any device; not changed.
        boxes: float32 ``[N, 4]``: x0, y0, x1, y1 in pixels, may reach off the frame.
        blur: how.
        labels: N names of classes, for what is set by class; None takes what holds for all.
        zones: in pixels of this frame.
        random: what dithering draws from; None is seeded by the operating system, which is what keeps
            anybody from drawing the same again and subtracting it.

    Returns:
        The hidden picture. Within its mask (or regions) nothing of the original shows; beyond them and their
        soft edges, and in the zones to keep, every pixel is the original's.
    """
    height, width = image.shape[:2]
    random = np.random.default_rng() if random is None else random
    stencils = list(_stencils(boxes, blur, labels, width, height))
    stencils += [] if zones is None else [(stencil, blur) for stencil in zones.hide]
    # where regions overlap what hides more comes last and wins
    stencils.sort(key=lambda each: _rank(*each))
    hidden = image.clone()
    for stencil, how in stencils:
        _hide_by(stencil, how, image, hidden, random)
    regions = np.array([stencil.region for stencil, _ in stencils], np.int32).reshape(-1, 4)
    mask = None
    if any(stencil.opacity is not None for stencil, _ in stencils) or (zones and zones.keep is not None):
        mask = np.zeros((height, width), np.uint8)
        for stencil, _ in stencils:
            stencil.mark(mask)
    if zones is not None and zones.keep is not None and mask is not None:
        zones.put_back(image, hidden)
        mask[zones.keep == 1] = 0
    return Covering(hidden, regions, mask)


def grown(boxes: NDArray[np.float32], how: MaskConfig, width: int, height: int) -> Boxes:
    """Return the regions to hide boxes by.

    Args:
        boxes: float32 ``[N, 4]``, in pixels, may reach off the frame.
        how: says by how much they grow.
        width: of the frame, in pixels.
        height: of the frame, in pixels.

    Returns:
        int32 ``[R, 4]`` with R ≤ N: what several boxes find is one region.
    """
    regions = pad(boxes, width, height, how.padding, how.margin * max(width, height))
    # an ellipse around two does not cover theirs; a fixed kernel hides what the reference does, no more
    return joined(regions, SLACK) if how.shape == "box" and how.kernel is None else regions


def cover(frame: Frame) -> torch.Tensor:
    """Return a picture of the frame's size with nothing of it left: uint8 ``[H, W, 3]``, on the CPU."""
    return torch.full((frame.stream.height, frame.stream.width, 3), GREY, dtype=torch.uint8)


def stage(
    batches: Iterable[Batch[Detected]],
    blur: Mapping[str, BlurConfig],
    zones: Mapping[str, ZonesConfig] | None = None,
    on_failure: Mapping[str, OnFailure] | None = None,
    random: Guarded[np.random.Generator] | None = None,
) -> Iterator[Batch[Hidden | Dropped]]:
    """Hide what was detected; a frame for which that fails, or detection failed, is hidden whole, or dropped.

    Args:
        batches: detected frames and markers.
        blur: how, by camera.
        zones: by camera, of those that have any.
        on_failure: by camera, of those for which it is not ``hide``.
        random: what dithering draws from, and where hiding works, so that it may hang; None works right here.

    Raises:
        StageError: guarded, it hung for the second time.
    """
    log = FailureLog("hiding")
    own = np.random.default_rng()
    zones, on_failure = zones or {}, on_failure or {}

    def work(items: Sequence[Detected]) -> list[Hidden]:
        def each(random: np.random.Generator) -> list[Hidden]:
            cameras = (item.frame.camera for item in items)
            return [
                _hide_one(item, blur[camera], zones.get(camera, NO_ZONES), random)
                for item, camera in zip(items, cameras, strict=True)
            ]

        return each(own) if random is None else random.use(each)

    def otherwise(item: Detected, error: Exception) -> Hidden:
        if item.failure is not None:  # in a batch that hung for another's sake
            return hidden_whole(item, item.failure)
        log.count(item.frame, error, on_failure.get(item.frame.camera, "hide"))
        return hidden_whole(item, "hider hung" if isinstance(error, HungError) else "hider")

    def leaving(item: Hidden) -> Hidden | Dropped:
        if item.failure is None or on_failure.get(item.frame.camera, "hide") == "hide":
            return item
        return Dropped(item.frame.camera, item.failure, item.frame.audio)

    for batch in batches:
        hidden = all_or_each(batch, work, otherwise, log)
        yield [leaving(item) if isinstance(item, Hidden) else item for item in hidden]


def hidden_whole(item: Detected, failure: str) -> Hidden:
    """Give up on a frame: cover all of it, on the host, since the device may be what failed."""
    stream = item.frame.stream
    regions = whole(stream.width, stream.height)
    image = torch.from_numpy(item.frame.image)
    return Hidden(
        item.frame, image, item.detections, cover(item.frame), regions, failure, sighting=item.sighting
    )


def _hide_one(item: Detected, blur: BlurConfig, zones: ZonesConfig, random: np.random.Generator) -> Hidden:
    if item.failure is not None:
        return hidden_whole(item, item.failure)
    stream = item.frame.stream
    pixels = rasterise(zones, blur.edge, stream.width, stream.height)
    counted = pixels.counts(item.detections.boxes)
    found = item.detections if counted.all() else item.detections.keep(counted)
    covering = hide(item.image, found.boxes, blur, found.labels, pixels, random)
    return Hidden(
        item.frame, item.image, found, covering.picture, covering.regions,
        mask=covering.mask, keep=pixels.keep, sighting=item.sighting,
    )  # fmt: skip


def _stencils(
    boxes: NDArray[np.float32], blur: BlurConfig, labels: Sequence[str] | None, width: int, height: int
) -> Iterator[tuple[Stencil, MaskConfig]]:
    """Yield what to hide boxes by."""
    if labels is None or not blur.by_class:
        groups: dict[MaskConfig, list[int]] = {blur: list(range(len(boxes)))}
    else:
        groups = {}
        for index, label in enumerate(labels):
            groups.setdefault(blur.of(label), []).append(index)
    for how, chosen in groups.items():
        make = Stencil.ellipse if how.shape == "ellipse" else Stencil.box
        for region in grown(boxes[chosen], how, width, height).tolist():
            yield make(region, how.edge, width, height), how


def _rank(stencil: Stencil, how: MaskConfig) -> tuple[int, float, int]:
    """Order stencils by how much they hide."""
    height = stencil.region[3] - stencil.region[1]
    return METHODS.index(how.method), spread(height, how), height


def _hide_by(
    stencil: Stencil,
    how: MaskConfig,
    image: torch.Tensor,
    hidden: torch.Tensor,
    random: np.random.Generator,
) -> None:
    x0, y0, x1, y1 = stencil.area
    height = stencil.region[3] - stencil.region[1]
    drawn = noise(y1 - y0, x1 - x0, how, random)
    area = image[y0:y1, x0:x1]
    if image.device.type == "cpu":
        lay_opencv(hidden.numpy(), fill_opencv(area.numpy(), height, how, drawn), stencil)
    else:
        lay_torch(hidden, fill_torch(area, height, how, drawn), stencil)
