"""Labels as COCO JSON, the form that annotation tools read and write.

Only what a detector is trained on is read: ``images`` (``id``, ``file_name``, ``width``, ``height``),
``categories`` (``id``, ``name``) and ``annotations`` (``image_id``, ``category_id``, ``bbox``, and ``score``
where a detector made it: a person's own labels have none and count as certain). All else may be there and is
ignored.
https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer.classes import CLASSES
from streamer.errors import ConfigError
from streamer.frame import Detections
from streamer.plain import real
from streamer.sink.replace import replace


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """An image and what is in it."""

    name: str
    """The image's path, relative to its folder."""
    width: int
    height: int
    objects: Detections
    """Boxes in pixels, inside the image."""


def save(path: Path, images: Iterable[Labelled], info: Mapping[str, Any]) -> None:
    """Write labels, whole or not at all.

    Args:
        path: of the JSON file; an existing one is replaced.
        images: with their objects.
        info: what made them, as plain data.

    Raises:
        SinkError: it cannot be written.
    """
    facts: dict[str, Any] = {"info": dict(info), "images": [], "annotations": []}
    facts["categories"] = [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)]
    for number, image in enumerate(images, start=1):
        facts["images"].append(
            {"id": number, "file_name": image.name, "width": image.width, "height": image.height}
        )
        found = image.objects
        for box, score, label in zip(found.boxes.tolist(), found.scores.tolist(), found.labels, strict=True):
            x, y, w, h = box[0], box[1], box[2] - box[0], box[3] - box[1]
            annotation = {
                "id": len(facts["annotations"]) + 1,
                "image_id": number,
                "category_id": CLASSES.index(label) + 1,
                "bbox": [round(value, 2) for value in (x, y, w, h)],
                "area": round(w * h, 2),
                "iscrowd": 0,
                "score": round(score, 4),
            }
            facts["annotations"].append(annotation)
    replace(path, (json.dumps(facts) + "\n").encode())


def load(path: Path) -> tuple[list[Labelled], dict[str, Any]]:
    """Read labels.

    Args:
        path: of a COCO JSON file, ours or an annotation tool's.

    Returns:
        The images in the file's order, objects best score first, and the file's ``info``.

    Raises:
        ConfigError: it is missing, no JSON, or not as COCO has it; names the entry and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `trainer label` and `streamer export` write one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}") from None
    try:
        facts = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path}: line {error.lineno}, column {error.colno}: no JSON: {error.msg}"
        ) from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: no JSON: a number of too many digits, or lists too deep") from None
    try:
        return _images(facts)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except RecursionError:  # in what an error was about to show
        raise ConfigError(f"{path}: lists too deep where none are expected") from None


def _images(facts: Any) -> tuple[list[Labelled], dict[str, Any]]:
    if not isinstance(facts, dict):
        raise ConfigError("expected images, annotations and categories, as COCO has them")
    names = _names(facts)
    sizes: dict[int, tuple[str, int, int]] = {}
    for where, entry in _entries(facts, "images"):
        number = _number(entry, "id", where)
        name = _text(entry, "file_name", where)
        width, height = (_number(entry, key, where, least=1) for key in ("width", "height"))
        if number in sizes:
            raise ConfigError(f"{where}.id: {number} is {sizes[number][0]}'s already")
        sizes[number] = name, width, height
    boxes: dict[int, list[tuple[list[float], float, str]]] = {number: [] for number in sizes}
    for where, entry in _entries(facts, "annotations"):
        image, category = (_number(entry, key, where) for key in ("image_id", "category_id"))
        if image not in sizes:
            raise ConfigError(f"{where}.image_id: there is no image {image}")
        if category not in names:
            raise ConfigError(f"{where}.category_id: there is no category {category}")
        box = _box(entry, where, *sizes[image][1:])
        score = entry.get("score", 1.0)
        if not real(score) or not 0.0 <= score <= 1.0:
            raise ConfigError(f"{where}.score: expected a number from 0 to 1, found {score!r}")
        boxes[image].append((box, float(score), names[category]))
    found = [Labelled(*sizes[number], objects=_objects(boxes[number])) for number in sizes]
    info = facts.get("info", {})
    return found, info if isinstance(info, dict) else {}


def _names(facts: Mapping[str, Any]) -> dict[int, str]:
    """Return the class of each category's number."""
    names: dict[int, str] = {}
    for where, entry in _entries(facts, "categories"):
        number, name = _number(entry, "id", where), _text(entry, "name", where)
        if name not in CLASSES:
            raise ConfigError(f"{where}.name: {name!r} is none of COCO's class names, such as person or car")
        if number in names:
            raise ConfigError(f"{where}.id: {number} is {names[number]}'s already")
        names[number] = name
    return names


def _entries(facts: Mapping[str, Any], key: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield each entry of a list and where it stands."""
    entries = facts.get(key)
    if not isinstance(entries, list):
        raise ConfigError(f"{key}: {'is missing' if entries is None else 'expected a list'}")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ConfigError(f"{key}[{index}]: expected keys and values, found {entry!r}")
        yield f"{key}[{index}]", entry


def _number(entry: Mapping[str, Any], key: str, where: str, least: int = 0) -> int:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
        raise ConfigError(f"{where}.{key}: expected a whole number from {least} on, found {value!r}")
    return value


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where}.{key}: expected a text, found {value!r}")
    return value


def _box(entry: Mapping[str, Any], where: str, width: int, height: int) -> list[float]:
    """Return x0, y0, x1, y1, clipped to the image."""
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(real(value) for value in box):
        raise ConfigError(f"{where}.bbox: expected [x, y, width, height] in pixels, found {box!r}")
    x, y, w, h = box
    corners = [max(0.0, x), max(0.0, y), min(float(width), x + w), min(float(height), y + h)]
    if corners[2] <= corners[0] or corners[3] <= corners[1]:
        raise ConfigError(f"{where}.bbox: {box} covers nothing of its image of {width}x{height} pixels")
    return corners


def _objects(found: list[tuple[list[float], float, str]]) -> Detections:
    found = sorted(found, key=lambda each: -each[1])
    return Detections(
        np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in found], np.float32),
        tuple(label for _, _, label in found),
    )
