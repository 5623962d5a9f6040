"""Which engine a run takes: the one that is asked for, or the fastest that is installed and right."""

from __future__ import annotations

import importlib.util
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import torch

from streamer.device import multiplies_bytes, precision
from streamer.errors import ConfigError, ModelError

logger = logging.getLogger(__name__)

PACKAGES = {"openvino": "'cctv-streamer[openvino]'", "onnxruntime": "onnxruntime"}
"""What pip is told to install."""


class Named(Protocol):
    """What says which engine it is."""

    name: str
    """Such as ``onnxruntime 1.31.1 (CPU, 1 thread)``."""


E = TypeVar("E", bound=Named)


class UnusableError(Exception):
    """An engine cannot run a network, or gets other results than torch."""


class UntranslatedError(UnusableError):
    """A network has no translation for engines, through no fault of theirs."""


def installed(engine: str) -> bool:
    """Whether an engine's package is there."""
    return importlib.util.find_spec(engine) is not None


def choose(
    what: str,
    key: str,
    engine: str,
    device: torch.device,
    makers: Mapping[str, Callable[[], E]],
    fastest_first: Sequence[str],
) -> E:
    """Make the engine that a configuration asks for; which one it is, and why, is logged.

    Args:
        what: runs on it, for messages, such as ``detection``.
        key: of the configuration, for messages.
        engine: ``auto``, which takes the fastest that is installed and right, or one of ``fastest_first``.
        device: of the run.
        makers: by engine; each makes it and compares it with torch, and raises an ``UnusableError`` where it
            is no good. torch's never does.
        fastest_first: the engines by speed on a CPU; what comes after torch is only taken when asked for.

    Raises:
        ConfigError: an engine is asked for that is not installed.
        ModelError: an engine is asked for that cannot run the network or does not agree with torch.
    """

    def say(made: E, why: str) -> E:
        logger.info("%s runs on %s: %s", what, made.name, why)
        return made

    if engine == "auto" and device.type != "cpu":
        return say(makers["torch"](), f"the one that works on {device}")
    if engine == "torch":
        return say(makers["torch"](), f"as {key} says")
    if engine != "auto":
        if not installed(engine):
            raise ConfigError(
                f"{key}: {engine} is not installed: pip install {PACKAGES[engine]}, or set it to auto"
            )
        if device.type != "cpu":
            logger.warning(
                "%s does not use %s: %s is %s, which runs on the CPU, and every picture comes down for it; "
                "`engine: auto` would use the GPU", what, device, key, engine,
            )  # fmt: skip
        try:
            return say(makers[engine](), f"as {key} says")
        except UnusableError as error:
            raise ModelError(f"{key}: {error}; set it to auto") from None
    why = "the fastest that is installed"
    missing = []
    for candidate in fastest_first[: fastest_first.index("torch")]:
        if not installed(candidate):
            missing.append(f"{candidate} is not: pip install {PACKAGES[candidate]}")
            continue
        try:
            return say(makers[candidate](), "; ".join([why, *missing]))
        except UnusableError as error:
            level = logging.INFO if isinstance(error, UntranslatedError) else logging.WARNING
            logger.log(level, "%s: %s; taking the next one", key, error)
            why = "no faster one can be used"
    return say(makers["torch"](), "; ".join([why, *missing]))


def checked(engine: str, make: Callable[[], E], fault: Callable[[E], str | None]) -> E:
    """Make an engine and see whether it is right.

    Args:
        engine: its name, for messages.
        make: raises whatever it likes.
        fault: says what is wrong with its results; None where nothing is. Raises likewise.

    Raises:
        UnusableError: it cannot be made or run, or is wrong.
    """
    try:
        made = make()
        wrong = fault(made)
    except Exception as error:  # a broken installation and each engine raise whatever they like
        reason = " ".join(str(error).split())[:200]
        kind = UntranslatedError if isinstance(error, NotImplementedError) else UnusableError
        raise kind(f"{engine} cannot run this network ({type(error).__name__}: {reason})") from None
    if wrong is not None:
        raise UnusableError(f"{made.name} {wrong}")
    return made


def shortest(what: str, make: Callable[[torch.dtype], E], *, rough: bool = False) -> E:
    """Make an engine that computes in as few bits as the CPU has in hardware and the results allow.

    Those are 16, else 32.

    Args:
        what: it runs, for messages.
        make: raises ``UnusableError`` as ``checked`` does.
        rough: whether 8 bits (``torch.int8``) come first, which make it faster and its results worse.

    Raises:
        UnusableError: none can be used.
    """
    kinds = [torch.int8] if rough and multiplies_bytes() else []
    if (kind := precision(torch.device("cpu"))) != torch.float32:
        kinds.append(kind)
    for kind, following in itertools.pairwise([*kinds, torch.float32]):
        try:
            return make(kind)
        except UntranslatedError:
            raise  # with more bits it has no translation either
        except UnusableError as error:
            bits, fewer = (8 * each.itemsize for each in (following, kind))
            logger.info("%s in %d bits: %s; trying %d", what, fewer, error, bits)
    return make(torch.float32)
