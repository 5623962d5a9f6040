"""What ``restore`` may be in the YAML file: settings of one restorer, a list of them in order, or ``off``."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from streamer.errors import ConfigError
from streamer.section import Section, merge

Mode: TypeAlias = Literal["regions", "frame"]


class RestoreConfig(Section):
    """How a picture is computed from the blurred one."""

    model: str = "bundled"
    """``bundled``, which means ``bundled:deblur``, or the path of a model file that ``trainer`` wrote."""
    mode: Mode | None = None
    """``regions`` works on what is hidden alone, ``frame`` on the whole picture; None: as suits the model."""
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = "auto"
    """What runs the network; ``auto``: the fastest that is installed and runs it, on a GPU torch."""
    when: Literal["always", "night"] = "always"
    """``night``: only while the camera's picture is grey or dark; see ``streamer.night``."""
    steady: float = Field(default=0.0, ge=0.0, le=0.95)
    """Share of the picture before that is kept where nothing moves; see ``streamer.restore.steady``."""


def in_order(value: object) -> object:
    """Read what restores a camera's pictures as a tuple, empty where nothing does."""
    if value is False or value == "off":  # as YAML reads it, and as a word in quotes
        return ()
    if not isinstance(value, list | tuple):
        return (RestoreConfig.model_validate(value),)
    if isinstance(value, list) and not value:
        raise ValueError(
            "expected keys and values, a list with those of each restorer, or off; found an empty list"
        )
    return TypeAdapter(tuple[RestoreConfig, ...]).validate_python(tuple(value))


def override(defaults: Any, own: Any, where: str) -> Any:
    """Merge what a camera says of ``restore`` into what holds for all: a list stands for itself.

    Raises:
        ConfigError: it does not say which of several restorers it means.
    """
    if not isinstance(own, dict) or not isinstance(defaults, list):
        return merge(defaults, own) if isinstance(own, dict) and isinstance(defaults, dict) else own
    if "model" in own and len(defaults) > 1:
        raise ConfigError(
            f"{where}.restore.model: which of the {len(defaults)} restorers is meant? give a list, which "
            "replaces the top level's"
        )
    return [merge(each, own) if isinstance(each, dict) else each for each in defaults]
