"""A one-stage, anchor-free detector: MobileNetV2, a feature pyramid, and a head for each of three grids.

After FCOS (Tian et al. 2019, arXiv:1904.01355) and NanoDet: a cell says how likely each class is there and
how far the sides of the object's box are. The score stands for the box's quality too (Li et al. 2020,
arXiv:2006.04388), so that there is no centreness. Whatever is no pointwise convolution is depthwise: that is
what a CPU does fastest at this size.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torchvision
from pydantic import BeforeValidator, Field, field_validator
from torch import Tensor, nn

from streamer.classes import COCO, STREET
from streamer.section import Section, as_tuple

STRIDES = (8, 16, 32)
"""Pixels from one cell to the next, for each of the three grids."""

TAPS = (6, 13, 16)
"""The backbone's blocks whose output each grid is made of; what comes after the last is cut off."""

CHANNELS = (32, 96, 160)
"""Of those outputs."""

PRIOR = -4.6
"""The logit that scores start at, a hundredth: nearly all cells show no object."""

SIDE = 0.5
"""The logarithm that distances start at: an object of three strides."""


class Options(Section):
    """The size of the network, and what it finds."""

    classes: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = Field(default=STREET, min_length=1)
    """COCO names, in the order of the outputs."""
    height: int = Field(default=256, ge=32, le=2048, multiple_of=STRIDES[-1])
    """Of the pictures that it is trained on and shown, in pixels."""
    width: int = Field(default=448, ge=32, le=2048, multiple_of=STRIDES[-1])
    """Likewise."""
    channels: int = Field(default=64, ge=8, le=256)
    """Of the pyramid and the heads."""
    blocks: int = Field(default=2, ge=1, le=4)
    """Separable convolutions in each branch of a head."""

    @field_validator("classes")
    @classmethod
    def _known(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        for name in classes:
            if name not in COCO or classes.count(name) > 1:
                raise ValueError(f"expected COCO's class names, each once, found {name!r}")
        return classes


class Fcos(nn.Module):
    """Maps pictures onto logits and distances for every cell of its grids."""

    classes: tuple[str, ...]
    """In the order of the logits."""
    size: tuple[int, int]
    """Height and width that it was made for, in pixels; it works on any multiples of the last stride."""
    mean: Tensor
    deviation: Tensor

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        options = options or Options()
        self.classes = options.classes
        self.size = options.height, options.width
        # ImageNet's, as the backbone's weights expect
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))
        self.backbone = torchvision.models.mobilenet_v2().features[: TAPS[-1] + 1]
        channels = options.channels
        self.lateral = nn.ModuleList(_pointwise(inputs, channels) for inputs in CHANNELS)
        self.smooth = nn.ModuleList(_separable(channels, kernel=5) for _ in STRIDES)
        self.heads = nn.ModuleList(_Head(channels, options.blocks, len(self.classes)) for _ in STRIDES)

    @torch.no_grad()
    def rescore(self, score: float, to: float) -> None:
        """Move all scores along the scale of logits, so that one becomes another: their order stays.

        Args:
            score: in 0 to 1, as the network gives it now.
            to: what it becomes, in 0 to 1.
        """
        shift = math.log(to / (1 - to)) - math.log(score / (1 - score))
        for head in self.heads:
            head.score[-1].bias += shift  # type: ignore[union-attr,index]

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Say what is where.

        Args:
            pictures: float32 ``[B, 3, H, W]``, RGB in 0 to 255; ``H`` and ``W`` are multiples of the last
                stride.

        Returns:
            Logits ``[B, N, C]``, and the logarithms ``[B, N, 4]`` of the distances from a cell's centre to
            the left, top, right and bottom side, in strides. Cells come by grid, row by row, as in ``cells``.
        """
        features = (pictures / 255 - self.mean) / self.deviation
        tapped = []
        for index, block in enumerate(self.backbone):
            features = block(features)
            if index in TAPS:
                tapped.append(features)
        above: Tensor | None = None
        levels: list[Tensor] = []
        for taken, lateral, smooth in zip(
            reversed(tapped), reversed(self.lateral), reversed(self.smooth), strict=True
        ):
            level = lateral(taken)
            if above is not None:
                level = level + nn.functional.interpolate(above, scale_factor=2.0, mode="nearest")
            above = smooth(level)
            levels.insert(0, above)
        outputs = [head(level).flatten(2) for head, level in zip(self.heads, levels, strict=True)]
        joined = torch.cat(outputs, dim=2).transpose(1, 2)
        return joined[..., : len(self.classes)], joined[..., len(self.classes) :]


def cells(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return where the cells are.

    Args:
        height: of the pictures, in pixels, a multiple of the last stride.
        width: likewise.

    Returns:
        Centres x, y in pixels, float32 ``[N, 2]``, and strides, float32 ``[N, 1]``.
    """
    centres, strides = [], []
    for stride in STRIDES:
        y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
        centres.append((torch.stack([x.flatten(), y.flatten()], dim=1) + 0.5) * stride)
        strides.append(torch.full((len(centres[-1]), 1), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def decode(distances: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Return boxes x0, y0, x1, y1 in pixels, ``[…, N, 4]``, of what the network says, ``[…, N, 4]``."""
    # a distance beyond e^8 strides is far off any picture; unbounded it could become infinite
    sides = distances.clamp(max=8.0).exp() * strides
    return torch.cat([centres - sides[..., :2], centres + sides[..., 2:]], dim=-1)


class _Head(nn.Module):
    """Two branches over one grid: what is there, and where its sides are."""

    def __init__(self, channels: int, blocks: int, classes: int) -> None:
        super().__init__()
        score, box = nn.Conv2d(channels, classes, 1), nn.Conv2d(channels, 4, 1)
        for last, start in ((score, PRIOR), (box, SIDE)):
            nn.init.normal_(last.weight, std=0.01)
            nn.init.constant_(last.bias, start)  # type: ignore[arg-type]  # there is one
        self.score = nn.Sequential(*(_separable(channels, kernel=3) for _ in range(blocks)), score)
        self.box = nn.Sequential(*(_separable(channels, kernel=3) for _ in range(blocks)), box)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[B, F, h, w]`` onto ``[B, C + 4, h, w]``."""
        return torch.cat([self.score(features), self.box(features)], dim=1)


def _pointwise(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU6())


def _separable(channels: int, kernel: int) -> nn.Sequential:
    depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
    return nn.Sequential(depthwise, nn.BatchNorm2d(channels), nn.ReLU6(), *_pointwise(channels, channels))
