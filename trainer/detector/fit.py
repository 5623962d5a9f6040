"""Find a detector's weights: a plain loop, which stops and goes on at any step."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from streamer import detect, modelfile
from streamer.errors import ConfigError, SinkError, StreamerError
from streamer.nets.fcos import Fcos, cells
from trainer import backbone
from trainer.detector.assign import Objects, assign
from trainer.detector.config import DetectorConfig, FitConfig
from trainer.detector.hints import Hints
from trainer.detector.losses import detection
from trainer.detector.samples import Samples, collate

logger = logging.getLogger(__name__)

MEASURED = 30
"""Batches by which it is known how far a teacher's features spread."""

WARM_UP = 0.05
"""Share of the steps over which the learning rate rises."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training found."""

    network: Fcos
    """With averaged weights, on the CPU, in evaluation mode."""
    rows: list[dict[str, float]]
    """Losses, each the mean since the row before, with the step that it was taken down at."""


def fit(
    config: DetectorConfig,
    samples: Samples,
    checkpoint: Path,
    device: torch.device,
    *,
    resume: bool = False,
    steps: int | None = None,
    progress: Callable[[int], None] = lambda step: None,
) -> Fitted:
    """Train a detector.

    Args:
        config: what and how.
        samples: the pictures.
        checkpoint: file for all that going on takes; written every ``fit.save`` steps and when interrupted.
        device: where to train.
        resume: go on from ``checkpoint``; on one device the outcome is that of an uninterrupted run.
        steps: stop after so many in place of ``fit.steps``, to try things out.
        progress: is told how many steps are done.

    Raises:
        StreamerError: the loss became infinite or not a number.
        SinkError: the checkpoint cannot be written.
        ModelError: the backbone's weights are missing, damaged or another network's; so is what gives hints.
        ConfigError: hints are asked for without OpenVINO.
        KeyboardInterrupt: Ctrl-C; the steps until then are in ``checkpoint``.
    """
    total = steps or config.fit.steps
    torch.manual_seed(config.seed)
    network = Fcos(config.network)
    if config.fit.start is not None and not resume:
        load_start(network, config.fit.start)
    elif config.fit.backbone is not None and not resume:
        backbone.load(network.backbone, Path(config.fit.backbone))
    network = network.to(device).to(memory_format=torch.channels_last)
    _freeze(network, config.fit.freeze)
    training = _Training(config, network, total)
    if resume:
        training.load(checkpoint)
    batches = _batches(samples, config.fit, training.step, total)
    try:
        if training.hints is not None and training.step == 0:
            first = _batches(samples, config.fit, 0, min(MEASURED, total))
            training.hints.measure(pictures for pictures, _ in first)
        for pictures, objects in batches:
            with _undivided():
                training.take(pictures.to(device), objects)
                kept = training.step % config.fit.save == 0 or training.step == total
                if kept:
                    training.note()
            progress(training.step)
            if kept:
                training.save(checkpoint)
    except (KeyboardInterrupt, SystemExit):
        training.save(checkpoint)
        raise
    averaged = Fcos(config.network)
    averaged.load_state_dict(training.average.module.state_dict())
    return Fitted(averaged.eval(), training.rows)


