"""The networks, by name.

No training code lives here: ``trainer`` and ``streamer`` build the same network from the same options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.errors import ModelError
from streamer.nets import accident, autoencoder, chroma, fcos, nafnet, pix2pix, unet
from streamer.nets.accident import AccidentHead
from streamer.nets.fcos import Fcos
from streamer.nets.network import Network
from streamer.section import Section, validate

__all__ = ["NAMES", "AccidentHead", "Fcos", "Network", "build", "detector", "head", "options"]

_NETWORKS: Mapping[str, tuple[type[Section], type[Network]]] = {
    "autoencoder": (autoencoder.Options, autoencoder.Autoencoder),
    "unet": (unet.Options, unet.UNet),
    "nafnet": (nafnet.Options, nafnet.NAFNet),
    "pix2pix": (pix2pix.Options, pix2pix.Pix2Pix),
    "chroma": (chroma.Options, chroma.Chroma),
}

NAMES = tuple(_NETWORKS)
"""The networks that ``build`` knows."""


def options(name: str, config: Mapping[str, Any]) -> Section:
    """Check a network's options and fill in their defaults.

    Args:
        name: one of ``NAMES``.
        config: the options by key, as a YAML file or a model file's header has them.

    Raises:
        ModelError: there is no such network.
        ConfigError: an option is unknown or wrong; names its key.
    """
    if name not in _NETWORKS:
        raise ModelError(f"unknown network {name!r}; known are {', '.join(NAMES)}")
    return validate(_NETWORKS[name][0], config)


def build(name: str, config: Mapping[str, Any]) -> Network:
    """Make a network with fresh weights.

    Args:
        name: one of ``NAMES``.
        config: its options by key; those not given have their defaults.

    Raises:
        ModelError: there is no such network.
        ConfigError: an option is unknown or wrong; names its key.
    """
    checked = options(name, config)
    return _NETWORKS[name][1](checked)


def detector(name: str, config: Mapping[str, Any]) -> Fcos:
    """Make a detector's network with fresh weights; ``fcos`` is the only one so far.

    Args:
        name: ``fcos``.
        config: its options by key; those not given have their defaults.

    Raises:
        ModelError: there is no such network.
        ConfigError: an option is unknown or wrong; names its key.
    """
    if name != "fcos":
        raise ModelError(f"unknown detector network {name!r}; known is fcos")
    return Fcos(validate(fcos.Options, config))


def head(name: str, config: Mapping[str, Any]) -> AccidentHead:
    """Make a temporal head with fresh weights; ``accident`` is the only one so far.

    Args:
        name: ``accident``.
        config: its options by key; those not given have their defaults.

    Raises:
        ModelError: there is no such network.
        ConfigError: an option is unknown or wrong; names its key.
    """
    if name != "accident":
        raise ModelError(f"unknown temporal head {name!r}; known is accident")
    return AccidentHead(validate(accident.Options, config))
