"""State dicts for torchvision's networks: fetched, read without running code, fitted."""

from __future__ import annotations

import logging
import pickle
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import safetensors.torch
import torch
from torch import nn

from streamer.errors import ModelError

logger = logging.getLogger(__name__)

StateDict = dict[str, torch.Tensor]


def fetch(url: str) -> Path:
    """Return the file of ``url`` in torch hub's folder, downloaded first where it is not there yet.

    Raises:
        ModelError: it cannot be downloaded; says which file to put where.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / Path(urlsplit(url).path).name
    if path.exists():
        return path
    logger.info("downloading %s to %s", url, folder)
    # torch's own habit: the name ends in the first digits of the content's SHA-256
    digits = torch.hub.HASH_REGEX.search(path.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), digits and digits[1], progress=False)
    except (OSError, RuntimeError) as error:  # the latter where it was something else than its name says
        raise ModelError(
            f"detect.weights: {path.name} cannot be downloaded ({error}): "
            f"get {url} and put it into {folder}, or name your copy as detect.weights: PATH"
        ) from None
    return path


def read(path: Path) -> StateDict:
    """Read a state dict from a ``.safetensors`` file, or from one that ``torch.save`` wrote.

    Raises:
        ModelError: the file is missing, damaged, something else, or carries code, which is not run.
    """
    if not path.is_file():
        raise ModelError(f"detect.weights: {path}: no such file")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about kinds of files that are refused below
            state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"detect.weights: {path}: cannot be read: {error.strerror}") from None
    except Exception as error:  # on bytes that are no pickle, torch raises whatever they lead to
        # the message says which name the pickle wanted to import, if that was what stopped it
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            raise ModelError(
                f"detect.weights: {path}: a pickle that carries code, which is refused; "
                "a state dict was expected"
            ) from None
        found = "empty" if path.stat().st_size == 0 else "truncated, damaged or not a state dict"
        raise ModelError(
            f"detect.weights: {path}: {found}; copy it again, or delete it if it was downloaded"
        ) from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelError(
            f"detect.weights: {path}: holds {type(state).__name__}, a state dict was expected: "
            "names and tensors, as `torch.save(network.state_dict(), …)` writes it"
        )
    return state


def fit(network: nn.Module, state: StateDict, path: Path, name: str) -> None:
    """Load ``state``, read from ``path``, into ``network``, known as ``name``.

    Raises:
        ModelError: it belongs to another network, or holds what is not a number.
    """
    for key, value in state.items():
        if not bool(torch.isfinite(value).all()):
            raise ModelError(f"detect.weights: {path}: {key} holds weights that are not numbers")
    own = network.state_dict()
    for key in sorted(own.keys() & state.keys()):
        if own[key].shape != state[key].shape:
            raise ModelError(
                f"detect.weights: {path} does not fit {name}: "
                f"{key} is {tuple(state[key].shape)}, expected {tuple(own[key].shape)}"
            )
    # not by comparing keys beforehand: torchvision's modules accept the names of its earlier versions too
    missing, unexpected = network.load_state_dict(state, strict=False)
    problems = [
        f"{len(keys)} {what} (such as {keys[0]})"
        for what, keys in (("missing", missing), ("unknown", unexpected))
        if keys
    ]
    if problems:
        raise ModelError(f"detect.weights: {path} does not fit {name}: weights {' and '.join(problems)}")
