"""The reference autoencoder: three strided convolutions down, three transposed ones up, no skips."""

from __future__ import annotations

from torch import Tensor, nn

from streamer.nets.network import Network
from streamer.section import Section


class Options(Section):
    """The reference has none."""


class Autoencoder(Network):
    """3→64→128→256 by 4x4 convolutions of stride 2 with ReLU, mirrored, a sigmoid at the end.

    Everything passes through a sixteenth of the picture's values, so it cannot even copy its input
    (SCIENCE: it scores below the blurred picture); it is here because it is the reference.
    """

    stride = 8
    residual = False

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 64, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(64, 128, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(128, 256, 4, stride=2, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(256, 128, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(64, 3, 4, stride=2, padding=1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Map float32 ``[B, 3, H, W]`` in 0 to 1 onto the same; ``H`` and ``W`` are multiples of 8."""
        restored: Tensor = self.decoder(self.encoder(images))
        return restored
