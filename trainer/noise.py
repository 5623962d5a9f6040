"""Noise as ``task: denoise`` adds it: what a sensor adds in the dark, then what a camera's encoder loses."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.config import NoiseConfig


def add(clean: Tensor, noise: NoiseConfig, random: np.random.Generator) -> Tensor:
    """Return a noisy picture.

    Values go beyond 0 to 1 as the noise takes them, where it is neither clipped nor compressed.

    Of a level y the sensor makes g·P(y/g) + N(0, sigma²), with P a Poisson variable and g the gain: its mean
    is y, and its variance g·y + sigma² (Foi et al. 2008, "Practical Poissonian-Gaussian noise modeling").

    Args:
        clean: float32 ``[3, H, W]``, 0 to 1.
        noise: how much.
        random: what it is drawn from.
    """
    sigma = _drawn(noise.sigma, random) / 255.0
    noisy = clean
    if noise.gain != 0.0 and (gain := _drawn(noise.gain, random) / 255.0) > 0.0:
        counts = random.poisson(clean.numpy() / gain).astype(np.float32)
        noisy = torch.from_numpy(counts * np.float32(gain))
    noisy = noisy + sigma * torch.from_numpy(random.standard_normal(tuple(clean.shape), np.float32))
    clipped = noise.clipped > 0.0 and random.random() < noise.clipped
    if noise.jpeg is None and noise.h264 is None and not clipped:
        return noisy
    pixels = (noisy * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    if noise.jpeg is not None:
        pixels = jpeg(pixels, round(_drawn(noise.jpeg, random)))
    if noise.h264 is not None:
        pixels = h264(pixels, round(_drawn(noise.h264, random)))
    return torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32) / 255)


def _drawn(bounds: float | list[float] | list[int], random: np.random.Generator) -> float:
    low, high = bounds if isinstance(bounds, list) else (bounds, bounds)
    return float(random.uniform(low, high))


def jpeg(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Compress a picture and open it again.

    Args:
        picture: uint8 ``[H, W, 3]``, RGB.
        quality: 1 to 100, as libjpeg counts it.
    """
    _, packed = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    opened = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(opened[..., ::-1])


def h264(picture: NDArray[np.uint8], crf: int) -> NDArray[np.uint8]:
    """Compress a picture as the key frame of a video, and decode it again.

    Args:
        picture: uint8 ``[H, W, 3]``, RGB; an odd side is continued by a pixel, which 4:2:0 needs.
        crf: x264's constant rate factor, 0 to 51: more is smaller and worse.
    """
    height, width = picture.shape[:2]
    even = cv2.copyMakeBorder(
        np.ascontiguousarray(picture), 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE
    )
    frame = av.VideoFrame.from_ndarray(np.asarray(even, np.uint8), format="rgb24")
    encoder = av.VideoCodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    # one thread: more cost more than a picture this small gains by them
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency"}
    decoder = av.VideoCodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    decoded = [image for packet in (*packets, None) for image in decoder.decode(packet)]
    return np.ascontiguousarray(decoded[0].to_ndarray(format="rgb24")[:height, :width])
