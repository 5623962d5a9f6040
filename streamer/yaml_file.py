"""A YAML file as keys and values; every error names the file, and the line or the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from streamer.errors import ConfigError
from streamer.section import kind

T = TypeVar("T")


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, which YAML's own would silently let win."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, Hashable) and key in seen:
            raise ConfigError(f"line {key_node.start_mark.line + 1}: key {key!r} is given twice")
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping, refusing repeated keys.

    Raises:
        ConfigError: the file is missing, unreadable, not YAML, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}") from error
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506, a SafeLoader
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(f"{path}: {where}not valid YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected keys and values, found {kind(data)}")
    return data


def substitute(value: Any, environment: Mapping[str, str], key: str = "") -> Any:
    """Replace ``${NAME}`` in every string of ``value`` by the environment's.

    Raises:
        ConfigError: a variable is not set; names it and the key.
    """
    if isinstance(value, dict):
        return {k: substitute(v, environment, f"{key}.{k}" if key else str(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [substitute(v, environment, f"{key}[{i}]") for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def lookup(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise ConfigError(f"{key}: the environment variable {match[1]} is not set")
        return environment[match[1]]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", lookup, value)


def read(path: Path, parse: Callable[[Mapping[str, Any]], T]) -> T:
    """Return what ``parse`` makes of a YAML file; errors as in ``read_yaml``, its own with the path."""
    data = read_yaml(path)
    try:
        return parse(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def require_version(data: Mapping[str, Any]) -> None:
    """Refuse a configuration that does not say for which version of this program it is."""
    if "version" not in data:
        raise ConfigError("version: is missing; this program reads `version: 1`")
