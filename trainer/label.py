"""Labels for detection, made by a detector's strong pass and kept where a person can correct them.

A folder of labels is what annotation tools read and write: ``images/`` and, beside it, ``annotations.json``,
in COCO's form. What is labelled in it already is never labelled again, so that corrections stay, and a pass
that was interrupted goes on.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from rich.console import Console
from rich.progress import track

from streamer import coco, detect
from streamer.coco import Labelled
from streamer.detectors import DetectConfig
from streamer.errors import ConfigError, SinkError, SourceError
from streamer.frame import Image
from streamer.source.footage import expand, videos_in
from trainer import strong
from trainer.data import IMAGES, Picture, images_below
from trainer.images import read_image
from trainer.sampled import sampled

logger = logging.getLogger(__name__)

FILE = "annotations.json"
FOLDER = "images"

TEACHER = DetectConfig(threshold=0.1)
"""What labels where no configuration says otherwise; what is doubtful can still be left out in training."""

QUALITY = 95
"""Of the JPEG files that a clip's frames become."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What a pass did."""

    path: Path
    """The COCO file."""
    added: int
    """Images that were labelled now."""
    kept: int
    """Images whose labels were there already."""
    objects: int
    """Objects in those that were labelled now."""
    failed: int
    """Images and clips that could not be read, at least in part."""


@dataclass(frozen=True, slots=True)
class _Image:
    name: str
    pixels: Image
    file: Path | None
    """What to copy; None where the pixels are to be encoded."""


def label(
    pictures: Sequence[Picture],
    footage: Sequence[Path],
    folder: Path,
    config: DetectConfig,
    device: torch.device,
    console: Console,
    *,
    every: float = 1.0,
    overwrite: bool = False,
) -> Labels:
    """Label images and frames of clips.

    Args:
        pictures: images, such as those of a dataset.
        footage: images, clips, and folders with either.
        folder: of the labels; made where it is missing, and added to where it is not.
        config: names the detector, its classes, and the least score of a label.
        device: where the detector runs.
        console: where progress goes.
        every: seconds from one frame of a clip to the next one that is labelled.
        overwrite: label anew what is labelled already, corrections included.

    Raises:
        ConfigError: there is nothing to label; the detector cannot be had; or the folder's labels are
            damaged, of another detector, or of another image with the same name.
        SinkError: the folder cannot be written.
    """
    images, clips = _sort(pictures, footage)
    plain = config.model_copy(update={"tiles": "1x1"})  # a strong pass has tiles of its own
    detector = detect.load(plain, device, classes=config.classes, threshold=config.threshold)
    info = {
        "detector": detector.name,
        "classes": list(config.classes),
        "threshold": config.threshold,
        "tiles": list(strong.GRIDS),
    }
    path = folder / FILE
    labelled = {} if overwrite else _labelled(path, info)
    kept = len(labelled)
    failures: list[str] = []
    added = objects = 0
    try:
        for image in _read(images, clips, folder / FOLDER, every, failures, console, labelled.keys()):
            found = strong.detect(detector, torch.from_numpy(image.pixels).to(device))
            _store(image, folder / FOLDER / image.name)
            height, width = image.pixels.shape[:2]
            labelled[image.name] = Labelled(image.name, width, height, found)
            added, objects = added + 1, objects + len(found)
    finally:  # Ctrl-C too: what was done need not be done again
        if added:
            coco.save(path, labelled.values(), info)
    for failure in failures:
        logger.warning("%s", failure)
    if not labelled:
        raise ConfigError("label: none of the images and clips can be read")
    return Labels(path, added, kept, objects, len(failures))


def _sort(pictures: Sequence[Picture], footage: Sequence[Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return images by name and clips by name.

    Raises:
        ConfigError: something is not there, holds nothing, or has a name that is taken.
    """
    images: dict[str, Path] = {}
    clips: list[Path] = []

    def add(name: str, path: Path) -> None:
        if images.setdefault(name, path) != path:
            raise ConfigError(f"label: {images[name]} and {path} would both be called {name}; rename one")

    for picture in pictures:
        add(picture.name, picture.path)
    for given in footage:
        if given.is_dir():
            videos = videos_in(given)
            clips += videos
            for path in images_below(given)[0] if not videos else ():
                add(path.relative_to(given).as_posix(), path)
        elif given.suffix.lower() in IMAGES and given.is_file():
            add(given.name, given)
        else:
            clips.append(given)
    return images, expand(clips)


def _labelled(path: Path, info: dict[str, object]) -> dict[str, Labelled]:
    """Return what is labelled already."""
    if not path.exists():
        return {}
    images, before = coco.load(path)
    for key, value in info.items():
        if key in before and before[key] != value:  # tools that do not keep it are none of our business
            raise ConfigError(
                f"{path}: its labels were made with {key} {before[key]!r}, not {value!r}; "
                "give another --output, or --overwrite to label all anew"
            )
    return {image.name: image for image in images}


def _read(
    images: dict[str, Path],
    clips: dict[str, Path],
    folder: Path,
    every: float,
    failures: list[str],
    console: Console,
    known: Iterable[str],
) -> Iterator[_Image]:
    """Yield what is not labelled yet; what cannot be read is noted in ``failures``."""
    known = set(known)
    quiet = not console.is_terminal
    for name in track(images, "labelling images", console=console, transient=True, disable=quiet):
        path, stored = images[name], folder / name
        if name in known:
            if not _same(path, stored):
                raise ConfigError(f"{stored}: is labelled already, and {path} is another image; rename one")
            continue
        try:
            yield _Image(name, read_image(path).numpy(), path)
        except SourceError as error:
            failures.append(str(error))
    for clip in track(clips, "labelling clips", console=console, transient=True, disable=quiet):
        try:
            for frame in sampled(clip, clips[clip], every):
                name = f"{clip}_{frame.index}.jpg"
                if name not in known:
                    yield _Image(name, frame.image, None)
        except SourceError as error:
            failures.append(str(error))


def _same(one: Path, other: Path) -> bool:
    """Say whether both are the same image; one that is gone is taken for the same."""
    try:
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return True


def _store(image: _Image, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if image.file is not None:
            if path.exists() and path.samefile(image.file):
                return
            shutil.copyfile(image.file, temporary)
        else:
            bgr = cv2.cvtColor(image.pixels, cv2.COLOR_RGB2BGR)
            done, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            if not done:
                raise SinkError(f"{path}: cannot be encoded as JPEG")
            temporary.write_bytes(content.tobytes())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SinkError(f"{path}: cannot be written: {error.strerror or error}") from error
