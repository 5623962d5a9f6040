"""Frames to train on: where they come from, which clip each belongs to, which side that clip is on."""

from __future__ import annotations

import filecmp
import hashlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from streamer.errors import ConfigError, SinkError, SourceError
from trainer.config import DataConfig

IMAGES = (".jpg", ".jpeg", ".png", ".webp")
"""Suffixes of files that are taken for frames."""

SIDES = ("test", "validation", "train")
"""In the order in which a repeated picture is kept: the first that has it."""

_NUMBERED = re.compile(r"(.+)_\d+(?:-\d+)?")


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame on disk."""

    path: Path
    name: str
    """Relative to the folder that it was found in, which stands before it where another has the same."""
    clip: str
    digest: str
    """Of its bytes: equal for byte-identical files."""
    partner: Picture | None = None
    """What comes in where this is to come out, of ``task: paired``."""


@dataclass(frozen=True, slots=True)
class Split:
    """Which frames serve what. A scene is on one side only, and so is every picture."""

    train: list[Picture]
    validation: list[Picture]
    test: list[Picture]
    counts: Counter[str] = field(default_factory=Counter)
    """What was left out, by cause."""

    @property
    def pictures(self) -> list[Picture]:
        """All that were not left out."""
        return [*self.train, *self.validation, *self.test]

    def clips(self) -> dict[str, list[str]]:
        """Return the names of the clips by side."""
        sides = {"train": self.train, "validation": self.validation, "test": self.test}
        return {side: sorted({p.clip for p in pictures}) for side, pictures in sides.items()}


def read(config: DataConfig, seed: int) -> Split:
    """Find all frames and split them by clip.

    Raises:
        ConfigError: there is no dataset or folder, nothing in it, or the split leaves a side empty.
    """
    pictures, others = find(config)
    tests, extra = None, []
    taken = {picture.name for picture in pictures}
    if config.test_folder is not None:
        found, more = below(config.test_folder, "data.test_folder", config.clips)
        tests = _apart(found, taken, config.test_folder)
        others += more
    for index, folder in enumerate(config.extra):
        found, more = below(folder, f"data.extra[{index}]", config.clips)
        extra += _apart(found, taken, folder)
        others += more
    divided = split(pictures, config, seed, tests, extra)
    divided.counts["files that are no images"] += others
    return divided


def read_test(config: DataConfig, seed: int) -> Split:
    """Find what is measured on, as ``read`` does; what is only trained on need not be there."""
    if config.test_folder is None:
        return read(config.model_copy(update={"extra": []}), seed)
    pictures, others = below(config.test_folder, "data.test_folder", config.clips)
    kept = {picture.digest: picture for picture in reversed(pictures) if picture.clip not in config.exclude}
    counts = Counter({"files that are no images": others})
    counts["excluded or repeated on one side"] = len(pictures) - len(kept)
    return Split([], [], list(kept.values())[::-1], counts)


def _apart(pictures: Sequence[Picture], taken: set[str], folder: str) -> list[Picture]:
    """Put their folder before the names that pictures of another folder have: boxes are kept by name."""
    apart = [replace(p, name=f"{folder}/{p.name}") if p.name in taken else p for p in pictures]
    taken.update(picture.name for picture in apart)
    return apart


def find(config: DataConfig) -> tuple[list[Picture], int]:
    """Find all frames.

    Returns:
        The frames, and how many files are none.

    Raises:
        ConfigError: there is no dataset or folder, or nothing in it.
    """
    if config.folder is not None:
        return below(config.folder, "data.folder", config.clips)
    folder = Path(config.frames)
    found, others = gather(download(config.kaggle), folder)
    return [_picture(path, path.relative_to(folder).as_posix(), config.clips) for path in found], others


def below(name: str, key: str, clips: Literal["name", "folder"]) -> tuple[list[Picture], int]:
    """Return the pictures below a folder, and how many other files there are.

    Args:
        name: of the folder.
        key: of the configuration that names it, for errors.
        clips: what tells a frame's clip.

    Raises:
        ConfigError: there is no folder, or nothing in it.
        SourceError: a file in it may not be read.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"{key}: {folder}: no such folder")
    found, others = images_below(folder)
    return [_picture(path, path.relative_to(folder).as_posix(), clips) for path in found], others


