"""Pictures that come in pairs: two folders, in which partners have the same name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from streamer.errors import ConfigError
from trainer.config import DataConfig, PairedConfig
from trainer.data import Picture, Split, below, split
from trainer.images import size_of

logger = logging.getLogger(__name__)


def read(paired: PairedConfig, config: DataConfig, seed: int) -> Split:
    """Find all pairs and split them by the clips of the clean pictures.

    A pair is left out, counted and the first of its kind named where a partner is missing, or where the two
    differ in size: which pixels belong together is not known then.

    Args:
        paired: the two folders; pictures may lie in sub-folders, which are part of their names.
        config: says what tells a clip, and which clips go where.
        seed: of that choice.

    Raises:
        ConfigError: there is no such folder, or no pair; or two pictures of one folder have one name, or the
            split leaves a side empty.
    """
    clean, others = below(paired.clean, "paired.clean", config.clips)
    degraded, more = below(paired.degraded, "paired.degraded", config.clips)
    wanted, given = _by_name(clean, "paired.clean"), _by_name(degraded, "paired.degraded")
    lonely = sorted(wanted.keys() ^ given.keys())
    matched = [replace(picture, partner=given[name]) for name, picture in wanted.items() if name in given]
    if not matched:
        raise ConfigError(
            f"paired: none of the {len(clean)} pictures in {paired.clean} has a partner of its name in "
            f"{paired.degraded}, {lonely[0]} for one"
        )
    pairs, unequal = [], []
    for picture in matched:
        sizes = [size_of(each.path) for each in (picture, picture.partner) if each is not None]
        # what cannot be opened is found out, and counted, when it is decoded
        if None in sizes or sizes[0] == sizes[1]:
            pairs.append(picture)
        else:
            unequal.append((picture.name, sizes))
    first = ""
    if unequal:
        name, (size, other) = unequal[0]
        first = f"{name} is {_text(size)}, its partner {_text(other)}"
    if not pairs:
        raise ConfigError(f"paired: all {len(unequal)} pairs differ in size: {first}; bring them to one size")
    if unequal:
        logger.warning("paired: %d pairs differ in size and are left out: %s", len(unequal), first)
    if lonely:
        logger.warning(
            "paired: %d pictures have no partner of their name and are left out: %s",
            len(lonely), f"{', '.join(lonely[:3])}{', …' if len(lonely) > 3 else ''}",
        )  # fmt: skip
    divided = split(pairs, config, seed)
    divided.counts["files that are no images"] += others + more
    divided.counts["without a partner"] += len(lonely)
    divided.counts["of another size than their partner"] += len(unequal)
    return divided


def _by_name(pictures: Sequence[Picture], key: str) -> Mapping[str, Picture]:
    """Return pictures by their names without the suffix."""
    named: dict[str, Picture] = {}
    for picture in pictures:
        name = PurePosixPath(picture.name).with_suffix("").as_posix()
        if name in named:
            raise ConfigError(f"{key}: {named[name].name} and {picture.name} have one name; keep one of them")
        named[name] = picture
    return named


def _text(size: tuple[int, int] | None) -> str:
    return "unreadable" if size is None else f"{size[0]}x{size[1]}"
