"""ONNX files that state sizes which their networks don't need: CenterFace's says 10 pictures of 32x32.

An ONNX file is a protocol buffer (https://protobuf.dev/programming-guides/encoding): fields, each a key with
number and wire type, then a number or so many bytes. Field numbers are those of ``onnx.proto3``.
"""

from __future__ import annotations

from collections.abc import Iterator

GRAPH, INPUT, OUTPUT, VALUE_INFO = 7, 11, 12, 13
NAME, TYPE, TENSOR, SHAPE, DIM = 1, 2, 1, 2, 1
FIXED = {1: 8, 5: 4}
"""Bytes of the wire types of fixed size."""


def free(content: bytes, name: str) -> bytes:
    """Forget all sizes of one input and of all outputs of a network.

    Args:
        content: of an ONNX file.
        name: of the input.

    Returns:
        The same network for pictures of any size, and any number of them.
    """
    return b"".join(
        _part(GRAPH, _free_graph(body, name)) if number == GRAPH else raw
        for number, raw, body in _fields(content)
    )


def _free_graph(graph: bytes, name: str) -> bytes:
    parts = []
    for number, raw, body in _fields(graph):
        if number == OUTPUT or (number == INPUT and _name(body) == name):
            value = b"".join(_free_type(b) if n == TYPE else r for n, r, b in _fields(body))
            parts.append(_part(number, value))
        elif number != VALUE_INFO:  # sizes of what lies between follow from these
            parts.append(raw)
    return b"".join(parts)


def _free_type(body: bytes) -> bytes:
    """Leave all sizes of a tensor open but the channels', which come second."""
    tensor = next(b for n, _, b in _fields(body) if n == TENSOR)
    parts = []
    for number, raw, inner in _fields(tensor):
        if number == SHAPE:
            sizes = [r for n, r, _ in _fields(inner) if n == DIM]
            sizes = [size if place == 1 else _part(DIM, b"") for place, size in enumerate(sizes)]
            parts.append(_part(SHAPE, b"".join(sizes)))
        else:
            parts.append(raw)
    return _part(TYPE, _part(TENSOR, b"".join(parts)))


def _name(value: bytes) -> str:
    return next((body.decode() for number, _, body in _fields(value) if number == NAME), "")


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield each field's number, all of it, and its content where that is so many bytes."""
    place = 0
    while place < len(message):
        start = place
        key, place = _varint(message, place)
        length = FIXED.get(key & 7, 0)
        if key & 7 == 0:
            _, place = _varint(message, place)
        elif key & 7 == 2:
            length, place = _varint(message, place)
        yield key >> 3, message[start : place + length], message[place : place + length]
        place += length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """Read a number at ``place``; returns it and where it ends."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _part(number: int, content: bytes) -> bytes:
    key, length, size = number << 3 | 2, len(content), b""
    while length > 0x7F:
        size, length = size + bytes([length & 0x7F | 0x80]), length >> 7
    return bytes([key]) + size + bytes([length]) + content
