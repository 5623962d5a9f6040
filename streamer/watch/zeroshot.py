"""Zero-shot scores: how much more a picture looks like the descriptions of a class than like what is normal.

An argmax over single sentences, as it is often done, is worse than a coin flip on two classes. Here sentences
are pooled by class, and each class is told apart from the normal one alone, by a two-way softmax.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from math import exp
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.frame import Image
from streamer.watch.clip import Encoder
from streamer.zeroshot import ZeroShotConfig

Vectors: TypeAlias = NDArray[np.float32]
"""float32 ``[N, D]``."""


class Scorer:
    """Compares pictures with the descriptions of a configuration, which are embedded once."""

    def __init__(self, config: ZeroShotConfig, device: torch.device, encoder: Encoder | None = None) -> None:
        """Embed the descriptions.

        Args:
            config: its model, classes and templates.
            device: where the network works.
            encoder: the network, where it is loaded already.

        Raises:
            ConfigError: the network cannot be had.
        """
        self._encoder = Encoder(config, device) if encoder is None else encoder
        self._config = config
        self.sentences = [each for sentences in config.classes.values() for each in sentences]
        """All descriptions, without templates."""
        self.owners = [name for name, sentences in config.classes.items() for _ in sentences]
        """The class of each."""
        said = [template.replace("{}", each) for each in self.sentences for template in config.templates]
        templates = self._encoder.sentences(said).reshape(len(self.sentences), len(config.templates), -1)
        self._texts = np.stack([pooled(each) for each in templates])
        places = {name: [self.owners[i] == name for i in range(len(self.owners))] for name in config.classes}
        self._classes = {name: pooled(self._texts[mine]) for name, mine in places.items()}

    @property
    def fingerprint(self) -> dict[str, str]:
        """What margins depend on: a calibration holds for the same alone."""
        config = self._config
        said = json.dumps([sorted(config.classes.items()), config.normal, config.templates])
        return {
            "model": self._encoder.name,
            "weights": self._encoder.weights,
            "normalise": config.normalise,
            "sentences": hashlib.sha256(said.encode()).hexdigest()[:12],
        }

    def embed(self, images: Sequence[Image | torch.Tensor]) -> Vectors:
        """Embed pictures, one at least: uint8 ``[H, W, 3]``, RGB, to float32 ``[N, D]`` of length 1."""
        return self._encoder.images(images)

    def similarities(self, embeddings: Vectors) -> NDArray[np.float32]:
        """Return the cosine of each picture with each of ``sentences``.

        Args:
            embeddings: float32 ``[N, D]``; a mean of several embeddings gives the mean of their cosines.

        Returns:
            float32 ``[N, S]``.
        """
        return np.asarray(embeddings @ self._texts.T, np.float32)

    def margins(self, embeddings: Vectors) -> dict[str, NDArray[np.float32]]:
        """Return by how much each picture is nearer to a class than to the normal one.

        Args:
            embeddings: as for ``similarities``; here too a mean gives the mean.

        Returns:
            For each class that is raised a difference of cosines, float32 ``[N]``.
        """
        normal = self._classes[self._config.normal]
        return {
            name: np.asarray(embeddings @ (self._classes[name] - normal), np.float32)
            for name in self._config.alerts
        }


def pooled(vectors: Vectors) -> NDArray[np.float32]:
    """Return the mean of vectors of length 1, float32 ``[N, D]``, scaled to length 1: ``[D]``."""
    mean = vectors.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def probability(margin: float, temperature: float) -> float:
    """Return what a two-way softmax with a temperature makes of a margin: its sigmoid."""
    return 1.0 / (1.0 + exp(-max(-50.0, min(50.0, margin / temperature))))
