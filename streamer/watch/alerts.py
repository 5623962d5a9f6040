"""Zero-shot alerts: one watcher for each class of each camera, and one network for all of them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.errors import ModelError
from streamer.frame import Hidden
from streamer.watch import calibration
from streamer.watch.calibration import Calibrated
from streamer.watch.clip import Encoder
from streamer.watch.glances import EARLY, Glances
from streamer.watch.hysteresis import Hysteresis, Says
from streamer.watch.memory import Tree, number_of
from streamer.watch.watcher import Alert, Watcher, Watchers
from streamer.watch.zeroshot import Scorer, probability
from streamer.zeroshot import ZeroShotConfig

logger = logging.getLogger(__name__)

NAMED = 3
"""Sentences of its class that an event names: those that match best."""


class ClassWatcher:
    """One class on one camera.

    Margins are averaged over the window, and the mean is made a probability, not the other way round: with
    the temperature that CLIP has, probabilities of single looks are nearly 0 or 1, so that their mean counts
    votes; and how windows are ranked, which is what an AUROC measures, does not depend on the temperature.
    """

    def __init__(
        self, name: str, config: ZeroShotConfig, found: Calibrated, scorer: Scorer, glances: Glances
    ) -> None:
        """Set up.

        Args:
            name: of the class.
            config: of the camera.
            found: calibration of the class.
            scorer: of the configuration.
            glances: where the embeddings of this camera's frames come from.
        """
        self._name, self._scorer, self._glances = name, scorer, glances
        self._window = config.window
        self._temperature, self._threshold, self._offset = found
        self._release = config.release * found.threshold
        self._hysteresis = Hysteresis(*config.looks)
        self._seen: deque[tuple[float, NDArray[np.float32]]] = deque()
        self._score = 0.0

    @property
    def open(self) -> str | None:
        """The class's name while it is raised."""
        return self._name if self._hysteresis.raised else None

    def cut(self) -> None:
        """Forget what was seen; what is raised stays so until enough of what follows says otherwise."""
        self._seen.clear()
        self._hysteresis.cut()

    def see(self, item: Hidden) -> Alert | None:
        """Take in a frame, if it is one that was looked at."""
        embedding = self._glances.of(item)
        if embedding is None:
            return None
        time_s = item.frame.time_s
        self._seen.append((time_s, embedding))
        while self._seen[0][0] <= time_s - self._window + EARLY and len(self._seen) > 1:
            self._seen.popleft()
        # cosines are linear in the embedding: the mean's are the means
        mean = np.mean([each for _, each in self._seen], axis=0, keepdims=True)
        margin = float(self._scorer.margins(mean)[self._name][0])
        score = probability(margin - self._offset, self._temperature)
        says = Says.YES if score >= self._threshold else Says.NO if score < self._release else Says.UNSURE
        change = self._hysteresis.hear(time_s, says)
        self._score = score if change == "start" else max(self._score, score)
        if change is None:
            return None
        over = None if change == "start" else self._hysteresis.until
        evidence = {"probability": score, "margin": margin, **self._matches(mean)}
        return Alert(change, self._name, self._hysteresis.since, over, self._score, evidence)

    def kept(self) -> Tree | None:
        """Return what is raised; single looks are soon made again."""
        return {**self._hysteresis.kept(), "score": self._score} if self._hysteresis.raised else None

    def resume(self, kept: Tree, time_s: float, shift: float, pause: float) -> None:
        """Go on with what an earlier run had raised; as of ``Remembering``."""
        score = number_of(kept["score"])
        self._hysteresis.resume(kept, shift - pause)
        self._score = score

    def _matches(self, embedding: NDArray[np.float32]) -> dict[str, float]:
        """Return the class's sentences that match best, and the cosine of each."""
        cosines = self._scorer.similarities(embedding)[0].tolist()
        all_of_them = zip(self._scorer.sentences, cosines, self._scorer.owners, strict=True)
        mine = [(sentence, cosine) for sentence, cosine, owner in all_of_them if owner == self._name]
        return dict(sorted(mine, key=lambda each: -each[1])[:NAMED])


def load(settings: Mapping[str, ZeroShotConfig], device: torch.device) -> Watchers:
    """Load what zero-shot alerts need, each network and each set of descriptions once, and make the watchers.

    Args:
        settings: by camera.
        device: where the networks work.

    Returns:
        The watchers; none of a camera whose model cannot be had and is not required, which is logged.

    Raises:
        ConfigError: there is no such model, one that is required cannot be had, or a calibration is wrong.
    """
    watchers: dict[str, dict[str, Watcher]] = {}
    shared = []
    for cameras in _alike(settings, "model", "weights", "normalise"):
        every = {camera: settings[camera].every for camera in cameras}
        try:
            encoder = Encoder(settings[cameras[0]], device)
        except ModelError as error:
            if any(settings[camera].required for camera in cameras):
                raise
            logger.warning("%s; going on without alerts of %s", error, ", ".join(cameras))
            continue
        glances = Glances(encoder.images, every)
        shared.append(glances)
        for same in _alike(
            {camera: settings[camera] for camera in cameras}, "classes", "normal", "templates"
        ):
            scorer = Scorer(settings[same[0]], device, encoder)
            for camera in same:
                config = settings[camera]
                watchers[camera] = {
                    f"zeroshot {name}": ClassWatcher(name, config, found, scorer, glances)
                    for name, found in _calibrated(config, scorer).items()
                }
    return Watchers(watchers, shared)


def _alike(settings: Mapping[str, ZeroShotConfig], *keys: str) -> list[list[str]]:
    """Return the cameras in groups, within each of which those settings are the same."""
    groups: dict[str, list[str]] = {}
    for camera, config in settings.items():
        groups.setdefault(repr([getattr(config, key) for key in keys]), []).append(camera)
    return list(groups.values())


def _calibrated(config: ZeroShotConfig, scorer: Scorer) -> dict[str, Calibrated]:
    """Return the calibration of each class that is raised."""
    own = dict.fromkeys(config.alerts, Calibrated(config.temperature, config.threshold))
    if config.calibration is None:
        return own
    path = Path(config.calibration)
    found = calibration.read(path)
    calibration.require_same(path, found.scorer, scorer.fingerprint)
    return {name: found.classes.get(name, default) for name, default in own.items()}
