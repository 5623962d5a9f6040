"""A colouriser: says what colour a grey picture's things have, and leaves how bright they are as it is.

MobileNetV2 and a feature pyramid look at a small copy of the picture, as what a thing is shows at a few
hundred pixels, and eyes see colour at a fraction of the resolution of brightness (so Zhang et al. 2016,
arXiv:1603.08511, and every video format that halves its chroma). Its cost hardly grows with the picture.
"""

from __future__ import annotations

import torch
import torchvision
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate

from streamer.nets.network import Network, grey
from streamer.section import Section

TAPS = (3, 6, 13, 16)
"""The backbone's blocks whose output a level of the pyramid is made of."""

CHANNELS = (24, 32, 96, 160)
"""Of those outputs."""

COARSEST = 32
"""Pixels of the small copy to a cell of the last of them."""


class Options(Section):
    """The size of the network."""

    side: int = Field(default=288, ge=64, le=1024, multiple_of=COARSEST)
    """Of the longer side of the copy that it looks at, in pixels; a smaller picture is not enlarged."""
    channels: int = Field(default=64, ge=8, le=256)
    """Of the pyramid."""
    hints: bool = False
    """Whether it takes three more channels: chroma that is known in part, and how sure it is."""


class Chroma(Network):
    """Gives every pixel of a picture a colour of the brightness that it has; with fresh weights it is grey.

    Where a hint is sure its colour is taken; elsewhere it is what the network thinks, which knows the hints.
    """

    stride = 1
    residual = False

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        options = options or Options()
        self.side = options.side
        self.inputs = 6 if options.hints else 3
        self.backbone = torchvision.models.mobilenet_v2().features[: TAPS[-1] + 1]
        channels = options.channels
        self.lateral = nn.ModuleList(nn.Conv2d(given, channels, 1) for given in CHANNELS)
        self.smooth = nn.ModuleList(_separable(channels) for _ in CHANNELS)
        self.know = nn.Conv2d(3, channels, 1) if options.hints else None
        self.last = nn.Sequential(_separable(channels), nn.ReLU(), nn.Conv2d(channels, 2, 3, padding=1))
        for layer in (self.last[-1], self.know):  # starts from grey, and from knowing nothing
            if isinstance(layer, nn.Conv2d):
                nn.init.zeros_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def train(self, mode: bool = True) -> Chroma:
        """Switch to training or evaluation; the backbone keeps its statistics, as batches are small."""
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Colour pictures.

        Args:
            images: float32 ``[B, 3, H, W]``, RGB in 0 to 1, of which only the luma is looked at; or
                ``[B, 6, H, W]``, with the hints cb and cr, -0.5 to 0.5, and how sure they are, 0 to 1.

        Returns:
            float32 ``[B, 3, H, W]``, 0 to 1.
        """
        luma = grey(images[:, :3])
        hints = images[:, 3:] if self.know is not None else None
        height, width = images.shape[2:]
        chroma = interpolate(
            self._imagine(luma, hints), (height, width), mode="bilinear", align_corners=False
        )
        if hints is not None:
            known, sure = hints[:, :2], hints[:, 2:]
            chroma = chroma + sure * (known - chroma)
        cb, cr = chroma[:, :1], chroma[:, 1:]
        # BT.601 at full range, as in JPEG (ITU-T T.871)
        colours = [luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb]
        return torch.cat(colours, dim=1).clamp(0.0, 1.0)

    def _imagine(self, luma: Tensor, hints: Tensor | None) -> Tensor:
        """Return cb and cr at a quarter of the small copy's resolution: float32 ``[B, 2, h, w]``."""
        sides = luma.shape[2:]
        scale = min(1.0, self.side / max(sides)) / COARSEST
        height, width = (max(1, round(side * scale)) * COARSEST for side in sides)
        small = interpolate(luma, (height, width), mode="area")
        features = ((small - 0.449) / 0.226).expand(-1, 3, -1, -1)  # ImageNet's mean and deviation, of grey
        tapped = []
        for index, block in enumerate(self.backbone):
            features = block(features)
            if index in TAPS:
                tapped.append(features)
        level: Tensor | None = None
        for taken, lateral, smooth in zip(
            reversed(tapped), reversed(self.lateral), reversed(self.smooth), strict=True
        ):
            here = lateral(taken)
            if level is not None:
                here = here + interpolate(level, scale_factor=2.0, mode="nearest")
            level = torch.relu(smooth(here))
        assert level is not None  # noqa: S101, there are levels
        if self.know is not None and hints is not None:
            known = torch.cat([hints[:, :2] * hints[:, 2:], hints[:, 2:]], dim=1)
            level = level + self.know(interpolate(known, level.shape[2:], mode="area"))
        chroma: Tensor = self.last(level)
        return chroma


def _separable(channels: int) -> nn.Sequential:
    """Return a 5x5 convolution of each channel, then one that mixes them."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 5, padding=2, groups=channels), nn.Conv2d(channels, channels, 1)
    )