@contextmanager
def _undivided() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM: half a step, or row, can be neither gone on with nor taken back."""
    held: list[int] = []
    # only there Python lets one listen, and only there it raises what came
    numbers = (signal.SIGINT, signal.SIGTERM) if current_thread() is main_thread() else ()
    before = {number: signal.signal(number, lambda came, _: held.append(came)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if held:
        signal.raise_signal(held[0])


class _Training:
    """The state of a run between two steps."""

    def __init__(self, config: DetectorConfig, network: Fcos, total: int) -> None:
        self.step = 0
        self.rows: list[dict[str, float]] = []
        self._fit = config.fit
        self._total = total
        self._network = network
        self._device = next(network.parameters()).device
        self._cells = tuple(each.to(self._device) for each in cells(*network.size))
        # batch normalisation's statistics are averaged like the weights, which are what they are of
        averaging = get_ema_multi_avg_fn(config.fit.ema)  # type: ignore[no-untyped-call]  # torch's
        self.average = AveragedModel(network, multi_avg_fn=averaging, use_buffers=True)
        self.hints: Hints | None = None
        if config.fit.hints is not None:
            self.hints = Hints(config.fit.hints, network, config.fit.batch).to(self._device)
        trained = [network] if self.hints is None else [network, self.hints]
        self._adam = torch.optim.AdamW(
            [weight for part in trained for weight in part.parameters() if weight.requires_grad],
            lr=config.fit.rate,
            weight_decay=config.fit.decay,
        )
        self._names = ["score_loss", "box_loss", *(["hint_loss"] if self.hints is not None else [])]
        self._sums = torch.zeros(1 + len(self._names), dtype=torch.float64)
        self._since = time.monotonic()

    def take(self, pictures: Tensor, objects: list[Objects]) -> None:
        """Take one step."""
        for group in self._adam.param_groups:
            group["lr"] = self._fit.rate * schedule(self.step, self._total)
        _train_mode(self._network)
        parts = [*self._losses(pictures, objects)]
        if self.hints is not None:
            parts.append(self.hints(pictures))
        loss = torch.stack(parts).sum()
        if not bool(torch.isfinite(loss)):
            raise StreamerError(
                f"fit: the loss is no number any more in step {self.step + 1}; lower fit.rate or fit.clip "
                "(the last checkpoint is kept)"
            )
        self._adam.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._fit.clip)
        self._adam.step()
        self.average.update_parameters(self._network)
        self.step += 1
        self._sums += torch.tensor([1.0, *(part.item() for part in parts)], dtype=torch.float64)

    def note(self) -> None:
        """Add a row, and a line about it."""
        count, *sums = self._sums.tolist()
        row = {"step": float(self.step)}
        row |= {name: total / count for name, total in zip(self._names, sums, strict=True)}
        self.rows.append(row)
        pace = (time.monotonic() - self._since) / count
        logger.info(
            "step %d of %d: loss of scores %.4f, of boxes %.4f%s; %.2f s a step",
            self.step, self._total, row["score_loss"], row["box_loss"],
            f", of hints {row['hint_loss']:.4f}" if self.hints is not None else "", pace,
        )  # fmt: skip
        self._sums.zero_()
        self._since = time.monotonic()

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        facts = {
            "step": self.step,
            "total": self._total,
            "rows": self.rows,
            "sums": self._sums,
            "network": self._network.state_dict(),
            "average": self.average.state_dict(),
            "hints": None if self.hints is None else self.hints.state_dict(),
            "optimizer": self._adam.state_dict(),
        }
        temporary = path.with_name(f".{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(facts, temporary)
            temporary.replace(path)
        except (OSError, RuntimeError) as error:  # the latter on a full disk
            temporary.unlink(missing_ok=True)
            raise SinkError(f"{path}: cannot be written: {error}") from error

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        try:
            facts: dict[str, Any] = torch.load(path, map_location=self._device, weights_only=True)
            self._network.load_state_dict(facts["network"])
            self.average.load_state_dict(facts["average"])
            if self.hints is not None:
                self.hints.load_state_dict(facts["hints"])
            self._adam.load_state_dict(facts["optimizer"])
        except Exception as error:  # on bytes that are no checkpoint, torch raises whatever they lead to
            raise ConfigError(
                f"{path}: no checkpoint of this run, or damaged; start again with --overwrite"
            ) from error
        if facts["total"] != self._total:
            raise ConfigError(
                f"{path}: the run was started for {facts['total']} steps, not {self._total}; give the same "
                "number again, or start again with --overwrite"
            )
        self.step, self.rows, self._sums = facts["step"], facts["rows"], facts["sums"].cpu()

    def _losses(self, pictures: Tensor, objects: list[Objects]) -> tuple[Tensor, Tensor]:
        centres, strides = self._cells
        there = [
            Objects(*(part.to(self._device) for part in (each.boxes, each.classes, each.doubtful)))
            for each in objects
        ]
        targets = [assign(each, centres, strides) for each in there]
        mixed = self._fit.precision == "bf16-mixed"
        with torch.autocast(self._device.type, torch.bfloat16) if mixed else nullcontext():
            shaped = pictures.float().to(memory_format=torch.channels_last)
            logits, distances = self._network(shaped)
        classes, boxes = (torch.stack(parts) for parts in zip(*targets, strict=True))
        return detection(logits.float(), distances.float(), classes, boxes, centres, strides)


def schedule(step: int, total: int) -> float:
    """Return the factor on the learning rate: up to 1 over ``WARM_UP``, then down to 0 along a cosine."""
    rise = max(1, round(WARM_UP * total))
    if step < rise:
        return (step + 1) / rise
    return 0.5 + 0.5 * math.cos(math.pi * (step - rise) / max(1, total - rise))


def load_start(network: Fcos, name: str) -> None:
    """Give a network all weights of a detector that was trained before.

    Args:
        network: gets them.
        name: ``bundled``, or the path of a model file.

    Raises:
        ModelError: it is missing or damaged.
        ConfigError: it is another network, or finds other classes.
    """
    trained, header = modelfile.load_detector(detect.bundled_path() if name == "bundled" else Path(name))
    if trained.classes != network.classes:
        raise ConfigError(
            f"fit.start: {name} finds {', '.join(trained.classes)}, but network.classes asks for "
            f"{', '.join(network.classes)}"
        )
    try:
        network.load_state_dict(trained.state_dict())
    except RuntimeError:  # says so for every tensor
        facts = {key: header.config[key] for key in ("channels", "blocks") if key in header.config}
        raise ConfigError(f"fit.start: {name} is another network ({facts}); set `network:` to it") from None


def _freeze(network: Fcos, blocks: int) -> None:
    for parameter in network.backbone[:blocks].parameters():
        parameter.requires_grad_(False)


def _train_mode(network: Fcos) -> None:
    """The backbone keeps ImageNet's statistics: batches are small."""
    network.train()
    network.backbone.eval()


def _batches(
    samples: Samples, fit: FitConfig, step: int, total: int
) -> Iterator[tuple[Tensor, list[Objects]]]:
    indices = range(step * fit.batch, total * fit.batch)
    yield from DataLoader(samples, fit.batch, sampler=indices, collate_fn=collate, num_workers=fit.workers)
