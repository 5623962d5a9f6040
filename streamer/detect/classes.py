"""Class names and the numbers that a network has for them."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.config import CLASSES, COCO
from streamer.errors import ModelError

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
