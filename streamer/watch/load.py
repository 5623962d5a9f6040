"""From settings to watchers, before a run starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from streamer.address import is_live, mask
from streamer.config import CameraConfig, WatchConfig
from streamer.frame import Hidden
from streamer.watch import accident, alerts, memory
from streamer.watch.memory import Tree
from streamer.watch.tamper import Tamper
from streamer.watch.watcher import Alert, Keep, Watcher, Watchers


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


def keeps(cameras: Mapping[str, CameraConfig]) -> dict[str, Keep]:
    """Return which cameras' next runs are to know what this one knows, with what earlier runs have left.

    Those are live ones that are watched and write to a folder.

    Args:
        cameras: all that applies to them, by name.
    """
    found = {}
    for name, camera in cameras.items():
        if camera.output is not None and camera.watch.on and is_live(camera.source):
            source = mask(camera.source)
            found[name] = Keep(source, memory.load(Path(camera.output.directory) / name, source))
    return found


class _OfFrames:
    """Camera tamper as a ``Watcher``."""

    def __init__(self, tamper: Tamper) -> None:
        self._tamper = tamper

    @property
    def open(self) -> str | None:
        return self._tamper.open

    def see(self, item: Hidden) -> Alert | None:
        frame, hidden = item.frame, item.regions.astype(np.float32)
        return self._tamper.see(frame.image, item.detections, frame.time_s, hidden)

    def cut(self) -> None:
        self._tamper.cut()

    def kept(self) -> Tree | None:
        return self._tamper.kept()

    def resume(self, kept: Tree, time_s: float, shift: float, pause: float) -> None:
        self._tamper.resume(kept, time_s, shift, pause)
