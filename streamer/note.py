"""The noting stage: what detection alone says of a frame is kept, for the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from streamer.frame import Batch, Detected, Discontinuity, Marker, Sighting
from streamer.record import as_logged


def stage(batches: Iterable[Batch[Detected]]) -> Iterator[Batch[Detected]]:
    """Keep what detection alone says, for the log, in the numbers that the log has."""
    begins: set[str] = set()
    for batch in batches:
        noted: list[Detected | Marker] = []
        for item in batch:
            if isinstance(item, Discontinuity):
                begins.add(item.camera)
            elif isinstance(item, Detected):
                if item.sighting is None:
                    found = as_logged(item.detections)
                    item = replace(item, detections=found, sighting=Sighting(found))
                assert item.sighting is not None  # noqa: S101, as it was or just now
                if item.frame.camera in begins:
                    begins.discard(item.frame.camera)
                    item = replace(item, sighting=replace(item.sighting, begins=True))
            noted.append(item)
        yield noted
