"""What a camera's watchers know, as a file: the next run of a live camera goes on with it.

It is numpy's npz, arrays and a JSON tree that names them, and is read without pickle. Nothing in it is of
what was hidden: that is for the watchers to leave out.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from streamer.event import Event, read, thumbnail_of
from streamer.plain import real

logger = logging.getLogger(__name__)

NAME = "watch.npz"
"""Of the file, in the camera's folder."""

VERSION = 1
"""Of its form; others are not read."""

LARGEST = 1 << 26
"""Bytes: eight views take a tenth of it."""

Tree: TypeAlias = Any
"""Numbers, texts, None and arrays, in mappings with texts as keys and in lists."""

_ARRAY = "array"
_TREE = "tree"


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What one watcher knows."""

    watcher: Tree
    """As its ``kept`` gave it."""
    event: Event | None
    """What was open, with its picture; None where nothing was."""


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What all of a camera's watchers know, at one of its frames."""

    source: str
    """The camera's address, without credentials."""
    size: tuple[int, int]
    """Width and height of the frame in pixels."""
    zero: float
    """When second 0 of the camera's time was, in seconds of ``time.time()``."""
    time_s: float
    """Of the frame, in seconds of the camera's time."""
    known: Mapping[str, Known]
    """By the watcher's name."""

    def encoded(self) -> bytes:
        """Return the file's content."""
        tree = {
            "version": VERSION, "source": self.source, "size": list(self.size), "zero": self.zero,
            "time_s": self.time_s,
            "known": {
                name: {"watcher": each.watcher, "event": None if each.event is None else _said(each.event)}
                for name, each in self.known.items()
            },
        }  # fmt: skip
        arrays: dict[str, NDArray[Any]] = {}
        text = json.dumps(_without_arrays(tree, arrays), allow_nan=False).encode()
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **{_TREE: np.frombuffer(text, np.uint8)}, **arrays)
        return content.getvalue()


def decoded(content: bytes) -> Memory:
    """Return what a file holds.

    Raises:
        ValueError: it is of another version, or damaged; says which.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            tree = _with_arrays(json.loads(arrays[_TREE].tobytes()), arrays)
        if tree["version"] != VERSION:
            raise _OtherVersionError("is of another version")
        known = {
            name: Known(each["watcher"], None if each["event"] is None else _event(each["event"]))
            for name, each in tree["known"].items()
        }
        width, height = tree["size"]
        return Memory(
            str(tree["source"]), (int(width), int(height)), float(tree["zero"]), float(tree["time_s"]), known
        )
    except _OtherVersionError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, OSError, BadZipFile) as error:
        raise ValueError("is damaged") from error


def load(folder: Path, source: str) -> Memory | None:
    """Return what an earlier run has left in a camera's folder; None, with a line why, where that is no use.

    Args:
        folder: the camera's.
        source: its address, without credentials.
    """
    path = folder / NAME
    try:
        with path.open("rb") as file:
            memory = decoded(file.read(LARGEST))
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning("%s: cannot be read, views are learned anew: %s", path, error.strerror)
        return None
    except ValueError as error:
        logger.warning("%s: %s, views are learned anew", path, error)
        return None
    if memory.source != source:
        logger.warning("%s: is of another source, views are learned anew", path)
        return None
    return memory


def array_of(value: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return an array as it must be.

    Raises:
        ValueError: it is another one, or none.
    """
    if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.shape != shape:
        raise ValueError(f"expected float32 {shape}")
    if not np.isfinite(value).all():
        raise ValueError("expected finite values")
    return np.array(value)


def number_of(value: object) -> float:
    """Return a number as it must be.

    Raises:
        ValueError: it is none, or not finite.
    """
    if not real(value):
        raise ValueError("expected a number")
    return float(value)


class _OtherVersionError(ValueError):
    pass


def _said(event: Event) -> Tree:
    return {"line": event.line(), "picture": event.picture}


def _event(tree: Tree) -> Event:
    said = read(tree["line"], "kept")
    if not said["id"].isalnum() or said["thumbnail"] not in (None, thumbnail_of(said["id"])):
        raise ValueError("a picture that is not the event's")  # it is written to where that says
    picture = tree["picture"]
    if picture is not None and (picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3):
        raise ValueError(f"a picture of {picture.dtype} {picture.shape}")
    event = replace(Event(**said), picture=picture)
    event.line()  # which it will have to say
    return event


def _without_arrays(tree: Tree, arrays: dict[str, NDArray[Any]]) -> Tree:
    """Return a tree as JSON has it; its arrays go into ``arrays``."""
    if isinstance(tree, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = tree
        return {_ARRAY: name}
    if isinstance(tree, Mapping):
        return {key: _without_arrays(value, arrays) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_without_arrays(value, arrays) for value in tree]
    return tree


def _with_arrays(tree: Tree, arrays: Mapping[str, NDArray[Any]]) -> Tree:
    if isinstance(tree, dict):
        if tree.keys() == {_ARRAY}:
            return arrays[tree[_ARRAY]]
        return {key: _with_arrays(value, arrays) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_with_arrays(value, arrays) for value in tree]
    return tree
