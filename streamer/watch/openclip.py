"""CLIP networks from open_clip, an extra: what goes wrong is said in one line, no file's code is run."""

from __future__ import annotations

import json
import logging
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from streamer.errors import ConfigError, ModelError
from streamer.section import suggest
from streamer.zeroshot import WEIGHTS

logger = logging.getLogger(__name__)

CONFIG = "open_clip_config.json"
"""What describes the network in a model's folder."""

IN_FOLDER = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What its weights are called there."""

KEY = "watch.zeroshot"
"""Where it stands in the configuration."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A network and what it is to be fed."""

    network: nn.Module
    """float32, on the CPU; has ``encode_image`` and ``encode_text``."""
    tokenize: Callable[[list[str]], torch.Tensor]
    """From N sentences to int64 ``[N, L]``."""
    size: tuple[int, int]
    """Height and width of its pictures."""
    mean: tuple[float, float, float]
    """Subtracted from each channel of a picture of 0 to 1."""
    std: tuple[float, float, float]
    """What it is divided by then."""


def load(model: str, weights: str) -> Loaded:
    """Load a network with its weights.

    Args:
        model: a name that open_clip knows, or a folder as those of its models on huggingface.co: with
            ``open_clip_config.json`` and weights.
        weights: the path of a file, or one of open_clip's tags for the name; with a folder the default
            stands for the file in it.

    Raises:
        ModelError: open_clip, the weights or the tokenizer cannot be had, or the weights do not fit.
        ConfigError: there is no such model, or no such weights of it.
    """
    try:
        import open_clip
    except ImportError as error:
        raise ModelError(
            f"{KEY}: open_clip cannot be imported ({error}): `pip install 'cctv-streamer[zeroshot]'`"
        ) from None
    folder, known = Path(model), open_clip.list_models()
    if not folder.is_dir() and model not in known:
        raise ConfigError(
            f"{KEY}.model: no folder {model!r}, and open_clip has no such name{suggest(model, known)}"
        )
    with _quiet():  # what is cheap to find out comes first, and a download after it
        source = _source(open_clip, model, weights)
        name = f"local-dir:{folder}" if folder.is_dir() else model
        tokenize = _tokenizer(open_clip, name, model)
        path = source if isinstance(source, Path) else _downloaded(open_clip, model, weights, source)
        network = _built(open_clip, name, model, {} if isinstance(source, Path) else source)
        _fill(open_clip, network, path, model)
    how = open_clip.get_model_preprocess_cfg(network)
    size = how["size"]
    height, width = size if isinstance(size, list | tuple) else (size, size)
    mean, std = how["mean"], how["std"]
    if not (_three(mean, above=-inf) and _three(std, above=0.0)):
        raise ModelError(f"{KEY}.model: {model}: preprocess_cfg: mean and std: expected three numbers each")
    return Loaded(network, tokenize, (height, width), tuple(mean), tuple(std))


def _three(given: object, above: float) -> bool:
    """Whether it is a number for each channel."""
    return (
        isinstance(given, list | tuple)
        and len(given) == 3
        and all(isinstance(each, int | float) and each > above for each in given)
    )


def _source(open_clip: ModuleType, model: str, weights: str) -> Path | Mapping[str, Any]:
    """Return the file with the weights, or what open_clip knows about their tag."""
    path, folder = Path(weights), Path(model)
    if path.is_file():
        return path
    if folder.is_dir():
        _require_config(folder / CONFIG)
        if weights != WEIGHTS:
            raise ModelError(f"{KEY}.weights: {path}: no such file; without it, that in {folder} is taken")
        for name in IN_FOLDER:
            if (folder / name).is_file():
                return folder / name
        raise ModelError(f"{KEY}.model: {folder} holds no {IN_FOLDER[0]}; or name one: {KEY}.weights: PATH")
    known: Mapping[str, Any] = open_clip.get_pretrained_cfg(model, weights)
    if not known:
        tags = open_clip.list_pretrained_tags_by_model(model)
        raise ModelError(
            f"{KEY}.weights: no file {weights!r}, and {model} has no such tag{suggest(weights, tags)}; "
            f"known: {', '.join(tags) or 'none'}"
        )
    # a network of the other kind computes something else from the same weights, and raises nothing
    quick = bool(known.get("quick_gelu", False))
    if quick != bool(open_clip.get_model_config(model).get("quick_gelu", False)):
        other = f"{model}-quickgelu" if quick else model.removesuffix("-quickgelu")
        raise ModelError(f"{KEY}.model: the weights {weights} are for {other}, not for {model}")
    return known


