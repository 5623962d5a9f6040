"""Small ONNX files, put together byte by byte, since the ``onnx`` package is no dependency.

Field numbers are those of ``onnx.proto3`` (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT = 1
UINT8 = 2
INT64 = 7
KINDS = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64}


def constant(path: Path, output: NDArray[np.float32], shape: Sequence[int | str], kind: int = FLOAT) -> Path:
    """Write a network that takes ``images`` of ``shape`` and returns ``output`` whatever they show."""
    return constants(path, {"output": output}, shape, kind)


def constants(
    path: Path, outputs: Mapping[str, NDArray[Any]], shape: Sequence[int | str], kind: int = FLOAT
) -> Path:
    """Write a network with several outputs, float32 or int64, that are always the same."""
    nodes = [_node("Identity", [f"{name} value"], name) for name in outputs]
    values = [_tensor(f"{name} value", output) for name, output in outputs.items()]
    gives = [_value(name, output.shape, KINDS[output.dtype]) for name, output in outputs.items()]
    return _write(path, nodes, values, _value("images", shape, kind), gives)


def identity(path: Path, shape: Sequence[int | str]) -> Path:
    """Write a network that returns what it takes."""
    return _write(
        path,
        [_node("Identity", ["images"], "output")],
        [],
        _value("images", shape, FLOAT),
        [_value("output", shape, FLOAT)],
    )


def centerface(path: Path, size: float) -> Path:
    """Write a network like CenterFace's that sees a face of ``size`` pixels wherever it is bright.

    As the real file does, it says that it takes 10 pictures of 32x32, though it takes any.
    """
    names, channels = ("537", "538", "539", "540"), (1, 2, 2, 10)
    weights, biases = [np.full((1, 3, 4, 4), 1 / (48 * 255), np.float32)], [np.zeros(1, np.float32)]
    for count in channels[1:]:
        weights.append(np.zeros((count, 3, 4, 4), np.float32))
        biases.append(np.zeros(count, np.float32))
    biases[1] += np.float32(np.log(size / 4))
    strides = _part(5, _ints("strides", 4, 4))
    nodes = [_node("Conv", ["images", f"w{name}", f"b{name}"], name, strides) for name in names]
    tensors = [_tensor(f"w{name}", each) for name, each in zip(names, weights, strict=True)]
    tensors += [_tensor(f"b{name}", each) for name, each in zip(names, biases, strict=True)]
    gives = [_value(name, (10, count, 8, 8), FLOAT) for name, count in zip(names, channels, strict=True)]
    return _write(path, nodes, tensors, _value("images", (10, 3, 32, 32), FLOAT), gives)


def pyramid(path: Path, names: Sequence[str], channels: int, size: int) -> Path:
    """Write a network like a detector's: two outputs for each grid, of 8, 16 and 32 pixels.

    Each is what random filters give, of ``channels`` channels; it says that it takes pictures of ``size``.
    """
    random = np.random.default_rng(0)
    nodes, tensors = [], []
    for index, name in enumerate(names):
        stride = 8 << index // 2
        tensors += [
            _tensor(f"w{name}", random.normal(0, 1e-3, (channels, 3, stride, stride)).astype(np.float32)),
            _tensor(f"b{name}", np.full(channels, 3.0, np.float32)),
        ]
        nodes.append(
            _node(
                "Conv", ["images", f"w{name}", f"b{name}"], name, _part(5, _ints("strides", stride, stride))
            )
        )
    gives = [
        _value(name, (1, channels, size // (8 << index // 2), size // (8 << index // 2)), FLOAT)
        for index, name in enumerate(names)
    ]
    return _write(path, nodes, tensors, _value("images", (1, 3, size, size), FLOAT), gives)


def _ints(name: str, *values: int) -> bytes:
    return _text(1, name) + b"".join(_number(8, value) for value in values) + _number(20, 7)


def _write(
    path: Path, nodes: Sequence[bytes], tensors: Sequence[bytes], takes: bytes, gives: Sequence[bytes]
) -> Path:
    parts = [(1, nodes), (2, [b"graph"]), (5, tensors), (11, [takes]), (12, gives)]
    graph = b"".join(_part(field, content) for field, contents in parts for content in contents)
    path.write_bytes(_number(1, 8) + _part(7, graph) + _part(8, _number(2, 13)))
    return path


def _node(kind: str, takes: Sequence[str], gives: str, attribute: bytes = b"") -> bytes:
    return b"".join(_text(1, name) for name in takes) + _text(2, gives) + _text(4, kind) + attribute


def _tensor(name: str, values: NDArray[Any]) -> bytes:
    sizes = b"".join(_number(1, n) for n in values.shape)
    return sizes + _number(2, KINDS[values.dtype]) + _text(8, name) + _part(9, values.tobytes())


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
