"""From settings to watchers, before a run starts."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from streamer.config import WatchConfig
from streamer.frame import Hidden
from streamer.watch import accident, alerts
from streamer.watch.tamper import Tamper
from streamer.watch.watcher import Alert, Watcher, Watchers


def load(watch: Mapping[str, WatchConfig], device: torch.device) -> Watchers:
    """Make the watchers of all cameras; they remember what they see, so that a run needs its own.

    Args:
        watch: what to watch for, by camera.
        device: where networks work.

    Raises:
        ConfigError: a model that is required cannot be had, or does not fit its settings.
    """
    watchers: dict[str, dict[str, Watcher]] = {name: {} for name in watch}
    for name, config in watch.items():
        if config.tamper is not None:
            watchers[name]["tamper"] = _OfFrames(Tamper(config.tamper))
        if config.accident is not None:
            watchers[name]["accident"] = accident.load(config.accident)
    described = {name: config.zeroshot for name, config in watch.items() if config.zeroshot is not None}
    found = alerts.load(described, device)
    for name, named in found.of.items():
        watchers[name].update(named)
    return Watchers(watchers, found.shared)


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
