"""ONNX's messages as bytes: the few that a network needs, so that writing one takes no further package.

Field numbers are those of ``onnx.proto3`` (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3), the
encoding is protobuf's (https://protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

IR_VERSION, OPSET = 8, 13
"""Old enough for every runtime of the last years, new enough for all that is written here."""

KINDS: Mapping[str, int] = {"float32": 1, "uint8": 2, "int8": 3, "int64": 7}
"""ONNX's numbers for numpy's types."""

Attribute: TypeAlias = int | float | str | Sequence[int]


def model(
    nodes: Sequence[bytes], tensors: Sequence[bytes], inputs: Sequence[bytes], outputs: Sequence[bytes]
) -> bytes:
    """Return a whole file: nodes in the order in which they are computed, weights, what goes in and out."""
    graph = [_part(1, node) for node in nodes] + [_text(2, "graph")]
    graph += [_part(5, tensor) for tensor in tensors]
    graph += [_part(11, value) for value in inputs] + [_part(12, value) for value in outputs]
    return b"".join(
        [
            _number(1, IR_VERSION),
            _text(2, "cctv-streamer"),
            _part(7, b"".join(graph)),
            _part(8, _number(2, OPSET)),
        ]
    )


def node(operator: str, inputs: Sequence[str], output: str, attributes: Mapping[str, Attribute]) -> bytes:
    """Return an operation on named values; an input that is left out is an empty name."""
    parts = [_text(1, name) for name in inputs] + [_text(2, output), _text(3, output), _text(4, operator)]
    parts += [_part(5, _attribute(name, value)) for name, value in attributes.items()]
    return b"".join(parts)


def tensor(name: str, values: NDArray[Any]) -> bytes:
    """Return a constant, of a type in ``KINDS``."""
    dimensions = b"".join(_number(1, length) for length in values.shape)
    raw = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return dimensions + _number(2, KINDS[values.dtype.name]) + _text(8, name) + _part(9, raw)


def value(name: str, kind: str, shape: Sequence[int | str]) -> bytes:
    """Return what an input or output is: a length that is a name may be any, the same wherever it stands."""
    lengths = (_text(2, n) if isinstance(n, str) else _number(1, n) for n in shape)
    dimensions = b"".join(_part(1, length) for length in lengths)
    return _text(1, name) + _part(2, _part(1, _number(1, KINDS[kind]) + _part(2, dimensions)))


def _attribute(name: str, given: Attribute) -> bytes:
    if isinstance(given, int):
        return _text(1, name) + _number(3, given) + _number(20, 2)
    if isinstance(given, float):
        return _text(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", given) + _number(20, 1)
    if isinstance(given, str):
        return _text(1, name) + _text(4, given) + _number(20, 3)
    return _text(1, name) + b"".join(_number(8, each) for each in given) + _number(20, 7)


def _number(field: int, content: int) -> bytes:
    return _varint(field << 3) + _varint(content)


def _text(field: int, content: str) -> bytes:
    return _part(field, content.encode())


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(content: int) -> bytes:
    """Seven bits a byte, the lowest first; what is negative as 64 bits of two's complement."""
    content &= 0xFFFF_FFFF_FFFF_FFFF
    encoded = bytearray()
    while content > 0x7F:
        encoded.append(content & 0x7F | 0x80)
        content >>= 7
    encoded.append(content)
    return bytes(encoded)
