"""Decoded frames to upright RGB: the right matrix, the right range, the right way up."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cv2
import numpy as np
from av.buffer import Buffer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from streamer.frame import Image

# AVColorSpace, as in the H.273 standard
_BT709, _FCC, _BT470BG, _SMPTE170M, _SMPTE240M, _BT2020, _BT2020_CL = 1, 4, 5, 6, 7, 9, 10
_KNOWN = frozenset({_BT709, _FCC, _BT470BG, _SMPTE170M, _SMPTE240M, _BT2020})
_LIKE_BT601 = frozenset({_FCC, _BT470BG, _SMPTE170M})
_LIMITED, _FULL = 1, 2

HD_LINES = 720
"""From so many lines on a picture without a tag is BT.709, below it is BT.601, as players take it."""

_STRETCH = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An upright RGB picture."""

    image: Image
    """uint8 ``[H, W, 3]``, full range, C-contiguous."""
    matrix: str
    """``bt601`` or ``bt709``: the matrix that it came from, or the nearer one."""


class Converter:
    """Converts the frames of one stream; keeps its scaler, which is costly to set up."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._orientations: dict[int, Orientation] = {}

    def convert(self, frame: VideoFrame) -> Picture:
        """Convert a frame of any pixel format, turned and mirrored as its display matrix says."""
        name = frame.format.name
        colorspace = _BT2020 if frame.colorspace == _BT2020_CL else frame.colorspace
        if colorspace not in _KNOWN:
            colorspace = _BT709 if frame.height >= HD_LINES else _SMPTE170M
        full = name.startswith("yuvj") or frame.color_range == _FULL
        if not frame.format.is_rgb:
            frame.colorspace, frame.color_range = colorspace, _FULL if full else _LIMITED
        # one thread: more cost four times the CPU time at 720p
        rgb = self._scaler.reformat(frame, format="rgb24", threads=1).to_ndarray()
        image = np.ascontiguousarray(rgb, np.uint8)
        if name.startswith(("gray", "ya")) and not full:
            image = _STRETCH[image]  # swscale takes every grey for full range
        matrix = "bt601" if colorspace in _LIKE_BT601 else "bt709"
        return Picture(upright(image, self._orientation(frame)), matrix)

    def _orientation(self, frame: VideoFrame) -> Orientation:
        # looking at a frame's side data ties it into a reference cycle, which keeps its memory until the
        # collector comes by, so that is done once for each angle
        if frame.rotation not in self._orientations:
            self._orientations[frame.rotation] = _orientation(frame)
        return self._orientations[frame.rotation]


Orientation = tuple[int, int, int, int]
"""A display matrix's a, b, c, d, each -1, 0 or 1: a pixel at (x, y) is shown at (a x + c y, b x + d y)."""
_AS_IS: Orientation = (1, 0, 0, 1)


def upright(image: Image, orientation: Orientation) -> Image:
    """Turn and mirror ``image`` by a multiple of 90 degrees."""
    a, b, c, d = orientation
    turned = image if a else cv2.transpose(image)
    across, down = a + c < 0, b + d < 0
    if across or down:
        turned = cv2.flip(turned, -1 if across and down else 1 if across else 0)
    return np.asarray(turned, np.uint8)


def _orientation(frame: VideoFrame) -> Orientation:
    """What the display matrix asks for; as it is where that is no multiple of 90 degrees."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(data, Buffer):
        return _AS_IS
    a, b, _, c, d = (round(value / 65536) for value in struct.unpack("=9i", bytes(data))[:5])
    straight = {abs(a), abs(d)} == {1} and b == c == 0
    turned = {abs(b), abs(c)} == {1} and a == d == 0
    return (a, b, c, d) if straight or turned else _AS_IS
