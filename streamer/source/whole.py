"""Whether a file is as long as its own header says: a copy cut short, or a recording never closed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_SIZED_FOURCC = frozenset(b"ftyp moov mdat moof free skip wide sidx mfra uuid styp meta udta pnot".split())


def missing_bytes(path: Path) -> int:
    """How many bytes the container declares beyond the end of the file.

    MP4 and MOV (boxes), MKV (its segment) and AVI (its RIFF chunk) declare a length; for everything else,
    and where the recorder never wrote it, the answer is 0.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF":
            return max(0, 8 + int.from_bytes(head[4:8], "little") - size)
        if head[4:8] in _SIZED_FOURCC:
            return max(0, *(end - size for _, end in _boxes(file, size)), 0)
        if int.from_bytes(head[:4], "big") == _EBML:
            return max(0, _segment_end(file) - size)
    return 0


def lacks_index(path: Path) -> bool:
    """Whether a file is MP4 or MOV by its first box, but has neither an index nor fragments."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(12)[4:8] not in _SIZED_FOURCC:
            return False
        return not {kind for kind, _ in _boxes(file, size)} & {b"moov", b"moof"}


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Kind and end of every box at the top level (ISO/IEC 14496-12, 4.2)."""
    start = 0
    while start + 8 <= size:
        file.seek(start)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:  # reaches to the end of the file, however long that is
            length = size - start
        if length < 8:
            return
        start += length
        yield header[4:8], start


def _segment_end(file: BinaryIO) -> int:
    """Where the Segment element of an EBML file ends; 0 where that was left open (RFC 8794, 6.2)."""
    file.seek(4)
    start = _vint(file)
    file.seek(start or 0, 1)
    if int.from_bytes(file.read(4), "big") != _SEGMENT:
        return 0
    length = _vint(file)
    return 0 if length is None else file.tell() + length


def _vint(file: BinaryIO) -> int | None:
    """A variable-length integer (RFC 8794, 4); None where all bits are set, which means unknown."""
    first = (file.read(1) or b"\0")[0]
    extra = 8 - first.bit_length()
    if extra > 7:
        return None
    bits = 7 * (extra + 1)
    value = int.from_bytes(bytes([first]) + file.read(extra), "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value
