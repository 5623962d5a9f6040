"""A training run of what judges accidents, from the configuration to the model file, and its evaluation."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from streamer import modelfile
from streamer.device import resolve
from streamer.errors import ConfigError
from streamer.modelfile import Header
from streamer.nets import AccidentHead
from streamer.watch.accident import threshold_in
from streamer.watch.kinematics import NAMES
from trainer import report
from trainer.accident import samples as looks
from trainer.accident.clips import Clip, find
from trainer.accident.config import AccidentTrainConfig
from trainer.accident.evaluate import Evaluation, cross_validate, evaluate, excess, threshold_of
from trainer.accident.fit import calibrate, fit
from trainer.accident.samples import Samples
from trainer.run import MODEL, check, save, versions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured."""

    name: str
    """Of the model."""
    parts: Mapping[str, Evaluation]
    """``cross-validation``: all scenes, each by a head that was trained on the others; ``test``: the clips
    that the model itself never saw."""

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {"model": self.name, **{part: found.facts() for part, found in self.parts.items()}}

    def show(self, console: Console) -> None:
        """Print the tables."""
        for part, found in self.parts.items():
            found.show(console, f"{self.name}, {part}")


def train(
    config: AccidentTrainConfig,
    folder: Path,
    *,
    resume: bool,
    overwrite: bool,
    steps: int | None,
    console: Console,
) -> Report:
    """Train a head and write everything about it to a folder.

    Args:
        config: what and how.
        folder: for ``model.safetensors``, ``metrics.json`` and ``config.yaml``.
        resume: refused: there are no checkpoints, training takes seconds.
        overwrite: start again over a run that is in the folder.
        steps: in place of the configuration's.
        console: where progress goes.

    Raises:
        ConfigError: the folder holds a run already, or frames, the detector or the device cannot be had.
        SinkError: something cannot be written.
    """
    if resume:
        raise ConfigError(f"{folder}: nothing to resume, since training takes seconds; use --overwrite")
    facts = config.model_dump(mode="json")
    check(folder, facts, resume=False, overwrite=overwrite)
    options = config.fit if steps is None else config.fit.model_copy(update={"steps": steps})
    clips = find(config.data)
    seen = _look(clips, config, console)
    _require_both(seen, "data")
    report.write_yaml(folder / "config.yaml", facts)
    kept_out = {clip.scene for clip in clips if clip.name in config.data.test}
    out = np.isin(seen.scenes, sorted(kept_out))
    own, test = seen.keep(~out), seen.keep(out)
    _require_both(own, "data.test: of what is left to train on")
    if len(np.unique(own.scenes)) < 2:
        raise ConfigError("data: all clips to train on show one scene; each is judged by what others taught")
    head = fit(own, options)
    # by heads that have not seen the test clips either
    scores = cross_validate(own, options)
    calibrate(head, scores, own.accident)
    threshold = threshold_of(scores, own, options.false_looks)
    everything = scores if not out.any() else cross_validate(seen, options)
    parts = {"cross-validation": evaluate(everything, seen, threshold, config.seed)}
    if len(np.unique(test.accident)) == 2:
        parts["test"] = evaluate(excess(head, test), test, threshold, config.seed)
    found = Report(folder.name, parts)
    header = Header(
        network="accident",
        config={"features": len(NAMES), "window": config.window},
        task="accident",
        training={
            "config": facts,
            "clips": sorted({clip.name for clip in clips if clip.scene not in kept_out}),
            "features": list(NAMES),
            "threshold": _probability(head, threshold),
            "steps": options.steps,
            "versions": versions("torch", "opencv-python"),
        },
        metrics=found.facts(),
    )
    report.write_json(folder / "metrics.json", found.facts())
    save(folder / MODEL, head, header, half=False)
    return found


def evaluate_model(
    model: str, config: AccidentTrainConfig, folder: Path | None, device: str | None, console: Console
) -> Report:
    """Measure a model on the clips that it was not trained on.

    Args:
        model: path of its file.
        config: names the clips; the window is the model's own.
        folder: for ``metrics.json``; None writes nothing.
        device: in place of the configuration's.
        console: where progress goes.

    Raises:
        ConfigError: the model, frames, the detector or the device cannot be had, or no clip is new to it.
        SinkError: the folder cannot be written.
    """
    head, header = modelfile.load_accident(Path(model))
    config = config.model_copy(update={"window": head.window, **({"device": device} if device else {})})
    trained = set(header.training.get("clips", []))
    clips = find(config.data)
    known = {clip.scene for clip in clips if clip.name in trained}
    left = [clip for clip in clips if clip.scene not in known and clip.name not in trained]
    if not left:
        raise ConfigError(
            f"{model}: was trained on all clips that there are; give a configuration whose data has others"
        )
    seen = _look(left, config, console)
    _require_both(seen, "data")
    own = threshold_in(header, Path(model))
    threshold = (log(own / (1.0 - own)) - head.bias.item()) / head.gain.exp().item()
    measured = evaluate(excess(head, seen), seen, threshold, config.seed)
    found = Report(Path(model).parent.name or Path(model).stem, {"test": measured})
    if folder is not None:
        report.write_json(folder / "metrics.json", found.facts())
    return found


def _look(clips: list[Clip], config: AccidentTrainConfig, console: Console) -> Samples:
    followed = track(clips, "looking", console=console, transient=True, disable=not console.is_terminal)
    found = looks.make(followed, config.detect, resolve(config.device), config.data.fps, config.window)
    logger.info(
        "%d looks at %d clips, %d at accidents", len(found), len(np.unique(found.clips)), found.accident.sum()
    )
    return found


def _require_both(seen: Samples, key: str) -> None:
    if len(np.unique(seen.accident)) < 2:
        raise ConfigError(f"{key}: expected looks both with and without an accident, found one kind alone")


def _probability(head: AccidentHead, excess: float) -> float:
    """Return what a head makes of an excess, as a header holds it."""
    with torch.inference_mode():
        return float((excess * head.gain.exp() + head.bias).sigmoid())
