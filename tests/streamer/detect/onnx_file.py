"""ONNX files of one node, put together byte by byte, since the ``onnx`` package is no dependency.

Field numbers are those of ``onnx.proto3`` (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FLOAT = 1
UINT8 = 2


def constant(path: Path, output: NDArray[np.float32], shape: Sequence[int | str], kind: int = FLOAT) -> Path:
    """Write a network that takes ``images`` of ``shape`` and returns ``output`` whatever they show."""
    tensor = b"".join(_number(1, n) for n in output.shape) + _number(2, FLOAT)
    tensor += _text(8, "value") + _part(9, output.astype("<f4").tobytes())
    return _write(path, _node("value", "output"), _part(5, tensor), shape, output.shape, kind)


def identity(path: Path, shape: Sequence[int | str]) -> Path:
    """Write a network that returns what it takes."""
    return _write(path, _node("images", "output"), b"", shape, shape, FLOAT)


def _write(
    path: Path,
    node: bytes,
    initializer: bytes,
    takes: Sequence[int | str],
    gives: Sequence[int | str],
    kind: int,
) -> Path:
    values = _part(11, _value("images", takes, kind)) + _part(12, _value("output", gives, FLOAT))
    graph = _part(1, node) + _text(2, "graph") + initializer + values
    path.write_bytes(_number(1, 8) + _part(7, graph) + _part(8, _number(2, 13)))
    return path


def _node(takes: str, gives: str) -> bytes:
    return _text(1, takes) + _text(2, gives) + _text(4, "Identity")


def _value(name: str, shape: Sequence[int | str], kind: int) -> bytes:
    dims = b"".join(_part(1, _text(2, n) if isinstance(n, str) else _number(1, n)) for n in shape)
    return _text(1, name) + _part(2, _part(1, _number(1, kind) + _part(2, dims)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _part(field, value.encode())


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
