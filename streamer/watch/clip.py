"""CLIP: a network that puts pictures and sentences into one space, in which what belongs together is near.

Radford et al., "Learning transferable visual models from natural language supervision", 2021; networks and
weights are those of open_clip (Cherti et al., "Reproducible scaling laws for contrastive language-image
learning", 2023).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from streamer.errors import ModelError, one_line
from streamer.frame import Image
from streamer.watch import openclip
from streamer.zeroshot import ZeroShotConfig

MOST = 32
"""Pictures or sentences that go through the network at once."""

VALUES = 64
"""Values of each tensor that tell weights from others."""

T = TypeVar("T")


class Encoder:
    """A CLIP network on its device."""

    def __init__(self, config: ZeroShotConfig, device: torch.device) -> None:
        """Load it.

        Args:
            config: ``model``, ``weights`` and ``normalise`` of it.
            device: where it works.

        Raises:
            ModelError: open_clip, the weights or the tokenizer cannot be had, the weights do not fit, or the
                device has no room.
            ConfigError: there is no such model.
        """
        loaded = openclip.load(config.model, config.weights)
        self.name = Path(config.model).name
        """Of the model, or of its folder."""
        self.size = loaded.size
        """Height and width in pixels that pictures are scaled to."""
        self.weights = _digest(loaded.network)
        """Tells its weights from all others."""
        half = (0.5, 0.5, 0.5)
        mean, std = (half, half) if config.normalise == "half" else (loaded.mean, loaded.std)
        self._mean = torch.tensor(mean, device=device).view(3, 1, 1)
        self._std = torch.tensor(std, device=device).view(3, 1, 1)
        try:
            self._network: Any = loaded.network.to(device).eval()
        except RuntimeError as error:  # most of all too little memory
            raise ModelError(
                f"{openclip.KEY}.model: {self.name}: cannot go to {device}: {one_line(error)}"
            ) from None
        self._tokenize = loaded.tokenize
        self._device = device

    @torch.inference_mode()
    def images(self, images: Sequence[Image | torch.Tensor]) -> NDArray[np.float32]:
        """Embed pictures, each as a whole.

        They are squeezed to the network's square: a crop from the middle, which is what CLIP is usually fed,
        leaves out 44% of a picture of 16:9, and with it what happens at its sides.

        Args:
            images: one at least, uint8 ``[H, W, 3]``, RGB, of any sizes, on any device.

        Returns:
            float32 ``[N, D]``, each of length 1.
        """
        parts = []
        for some in _parts(images):
            pictures = torch.cat([self._scaled(image) for image in some])
            parts.append(self._network.encode_image((pictures / 255 - self._mean) / self._std))
        return self._of_length_1(parts)

    @torch.inference_mode()
    def sentences(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Embed sentences, one at least; float32 ``[N, D]``, each of length 1."""
        tokens = [self._tokenize(list(some)).to(self._device) for some in _parts(sentences)]
        return self._of_length_1([self._network.encode_text(some) for some in tokens])

    def _scaled(self, image: Image | torch.Tensor) -> torch.Tensor:
        """Return a picture in the network's size, float32 ``[1, 3, h, w]``, whole numbers from 0 to 255."""
        given = torch.from_numpy(image) if isinstance(image, np.ndarray) else image
        picture = given.to(self._device).permute(2, 0, 1)[None]
        if self._device.type != "cpu":  # which alone scales uint8, and ten times as fast as float
            picture = picture.float()
        scaled = F.interpolate(picture, size=self.size, mode="bicubic", antialias=True)
        return scaled.float().round().clamp(0, 255)

    def _of_length_1(self, parts: Sequence[torch.Tensor]) -> NDArray[np.float32]:
        embeddings = F.normalize(torch.cat(list(parts)).float(), dim=-1).cpu().numpy()
        if not np.isfinite(embeddings).all():
            raise ValueError(f"{self.name} returned an embedding that is not a number")
        return np.asarray(embeddings, np.float32)


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + MOST] for start in range(0, len(items), MOST))


def _digest(network: nn.Module) -> str:
    """Return some digits that other weights would not have."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().flatten()[:VALUES].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
