"""What may be done to a camera, on pictures: seeded, of any strength, at once or little by little.

Pictures are uint8 ``[H, W, 3]``, RGB. Lengths are in shares of the picture, so that one setting holds for any
size; the standard deviation of a blur is in pixels of a picture that is 1280 wide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Image

Random: TypeAlias = np.random.Generator
Deed: TypeAlias = Callable[[Image, float, Random], Image]
"""Does something to a picture, 0 (nothing) to 1 (all of it) of it. The same random state does the same."""

EDGE = 0.02
"""Share of the picture over which a cover's edge fades."""

WIDTH = 1280
"""Pixels of the width of a picture in which a blur is measured."""


@dataclass(frozen=True, slots=True)
class Misdeed:
    """One kind of misbehaviour."""

    deed: Deed
    kinds: tuple[str, ...]
    """What ``streamer`` may rightly call it."""


def defocus(sigma: float) -> Deed:
    """Out of focus: a Gaussian of ``sigma`` pixels."""

    def deed(image: Image, amount: float, random: Random) -> Image:
        if amount <= 0.0:
            return image.copy()
        return np.asarray(cv2.GaussianBlur(image, (0, 0), amount * sigma * image.shape[1] / WIDTH), np.uint8)

    return deed


def smear(image: Image, amount: float, random: Random) -> Image:
    """Grease on the lens: blurred along one direction, and milky, in most of the picture."""
    if amount <= 0.0:
        return image.copy()
    length = max(3, round(amount * 0.05 * image.shape[1])) | 1
    kernel = np.zeros((length, length), np.float32)
    angle = random.uniform(0, np.pi)
    ends = (np.array([np.cos(angle), np.sin(angle)]) * length / 2).round().astype(int)
    middle = length // 2
    cv2.line(kernel, tuple((middle - ends).tolist()), tuple((middle + ends).tolist()), 1.0)
    smeared = cv2.filter2D(image, -1, kernel / kernel.sum()).astype(np.float32)
    milky = smeared * (1 - 0.3 * amount) + 0.3 * amount * random.uniform(120, 220)
    return _mix(image, milky, _patches(image, 0.85, 0.25, random))


def spray(image: Image, amount: float, random: Random) -> Image:
    """Paint on the lens: droplets out of focus, in one colour, until they hide most of the picture."""
    return _mix(
        image, np.full(image.shape, random.uniform(0, 255, 3), np.float32),
        _patches(image, 0.9 * amount, 0.06, random),
    )  # fmt: skip


def cover(image: Image, amount: float, random: Random) -> Image:
    """Something in front of the lens that reaches in from one side, over 60% to all of the picture."""
    height, width = image.shape[:2]
    texture = _texture(height, width, random)
    share = amount * random.uniform(0.6, 1.0)
    along = np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1))
    if random.random() < 0.5:
        along = np.tile(np.linspace(0, 1, height, dtype=np.float32)[:, None], (1, width))
    if random.random() < 0.5:
        along = 1.0 - along
    # its edge is out of focus too, and begins beyond the picture's
    return _mix(image, texture, np.clip((share * (1.0 + EDGE) - along) / EDGE, 0.0, 1.0))


def wall(image: Image, amount: float, random: Random) -> Image:
    """A wall: the camera sees nothing else."""
    height, width = image.shape[:2]
    return _mix(image, _texture(height, width, random), np.full((height, width), amount, np.float32))


def shift(image: Image, amount: float, random: Random) -> Image:
    """Pushed, by 5 to 40% of the picture; what comes into view mirrors what was there."""
    height, width = image.shape[:2]
    angle, length = random.uniform(0, 2 * np.pi), amount * random.uniform(0.05, 0.4)
    matrix = np.array(
        [[1, 0, np.cos(angle) * length * width], [0, 1, np.sin(angle) * length * height]], np.float32
    )
    return _warp(image, matrix)


def rotate(image: Image, amount: float, random: Random) -> Image:
    """Turned about its axis, by 3 to 30 degrees."""
    angle = amount * random.uniform(3, 30) * random.choice([-1, 1])
    return _warp(image, _about(image, angle, 1.0))


def zoom(image: Image, amount: float, random: Random) -> Image:
    """Zoomed in, by 1.1 to 2 times."""
    return _warp(image, _about(image, 0.0, 1.0 + amount * random.uniform(0.1, 1.0)))


def black(image: Image, amount: float, random: Random) -> Image:
    """No light at all."""
    noise = random.normal(0, 1.0, image.shape[:2])[..., None]
    return _clip(image * (1.0 - amount) + amount * (4.0 + noise))


