"""One network for the frames of all cameras: what is due of a batch is embedded at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.frame import Hidden

EARLY = 0.005
"""Seconds that a look may come too early: frames of 25 a second do not fall on whole tenths."""


class Glances:
    """Looks at frames every so many seconds of each camera's time, when the first watcher asks."""

    def __init__(
        self,
        embed: Callable[[Sequence[torch.Tensor]], NDArray[np.float32]],
        every: Mapping[str, float],
    ) -> None:
        """Set up.

        Args:
            embed: from N pictures, uint8 ``[H, W, 3]``, to float32 ``[N, D]``.
            every: seconds from one look to the next, by camera; the frames of others are left alone.
        """
        self._embed, self._every = embed, every
        self._last: dict[str, float] = {}
        self._due: list[Hidden] = []
        self._found: dict[Hidden, NDArray[np.float32] | Exception] = {}

    def begin(self, items: Sequence[Hidden]) -> None:
        """Choose the frames of a batch that are due.

        A frame that was hidden whole, since no detector could look at it, is looked at like any other: what
        happens in front of the camera happens all the same, and its thumbnail shows nothing.
        """
        self._due = [item for item in items if self._is_due(item)]
        self._found = {}

    def of(self, item: Hidden) -> NDArray[np.float32] | None:
        """Return the embedding of a frame, float32 ``[D]``; None where it was not due.

        Raises:
            Exception: whatever the network raised, for this frame alone too.
        """
        if item not in self._due:
            return None
        if not self._found:
            self._found = self._all_or_each()
        found = self._found[item]
        if isinstance(found, Exception):
            raise found
        return found

    def _is_due(self, item: Hidden) -> bool:
        camera, time_s = item.frame.camera, item.frame.time_s
        every = self._every.get(camera)
        if every is None or time_s - self._last.get(camera, float("-inf")) < every - EARLY:
            return False
        self._last[camera] = time_s
        return True

    def _all_or_each(self) -> dict[Hidden, NDArray[np.float32] | Exception]:
        try:
            return dict(zip(self._due, self._look(self._due), strict=True))
        except Exception:  # one bad picture, or too little memory for all, is not the other cameras' trouble
            return {item: self._alone(item) for item in self._due}

    def _alone(self, item: Hidden) -> NDArray[np.float32] | Exception:
        try:
            return self._look([item])[0]
        except Exception as error:
            return error.with_traceback(None)  # which would hold on to what the failed work had allocated

    def _look(self, items: Sequence[Hidden]) -> list[NDArray[np.float32]]:
        found = self._embed([item.image for item in items])
        if len(found) != len(items):
            raise ValueError(f"{len(found)} embeddings for {len(items)} pictures")
        return list(found)
