"""A part of a YAML file as a typed, validated object; every error names the key and what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails

from streamer.address import mask
from streamer.errors import ConfigError


class Section(BaseModel):
    """A part of the file: immutable, strict about types, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def as_tuple(value: object) -> object:
    """Read a list, which is what YAML and JSON have, as a tuple."""
    return tuple(value) if isinstance(value, list) else value


S = TypeVar("S", bound=Section)


def validate(model: type[S], data: Mapping[str, Any], also: tuple[str, ...] = ()) -> S:
    """Build ``model`` from ``data``.

    Args:
        model: the section to build.
        data: what the file says.
        also: further keys that are known at this level, for the message about an unknown one.

    Raises:
        ConfigError: one line that names the first wrong key and what was expected there.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # a mistyped key says more than the one that is missing for it
        first = min(error.errors(), key=lambda each: each["type"] == "missing")
        # unions add the tried type to the path, which is no key of the file
        path = [part for part in first["loc"] if not (isinstance(part, str) and part.endswith("]"))]
        where = ".".join(str(part) for part in path)
        if first["type"] == "extra_forbidden":
            section = _section(model, path[:-1])
            known = [*(also if len(path) == 1 else ()), *section.model_fields]
            found = f"unknown key{suggest(str(path[-1]), known)}; known here: {', '.join(known)}"
        elif first["type"] == "missing":
            found = "is missing"
        elif first["type"] == "value_error":
            found = str(first["ctx"]["error"])
        elif first["type"] in ("model_type", "dict_type"):
            found = f"expected keys and values, found {kind(first['input'])}"
        elif first["type"] == "string_pattern_mismatch" and where == "device":
            found = f"expected auto, cpu, cuda or cuda:N, found {kind(first['input'])}"
        else:
            message = first["msg"].replace("Input should be", "expected").replace("a valid tuple", "a list")
            found = f"{message}, found {kind(first['input'])}"
        raise ConfigError(f"{where}: {found}") from None


def mistake(path: tuple[int | str, ...], value: object, expected: str) -> ValidationError:
    """Return what a validator raises about a key below its own; ``expected`` is the message."""
    wrong = InitErrorDetails(type="value_error", loc=path, input=value, ctx={"error": ValueError(expected)})
    return ValidationError.from_exception_data("Section", [wrong])


def _section(model: type[BaseModel], path: list[Any]) -> type[BaseModel]:
    """Return the section at ``path`` below ``model``."""
    here: type[BaseModel] = model
    for part in path:
        if part not in here.model_fields:  # a place in a list, or the name of a camera or of a class
            continue
        candidates = [here.model_fields[part].annotation, *get_args(here.model_fields[part].annotation)]
        here = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), here)
    return here


def merge(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a part of the file says, with ``defaults`` for what it does not say."""
    merged = {**defaults, **own}
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(defaults.get(key), dict):
            merged[key] = merge(defaults[key], value)
    return merged


def suggest(name: str, known: Sequence[str]) -> str:
    """Return the end of a message about an unknown name: which known one may be meant."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def kind(value: object) -> str:
    """Return what was found, as the end of a message about it, without credentials."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "keys and values" if isinstance(value, dict) else "a list"
    return repr(mask(value)) if isinstance(value, str) else repr(value)