def _picture(path: Path, name: str, clips: Literal["name", "folder"]) -> Picture:
    return Picture(path, name, clip_of(name, clips), digest(path))


def clip_of(name: str, by: Literal["name", "folder"]) -> str:
    """Return the clip of a frame.

    Args:
        name: the frame's path relative to its dataset, such as ``gate/test10_33.jpg``.
        by: ``name`` takes what stands before the last ``_NUMBER``, and the folder where there is none;
            ``folder`` always takes the folder.
    """
    path = Path(name)
    folder = path.parent.as_posix()
    match = _NUMBERED.fullmatch(path.stem)
    if by == "name" and match:
        return match[1]
    return path.stem if folder == "." else folder


def split(
    pictures: Sequence[Picture],
    config: DataConfig,
    seed: int,
    tests: Sequence[Picture] | None = None,
    extra: Sequence[Picture] = (),
) -> Split:
    """Divide pictures by clip, never by image; clips of one group stay together.

    Args:
        pictures: all there are.
        config: which clips go where; shares are chosen by a hash of the clip's name and the seed.
        seed: of that choice.
        tests: the test side, where it is not chosen out of ``pictures``.
        extra: to train on, but for those of clips that are on another side.

    Raises:
        ConfigError: a clip is asked to be on two sides, or a side is empty.
    """
    scene = scene_of([picture.clip for picture in pictures], config.groups)
    # a clip that is excluded may be among the extra pictures alone
    side_of = {scene.get(clip, clip): "excluded" for clip in config.exclude}
    grouped = {clip for group in config.groups for clip in group}
    for picture in tests or ():  # what shows a scene of theirs is neither trained on nor chosen by
        if picture.clip in grouped:  # a name alone says nothing: a standard set has its own
            side_of.setdefault(scene[picture.clip], "test")
    chosen_by_name = (("test", config.test), ("validation", config.validation))
    for side, wanted in chosen_by_name[0 if tests is None else 1 :]:
        for chosen in _choose(wanted, scene, side_of, seed):
            if side_of.get(chosen, side) != side:
                raise ConfigError(
                    f"data.{side}: {chosen!r} or a clip of its scene is already on the {side_of[chosen]} side"
                )
            side_of[chosen] = side
    sides: dict[str, list[Picture]] = {side: [] for side in ("excluded", *SIDES)}
    for picture in pictures:
        side = side_of.get(scene[picture.clip], "train")
        sides["excluded" if side == "test" and tests is not None else side].append(picture)
    for picture in tests or ():
        side = side_of.get(scene.get(picture.clip, picture.clip), "test")
        sides["excluded" if side == "excluded" else "test"].append(picture)
    for picture in extra:
        side = side_of.get(scene.get(picture.clip, picture.clip), "train")
        if side in ("train", "excluded"):
            sides[side].append(picture)
    counts = Counter({"of excluded clips": len(sides["excluded"])})
    # what is excluded must not come back under another name either, so its pictures count as seen first
    seen: dict[str, str] = {}
    kept: dict[str, list[Picture]] = {side: [] for side in sides}
    for side, members in sides.items():
        for picture in members:
            if picture.digest not in seen:
                seen[picture.digest] = side
                kept[side].append(picture)
            elif side != "excluded":
                counts[
                    "repeated on one side" if seen[picture.digest] == side else "repeated across sides"
                ] += 1
    for side in SIDES:
        if not kept[side]:
            raise ConfigError(
                f"data: no frames are left for {side}; there are {len(set(scene.values()))} scenes "
                f"({', '.join(sorted(scene)[:8])}, …), and train, validation and test need one each"
            )
    return Split(kept["train"], kept["validation"], kept["test"], counts)


