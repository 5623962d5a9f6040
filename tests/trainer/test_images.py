"""Whatever kind of image file there is."""

import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from streamer.errors import SourceError
from trainer.images import read_image, size_of

COLOUR = (200, 100, 50)
PLAIN = np.full((4, 6, 3), COLOUR, np.uint8)


def _exif(path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    picture = PLAIN.copy()
    picture[0] = 0
    PIL.Image.fromarray(picture).save(path, exif=exif)


def _with_alpha(path: Path) -> None:
    alpha = np.full((4, 6, 1), 255, np.uint8)
    alpha[:, :3] = 0
    PIL.Image.fromarray(np.concatenate([PLAIN, alpha], axis=2)).save(path)


def _transparent_palette(path: Path) -> None:
    indices = np.zeros((4, 6), np.uint8)
    indices[:, 3:] = 1
    image = PIL.Image.fromarray(indices, "P")
    image.putpalette([9, 9, 9, *COLOUR])
    image.save(path, transparency=0)


@pytest.mark.parametrize(
    ("name", "make", "expected"),
    [
        ("grey.png", lambda p: PIL.Image.fromarray(PLAIN[..., 1]).save(p), (100, 100, 100)),
        ("16-bit-grey.png", lambda p: cv2.imwrite(str(p), np.full((4, 6), 40000, np.uint16)), (155,) * 3),
        ("16-bit.png", lambda p: cv2.imwrite(str(p), PLAIN[..., ::-1].astype(np.uint16) * 257), COLOUR),
        ("cmyk.jpg", lambda p: PIL.Image.fromarray(PLAIN).convert("CMYK").save(p, quality=95), COLOUR),
        ("palette.png", lambda p: PIL.Image.fromarray(PLAIN).quantize(4).save(p), COLOUR),
        ("bits.png", lambda p: PIL.Image.fromarray(PLAIN[..., 0] > 0).save(p), (255, 255, 255)),
        ("lossless.webp", lambda p: PIL.Image.fromarray(PLAIN).save(p, lossless=True), COLOUR),
    ],
)
def test_every_kind_becomes_eight_bits_of_rgb(
    tmp_path: Path, name: str, make: Callable[[Path], object], expected: tuple[int, int, int]
) -> None:
    make(tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.shape == (4, 6, 3)
    assert np.abs(image.numpy().astype(int) - expected).max() <= 2
    assert size_of(tmp_path / name) == (6, 4)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("alpha.png", _with_alpha),
        ("alpha.webp", _with_alpha),
        ("palette.png", _transparent_palette),
    ],
)
def test_what_is_transparent_is_white(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    make(tmp_path / name)
    image = read_image(tmp_path / name)
    assert image[0, 0].tolist() == [255, 255, 255]
    assert np.abs(image[0, 5].numpy().astype(int) - COLOUR).max() <= 3


def test_a_camera_held_sideways_is_turned_upright(tmp_path: Path) -> None:
    _exif(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.shape == (6, 4, 3)
    assert size_of(tmp_path / "a.png") == (4, 6)
    assert (image[:, 3] == 0).all()  # what was the top is on the right
    assert (image[:, :3] > 0).all()


def test_a_picture_of_one_pixel_is_one(tmp_path: Path) -> None:
    PIL.Image.fromarray(PLAIN[:1, :1]).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[list(COLOUR)]]


def claiming(width: int, height: int) -> bytes:
    """A PNG of that size, with next to nothing in it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(b"0")),
            chunk(b"IEND", b""),
        ]
    )


def test_what_is_no_picture_is_one_line(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "whole.jpg"), np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    whole = (tmp_path / "whole.jpg").read_bytes()
    for name, content in {
        "empty.png": b"",
        "text.png": b"no picture",
        "truncated.jpg": whole[: len(whole) // 2],
        "bomb.png": claiming(30_000, 30_000),
        "claims.png": claiming(12_000, 10_000),
        "nothing.png": claiming(0, 0),
    }.items():
        (tmp_path / name).write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(SourceError, match=rf"{name}: no image, damaged or truncated \(") as caught:
                read_image(tmp_path / name)
            size_of(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_damaged_note_beside_a_good_picture_is_no_matter(tmp_path: Path) -> None:
    _exif(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    start = content.index(b"eXIf")
    length = struct.unpack(">I", content[start - 4 : start])[0]
    body = content[start + 4 : start + 4 + length][:-9]
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    (tmp_path / "a.png").write_bytes(content[: start - 4] + chunk + content[start + 8 + length :])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(tmp_path / "a.png").numel() == 72
