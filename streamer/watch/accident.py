"""Accidents: what a camera's vehicles do, judged by a small network, raises and ends events."""

from __future__ import annotations

from pathlib import Path

import torch

from streamer import modelfile
from streamer.config import AccidentConfig
from streamer.errors import ConfigError, ModelError
from streamer.frame import Hidden
from streamer.modelfile import Header
from streamer.nets import AccidentHead
from streamer.watch.kinematics import EVERY, NAMES
from streamer.watch.memory import Tree, number_of
from streamer.watch.traffic import Traffic, Window
from streamer.watch.watcher import Alert

KIND = "accident"

RAISE = 3
"""Looks in a row at or above the threshold that raise an event."""

CALM = 5.0
"""Seconds below the threshold that end it."""


USUAL = 60.0
"""Seconds from which on what is raised is learned as usual: traffic that changed for good ends that way."""


class Accident:
    """Watches one camera for accidents."""

    def __init__(self, network: AccidentHead, threshold: float) -> None:
        """Begin to watch.

        Args:
            network: in evaluation mode, on the CPU.
            threshold: the probability from which on it is an accident.
        """
        self._network = network
        self._threshold = threshold
        self._traffic = Traffic(network.window)
        self._looked_s: float | None = None
        self._raised = False
        self._above = 0
        self._start_s = self._last_s = 0.0
        self._score = 0.0

    @property
    def open(self) -> str | None:
        """The kind of what is going on; None where nothing is."""
        return KIND if self._raised else None

    def cut(self) -> None:
        """Say that the next frame does not continue the one before: a cut, a reconnect, the next file."""
        self._traffic.cut()
        self._above = 0
        self._looked_s = None

    def see(self, item: Hidden) -> Alert | None:
        """Take in a frame, and look at it where it is time to and objects were looked for in it."""
        time_s = item.frame.time_s
        if item.failure is not None or not item.detections.looked:
            return None
        # times are rounded, so that a look may seem to come a little early
        if self._looked_s is not None and 0.0 <= time_s - self._looked_s < EVERY - 0.005:
            return None
        self._looked_s = time_s
        learn = not self._raised or time_s - self._start_s >= USUAL
        window = self._traffic.see(item.frame.image, item.detections, time_s, learn=learn)
        if window is None:
            self._above = 0
            return self._calm(time_s)
        inputs = _tensors(window)
        with torch.inference_mode():
            score = float(self._network(*inputs).sigmoid())
            times_usual = self._network.above(*inputs)[0].exp().tolist()
        if score < self._threshold:
            self._above = 0
            return self._calm(time_s)
        if self._above == 0 and not self._raised:
            self._start_s, self._score = time_s, 0.0
        self._above += 1
        self._last_s = time_s
        self._score = max(self._score, score)
        if self._raised or self._above < RAISE:
            return None
        self._raised = True
        evidence = dict(zip(NAMES, times_usual, strict=True))
        return Alert("start", KIND, self._start_s, None, self._score, evidence)

    def kept(self) -> Tree | None:
        """Return what is raised; what is usual is soon learned again."""
        return {"since": self._start_s, "score": self._score} if self._raised else None

    def resume(self, kept: Tree, time_s: float, shift: float, pause: float) -> None:
        """Go on with what an earlier run had raised; as of ``Remembering``."""
        since, score = number_of(kept["since"]) + shift - pause, number_of(kept["score"])
        self._raised, self._start_s, self._last_s, self._score = True, since, time_s, score

    def _calm(self, time_s: float) -> Alert | None:
        """End what is open where nothing has happened for long enough."""
        if not self._raised or time_s - self._last_s < CALM:
            return None
        self._raised = False
        return Alert("end", KIND, self._start_s, self._last_s, self._score, {})


def load(config: AccidentConfig) -> Accident:
    """Make a watcher of one camera.

    Raises:
        ConfigError: there is no such model, or it is none for accidents.
    """
    if config.model == "bundled":
        raise ConfigError(
            "watch.accident: no model is bundled, since none has met its target so far (the README has the "
            "numbers); train one with `trainer fit configs/accident.yaml` and give its path"
        )
    path = Path(config.model)
    network, header = modelfile.load_accident(path)
    own = threshold_in(header, path)
    if len(network.mean) != len(NAMES):
        raise ModelError(f"{path}: is for {len(network.mean)} features, this version has {len(NAMES)}")
    return Accident(network, own if config.threshold is None else config.threshold)


def threshold_in(header: Header, path: Path) -> float:
    """Return the threshold that a model carries.

    Raises:
        ModelError: it carries none.
    """
    own = header.training.get("threshold")
    if not isinstance(own, float) or not 0.0 < own < 1.0:
        raise ModelError(f"{path}: its header is damaged: threshold: expected a number between 0 and 1")
    return own


def _tensors(window: Window) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return (
        torch.from_numpy(window.looks)[None],
        torch.from_numpy(window.before)[None],
        torch.tensor([window.known], dtype=torch.float32),
    )
