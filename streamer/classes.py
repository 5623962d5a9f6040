"""Names of classes of objects, and the numbers that a network has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streamer.errors import ModelError

GROUPS: Mapping[str, tuple[str, ...]] = {
    "two-wheeler": ("bicycle", "motorcycle"),
    "vehicle": ("bicycle", "car", "motorcycle", "bus", "truck"),
}
"""Names that stand for several of COCO's classes."""

STREET = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
"""What is looked for when ``detect.classes`` is not given."""

COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard",
    "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase",
    "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""COCO's 80 class names, in the order that its 80-class detectors use."""

FACE = "face"
"""What face detectors find; it is none of COCO's classes."""

CLASSES = (*COCO, FACE)
"""All names of classes."""

_GAPS = (0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_NAMES = iter(COCO)
COCO_91 = tuple("nothing" if number in _GAPS else next(_NAMES) for number in range(91))
"""Names by COCO's own numbers, 0 to 90, of which some stand for nothing."""


def indices(classes: Sequence[str], known: Sequence[str], model: str) -> list[int]:
    """Return the places of ``classes`` in ``known``, the names that ``model`` has for its outputs.

    Raises:
        ModelError: the model does not know one of them.
    """
    for name in classes:
        if name not in known:
            names = [
                other for other in known if other in CLASSES
            ]  # without the fillers in torchvision's table
            some = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
            raise ModelError(f"detect.classes: {model} does not know the class {name!r}; it knows {some}")
    return [known.index(name) for name in classes]
