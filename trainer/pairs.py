"""Boxes and pairs on disk, made once and kept under a key of everything that made them."""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch.utils.data import Dataset

import streamer.boxes
from streamer import detect, engine, fill, hide, stencil
from streamer.errors import ConfigError, SourceError
from streamer.restore import squares
from trainer import cache, degrade
from trainer.config import TrainConfig
from trainer.data import Picture, Split
from trainer.degrade import BoxesByName, pairs
from trainer.images import read_image

_DETECTING = [
    path
    for package in (detect, engine)
    for path in sorted(Path(inspect.getfile(package)).parent.glob("*.py"))
]
"""The code that finds boxes; when it changes they are found again."""

_HIDING = [
    Path(inspect.getfile(module)) for module in (streamer.boxes, hide, fill, stencil, squares, degrade)
]
"""The code that makes pairs of them."""


def find_boxes(
    pictures: Iterable[Picture], config: TrainConfig, device: torch.device, console: Console
) -> tuple[BoxesByName, list[str]]:
    """Detect the objects to hide in every frame, or read what was detected before.

    Args:
        pictures: frames.
        config: whose ``detect`` says what is looked for, and ``data.cache`` where results are kept.
        device: where the detector runs.
        console: where progress goes.

    Returns:
        Boxes of every readable frame, and the names of the frames that cannot be read.

    Raises:
        ConfigError: the detector's model cannot be had.
    """
    pictures = list(pictures)
    key = cache.key(
        {
            "detect": config.detect.model_dump(),
            "files": cache.digest(_files(config)),
            "code": cache.digest(_DETECTING),
            "frames": [[picture.name, picture.digest] for picture in pictures],
        }
    )

    def make(folder: Path) -> None:
        detector = detect.load(
            config.detect, device, classes=config.detect.classes, threshold=config.detect.threshold
        )
        found: dict[str, list[list[float]] | None] = {}
        for picture in follow(pictures, "detecting", console):
            try:
                image = read_image(picture.path)
            except SourceError:
                found[picture.name] = None
                continue
            detections = detector.detect([image.to(device)])[0]
            found[picture.name] = detections.boxes.astype(float).round(2).tolist()
        (folder / "boxes.json").write_text(json.dumps(found), encoding="utf-8")

    path = cache.folder(Path(config.data.cache) / f"boxes-{key}", make)
    found = json.loads((path / "boxes.json").read_text(encoding="utf-8"))
    readable = {
        name: np.array(boxes, np.float32).reshape(-1, 4) for name, boxes in found.items() if boxes is not None
    }
    return readable, sorted(found.keys() - readable.keys())


@dataclass(frozen=True, slots=True)
class PairFolders:
    """Where the pairs to train on and to validate with lie."""

    train: Path
    validation: Path


def make_pairs(split: Split, boxes: BoxesByName, config: TrainConfig, console: Console) -> PairFolders:
    """Make the pairs of the training and validation frames; as ``make_side`` for each."""
    return PairFolders(
        make_side("train", split.train, boxes, config, console),
        make_side("validation", split.validation, boxes, config, console),
    )


def make_side(
    side: Literal["train", "validation"],
    pictures: Sequence[Picture],
    boxes: BoxesByName,
    config: TrainConfig,
    console: Console,
) -> Path:
    """Make the pairs of some frames, or find those that were made before.

    Args:
        side: which frames these are; those to train on are hidden more than once.
        pictures: the frames.
        boxes: what to hide in them.
        config: the whole; what of it makes a pair is in the key.
        console: where progress goes.

    Returns:
        The folder that they are in.

    Raises:
        ConfigError: nothing is hidden in any frame.
    """
    form = config.pairs
    variants = form.variants if side == "train" and form.of == "regions" else 1
    require_objects(side, pictures, boxes, config)
    key = cache.key(
        {
            "blur": config.blur.model_dump(),
            "pairs": form.model_dump(),
            "variants": variants,
            "seed": config.seed,
            "code": cache.digest(_HIDING),
            "frames": [[p.digest, boxes[p.name].tolist()] for p in pictures if p.name in boxes],
        }
    )

    def make(folder: Path) -> None:
        shown = follow(pictures, f"hiding ({side})", console)
        made = pairs(shown, boxes, config.blur, form, variants=variants, seed=config.seed)
        count = 0
        with (folder / "pixels").open("wb") as pixels, (folder / "hidden").open("wb") as hidden:
            for pair in made:
                pixels.write(pair.degraded.tobytes())
                pixels.write(pair.clean.tobytes())
                hidden.write(pair.hidden.tobytes())
                count += 1
        (folder / "pairs.json").write_text(json.dumps({"count": count, "size": form.size}))

    return cache.folder(Path(config.data.cache) / f"pairs-{key}", make)


def require_objects(side: str, pictures: Sequence[Picture], boxes: BoxesByName, config: TrainConfig) -> None:
    """Refuse frames without anything to hide.

    Raises:
        ConfigError: none can be read, or nothing is found in any.
    """
    if not any(picture.name in boxes for picture in pictures):
        raise ConfigError(f"data: none of the {len(pictures)} frames for {side} can be read")
    if not any(len(boxes.get(picture.name, ())) for picture in pictures):
        raise ConfigError(
            f"detect: no {', '.join(config.detect.classes)} at or above {config.detect.threshold:g} in "
            f"the {len(pictures)} frames for {side}; lower detect.threshold or change the split"
        )


class Items(Dataset[tuple[torch.Tensor, torch.Tensor, torch.Tensor]], ABC):
    """Pairs to train with, by index; one beyond their number is a pair of a later epoch."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return (degraded, clean, weight); float32 ``[inputs, S, S]``, ``[3, S, S]`` and ``[1, S, S]``."""


class Pairs(Items):
    """Pairs of one side, read from disk as they are asked for.

    An item is (degraded, clean, hidden): float32 ``[3, S, S]``, the same, and ``[1, S, S]``, all 0 to 1.
    """

    def __init__(self, folder: Path) -> None:
        facts: dict[str, Any] = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
        count, size = int(facts["count"]), int(facts["size"])
        self._pixels: NDArray[np.uint16] = np.memmap(
            folder / "pixels", np.uint16, "r", shape=(count, 2, 3, size, size)
        )
        self._hidden: NDArray[np.uint8] = np.memmap(
            folder / "hidden", np.uint8, "r", shape=(count, size, size)
        )

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        index %= len(self)  # they are the same in every epoch
        degraded, clean = torch.from_numpy(self._pixels[index].astype(np.float32) / 65535)
        hidden = torch.from_numpy(self._hidden[index].astype(np.float32) / 255)
        return degraded, clean, hidden[None]


def follow(pictures: Sequence[Picture], doing: str, console: Console) -> Iterable[Picture]:
    """Pass pictures on under a progress bar, where there is a terminal to draw it on."""
    return track(pictures, doing, console=console, transient=True, disable=not console.is_terminal)


def _files(config: TrainConfig) -> list[Path]:
    """Files that the detector is made of, where it is made of files."""
    model = detect.bundled_path() if config.detect.model == "bundled" else Path(config.detect.model)
    return [path for path in (model, Path(config.detect.weights)) if path.is_file()]
