"""Detectors that ``trainer`` wrote: a model file run by torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torchvision.ops import batched_nms

from streamer import modelfile
from streamer.detect.classes import indices
from streamer.frame import Detections
from streamer.nets.fcos import Fcos, cells, decode

PADDING = 114
"""The grey beside a picture of another shape than the network's, as in training."""

IOU = 0.5
"""From which overlap on the lesser of two boxes of a class is dropped."""


class FcosDetector:
    """An ``Fcos`` network over pictures of any size, which are scaled to fit it."""

    batch_size = 8
    """Pictures of one batch share the cost of starting each layer."""

    def __init__(
        self, network: Fcos, name: str, device: torch.device, *, classes: Sequence[str], threshold: float
    ) -> None:
        """Take a network into service.

        Args:
            network: in evaluation mode.
            name: of the model, for messages.
            device: where the pictures are and the network runs.
            classes: COCO names to look for.
            threshold: the least score to return.

        Raises:
            ModelError: the network does not know one of the classes.
        """
        self.name = name
        self.engine = f"torch {torch.__version__} ({device})"
        self._classes = tuple(classes)
        self._columns = torch.tensor(indices(classes, network.classes, name), device=device)
        self._threshold = threshold
        self._network = network.to(device).to(memory_format=torch.channels_last)
        self._size = network.size
        self._centres, self._strides = (each.to(device) for each in cells(*network.size))
        self._device = device

    @torch.inference_mode()
    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find objects; see ``streamer.detect.Detector``."""
        found: list[Detections] = []
        for start in range(0, len(images), self.batch_size):
            some = images[start : start + self.batch_size]
            scales = [min(self._size[0] / i.shape[0], self._size[1] / i.shape[1]) for i in some]
            canvas = torch.stack([self._fit(i, scale) for i, scale in zip(some, scales, strict=True)])
            shaped = canvas.to(self._device).permute(0, 3, 1, 2)  # channels last already
            logits, distances = self._network(shaped.float())
            scores = logits.index_select(2, self._columns).sigmoid()
            boxes = decode(distances, self._centres, self._strides)
            found += [self._read(*each) for each in zip(scores, boxes, scales, strict=True)]
        return found

    def _fit(self, image: torch.Tensor, scale: float) -> torch.Tensor:
        """Scale a picture to fit at the top left of the network's: uint8 ``[H, W, 3]``."""
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        resized = cv2.resize(image.cpu().numpy(), (width, height), interpolation=cv2.INTER_LINEAR)
        canvas = np.full((*self._size, 3), PADDING, np.uint8)
        canvas[:height, :width] = resized
        return torch.from_numpy(canvas)

    def _read(self, scores: torch.Tensor, boxes: torch.Tensor, scale: float) -> Detections:
        """Turn scores ``[N, C]`` and boxes ``[N, 4]`` of the network's picture into objects of the image."""
        # Nothing compares with NaN, so that it is never below the threshold: it goes on, and Detections
        # refuses it.
        places, columns = torch.nonzero(~(scores < self._threshold), as_tuple=True)
        candidates, certain = boxes[places] / scale, scores[places, columns]
        kept = batched_nms(candidates, certain, columns, IOU)
        labels = tuple(self._classes[column] for column in columns[kept].tolist())
        return Detections(candidates[kept].cpu().numpy(), certain[kept].cpu().numpy(), labels)


def load(path: Path, device: torch.device, *, classes: Sequence[str], threshold: float) -> FcosDetector:
    """Load a detector from a model file that ``trainer fit`` wrote.

    Args:
        path: of the file.
        device: where the pictures are.
        classes: COCO names to look for.
        threshold: the least score to return.

    Raises:
        ModelError: the file is missing, damaged, no detector's, or does not know one of the classes.
    """
    network, _ = modelfile.load_detector(path)
    return FcosDetector(network, path.name, device, classes=classes, threshold=threshold)
