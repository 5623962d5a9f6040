"""Clips of which somebody has said what they show, and which of them show one scene."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from streamer.errors import ConfigError, SourceError
from streamer.section import suggest
from streamer.source.footage import VIDEOS
from trainer.data import IMAGES, clip_of, digest, scene_of

ClipsBy = Literal["name", "folder"]


@dataclass(frozen=True, slots=True)
class Part:
    """What of a clip shows one class: a clip may be normal up to the accident."""

    label: str
    clip: str
    scene: str
    """The first clip that shows the same place."""
    images: Sequence[Path]
    """In order."""
    videos: Sequence[Path]

    @property
    def name(self) -> str:
        """Of the clip and what it shows."""
        return f"{self.clip}, {self.label}"


@dataclass(frozen=True, slots=True)
class Labelled:
    """All parts, and what was left out."""

    parts: Sequence[Part]
    counts: Counter[str]
    """Files that were left out, by cause."""

    def require(self, groups: Sequence[Sequence[str]]) -> None:
        """Refuse a group with a clip that is not there: a misspelt one would be taken for another scene.

        Raises:
            ConfigError: names it.
        """
        names = sorted({part.clip for part in self.parts})
        for clip in (clip for group in groups for clip in group if clip not in names):
            raise ConfigError(f"--group: no clip is called {clip!r}{suggest(clip, names)}")


class Naming:
    """What classes are called in the names of folders and in lists."""

    def __init__(self, normal: str, alerts: Sequence[str], given: Sequence[str] = ()) -> None:
        """Learn the names.

        Args:
            normal: the class of what is as it should be.
            alerts: the other classes.
            given: names that a user gave, as ``"Non Accident=normal"``.

        Raises:
            ConfigError: one of them is not of this form, or names no class.
        """
        self.classes = (normal, *alerts)
        self._of = {_plain(f"{no}{name}"): normal for name in alerts for no in ("no", "non", "not")}
        self._of |= {_plain(name): name for name in self.classes}
        for text in given:
            name, equals, label = (part.strip() for part in text.rpartition("="))
            if not (name and equals and label):
                raise ConfigError(f'--label {text!r}: expected NAME=CLASS, such as "Non Accident={normal}"')
            if label not in self.classes:
                raise ConfigError(
                    f"--label {text!r}: unknown class{suggest(label, self.classes)}; "
                    f"known: {', '.join(self.classes)}"
                )
            self._of[_plain(name)] = label

    def of(self, name: str) -> str | None:
        """Return the class that a name means, whatever its case, spaces and hyphens; None for no class."""
        return self._of.get(_plain(name))

    def hint(self, name: str) -> str:
        """Say what to do about a name that means no class."""
        return f'classes are {", ".join(self.classes)}; `--label "{name}={self.classes[0]}"` says which it is'


class _File(NamedTuple):
    path: Path
    label: str
    clip: str


def read(
    given: Sequence[Path],
    naming: Naming,
    clips: ClipsBy = "name",
    groups: Sequence[Sequence[str]] = (),
) -> Labelled:
    """Find labelled clips.

    Of files that are byte for byte the same the first counts, and their clips show one scene; those that
    stand under two classes are left out.

    Args:
        given: folders, in which each file is of the nearest folder around it that is named by class; and CSV
            files with the columns ``path``, relative to the CSV file, and ``class``.
        naming: what classes are called.
        clips: what tells an image's clip, as in ``trainer.data.clip_of``, within the folder of its class; a
            video is always a clip of its own. Clips of one name are one, with a part for each class.
        groups: clips that show one scene; there need not be all of them.

    Returns:
        The parts, ordered by clip and class.

    Raises:
        ConfigError: there is nothing, or something is of no class.
        SourceError: a file cannot be read.
    """
    found = [file for path in given for file in _listed(path, naming, clips)]
    kept, counts, same = _once(found)
    scene = scene_of([file.clip for file in kept], [*groups, *same])
    files: dict[tuple[str, str], list[Path]] = {}
    for file in kept:
        files.setdefault((file.clip, file.label), []).append(file.path)
    parts = []
    for (clip, label), paths in sorted(files.items()):
        paths.sort(key=_in_time)
        images = [path for path in paths if _is_image(path)]
        videos = [path for path in paths if not _is_image(path)]
        parts.append(Part(label, clip, scene[clip], images, videos))
    return Labelled(parts, counts)


def _once(found: Sequence[_File]) -> tuple[list[_File], Counter[str], list[list[str]]]:
    """Return each picture once, what was left out, and the clips that have some in common."""
    copies: dict[str, list[_File]] = {}
    for file in found:
        copies.setdefault(digest(file.path), []).append(file)
    kept, counts = [], Counter[str]()
    for files in copies.values():
        if len({file.label for file in files}) > 1:
            counts["under two classes"] += len(files)
            continue
        kept.append(files[0])
        if len(files) > 1:
            counts["repeated"] += len(files) - 1
    return kept, counts, [[file.clip for file in files] for files in copies.values() if len(files) > 1]


def _listed(given: Path, naming: Naming, clips: ClipsBy) -> list[_File]:
    if given.is_dir():
        files = list(_below(given, naming, clips))
    elif given.suffix.lower() == ".csv":
        files = list(_rows(given, naming, clips))
    else:
        what = "neither a folder nor a CSV file" if given.exists() else "no such file or folder"
        raise ConfigError(f"{given}: {what}; expected folders named by class, or a CSV with path,class")
    if not files:
        raise ConfigError(f"{given}: no images and no videos in it")
    return files


def _below(given: Path, naming: Naming, clips: ClipsBy) -> Iterator[_File]:
    files = [path for path in sorted(given.rglob("*")) if _is_footage(path)]
    named = [_labelled(path.relative_to(given).parts, naming) for path in files]
    own = naming.of(given.resolve().name)  # counts where nothing within is named by class
    for path, found in zip(files, named, strict=True):
        if found is None and (own is None or any(named)):
            raise ConfigError(f"{path.parent}: is of no class; {naming.hint(path.parent.resolve().name)}")
        label, name = found or (str(own), path.relative_to(given).as_posix())
        yield _File(path, label, _clip(name, clips))


def _labelled(parts: Sequence[str], naming: Naming) -> tuple[str, str] | None:
    """Return the class of the nearest folder that has one, and the file's name within; None for none."""
    for place in range(len(parts) - 2, -1, -1):
        if (label := naming.of(parts[place])) is not None:
            return label, "/".join(parts[place + 1 :])
    return None


