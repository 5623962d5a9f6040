"""Find the weights: Lightning runs the loop, this says what a step is and what is kept."""

from __future__ import annotations

import logging
import math
import signal
import warnings
import zipfile
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    RichProgressBar,
)
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Sampler

from streamer import nets
from streamer.errors import ConfigError, SinkError, StreamerError
from streamer.nets import Network
from streamer.nets.network import grey
from trainer import adversary, backbone, losses
from trainer.augment import augment
from trainer.config import HIDING, TrainConfig
from trainer.losses import psnr
from trainer.pairs import Items

WARM_UP = 0.05
"""Share of the steps over which a cosine schedule first rises."""

LOGS = "logs"
"""Folder of TensorBoard's files, beside that of the checkpoints."""

Batch = tuple[Tensor, Tensor, Tensor]
"""(degraded, clean, hidden) as ``Pairs`` gives them, stacked."""

logger = logging.getLogger(__name__)


class Fitting(lightning.LightningModule):
    """A network while it is trained."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self._config = config
        self._loss = losses.build(config.fit.loss)
        self.network = nets.build(config.network.name, config.network.options)
        self._share = losses.terms(config.fit.loss).get(losses.ADVERSARIAL, 0.0)
        if self._share:
            self.discriminator = adversary.Discriminator(self.network.inputs, config.pairs.size)
            self.automatic_optimization = False  # Lightning's own way knows one optimiser
        self._sums = torch.zeros(0)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of one batch."""
        seed = hash((self._config.seed, self.current_epoch, index)) % 2**63
        # pairs that are made as they are asked for were augmented before they were degraded
        kinds = self._config.fit.augment if self._config.task in HIDING else ()
        degraded, clean, hidden = augment(batch, kinds, seed)
        clean = self._goal(clean)
        torch.manual_seed(seed)  # for dropout: a resumed run drops the same
        restored, weight = self.network(degraded), self._weight(hidden)
        loss = self._loss(restored, clean, weight)
        if self._share:
            shown = losses.composite(restored, clean, weight)
            self._step(1, adversary.judging(self.discriminator, degraded, clean, shown))
            loss = loss + self._share * adversary.fooling(self.discriminator, degraded, shown)
        if not bool(torch.isfinite(loss)):
            raise StreamerError(
                f"fit: the loss is no number any more in epoch {self.current_epoch + 1}, step {index + 1}; "
                "lower fit.rate or set fit.clip (the last whole epoch's checkpoint is kept)"
            )
        if self._share:
            self._step(0, loss)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(degraded), sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Start the sums anew."""
        self._sums = torch.zeros(5, device=self.device)

    def validation_step(self, batch: Batch, index: int) -> None:
        """Add one batch to the sums."""
        self._sums += self.sums(self.network(batch[0]), batch)

    def on_validation_epoch_end(self) -> None:
        """Log the means."""
        for name, value in means(self._sums).items():
            self.log(name, value, sync_dist=True)

    def sums(self, restored: Tensor, batch: Batch) -> Tensor:
        """Return what ``means`` takes the means of, summed over a batch: float32 ``[5]``."""
        _, clean, hidden = batch
        clean = self._goal(clean)
        some = hidden.sum(dim=(1, 2, 3)) > 0  # elsewhere the identity is perfect and has no finite PSNR
        loss = self._loss(restored, clean, self._weight(hidden)) * len(clean)
        everywhere = psnr(restored, clean, torch.ones_like(hidden))[some]
        inside = psnr(restored, clean, hidden)[some]
        return torch.stack(
            [restored.new_tensor(len(clean)), loss, some.sum(), everywhere.sum(), inside.sum()]
        )

    def configure_optimizers(self) -> Any:
        """Return Adam, with a schedule per step; for each of two networks where one judges the other."""
        fit = self._config.fit
        learning = [self.network, self.discriminator] if self._share else [self.network]
        betas = adversary.BETAS if self._share else (0.9, 0.999)
        adams = [torch.optim.Adam(each.parameters(), lr=fit.rate, betas=betas) for each in learning]
        if fit.schedule == "constant":
            return adams
        steps = int(self.trainer.estimated_stepping_batches)
        schedules = [LambdaLR(adam, lambda step: _cosine(step, steps)) for adam in adams]
        return adams, [{"scheduler": schedule, "interval": "step"} for schedule in schedules]

    def _step(self, which: int, loss: Tensor) -> None:
        """Do by hand what Lightning does for one optimiser: the network's is the first."""
        optimizer = cast(list[LightningOptimizer], self.optimizers())[which]
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.clip_gradients(optimizer.optimizer, self._config.fit.clip, "norm")
        optimizer.step()
        if schedules := cast(list[LambdaLR] | None, self.lr_schedulers()):
            schedules[which].step()

    def _goal(self, clean: Tensor) -> Tensor:
        """What is to come out: of a network without colour, the brightness of what is clean."""
        return grey(clean).expand_as(clean) if self.network.grey else clean

    def _weight(self, hidden: Tensor) -> Tensor:
        """What counts: all of a whole frame, as the reference has it; else what is pasted back."""
        return torch.ones_like(hidden) if self._config.pairs.of == "frames" else hidden


