"""The watching stage: events are raised from originals and detections, and shown by hidden pictures alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streamer.frame import Batch, Discontinuity, Dropped, End, Hidden, Marker
from streamer.watch.station import Station
from streamer.watch.watcher import Watchers


def stage(
    batches: Iterable[Batch[Hidden | Dropped]], watchers: Watchers
) -> Iterator[Batch[Hidden | Dropped]]:
    """Put events to the frames with which they start and end.

    A watcher that raises is counted and said once; its frames go on as if it did not watch.

    Args:
        batches: hidden frames, what stands for dropped ones, and markers.
        watchers: of each camera, and what they share.
    """
    stations = {
        camera: Station(camera, named, watchers.keep.get(camera))
        for camera, named in watchers.of.items()
        if named
    }

    def watched(item: Hidden | Dropped | Marker) -> Hidden | Dropped | Marker:
        camera = item.frame.camera if isinstance(item, Hidden) else item.camera
        station = stations.get(camera)
        if station is None:
            return item
        if isinstance(item, Hidden):
            return station.see(item)
        if isinstance(item, Discontinuity):
            station.cut()
        return station.end(item) if isinstance(item, End) else item

    for batch in batches:
        frames = [item for item in batch if isinstance(item, Hidden) and item.frame.camera in stations]
        for shared in watchers.shared:
            shared.begin(frames)
        yield [watched(item) for item in batch] if stations else batch
