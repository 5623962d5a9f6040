"""Detectors that ``trainer`` wrote: pictures in, boxes out, around a network that an engine runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import torch
from torchvision.ops import batched_nms

from streamer import modelfile
from streamer.classes import indices
from streamer.detect import engines
from streamer.detect.engines import Heads
from streamer.frame import Detections
from streamer.nets.fcos import Fcos, cells, decode

PADDING = 114
"""The grey beside a picture of another shape than the network's, as in training."""

IOU = 0.5
"""From which overlap on the lesser of two boxes of a class is dropped."""


class FcosDetector:
    """An ``Fcos`` network over pictures of any size, which are scaled to fit it."""

    def __init__(
        self,
        heads: Heads,
        network: Fcos,
        name: str,
        *,
        classes: Sequence[str],
        threshold: float,
    ) -> None:
        """Take a network into service.

        Args:
            heads: the network, as an engine runs it.
            network: its size and its classes.
            name: of the model, for messages.
            classes: COCO names to look for.
            threshold: the least score to return.

        Raises:
            ModelError: the network does not know one of the classes.
        """
        self.name = name
        self.engine = heads.name
        self.batch_size = heads.batch_size
        self._heads = heads
        self._classes = tuple(classes)
        device = heads.device
        self._columns = torch.tensor(indices(classes, network.classes, name), device=device)
        self._threshold = threshold
        # Logits below this one cannot be scores from the threshold on, however they are rounded.
        self._least = float(torch.tensor(min(threshold, 1 - 1e-6)).logit()) - 1e-3
        self._centres, self._strides = (each.to(device) for each in cells(*network.size))
        self._canvas = torch.empty((heads.batch_size, *network.size, 3), dtype=torch.uint8, device=device)

    @torch.inference_mode()
    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find objects; see ``streamer.detect.Detector``."""
        found: list[Detections] = []
        for start in range(0, len(images), self.batch_size):
            some = images[start : start + self.batch_size]
            scales = [fit(image, canvas) for image, canvas in zip(some, self._canvas, strict=False)]
            outputs = self._heads(self._canvas[: len(some)])
            found += [self._read(*each) for each in zip(*outputs, scales, strict=True)]
        return found

    def _read(self, logits: torch.Tensor, distances: torch.Tensor, scale: float) -> Detections:
        """Turn what the network says of one picture, ``[N, C]`` and ``[N, 4]``, into objects of the image."""
        # Nothing compares with NaN, so that it is never below the threshold: it goes on, and Detections
        # refuses it. Only the few cells that are left are decoded.
        chosen = logits.index_select(1, self._columns)
        places, columns = torch.nonzero(~(chosen < self._least), as_tuple=True)
        scores = chosen[places, columns].sigmoid()
        enough = ~(scores < self._threshold)
        places, columns, scores = places[enough], columns[enough], scores[enough]
        boxes = decode(distances[places], self._centres[places], self._strides[places]) / scale
        kept = batched_nms(boxes, scores, columns, IOU)
        labels = tuple(self._classes[column] for column in columns[kept].tolist())
        return Detections(boxes[kept].cpu().numpy(), scores[kept].cpu().numpy(), labels)


def fit(image: torch.Tensor, canvas: torch.Tensor) -> float:
    """Scale a picture to fit at the top left of a canvas, on the canvas's device.

    Args:
        image: uint8 ``[h, w, 3]``.
        canvas: uint8 ``[H, W, 3]``, overwritten; the rest of it becomes grey.

    Returns:
        Canvas pixels per pixel of the picture.
    """
    scale = min(canvas.shape[0] / image.shape[0], canvas.shape[1] / image.shape[1])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    if canvas.device.type == "cpu":
        resized = cv2.resize(image.cpu().numpy(), (width, height), interpolation=cv2.INTER_LINEAR)
        canvas[:height, :width] = torch.from_numpy(resized)
    else:
        canvas[:height, :width] = resize(image.to(canvas.device), height, width)
    canvas[height:] = PADDING
    canvas[:height, width:] = PADDING
    return scale


def resize(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Scale uint8 ``[h, w, 3]`` as OpenCV does, on any device."""
    planes = image.permute(2, 0, 1)[None].float()
    scaled = torch.nn.functional.interpolate(planes, (height, width), mode="bilinear", align_corners=False)
    return scaled[0].permute(1, 2, 0).round().to(torch.uint8)


def load(
    path: Path, device: torch.device, engine: str, *, classes: Sequence[str], threshold: float
) -> FcosDetector:
    """Load a detector from a model file that ``trainer fit`` wrote.

    Args:
        path: of the file.
        device: where the pictures are.
        engine: ``detect.engine``.
        classes: COCO names to look for.
        threshold: the least score to return.

    Raises:
        ModelError: the file is missing, damaged, no detector's, or does not know one of the classes; or the
            engine cannot run it.
        ConfigError: the engine is not installed.
    """
    network, _ = modelfile.load_detector(path)
    heads = engines.choose(network, engine, device)
    return FcosDetector(heads, network, path.name, classes=classes, threshold=threshold)
