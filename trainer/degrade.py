"""Frames to (degraded, clean) pairs, by the very code that hides and cuts in a running streamer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.boxes import whole
from streamer.config import BlurConfig
from streamer.hide import Covering, hide
from streamer.restore import cut, surroundings
from trainer.config import PairsConfig
from trainer.data import Picture
from trainer.images import read_image

BoxesByName = Mapping[str, NDArray[np.float32]]
"""float32 ``[N, 4]`` in pixels for each readable frame, by its name."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A degraded picture and the clean one it came from, at the network's size."""

    degraded: NDArray[np.uint16]
    """``[3, S, S]``, RGB; 65535 is 1.0, finer than 8 bits because resizing averages."""
    clean: NDArray[np.uint16]
    """The same."""
    hidden: NDArray[np.uint8]
    """``[S, S]``: which share of each pixel is hidden, 255 for all of it."""


def pairs(
    pictures: Iterable[Picture],
    boxes: BoxesByName,
    blur: BlurConfig,
    form: PairsConfig,
    *,
    variants: int,
    seed: int,
) -> Iterator[Pair]:
    """Hide what is in the boxes and cut pairs out.

    Args:
        pictures: frames; those that are not in ``boxes`` are left out.
        boxes: what to hide.
        blur: how.
        form: what a pair is.
        variants: how often each frame is hidden; the first time exactly as a running streamer does.
        seed: of the later ones' boxes and strengths; each frame's do not depend on the other frames.
    """
    for picture in pictures:
        if picture.name not in boxes:
            continue
        image = read_image(picture.path)
        exact = boxes[picture.name]
        for variant in range(variants):
            random = np.random.default_rng([seed, variant, int(picture.digest[:8], 16)])
            if variant == 0:
                yield from _pairs(image, hide(image, exact, blur, random=random), form)
                continue
            moved, other = varied(exact, blur, form, image.shape[1], image.shape[0], random)
            yield from _pairs(image, hide(image, moved, other, random=random), form)


def varied(
    boxes: NDArray[np.float32],
    blur: BlurConfig,
    form: PairsConfig,
    width: int,
    height: int,
    random: np.random.Generator,
) -> tuple[NDArray[np.float32], BlurConfig]:
    """Return boxes that are somewhat off, others elsewhere, and another strength of blur, as ``form`` says.

    Args:
        boxes: float32 ``[N, 4]``, of objects.
        blur: whose strength varies.
        form: by how much.
        width: of the frame, in pixels.
        height: of the frame, in pixels.
        random: what is drawn from.
    """
    factor = float(random.uniform(form.strengths[0], form.strengths[1]))
    other = blur.model_copy(update={"strength": blur.strength * factor})
    moved = _jitter(boxes, form.jitter, random)
    return np.concatenate([moved, anywhere(form.elsewhere, width, height, random)]), other


def _pairs(image: torch.Tensor, covering: Covering, form: PairsConfig) -> Iterator[Pair]:
    blurred, regions, marked = covering
    height, width = image.shape[:2]
    mask = torch.zeros_like(image)
    if marked is not None:
        mask[torch.from_numpy(marked).bool()] = 255
    if form.of == "frames":
        for x0, y0, x1, y1 in regions.tolist() if marked is None else ():
            mask[y0:y1, x0:x1] = 255
        frame = whole(width, height)
        degraded, clean, share = (cut(x, frame, form.size, 0.0)[0] for x in (blurred, image, mask))
        yield Pair(_uint16(degraded), _uint16(clean), _uint8(share[0]))
        return
    squares = (cut(x, regions, form.size, form.context) for x in (blurred, image, mask))
    for region, degraded, clean, share in zip(regions.tolist(), *squares, strict=True):
        around = surroundings(region, form.context, width, height)
        inside = _inside(region, around, form.size)
        if marked is not None:  # of what is hidden around the region, only its own is to be restored
            inside = np.minimum(inside, _uint8(share[0]))
        yield Pair(_uint16(degraded), _uint16(clean), inside)


def _inside(region: Sequence[int], around: Sequence[int], size: int) -> NDArray[np.uint8]:
    """Say which share of each pixel of the square that ``around`` becomes lies in ``region``."""
    shares = []
    for axis in (1, 0):
        scale = size / (around[axis + 2] - around[axis])
        start, end = ((edge - around[axis]) * scale for edge in (region[axis], region[axis + 2]))
        left = np.arange(size)
        shares.append(np.clip(np.minimum(left + 1, end) - np.maximum(left, start), 0.0, 1.0))
    return np.asarray(np.rint(255 * shares[0][:, None] * shares[1][None, :]), np.uint8)


def _jitter(boxes: NDArray[np.float32], jitter: float, random: np.random.Generator) -> NDArray[np.float32]:
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return (boxes + sides * random.uniform(-jitter, jitter, boxes.shape)).astype(np.float32)


def anywhere(count: int, width: int, height: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Return boxes of 5% to 50% of a frame's height, any shape that objects have, and any place."""
    tall = height * np.exp(random.uniform(np.log(0.05), np.log(0.5), count))
    wide = tall * np.exp(random.uniform(-0.7, 0.9, count))
    # one that is wider than the frame reaches off it on both sides
    left, top = (width - wide) * random.random(count), (height - tall) * random.random(count)
    return np.stack([left, top, left + wide, top + tall], axis=1).astype(np.float32)


def _uint8(share: torch.Tensor) -> NDArray[np.uint8]:
    return np.asarray((share * 255).round().to(torch.uint8).numpy(), np.uint8)


def _uint16(square: torch.Tensor) -> NDArray[np.uint16]:
    return np.asarray((square * 65535).round().numpy(), np.uint16)