def scene_of(clips: Iterable[str], groups: Sequence[Sequence[str]]) -> dict[str, str]:
    """Map each clip onto the first clip of its scene; groups that share a clip are one."""
    first: dict[str, str] = {}

    def root(clip: str) -> str:
        while first.setdefault(clip, clip) != clip:
            clip = first[clip]
        return clip

    for group in groups:
        for clip in group:
            a, b = sorted((root(clip), root(group[0])))
            first[b] = a
    return {clip: root(clip) for clip in [*clips, *(c for group in groups for c in group)]}


def _choose(
    wanted: list[str] | float, scene: Mapping[str, str], side_of: Mapping[str, str], seed: int
) -> list[str]:
    """Return the scenes that are named, or a share of all that are not excluded, out of those still free."""
    if isinstance(wanted, list):
        return sorted({scene[clip] for clip in wanted if clip in scene})
    order = sorted(
        {root for root in scene.values() if side_of.get(root) != "excluded"},
        key=lambda clip: hashlib.sha256(f"{seed}/{clip}".encode()).hexdigest(),
    )
    free = [root for root in order if root not in side_of]
    return free[: max(1, round(wanted * len(order)))]


def images_below(folder: Path) -> tuple[list[Path], int]:
    """Return the images below a folder, a clip's in order, and how many other files there are.

    Raises:
        ConfigError: there are no images.
    """
    files = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]
    files.sort(key=natural)
    images = [p for p in files if p.suffix.lower() in IMAGES]
    if not images:
        raise ConfigError(f"{folder}: no images in it or below ({', '.join(IMAGES)})")
    return images, len(files) - len(images)


def natural(path: Path) -> list[tuple[str, int]]:
    """Return what sorts a clip's frame 9 before its frame 10."""
    parts = re.split(r"(\d+)", path.as_posix())
    return [(text, int(number or -1)) for text, number in zip_longest(parts[::2], parts[1::2])]


def gather(source: Path, target: Path) -> tuple[list[Path], int]:
    """Bring all images below a folder together in one flat folder, under unique names.

    Args:
        source: searched with its sub-folders.
        target: made where it is missing; whatever else lies in it stays and is not used.

    Returns:
        The images in ``target``, a clip's in order whatever folders they came from, and how many other files
        there are below ``source``.

    Raises:
        ConfigError: there are no images.
        SinkError: ``target`` cannot be written.
    """
    images, others = images_below(source)
    taken: Counter[str] = Counter()
    gathered = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path in images:
            # names that differ in case alone are one file on macOS and Windows
            taken[path.name.casefold()] += 1
            repeated = taken[path.name.casefold()]
            name = path.name if repeated == 1 else f"{path.stem}-{repeated}{path.suffix}"
            _copy(path, target / name)
            gathered.append(target / name)
    except OSError as error:
        raise SinkError(f"data.frames: {target}: cannot be written: {error.strerror or error}") from error
    return sorted(gathered, key=lambda path: natural(path.with_suffix(""))), others


def _copy(source: Path, target: Path) -> None:
    """Copy whole or not at all; a copy that is there already is left alone."""
    if target.exists() and filecmp.cmp(source, target, shallow=False):
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def download(handle: str, otherwise: str = "give `data: {folder: PATH}`") -> Path:
    """Return the folder of a Kaggle dataset, downloaded where it is not there yet.

    Args:
        handle: owner/name, or with /versions/N.
        otherwise: what else a user can do who has no network.

    Raises:
        ConfigError: it cannot be had.
    """
    # imported here: it is of the extra `train`, takes half a second, and a folder does without it
    import kagglehub

    try:
        return Path(kagglehub.dataset_download(handle))
    except ValueError as error:
        raise ConfigError(f"data.kaggle: {error}; expected owner/name or owner/name/versions/N") from None
    except Exception as error:
        # kagglehub raises whatever its HTTP library does; the type is what tells offline from forbidden
        raise ConfigError(
            f"data.kaggle: {handle!r} cannot be downloaded ({type(error).__name__}); connect to the network, "
            f"set KAGGLEHUB_CACHE to a folder that holds this version, or {otherwise}"
        ) from error


def digest(path: Path) -> str:
    """Return a hash of a file's bytes.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
