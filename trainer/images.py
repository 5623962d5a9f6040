"""Image files to pixels, whatever their kind."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
import PIL.ExifTags
import PIL.Image
import PIL.ImageOps
import torch
from numpy.typing import NDArray

from streamer.errors import SourceError

_LYING = range(5, 9)
"""EXIF orientations by which width and height are swapped."""


def read_image(path: Path) -> torch.Tensor:
    """Decode an image upright.

    16 bits become 8, CMYK and palettes RGB. What is transparent is shown on white, as on paper and by most
    viewers: the colours that files have there are whatever their program left. Of several pictures in a file
    the first counts.

    Returns:
        uint8 ``[H, W, 3]``, RGB.

    Raises:
        SourceError: it is no image, damaged or truncated, or claims more pixels than a real one has.
    """
    with warnings.catch_warnings():
        # of damaged EXIF data, and of more than 89 megapixels; from twice as many on it is an error
        warnings.simplefilter("ignore")
        try:
            with PIL.Image.open(path) as opened:
                return torch.from_numpy(_rgb(PIL.ImageOps.exif_transpose(opened)))
        except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
            raise SourceError(f"{path}: no image, damaged or truncated ({error})") from None


def _rgb(image: PIL.Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):  # 16-bit grey, which converting would cut off at 255
        levels = np.asarray(image).clip(0, 65535) // 257
        return levels.astype(np.uint8)[..., None].repeat(3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = PIL.Image.new("RGBA", image.size, "white")
        image = PIL.Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def size_of(path: Path) -> tuple[int, int] | None:
    """Return an image's width and height upright, without decoding it; None where it is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with PIL.Image.open(path) as opened:
                width, height = opened.size
                turned = opened.getexif().get(PIL.ExifTags.Base.Orientation, 1)
        except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError):
            return None
    return (height, width) if turned in _LYING else (width, height)


def resized(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize as ``streamer`` does what it restores.

    Not by torchvision, which knows no averaging over areas: its triangles leave less of the finest detail.

    Args:
        picture: uint8 ``[H, W, 3]``, or ``[H, W, 6]``.
        width: that it is to have, in pixels.
        height: that it is to have, in pixels.
    """
    before = picture.shape[:2]
    if before == (height, width):
        return picture
    how = cv2.INTER_AREA if width * height < before[0] * before[1] else cv2.INTER_LINEAR
    # OpenCV averages four channels at most
    parts = [picture[..., start : start + 3] for start in range(0, picture.shape[2], 3)]
    return np.concatenate(
        [np.asarray(cv2.resize(part, (width, height), interpolation=how), np.uint8) for part in parts], axis=2
    )
