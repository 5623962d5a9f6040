"""SSD and its like with suppression built in: pictures in, boxes, classes and scores out, in three layouts.

``tensorflow``: what TensorFlow's Object Detection API exports and tf2onnx converts. ``model zoo``: the
``ssd-10.onnx`` and ``ssd-12.onnx`` of the ONNX model zoo, from MLPerf. ``torchvision``: what torch exports
of torchvision's detectors. A file does not say what its class numbers mean; they are taken for COCO's, which
the model zoo counts from 1 to 80, and the others from 1 to 90 with gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from streamer.classes import COCO, COCO_91, indices
from streamer.detect.session import Session
from streamer.frame import Detections, Image

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Of ImageNet's pictures by channel, from 0 to 1: the model zoo's networks take them normalised by that."""

FAR = 4.0
"""A box that is a share of the picture never reaches that far; one in pixels would."""

NAMES = {
    "detection_boxes": "boxes", "detection_scores": "scores", "detection_classes": "labels",
    "num_detections": "count", "boxes": "boxes", "bboxes": "boxes", "scores": "scores", "labels": "labels",
}  # fmt: skip
"""What outputs are called; tf2onnx puts ``:0`` behind."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How such a network takes pictures and gives boxes."""

    kind: Literal["tensorflow", "model zoo", "torchvision"]
    outputs: dict[str, int]
    """Places of boxes, labels, scores and, from TensorFlow, the count."""
    rank: int
    """Dimensions of the input: 4, or 3 without a batch."""
    size: tuple[int, int] | None
    """Height and width of its pictures; None where it takes any."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the class numbers, from 0 on; 0 is the background."""
        return ("background", *COCO) if self.kind == "model zoo" else COCO_91


def layout(session: Session) -> Layout | None:
    """Tell the layout by names, types and dimensions; None where it is none of the three."""
    places = {
        NAMES.get(output.name.removesuffix(":0"), output.name): place
        for place, output in enumerate(session.get_outputs())
    }
    inputs = session.get_inputs()
    if len(inputs) != 1 or not {"boxes", "labels", "scores"} <= places.keys():
        return None
    shape, kind = list(inputs[0].shape), inputs[0].type
    rank = len(session.get_outputs()[places["boxes"]].shape)
    if kind == "tensor(uint8)" and len(shape) == 4 and "count" in places:
        return Layout("tensorflow", places, 4, _fixed(shape[1:3]))
    if kind != "tensor(float)" or shape[-3:-2] != [3]:
        return None
    if rank == 3 and len(shape) == 4 and (size := _fixed(shape[2:])) is not None:
        return Layout("model zoo", places, 4, size)
    if rank == 2 and len(shape) in (3, 4):
        return Layout("torchvision", places, len(shape), _fixed(shape[-2:]))
    return None


def _fixed(sides: Sequence[Any]) -> tuple[int, int] | None:
    height, width = sides
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


class Ssd:
    """A detector that suppresses overlaps by itself; its own least score and most objects apply too."""

    batch_size = 1
    """What comes out of these files has no fixed number per picture."""

    def __init__(
        self,
        session: Session,
        layout: Layout,
        name: str,
        engine: str,
        *,
        classes: Sequence[str],
        threshold: float,
    ) -> None:
        """Take a network into service.

        Args:
            session: runs it.
            layout: how it takes pictures and gives boxes.
            name: of the model, for messages.
            engine: what the session is.
            classes: COCO names to look for.
            threshold: the least score to return.

        Raises:
            ModelError: the network does not know one of the classes.
        """
        self.name = name
        self.engine = engine
        self._session = session
        self._input = session.get_inputs()[0].name
        self._layout = layout
        self._numbers = indices(classes, layout.classes, name)
        self._threshold = np.float32(threshold)

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find objects; see ``streamer.detect.Detector``."""
        return [self._detect(image.cpu().numpy()) for image in images]

    def _detect(self, image: Image) -> Detections:
        height, width = image.shape[:2]
        down, across = self._layout.size or (height, width)
        resized: Any = cv2.resize(image, (across, down), interpolation=cv2.INTER_LINEAR)
        outputs = self._session.run(None, {self._input: self._shaped(resized)})
        boxes, scores, labels = (
            np.asarray(outputs[self._layout.outputs[role]]) for role in ("boxes", "scores", "labels")
        )
        boxes, scores, labels = boxes.reshape(-1, 4), scores.reshape(-1), labels.reshape(-1)
        if self._layout.kind == "tensorflow":  # the rest is filling
            count = int(np.asarray(outputs[self._layout.outputs["count"]]).item())
            boxes, scores, labels = boxes[:count, [1, 0, 3, 2]], scores[:count], labels[:count]
        # Nothing compares with NaN, so that it is never below the threshold: it goes on, and Detections
        # refuses it.
        certain = ~(scores < self._threshold)
        boxes, scores, numbers = boxes[certain], scores[certain], labels[certain].astype(np.int64)
        if (numbers >= len(self._layout.classes)).any():
            raise ValueError(
                f"{self.name} returned class {numbers.max()}, which COCO's numbering does not have"
            )
        if self._layout.kind == "torchvision":
            sides = np.array([width / across, height / down] * 2, np.float32)
        else:
            sides = np.array([width, height] * 2, np.float32)
            if (np.abs(boxes) > FAR).any():
                raise ValueError(f"{self.name} returned boxes that are no shares of the picture's sides")
        chosen = np.isin(numbers, self._numbers)
        found = Detections(
            boxes.astype(np.float32) * sides,
            scores.astype(np.float32),
            tuple(self._layout.classes[number] for number in numbers),
        )
        return found.keep(chosen)

    def _shaped(self, image: Image) -> NDArray[Any]:
        """Return a picture, uint8 ``[H, W, 3]``, RGB, as the network takes it."""
        if self._layout.kind == "tensorflow":
            return image[None]
        picture = image.astype(np.float32) / 255.0
        if self._layout.kind == "model zoo":
            picture = (picture - MEAN) / DEVIATION
        planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
        return planes if self._layout.rank == 3 else planes[None]
