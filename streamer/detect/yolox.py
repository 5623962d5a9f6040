"""YOLOX: pictures in, boxes out, around a network that somebody else runs.

The layout is that of YOLOX's own ``export_onnx.py`` (https://github.com/Megvii-BaseDetection/YOLOX, Ge et
al. 2021, arXiv:2107.08430), with or without its ``--decode_in_inference``.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import batched_nms

from streamer.classes import COCO, indices
from streamer.detect.session import Session, described
from streamer.errors import ModelError
from streamer.frame import Detections, Image

STRIDES = (8, 16, 32)
"""Pixels from one cell to the next, for each of the three grids."""

PADDING = 114
"""The grey beside a picture that is not square, as in training."""

IOU = 0.45
"""From which overlap on the lesser of two boxes of a class is dropped: that of YOLOX's demo, whose 0.65 for
evaluation buys recall in crowds with several boxes for one object."""

Floats = NDArray[np.float32]


class Yolox:
    """A YOLOX network with COCO's 80 classes.

    Its input is float32 ``[1, 3, H, W]``: BGR, 0 to 255, the picture scaled to fit and placed at the top
    left. Its output is float32 ``[1, N, 85]``: centre, size, objectness, and a probability for each class,
    for every cell of the three grids.
    """

    batch_size = 1
    """On a CPU a batch costs what its pictures cost one by one (10.0 ms each; 9.4 by 4, 12.3 by 8)."""

    def __init__(
        self, session: Session, name: str, engine: str, *, classes: Sequence[str], threshold: float
    ) -> None:
        """Check that ``session`` runs such a network, by its shapes and on one grey picture.

        Args:
            session: runs it.
            name: of the model, for messages.
            engine: what the session is.
            classes: COCO names to look for.
            threshold: the least score to return.

        Raises:
            ModelError: it is something else.
        """
        self.name = name
        self.engine = engine
        self._session = session
        self._classes = tuple(classes)
        self._columns = 5 + np.array(indices(classes, COCO, name), np.intp)
        self._threshold = np.float32(threshold)
        height, width = _input_size(session, name)
        self._canvas = np.full((1, 3, height, width), PADDING, np.float32)
        self._cells, self._strides = _grids(height, width)
        output = self._run()
        expected = (len(self._cells), 5 + len(COCO))
        if output.shape != expected:
            raise ModelError(
                f"{name}: unknown layout: its output is {[1, *output.shape]}, "
                f"expected {[1, *expected]} (YOLOX with COCO's 80 classes)"
            )
        # decoded centres lie about their cells, all over the picture; undecoded ones are within a few strides
        far = np.abs(output[:, :2] - self._cells * self._strides)
        self._decoded = bool(np.median(far) < np.median(np.abs(output[:, :2])))

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find objects; see ``streamer.detect.Detector``."""
        return [self._detect(image.cpu().numpy()) for image in images]

    def _detect(self, image: Image) -> Detections:
        scale = self._letterbox(image)
        return self._read(self._run(), scale)

    def _letterbox(self, image: Image) -> float:
        """Draw the picture on the canvas; returns canvas pixels per picture pixel."""
        height, width = self._canvas.shape[2:]
        scale: float = min(height / image.shape[0], width / image.shape[1])
        h, w = max(1, int(image.shape[0] * scale)), max(1, int(image.shape[1] * scale))
        resized = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
        self._canvas[0, :, :h, :w] = resized.transpose(2, 0, 1)[::-1]
        # the picture before this one may have been of another shape
        self._canvas[0, :, h:] = PADDING
        self._canvas[0, :, :h, w:] = PADDING
        return scale

    def _run(self) -> Floats:
        (output,) = self._session.run(None, {self._session.get_inputs()[0].name: self._canvas})
        result: Floats = output[0]
        return result

    def _read(self, output: Floats, scale: float) -> Detections:
        """Turn the network's output ``[N, 85]`` into boxes in picture pixels."""
        # Nothing compares with NaN, so that it is never below the threshold: it goes on, and Detections
        # refuses it. A score is objectness times probability, hence never above objectness.
        cells = np.flatnonzero(~(output[:, 4] < self._threshold))
        scores = output[cells, 4:5] * output[cells[:, None], self._columns]
        candidates, columns = np.nonzero(~(scores < self._threshold))
        cells, scores = cells[candidates], scores[candidates, columns]
        boxes = self._boxes(output[cells, :4], cells) / np.float32(scale)
        kept = batched_nms(
            torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(columns), IOU
        ).numpy()
        labels = tuple(self._classes[column] for column in columns[kept])
        return Detections(boxes[kept], scores[kept], labels)

    def _boxes(self, encoded: Floats, cells: NDArray[np.intp]) -> Floats:
        """Return x0, y0, x1, y1 in canvas pixels of centre and size as the network gave them."""
        centre, size = encoded[:, :2], encoded[:, 2:]
        if not self._decoded:
            centre = (centre + self._cells[cells]) * self._strides[cells]
            with np.errstate(over="ignore"):  # an infinite box is refused by Detections
                size = np.exp(size) * self._strides[cells]
        return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def _input_size(session: Session, name: str) -> tuple[int, int]:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = list(inputs[0].shape) if len(inputs) == 1 else []
    if len(outputs) == 1 and len(shape) == 4 and inputs[0].type == "tensor(float)":
        batch, channels, height, width = shape
        fits = channels == 3 and all(isinstance(n, int) and n > 0 and n % 32 == 0 for n in (height, width))
        if fits and (batch == 1 or not isinstance(batch, int)):
            return height, width
    raise ModelError(
        f"{name}: unknown layout: {described(session)}; expected YOLOX: one tensor(float) [1, 3, H, W] with "
        "H and W fixed multiples of 32, one output [1, N, 85]; or SSD or CenterFace, as the README has them"
    )


def _grids(height: int, width: int) -> tuple[Floats, Floats]:
    """Return column and row ``[N, 2]`` of every cell, and its stride ``[N, 1]``."""
    cells, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride].reshape(2, -1)
        cells.append(np.stack([columns, rows], axis=1))
        strides.append(np.full((len(rows), 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)
