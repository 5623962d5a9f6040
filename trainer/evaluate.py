"""What a model is worth on clips that it never saw, beside doing nothing; measured as streamer applies it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from streamer.boxes import Boxes, disjoint, pad, whole
from streamer.config import BlurConfig
from streamer.errors import SourceError
from streamer.hide import hide
from streamer.measure import psnr, samples, squared_errors
from streamer.modelfile import Header
from streamer.nets import Network
from streamer.restore import Restorer, cut
from trainer.config import HIDING
from trainer.crops import Degrade
from trainer.data import Picture
from trainer.degrade import BoxesByName
from trainer.images import read_image
from trainer.store import decode

logger = logging.getLogger(__name__)

Mode = Literal["regions", "frame"]


@dataclass(frozen=True, slots=True)
class Score:
    """PSNR in dB."""

    frame: float
    """Over the whole frame."""
    regions: float
    """Over the hidden pixels."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one frame counts for."""

    clip: str
    identity: Score
    """Of the blurred picture itself."""
    model: Score
    """Of the restored picture."""
    regions: int
    worsened: int
    """How many regions are further from the original than they were before."""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A frame, hidden and restored, and how near each is to the original."""

    original: torch.Tensor
    """uint8 ``[H, W, 3]``."""
    blurred: torch.Tensor
    restored: torch.Tensor
    regions: Boxes
    """int32 ``[R, 4]``: what is hidden."""
    row: Row
    mask: NDArray[np.uint8] | None = None
    """uint8 ``[H, W]``: 1 for what is hidden of the regions; None for all."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Means over frames, of one clip or of all."""

    frames: int
    regions: int
    identity: Score
    model: Score
    worsened: float
    """Share of the regions that are further from the original than before."""

    @property
    def gain(self) -> float:
        """Decibels inside the regions over doing nothing."""
        return self.model.regions - self.identity.regions

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {
            "frames": self.frames,
            "regions": self.regions,
            "identity": {"psnr_db": self.identity.frame, "psnr_regions_db": self.identity.regions},
            "model": {"psnr_db": self.model.frame, "psnr_regions_db": self.model.regions},
            "gain_regions_db": self.gain,
            "worsened_share": self.worsened,
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The table: each clip, and the mean over clips, so that a long clip counts no more than a short one."""

    clips: Mapping[str, Summary]

    @property
    def mean(self) -> Summary:
        """The mean over clips; frames and regions are sums."""
        clips = list(self.clips.values())
        return Summary(
            sum(clip.frames for clip in clips),
            sum(clip.regions for clip in clips),
            _mean([clip.identity for clip in clips]),
            _mean([clip.model for clip in clips]),
            fmean(clip.worsened for clip in clips),
        )

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {
            "mean_over_clips": self.mean.facts(),
            "clips": {name: clip.facts() for name, clip in self.clips.items()},
        }


def score(
    pictures: Iterable[Picture],
    boxes: BoxesByName,
    blur: BlurConfig,
    restorer: Restorer,
) -> Iterator[Scored]:
    """Hide and restore frames at their full size, by the code that runs live.

    Args:
        pictures: frames; those in which nothing is hidden, or that the blur does not change, are left out:
            their identity has no finite PSNR.
        boxes: what to hide in them.
        blur: how.
        restorer: what restores them.
    """
    for picture in pictures:
        if len(boxes.get(picture.name, ())) == 0:
            continue
        original = read_image(picture.path)
        random = np.random.default_rng(int(picture.digest[:8], 16))
        blurred, regions, mask = hide(original, boxes[picture.name], blur, random=random)
        restored = restorer.restore([blurred], [regions], [mask])[0]
        if (scored := compare(picture.clip, original, blurred, restored, regions, mask)) is not None:
            yield scored


def score_whole(pictures: Iterable[Picture], degrade: Degrade, restorer: Restorer) -> Iterator[Scored]:
    """Degrade whole pictures and restore them as streamer would, which knows 8 bits only.

    Args:
        pictures: those that cannot be read are left out; what is drawn for each follows from its contents.
        degrade: what is done to them.
        restorer: what restores them, in mode ``frame``.
    """
    for picture in pictures:
        try:
            both = decode(picture)
        except SourceError as error:
            logger.warning("left out: %s", error)
            continue
        original = both[..., :3].contiguous()
        height, width = original.shape[:2]
        planes = both.permute(2, 0, 1).float() / 255
        degraded = degrade(planes, np.random.default_rng(int(picture.digest[:8], 16)))[:3]
        rounded = (degraded * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous()
        everything = whole(width, height)
        restored = restorer.restore([rounded], [everything])[0]
        if (scored := compare(picture.clip, original, rounded, restored, everything)) is not None:
            yield scored


def at_size(frame: Scored, network: Network, size: int) -> Scored | None:
    """Score a whole frame once more at the network's own size, which is how the reference recipe measures.

    Args:
        frame: at its full size.
        network: applied to the blurred frame after resizing.
        size: side in pixels of the square.

    Returns:
        None as in ``compare``.
    """
    height, width = frame.original.shape[:2]
    everything = whole(width, height)
    original, blurred = (cut(image, everything, size, 0.0) for image in (frame.original, frame.blurred))
    with torch.inference_mode():
        restored = network(blurred)
    scale = np.array([size / width, size / height] * 2, np.float32)
    regions = pad(frame.regions.astype(np.float32) * scale, size, size, 0.0)
    mask = None
    if frame.mask is not None:  # a pixel counts that is hidden in part, as along the edges of the regions
        share = cv2.resize(frame.mask * np.uint8(255), (size, size), interpolation=cv2.INTER_AREA)
        mask = (share > 0).astype(np.uint8)
    images = [
        (image[0].permute(1, 2, 0) * 255).round().to(torch.uint8).contiguous()
        for image in (original, blurred, restored)
    ]
    return compare(frame.row.clip, images[0], images[1], images[2], regions, mask)


def compare(
    clip: str,
    original: torch.Tensor,
    blurred: torch.Tensor,
    restored: torch.Tensor,
    regions: Boxes,
    mask: NDArray[np.uint8] | None = None,
) -> Scored | None:
    """Measure a hidden frame and its restoration against the original.

    Args:
        clip: that it belongs to.
        original: uint8 ``[H, W, 3]``.
        blurred: likewise.
        restored: likewise.
        regions: int32 ``[R, 4]``: what is hidden.
        mask: uint8 ``[H, W]``: 1 for what is hidden of them; None for all.

    Returns:
        None where the blurred or the restored frame equals the original and there is no finite PSNR.
    """
    identity, model = _score(original, blurred, regions, mask), _score(original, restored, regions, mask)
    if identity is None or model is None:
        return None
    worsened = 0
    for region in regions[:, None]:
        before, after = (
            squared_errors(original, [other], region, mask)[0][1] for other in (blurred, restored)
        )
        worsened += after > before
    row = Row(clip, identity, model, len(regions), worsened)
    return Scored(original, blurred, restored, regions, row, mask)


def _score(
    original: torch.Tensor, other: torch.Tensor, regions: Boxes, mask: NDArray[np.uint8] | None
) -> Score | None:
    areas = disjoint(regions)
    everywhere, inside = squared_errors(original, [other], areas, mask)[0]
    frame, hidden = psnr(everywhere, original.numel()), psnr(inside, samples(areas, mask))
    if frame is None or hidden is None or not (math.isfinite(frame) and math.isfinite(hidden)):
        return None
    return Score(frame, hidden)


def summarise(rows: Iterable[Row]) -> Evaluation:
    """Take the means over each clip's frames."""
    clips: dict[str, list[Row]] = {}
    for row in rows:
        clips.setdefault(row.clip, []).append(row)
    return Evaluation({clip: _summary(clips[clip]) for clip in sorted(clips)})


def _summary(rows: Sequence[Row]) -> Summary:
    regions = sum(row.regions for row in rows)
    return Summary(
        len(rows),
        regions,
        _mean([row.identity for row in rows]),
        _mean([row.model for row in rows]),
        sum(row.worsened for row in rows) / regions,
    )


def _mean(scores: Sequence[Score]) -> Score:
    return Score(fmean(score.frame for score in scores), fmean(score.regions for score in scores))


def mode_of(header: Header) -> Mode:
    """Return how a model is to be applied: as it was trained."""
    pairs = header.training.get("config", {}).get("pairs", {})
    return "frame" if pairs.get("of") == "frames" or header.task not in HIDING else "regions"
