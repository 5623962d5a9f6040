"""Model files: safetensors with a JSON header in the metadata. Loading one never runs code."""

from __future__ import annotations

import dataclasses
import importlib.resources
import json
import os
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import safetensors
import safetensors.torch
import torch
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from torch import nn

from streamer import nets
from streamer.errors import ConfigError, ModelError
from streamer.nets import AccidentHead, Fcos, Network

VERSION = 1
"""Of the header's form; a file of a later one is refused."""

RESTORING = ("deblur", "inpaint", "denoise", "colourise", "paired")
"""What restorers are trained for."""

_KEY = "cctv-streamer"

Net = TypeVar("Net", bound=nn.Module)


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """What a model file says about its weights: enough to build the network and use it as it was trained."""

    __pydantic_config__ = ConfigDict(strict=True, extra="ignore")

    network: str
    """One of ``streamer.nets.NAMES``."""
    config: dict[str, Any]
    """The network's options."""
    task: str
    """What it was trained to do, such as ``deblur``."""
    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Side in pixels of the squares that it was trained on; None: any size, at full resolution."""
    context: Annotated[float, Field(ge=0.0, le=4.0)] = 0.0
    """How far a region is grown on each side before it is cut, as a share of its width and height."""
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    """How it was trained: data, split, loss, steps, versions."""
    metrics: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What was measured on clips that training never saw."""
    version: int = VERSION
    """Of this header's form."""


def save(path: Path, network: nn.Module, header: Header, *, half: bool) -> None:
    """Write a model file, whole or not at all.

    Args:
        path: where; an existing file is replaced.
        network: built by ``streamer.nets.build(header.network, header.config)``.
        header: what the file says about it.
        half: store floating-point weights in 16 bits (half the size; ``load`` gives 32 bits back).

    Raises:
        OSError: it cannot be written.
    """
    tensors = {
        name: tensor.detach().cpu().to(torch.float16 if half and tensor.is_floating_point() else tensor.dtype)
        for name, tensor in network.state_dict().items()
    }
    metadata = {_KEY: json.dumps(dataclasses.asdict(header), allow_nan=False, sort_keys=True)}
    content = safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()}, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def load(path: Path, tasks: Collection[str] = RESTORING) -> tuple[Network, Header]:
    """Read the model file of a restorer, or of another network that maps pictures onto pictures.

    Args:
        path: of a file that ``save`` wrote.
        tasks: what it may have been trained for.

    Returns:
        The network in float32 on the CPU in evaluation mode, and the header.

    Raises:
        ModelError: it is missing, no safetensors, truncated, not ours, for another task, or its weights
            don't fit its network; one line that says which.
    """
    return _load(path, tasks, nets.build)


def load_detector(path: Path) -> tuple[Fcos, Header]:
    """Read the model file of a detector; as ``load``."""
    return _load(path, ("detect",), nets.detector)


def load_accident(path: Path) -> tuple[AccidentHead, Header]:
    """Read the model file of what judges accidents; as ``load``."""
    return _load(path, ("accident",), nets.head)


def _load(
    path: Path, tasks: Collection[str], build: Callable[[str, Mapping[str, Any]], Net]
) -> tuple[Net, Header]:
    _refuse_foreign(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = _header(path, file.metadata() or {}, tasks)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no mapping
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelError(f"{path}: truncated or damaged ({error}); copy or train it again") from None
    try:
        # shapes without memory: a header may claim a network of any size
        with torch.device("meta"):
            network = build(header.network, header.config)
    except ConfigError as error:
        raise ModelError(f"{path}: this version cannot build its network: {error}") from None
    weights = {name: w.float() if w.is_floating_point() else w for name, w in weights.items()}
    expected = network.state_dict()
    for name in sorted(expected.keys() | weights.keys()):
        there, wanted = weights.get(name), expected.get(name)
        if there is None or wanted is None or there.shape != wanted.shape:
            found, needed = ("none" if w is None else str(tuple(w.shape)) for w in (there, wanted))
            raise ModelError(
                f"{path}: its weights don't fit its network {header.network!r}: "
                f"{name} is {found}, expected {needed}"
            )
        if not bool(torch.isfinite(there).all()):
            raise ModelError(f"{path}: {name} holds weights that are not numbers; train it again")
    network.load_state_dict(weights, assign=True)
    return network.eval(), header


def locate(name: str) -> Path:
    """Where the model file is that ``name`` means.

    Args:
        name: ``bundled`` (which means ``bundled:deblur``), ``bundled:NAME``, or a path.

    Raises:
        ModelError: nothing is there.
    """
    if name == "bundled":
        name = "bundled:deblur"
    if name.startswith("bundled:"):
        folder = Path(str(importlib.resources.files("streamer"))) / "models"
        shipped = {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
        chosen = name.removeprefix("bundled:")
        if chosen not in shipped:
            known = ", ".join(f"bundled:{stem}" for stem in shipped) or "none"
            raise ModelError(f"there is no {name!r} in this installation; it carries {known}")
        return shipped[chosen]
    path = Path(name)
    if not path.exists():
        raise ModelError(
            f"{path}: no such model file; give the path of one that `trainer fit` wrote, or `bundled`"
        )
    return path


def _refuse_foreign(path: Path) -> None:
    """Tell apart, by the first bytes, what is surely no model file of ours."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    ours = "expected a .safetensors file that `trainer fit` wrote"
    if not start:
        raise ModelError(f"{path}: an empty file; {ours}")
    # safetensors starts with the header's length in 8 bytes (any bytes, a pickle's first one too), then JSON
    if start[8:9] == b"{":
        return
    # torch.save writes a zip of a pickle, older versions the bare pickle (protocol 2 and later start so)
    if start.startswith((b"PK\x03\x04", b"\x80")):
        raise ModelError(f"{path}: a pickle or zip, which may carry code and is never loaded; {ours}")
    raise ModelError(f"{path}: not a safetensors file; {ours}")


def _header(path: Path, metadata: Mapping[str, str], tasks: Collection[str]) -> Header:
    if _KEY not in metadata:
        raise ModelError(f"{path}: a safetensors file without our header; `trainer fit` writes one")
    try:
        header = TypeAdapter(Header).validate_json(metadata[_KEY])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path}: its header is damaged: {where}: {first['msg']}") from None
    if header.version > VERSION:
        raise ModelError(
            f"{path}: its header is of version {header.version}, but this program reads up to {VERSION}"
        )
    if header.task not in tasks:
        raise ModelError(
            f"{path}: a model for {header.task!r}, expected one for {' or '.join(map(repr, tasks))}"
        )
    return header
