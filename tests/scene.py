"""A street scene without a camera: a view with texture and edges everywhere, and what may happen to it."""

from __future__ import annotations

import cv2
import numpy as np

from streamer.frame import Image

WIDTH, HEIGHT = 320, 192


def view(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """A view of blocks, lines and texture, uint8 ``[height, width, 3]``; another seed is another place."""
    random = np.random.default_rng(seed)
    image = np.full((height, width, 3), 120.0, np.float32)
    image += np.linspace(60, -60, height, dtype=np.float32)[:, None, None] * random.choice([-1, 1])
    for _ in range(90):
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        w, h = (int(v) for v in random.integers(6, width // 5, 2))
        colour = random.uniform(10, 235, 3)
        cv2.rectangle(image, (x, y), (x + w, y + h), colour.tolist(), -1)
    # a third is rough and the rest smooth, as scenes are
    image[: height // 3] += random.normal(0, 14, (height // 3, width, 1)).astype(np.float32)
    return np.asarray(np.clip(image, 0, 255).astype(np.uint8), np.uint8)


def seen(image: Image, number: int) -> Image:
    """The same as a camera's sensor gives it, with fresh noise for each number."""
    noise = np.random.default_rng(number).normal(0, 1.5, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255).astype(np.uint8), np.uint8)


def blurred(image: Image, sigma: float = 2.0) -> Image:
    """Out of focus."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def covered(image: Image, share: float = 1.0) -> Image:
    """Behind something smooth that reaches in from the right."""
    behind = image.copy()
    behind[:, round(image.shape[1] * (1 - share)) :] = (150, 140, 120)
    return behind


def shifted(image: Image, right: float, down: float = 0.0) -> Image:
    """From a camera that was turned, by shares of the width and height."""
    height, width = image.shape[:2]
    matrix = np.array([[1, 0, right * width], [0, 1, down * height]], np.float32)
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101), np.uint8
    )


def brighter(image: Image, gain: float, more: float = 0.0) -> Image:
    """Under another light."""
    return np.asarray(np.clip(image.astype(np.float32) * gain + more, 0, 255).astype(np.uint8), np.uint8)


def rainy(image: Image, number: int) -> Image:
    """Behind streaks that are elsewhere in each picture."""
    random = np.random.default_rng(number)
    drops = (random.random(image.shape[:2]) > 0.996).astype(np.float32) * 255
    streaks = cv2.filter2D(drops, -1, np.eye(9, dtype=np.float32)[::-1] / 3)
    return np.asarray(np.clip(image * 0.85 + 12 + streaks[..., None], 0, 255).astype(np.uint8), np.uint8)


def with_headlights(image: Image) -> Image:
    """At dusk, with two cars' lights on the camera."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    light = np.zeros((height, width), np.float32)
    for at in (0.3, 0.37, 0.7):
        light += 300 * np.exp(-((x - at * width) ** 2 + (y - 0.6 * height) ** 2) / (2 * (0.03 * width) ** 2))
    return np.asarray(np.clip(image * 0.6 + light[..., None], 0, 255).astype(np.uint8), np.uint8)
