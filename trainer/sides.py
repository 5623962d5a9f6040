"""What is trained and validated with, as a task and its pairs ask for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

from streamer.errors import SourceError
from trainer.config import HIDING, TrainConfig
from trainer.crops import Crops
from trainer.data import Picture, Split
from trainer.degrade import BoxesByName
from trainer.hidden import HiddenCrops
from trainer.images import size_of
from trainer.mixture import Mixture
from trainer.pairs import Items, Pairs, find_boxes, make_side, require_objects
from trainer.store import LONGEST, store
from trainer.subsets import Subsets
from trainer.tasks import degradation

Side = Literal["train", "validation"]

logger = logging.getLogger(__name__)


def sides(
    split: Split, boxes: BoxesByName, config: TrainConfig, device: torch.device, console: Console
) -> tuple[Items, Items]:
    """Make what is trained and validated with, or find what of it was made before.

    Args:
        split: the pictures; those that turn out to be unreadable are counted.
        boxes: what to hide in them, for tasks that hide; where they train in subsets, of the others alone.
        config: the whole.
        device: where the detector runs.
        console: where progress goes.

    Raises:
        ConfigError: nothing is hidden in any frame of a side, or all are smaller than a square.
        SourceError: no picture of a side, that of the test included, can be read.
        SinkError: the disk is full or cannot be written.
    """
    # what it is for, before hours are spent on it
    if config.task in HIDING:
        require_objects("test", split.test, boxes, config)
    elif not any(size_of(picture.path) for picture in split.test):
        raise SourceError(f"data: none of the {len(split.test)} pictures for test can be read")
    validation = _items("validation", split.validation, boxes, config, console, split)
    subsets = config.data.subsets
    if subsets is None:
        return _items("train", split.train, boxes, config, console, split), validation

    def part(pictures: list[Picture]) -> Items:
        found = find_boxes(pictures, config, device, console)[0] if config.task in HIDING else {}
        return _items("train", pictures, found, config, console, split)

    return Subsets(split.train, subsets, part, config.seed), validation


def _items(
    side: Side,
    pictures: Sequence[Picture],
    boxes: BoxesByName,
    config: TrainConfig,
    console: Console,
    split: Split,
) -> Items:
    form, fixed, hides = config.pairs, side == "validation", config.task in HIDING
    each = 1 if fixed else form.variants
    if hides and form.of != "crops":
        return Pairs(make_side(side, pictures, boxes, config, console))
    if hides:
        require_objects(side, pictures, boxes, config)
        pictures = [picture for picture in pictures if len(boxes.get(picture.name, ()))]
    # boxes are in pixels of the frame as it is, and so is what streamer restores
    longest = None if hides else LONGEST
    decoded = store(pictures, Path(config.data.cache), f"decoding ({side})", console, longest)
    split.counts["unreadable"] += len(decoded.unreadable)
    if config.task == "anomaly" and not fixed:
        return Mixture(
            decoded, config.anomaly, form.size,
            epochs=config.fit.epochs, augment=config.fit.augment, seed=config.seed,
        )  # fmt: skip
    items: Crops | HiddenCrops
    if hides:
        items = HiddenCrops(decoded, boxes, config.blur, form, each=each, fixed=fixed, seed=config.seed)
    else:
        items = Crops(
            decoded, degradation(config), form.size,
            of="frames" if form.of == "frames" else "crops",
            each=each, augment=config.fit.augment, fixed=fixed, seed=config.seed,
        )  # fmt: skip
    if items.small:
        logger.warning(
            "pairs.size: %d of %d pictures for %s are smaller than %d pixels and left out",
            items.small, len(decoded), side, form.size,
        )  # fmt: skip
    return items