def _require_config(path: Path) -> None:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{KEY}.model: {path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise ModelError(f"{KEY}.model: {path}: not JSON") from None
    if not isinstance(said, dict) or not isinstance(said.get("model_cfg"), dict):
        raise ModelError(f"{KEY}.model: {path}: describes no model (model_cfg is missing)")


def _tokenizer(open_clip: ModuleType, name: str, model: str) -> Callable[[list[str]], torch.Tensor]:
    """Return what makes numbers of sentences; that of most CLIPs is part of the package."""
    try:
        tokenize: Callable[[list[str]], torch.Tensor] = open_clip.get_tokenizer(name)
    except Exception as error:  # of a dozen types, which change with the versions of three packages
        raise ModelError(
            f"{KEY}.model: {model}: its tokenizer cannot be had ({_brief(error)}); "
            "that of a CLIP such as ViT-B-32-256 is part of open_clip"
        ) from None
    return tokenize


def _downloaded(open_clip: ModuleType, model: str, weights: str, source: Mapping[str, Any]) -> Path:
    """Return the file of a tag, downloaded where no earlier run has done so."""
    import huggingface_hub  # comes with open_clip

    repository, _, file = source.get("hf_hub", "").rpartition("/")
    names = (str(Path(file).with_suffix(".safetensors")), file) if file else IN_FOLDER
    for name in names if repository else ():
        there = huggingface_hub.try_to_load_from_cache(repository, name)
        if isinstance(there, str):  # which needs no network
            return Path(there)
    address = f"https://huggingface.co/{repository}" if repository else str(source.get("url"))
    logger.info("downloading weights %s of %s from %s", weights, model, address)
    try:
        return Path(open_clip.download_pretrained(source))
    except Exception as error:  # as above
        raise ModelError(
            f"{KEY}.weights: {weights} of {model} cannot be downloaded ({_brief(error)}): get it "
            f"from {address} where there is a network, and name your copy: {KEY}.weights: PATH"
        ) from None


def _built(open_clip: ModuleType, name: str, model: str, source: Mapping[str, Any]) -> nn.Module:
    """Return the network, without its weights."""
    try:
        network: nn.Module = open_clip.create_model(
            name, load_weights=False, pretrained_text=False, force_preprocess_cfg=dict(source)
        )
    except Exception as error:  # as above
        raise ModelError(f"{KEY}.model: {model}: cannot be built: {_brief(error)}") from None
    return network


def _fill(open_clip: ModuleType, network: nn.Module, path: Path, model: str) -> None:
    """Load weights from a file, safetensors or what ``torch.save`` wrote, into the network that they fit."""
    _require_weights(open_clip, path)
    try:
        open_clip.load_checkpoint(network, str(path), strict=True, weights_only=True)
    except Exception as error:  # by whatever does not fit first
        # torch lists all of it, a line each; what is of another size says most
        lines = re.findall(r"(?:size mismatch for|Missing key|Unexpected key)[^\n]*", str(error))
        lines.sort(key=lambda line: not line.startswith("size"))
        found = lines[0][:160] if lines else _brief(error)
        raise ModelError(f"{KEY}.weights: {path} does not fit {model}: {found}") from None
    for name, value in network.state_dict().items():
        if not bool(torch.isfinite(value).all()):
            raise ModelError(f"{KEY}.weights: {path}: {name} holds weights that are not numbers")


def _require_weights(open_clip: ModuleType, path: Path) -> None:
    """Refuse a file that holds no weights, or that would run code."""
    try:
        state = open_clip.factory.load_state_dict(str(path), weights_only=True)
        if all(isinstance(value, torch.Tensor) for value in state.values()):
            return
        found = "holds other things than tensors"
    except OSError as error:
        found = f"cannot be read: {error.strerror or error}"
    except Exception as error:  # on bytes that are no weights, readers raise whatever they lead to
        found = "empty" if path.stat().st_size == 0 else "truncated, damaged or no weights; copy it again"
        # the message says which name the pickle wanted to import, if that was what stopped it
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            found = "a pickle that carries code, which is refused; weights were expected"
    raise ModelError(f"{KEY}.weights: {path}: {found}")


def _brief(error: Exception) -> str:
    """Return the first sentence of what some library says at length."""
    first = str(error).strip().partition("\n")[0].partition(". ")[0]
    return f"{type(error).__name__}: {first[:200]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what is not ours from logging: what goes wrong is said in one line, by us."""
    hub, nothing = logging.getLogger("huggingface_hub"), logging.NullHandler()
    level = hub.level
    hub.setLevel(logging.CRITICAL)
    # open_clip logs with the root's functions, which set up a handler where there is none
    logging.getLogger().addHandler(nothing)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(nothing)
        hub.setLevel(level)
