"""How whole pictures are degraded to be measured, by task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from trainer import plates
from trainer.config import TrainConfig
from trainer.data import Picture
from trainer.evaluate import Pairing, paired_by
from trainer.system import System
from trainer.tasks import degradation

FULL_SIZE = "At full size, as streamer restores"

PLATED = "With a plate: learnt from each clip's first half, the second half restored"

SIGMAS = (15.0, 25.0, 50.0, 51.0)
"""Strengths of noise that a blind denoiser is measured at: the literature's, and the reference's."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How whole pictures are degraded and measured."""

    title: str
    case: str
    pictures: Sequence[Picture]
    pairing: Pairing
    rounded: bool = True
    beside: Sequence[System] = ()
    """What else is measured under it alone."""


def conditions(
    config: TrainConfig, pictures: Sequence[Picture], model: System, device: torch.device
) -> Iterator[Condition]:
    """Yield them all; pictures are shown of the last."""
    bare = model.network.grey
    if config.task == "denoise":
        sigma = config.noise.sigma
        ways: list[tuple[str, bool, int | None]] = [
            ("Unclipped: floats in, floats out, as the literature has it", False, None),
            ("8 bits in, 8 bits out, as streamer restores", True, None),
        ]
        if model.mode == "frame" and (size := model.header.size) is not None:
            # a larger picture is reduced to that size first, and with it much of its noise
            ways.insert(0, (f"Pictures of {size}x{size}, as it was trained", False, size))
        for title, rounded, size in ways:
            for strength in SIGMAS if isinstance(sigma, list) else (sigma,):
                noise = config.noise.model_copy(update={"sigma": strength, "clipped": 0.0})
                degrade = degradation(config.model_copy(update={"noise": noise}))
                pairing = paired_by(degrade, without_colour=bare, size=size)
                yield Condition(title, f"sigma {strength:g}", pictures, pairing, rounded)
        return
    yield Condition(FULL_SIZE, "", pictures, paired_by(degradation(config), without_colour=bare))
    if config.task == "colourise" and model.network.inputs > 3:
        first, second = plates.halves(pictures)
        if second:
            alone = plates.alone(device)
            yield Condition(PLATED, "", second, plates.pairing(first), beside=[alone])
