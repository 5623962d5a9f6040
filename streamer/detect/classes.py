"""Class names and the numbers that a network has for them."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.errors import ModelError


def indices(classes: Sequence[str], known: Sequence[str], model: str) -> list[int]:
    """Return the places of ``classes`` in ``known``, the names that ``model`` has for its outputs.

    Raises:
        ModelError: the model does not know one of them.
    """
    for name in classes:
        if name not in known:
            some = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
            raise ModelError(f"detect.classes: {model} does not know the class {name!r}; it knows {some}")
    return [known.index(name) for name in classes]
