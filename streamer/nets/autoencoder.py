"""Autoencoders without skips: strided convolutions down to a small latent picture, transposed ones up."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated

from pydantic import BeforeValidator, Field
from torch import Tensor, nn

from streamer.nets.network import Network, grey
from streamer.section import Section, as_tuple

Width = Annotated[int, Field(ge=1, le=2048)]


class Options(Section):
    """The size of the network; the defaults are the reference."""

    widths: Annotated[tuple[Width, ...], BeforeValidator(as_tuple)] = Field(
        default=(64, 128, 256), min_length=1, max_length=6
    )
    """Channels after each convolution on the way down, each of which halves the sides; the last are those of
    the latent picture. Of 224x224, four leave 14x14, five 7x7."""
    norm: bool = False
    """Whether batch normalisation follows each convolution but the last."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of channels that training drops after each layer but the last (Tompson et al. 2015)."""
    grey: bool = False
    """Whether it works on the brightness alone, and gives three equal channels."""


class Autoencoder(Network):
    """3→64→128→256 by 4x4 convolutions of stride 2 with ReLU, mirrored, a sigmoid at the end.

    Everything passes through a sixteenth of the picture's values, so it cannot even copy its input
    (SCIENCE: it scores below the blurred picture); it is here because it is the reference. ``widths`` makes
    deeper ones.
    """

    residual = False

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        options = options or Options()
        self.stride = 2 ** len(options.widths)
        self.grey = options.grey
        channels = [1 if options.grey else 3, *options.widths]
        self.encoder = nn.Sequential()
        for narrow, wide in pairwise(channels):
            self.encoder.extend(_layer(nn.Conv2d, narrow, wide, options))
        self.decoder = nn.Sequential()
        for wide, narrow in pairwise(channels[:0:-1]):
            self.decoder.extend(_layer(nn.ConvTranspose2d, wide, narrow, options))
        last = nn.ConvTranspose2d(channels[1], channels[0], 4, stride=2, padding=1)
        self.decoder.extend([last, nn.Sigmoid()])

    def forward(self, images: Tensor) -> Tensor:
        """Map float32 ``[B, 3, H, W]`` in 0 to 1 onto the same; both sides are multiples of ``stride``."""
        restored: Tensor = self.decoder(self.encoder(grey(images) if self.grey else images))
        return restored.expand(-1, 3, -1, -1)


def _layer(
    convolution: Callable[..., nn.Module], inputs: int, outputs: int, options: Options
) -> nn.Sequential:
    layer = nn.Sequential(convolution(inputs, outputs, 4, stride=2, padding=1))
    if options.norm:
        layer.append(nn.BatchNorm2d(outputs))
    layer.append(nn.ReLU())
    if options.dropout > 0.0:
        layer.append(nn.Dropout2d(options.dropout))
    return layer
