"""Image files to pixels, whatever their kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import torch

from streamer.errors import SourceError


def read_image(path: Path) -> torch.Tensor:
    """Decode an image upright.

    Returns:
        uint8 ``[H, W, 3]``, RGB.

    Raises:
        SourceError: it is no image, damaged or truncated.
    """
    try:
        with PIL.Image.open(path) as opened:
            image = PIL.ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16-bit grey, which converting would cut off at 255
                pixels = (np.asarray(image) // 257).astype(np.uint8)[..., None].repeat(3, axis=2)
            else:
                pixels = np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise SourceError(f"{path}: no image, damaged or truncated ({error})") from None
    return torch.from_numpy(pixels)