def means(sums: Tensor) -> dict[str, float]:
    """Return the validation's columns of ``metrics.csv``."""
    pairs, loss, hidden, everywhere, inside = sums.tolist()
    return {
        "validation_loss": loss / pairs,
        "psnr_db": everywhere / hidden,
        "psnr_hidden_db": inside / hidden,
    }


def _cosine(step: int, steps: int) -> float:
    """Return the factor on the learning rate: up to 1 over ``WARM_UP``, then down to 0 along a cosine."""
    rise = max(1, round(WARM_UP * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 + 0.5 * math.cos(math.pi * (step - rise) / max(1, steps - rise))


class Shuffled(Sampler[int]):
    """All indices in an order that follows from seed and epoch, so that a resumed run continues it.

    An index of epoch e has e times the data's length added, for data that differ from epoch to epoch.
    """

    def __init__(self, data: Sized, seed: int) -> None:
        self._data = data
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; Lightning calls this before each epoch."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(hash((self._seed, self._epoch)) % 2**63)
        order = torch.randperm(len(self._data), generator=generator)
        yield from (order + self._epoch * len(self._data)).tolist()

    def __len__(self) -> int:
        return len(self._data)


class History(Callback):
    """A row per epoch, and a line about it; kept in checkpoints, so that a resumed run has all."""

    def __init__(self, epochs: int) -> None:
        self.rows: list[dict[str, Any]] = []
        self._epochs = epochs

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take down the epoch that ended; its validation ran just before."""
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row: dict[str, Any] = {"epoch": trainer.current_epoch + 1}
        row |= {name: logged[name] for name in ("train_loss", "validation_loss", "psnr_db", "psnr_hidden_db")}
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        logger.info(
            "epoch %d of %d: loss %.5f, validation %.5f; PSNR %.2f dB, of what is hidden %.2f dB",
            row["epoch"], self._epochs, *list(row.values())[1:],
        )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.rows = list(state_dict["rows"])


class Patience(EarlyStopping):
    """Ends training where nothing gets better any more; a run that it ended does not go on when resumed."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop at once where the checkpoint says so."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class Checkpoint(ModelCheckpoint):
    """Lightning's, of a folder that may have been moved or renamed since."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with what is in this run's own folder."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        state = state_dict | {name: here(state_dict[name]) for name in paths}
        state["dirpath"] = self.dirpath
        state["best_k_models"] = {here(path): score for path, score in state["best_k_models"].items()}
        super().load_state_dict(state)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training found."""

    network: Network
    """With the weights of the best epoch by validation."""
    rows: list[dict[str, Any]]
    """Loss and PSNR of each epoch."""
    identity: dict[str, float]
    """The same columns of validation for the degraded pictures themselves."""
    best: int
    """The epoch, from 1, that ``network`` is from."""


def fit(
    config: TrainConfig,
    train: Items,
    validation: Items,
    checkpoints: Path,
    device: torch.device,
    *,
    resume: bool = False,
    steps: int | None = None,
    progress: bool = True,
) -> Fitted:
    """Train a network.

    Args:
        config: what and how.
        train: the pairs to train with.
        validation: the pairs to choose the epoch by.
        checkpoints: folder for ``best.ckpt`` and ``last.ckpt``, the latter written after each epoch; beside
            it ``logs`` for TensorBoard.
        device: where to train.
        resume: go on from ``last.ckpt``; the outcome is that of a run which was never interrupted.
        steps: stop after so many steps, as one short epoch; None trains all epochs.
        progress: draw a progress bar.

    Raises:
        ConfigError: ``last.ckpt`` is damaged.
        StreamerError: the loss became infinite or not a number.
        SinkError: a checkpoint cannot be written.
        KeyboardInterrupt: Ctrl-C; the last whole epoch is in ``last.ckpt``.
    """
    # what a user can do nothing about: workers are not needed, pairs are read from disk as they are
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    last = checkpoints / "last.ckpt"
    if resume and not zipfile.is_zipfile(last):  # the directory of a zip is at its end
        raise ConfigError(f"{last}: truncated or damaged; start again with --overwrite")
    torch.manual_seed(config.seed)
    fitting = Fitting(config)
    if config.fit.backbone is not None and not resume:
        backbone.load(cast(nn.Module, fitting.network.backbone), Path(config.fit.backbone))
    epochs = 1 if steps is not None else config.fit.epochs
    shuffled = DataLoader(train, config.fit.batch, sampler=Shuffled(train, config.seed))
    ordered = DataLoader(validation, config.fit.batch)
    history = History(epochs)
    best = Checkpoint(
        checkpoints,
        "best",
        monitor="psnr_hidden_db" if config.task in HIDING and config.pairs.of != "frames" else "psnr_db",
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    # its own: Lightning's `save_last` leaves out epochs that are not the best, which would be trained again;
    # after the best, whose state it holds
    latest = Checkpoint(checkpoints, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    callbacks: list[Callback] = [history, best, latest]
    if config.fit.patience is not None:
        monitor, patience = str(best.monitor), config.fit.patience
        callbacks.append(Patience(monitor, patience=patience, mode="max", check_on_train_epoch_end=True))
    if config.fit.ema is not None:
        callbacks.append(EMAWeightAveraging(decay=config.fit.ema))
    if progress:
        callbacks.append(RichProgressBar())
    if config.fit.compile and _compiles(device):
        fitting.network.compile()
    one_gpu = device.type == "cuda" and config.fit.devices == 1
    trainer = lightning.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=[device.index or 0] if one_gpu else config.fit.devices,
        precision=config.fit.precision,
        max_epochs=epochs,
        limit_train_batches=steps,
        gradient_clip_val=config.fit.clip if fitting.automatic_optimization else None,
        callbacks=callbacks,
        logger=TensorBoardLogger(checkpoints.parent, name=LOGS, version=""),
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=progress,
        default_root_dir=checkpoints,
    )
    identity = _identity(fitting, ordered)
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(fitting, shuffled, ordered, ckpt_path=last if resume else None)
    except SystemExit as error:
        # Lightning makes exit code 1 of Ctrl-C, and ignores the signal from then on
        if error.code == 1 and trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    except OSError as error:
        raise SinkError(f"{checkpoints}: cannot be written: {error.strerror or error}") from error
    finally:
        signal.signal(signal.SIGINT, handler)
    if not trainer.is_global_zero:
        raise SystemExit(0)  # of several processes the first goes on alone
    network = nets.build(config.network.name, config.network.options)
    kept = torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
    own = "network."
    network.load_state_dict({name[len(own) :]: value for name, value in kept.items() if name.startswith(own)})
    monitored = [row[str(best.monitor)] for row in history.rows]
    return Fitted(network.eval(), history.rows, identity, monitored.index(max(monitored)) + 1)


def _compiles(device: torch.device) -> bool:
    """Say whether torch.compile has what it needs, and log where it has not."""
    try:
        torch.compile(torch.neg)(torch.zeros(1, device=device))
    except Exception as error:  # whatever the compiler of the day raises
        logger.warning("fit.compile: no working compiler for %s, training goes on without", device.type)
        logger.debug("fit.compile: %s", error)
        return False
    return True


def _identity(fitting: Fitting, validation: DataLoader[Any]) -> dict[str, float]:
    """Return what doing nothing scores."""
    with torch.inference_mode():
        return means(torch.stack([fitting.sums(batch[0][:, :3], batch) for batch in validation]).sum(dim=0))