def overexpose(image: Image, amount: float, random: Random) -> Image:
    """In the sun: everything brighter, most of it saturated."""
    return _clip(
        image.astype(np.float32) * (1.0 + amount * random.uniform(2, 5)) + amount * random.uniform(60, 120)
    )


MISDEEDS: Mapping[str, Misdeed] = {
    "defocus 2": Misdeed(defocus(2.0), ("defocused",)),
    "defocus 4": Misdeed(defocus(4.0), ("defocused",)),
    "defocus 8": Misdeed(defocus(8.0), ("defocused",)),
    "defocus 16": Misdeed(defocus(16.0), ("defocused", "covered")),
    "smear": Misdeed(smear, ("defocused", "covered")),
    "spray": Misdeed(spray, ("covered", "black", "glare")),
    "cover": Misdeed(cover, ("covered", "black", "glare")),
    "wall": Misdeed(wall, ("covered", "black", "glare")),
    "shift": Misdeed(shift, ("moved",)),
    "rotation": Misdeed(rotate, ("moved",)),
    "zoom": Misdeed(zoom, ("moved",)),
    "black": Misdeed(black, ("black",)),
    "overexposure": Misdeed(overexpose, ("glare",)),
}
"""By name; freezing, which no single picture shows, is ``freeze``."""


def sensed(image: Image, number: int) -> Image:
    """Return a picture as a sensor gives it, with a little noise of its own for each number."""
    # drawn once and moved about: drawing for every picture costs more than all else
    noise = np.roll(_noise(*image.shape[:2]), (7919 * number, 104729 * number), (0, 1))
    return np.asarray(cv2.add(image, np.repeat(noise[..., None], 3, axis=2), dtype=cv2.CV_8U), np.uint8)


@lru_cache(maxsize=2)
def _noise(height: int, width: int) -> NDArray[np.int16]:
    return np.random.default_rng(0).normal(0, 1.0, (height, width)).round().astype(np.int16)


def freeze(pictures: Sequence[Image]) -> Iterator[Image]:
    """Yield the first picture for each."""
    for _ in pictures:
        yield pictures[0]


def gradually(pictures: Iterable[Image], deed: Deed, seed: int, over: int) -> Iterator[Image]:
    """Yield pictures to which something is done little by little.

    Args:
        pictures: in order.
        deed: what is done.
        seed: of how it is done, which is the same for all of them.
        over: how many pictures it takes; 1 does it at once.
    """
    for number, picture in enumerate(pictures, 1):
        yield deed(picture, min(1.0, number / over), np.random.default_rng(seed))


def _texture(height: int, width: int, random: Random) -> NDArray[Any]:
    """Return something near and out of focus: cloth, a hand, paper, a bag; float32 ``[height, width, 3]``."""
    colour = random.uniform(20, 235, 3).astype(np.float32)
    texture = np.zeros((height, width), np.float32)
    for grain in random.uniform(0.002, 0.1, 3):
        side = max(2, round(grain * width))
        small = random.normal(0, 1, (-(-height // side), -(-width // side))).astype(np.float32)
        texture += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    light = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * random.uniform(-30, 30)
    noise = random.normal(0, random.uniform(0.5, 3.0), (height, width)).astype(np.float32)
    grey = texture * random.uniform(1, 12) + light + noise
    return np.asarray(colour + grey[..., None], np.float32)


def _patches(image: Image, share: float, size: float, random: Random) -> NDArray[Any]:
    """Return soft patches over a share of the picture: float32 ``[H, W]``, 0 to 1."""
    height, width = image.shape[:2]
    side = max(2, round(size * width))
    small = random.normal(0, 1, (-(-height // side) + 2, -(-width // side) + 2)).astype(np.float32)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    edge = np.quantile(smooth, 1.0 - np.clip(share, 0.0, 1.0))
    return (
        np.clip((smooth - edge) / 0.2 + 0.5, 0.0, 1.0)
        if share > 0.0
        else np.zeros((height, width), np.float32)
    )


def _mix(image: Image, other: NDArray[Any], share: NDArray[Any]) -> Image:
    return _clip(image + share[..., None] * (other - image))


def _about(image: Image, angle: float, scale: float) -> NDArray[Any]:
    height, width = image.shape[:2]
    return np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale))


def _warp(image: Image, matrix: NDArray[Any]) -> Image:
    height, width = image.shape[:2]
    # cubic, since a linear one would blur, which no camera does that is turned
    warped = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(warped, np.uint8)


def _clip(values: NDArray[Any]) -> Image:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