def _rows(given: Path, naming: Naming, clips: ClipsBy) -> Iterator[_File]:
    try:
        with given.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"path", "class"} <= set(rows.fieldnames or ()):
                raise ConfigError(
                    f"{given}: expected the columns path,class, found {','.join(rows.fieldnames or ())}"
                )
            for row in rows:
                where = f"{given}: line {rows.line_num}"
                name, said = (row["path"] or "").strip(), (row["class"] or "").strip()
                path, label = given.parent / name, naming.of(said)
                if not name or not path.is_file():
                    raise ConfigError(f"{where}: {name!r}: no such file; paths are relative to the CSV file")
                if not said:
                    raise ConfigError(f"{where}: says no class of {name!r}")
                if label is None:
                    raise ConfigError(f"{where}: {said!r} is no class; {naming.hint(said)}")
                yield _File(path, label, _clip(name, clips))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{given}: cannot be read as a CSV file: {error}") from None


def _clip(name: str, clips: ClipsBy) -> str:
    return clip_of(name, clips) if _is_image(Path(name)) else Path(name).with_suffix("").as_posix()


def _is_footage(path: Path) -> bool:
    known = path.suffix.lower() in IMAGES or path.suffix.lower() in VIDEOS
    return known and not path.name.startswith(".") and path.is_file()


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGES


def _in_time(path: Path) -> tuple[list[int], str]:
    # by number first: a clip's frames may be spread over the folders of a split
    return [int(number) for number in re.findall(r"\d+", path.stem)], path.as_posix()


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
