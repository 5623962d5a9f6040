"""Put a frame of the original, the blurred and the restored video side by side, as in the README.

python benchmarks/picture.py ORIGINAL.mp4 out/CAMERA FRAME PICTURE.jpg [--crop X0 Y0 X1 Y1]
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray


def frame(video: Path, number: int) -> NDArray[np.uint8]:
    """Frame ``number`` of a video as BGR."""
    with av.open(str(video)) as container:
        for decoded in islice(container.decode(video=0), number, None):
            return np.asarray(decoded.to_ndarray(format="bgr24"), np.uint8)
    raise SystemExit(f"{video} has no frame {number}")


def main() -> None:
    """Read the arguments and write the picture."""
    parser = argparse.ArgumentParser(description="Original, blurred and restored side by side.")
    parser.add_argument("original", type=Path)
    parser.add_argument("outputs", type=Path)
    parser.add_argument("number", type=int)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--crop", type=int, nargs=4, default=None, metavar=("X0", "Y0", "X1", "Y1"))
    given = parser.parse_args()
    panes = []
    videos = {
        "original": given.original,
        "blurred": given.outputs / "blurred.mp4",
        "restored": given.outputs / "restored.mp4",
    }
    for name, video in videos.items():
        image = frame(video, given.number)
        if given.crop is not None:
            x0, y0, x1, y1 = given.crop
            image = np.ascontiguousarray(image[y0:y1, x0:x1])
        for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            cv2.putText(image, name, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, colour, width, cv2.LINE_AA)
        panes += [image, np.full((image.shape[0], 6, 3), 255, np.uint8)]
    cv2.imwrite(str(given.picture), np.hstack(panes[:-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
