"""From settings to watchers, before a run starts."""

from __future__ import annotations

from collections.abc import Mapping

from streamer.config import WatchConfig
from streamer.frame import Hidden
from streamer.watch.tamper import Tamper
from streamer.watch.watcher import Alert, Watcher, Watchers


def load(watch: Mapping[str, WatchConfig]) -> Watchers:
    """Make the watchers of all cameras; they remember what they see, so that a run needs its own.

    Args:
        watch: what to watch for, by camera.
    """
    watchers: dict[str, dict[str, Watcher]] = {name: {} for name in watch}
    for name, config in watch.items():
        if config.tamper is not None:
            watchers[name]["tamper"] = _OfFrames(Tamper(config.tamper))
    return Watchers(watchers)


class _OfFrames:
    """Camera tamper as a ``Watcher``."""

    def __init__(self, tamper: Tamper) -> None:
        self._tamper = tamper

    @property
    def open(self) -> str | None:
        return self._tamper.open

    def see(self, item: Hidden) -> Alert | None:
        return self._tamper.see(item.frame.image, item.detections, item.frame.time_s)

    def cut(self) -> None:
        self._tamper.cut()
