"""What an autoencoder's ranking of strange pictures is worth, beside chance and what streamer makes of them.

As in ``trainer.tamper``, what comes after the first half of each scene is normal, and each of the misdeeds
that the reference has is done to every second picture of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from streamer.errors import ConfigError
from streamer.frame import Image
from streamer.modelfile import Header
from streamer.nets import Network
from streamer.watch.tamper import Tamper
from trainer import ranking, scenes, tamper
from trainer.assess import readable, seen_before
from trainer.config import TrainConfig
from trainer.data import Picture, Split
from trainer.ranking import OBVIOUS, SHARE
from trainer.residual import draw, residual
from trainer.strangeness import COLUMNS, Figure, Ranking, Row
from trainer.summary import Estimate

ERROR = "reconstruction MSE (reference)"
NEGATIVE = "its negative"
GRADIENTS = "gradients drawn again"
SMOOTH = "smoothness (log-Laplacian)"
PRODUCT = "streamer's tamper score"
SCORES = (ERROR, NEGATIVE, GRADIENTS, SMOOTH, PRODUCT)
"""What ranks pictures, in the order in which it is shown."""

Scored: TypeAlias = Mapping[str, list[dict[str, float]]]
"""Each picture's scores by name; by misdeed, under ``NORMAL`` of what is as it was."""

NORMAL = "normal"


def assess(
    name: str,
    network: Network,
    header: Header,
    split: Split,
    config: TrainConfig,
    device: torch.device,
    console: Console,
) -> Ranking:
    """Measure a model on the test clips, which have a scene, as ``require_scene`` says.

    Args:
        name: of the model.
        network: as ``modelfile.load`` returns it.
        header: of its file.
        split: of which the test side is measured.
        config: whose seed is that of the misdeeds and of the rankings.
        device: where the network runs.
        console: where progress is drawn.
    """
    network = network.to(device)
    size, seed = header.size or config.pairs.size, config.seed

    def judged(image: Image) -> dict[str, float]:
        found = residual(*draw(network, image, size, device))
        return {
            ERROR: found.error,
            NEGATIVE: -found.error,
            GRADIENTS: found.gradients,
            SMOOTH: -sharpness(image),
        }

    found: dict[str, Scored] = {}
    figures: list[Figure] = []
    every = track(_scenes(split), "scenes", console=console, transient=True, disable=not console.is_terminal)
    for number, (scene, pictures) in enumerate(every):
        half = len(pictures) // 2
        watcher, rest = tamper.learned(pictures[:half]), pictures[half:]
        shown: dict[str, Sequence[Image]] = {NORMAL: rest}
        shown |= {misdeed: list(tamper.after(misdeed, rest, seed + number)) for misdeed in OBVIOUS}
        found[scene] = {kind: _scored(images, judged, watcher) for kind, images in shown.items()}
        if number == 0:
            figures = [
                _figure(f"{scene}, {kind}", *draw(network, images[0], size, device))
                for kind, images in shown.items()
            ]
    measured = list(found.values())
    return Ranking(
        name=name,
        unseen=not seen_before(header, (picture.clip for picture in split.test)),
        scenes={scene: len(scored[NORMAL]) for scene, scored in found.items()},
        misbehaving=sum(len(scored[misdeed]) for scored in measured for misdeed in OBVIOUS),
        rows={"chance": _chance()} | {score: _row(score, measured, seed) for score in SCORES},
        figures=figures,
    )


def sharpness(image: Image) -> float:
    """Return the logarithm of the variance of the Laplacian; uint8 ``[H, W, 3]``, RGB."""
    laplacian = cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F)
    return float(np.log(laplacian.var() + 1.0))


def require_scene(split: Split) -> None:
    """Refuse test clips that nothing can be measured on.

    Raises:
        ConfigError: there is no scene in them.
    """
    if next(_scenes(split), None) is None:
        raise ConfigError(
            f"data.test: none of its clips has {scenes.LEAST} pictures of one scene, which it takes to rank "
            "them; name others"
        )


def _scenes(split: Split) -> Iterator[tuple[str, list[Image]]]:
    def clip_of(picture: Picture) -> str:
        return picture.clip

    clips = groupby(sorted(readable(split.test), key=clip_of), clip_of)
    return scenes.of_clips(
        (clip, scenes.in_order([picture.path for picture in pictures])) for clip, pictures in clips
    )


def _scored(
    images: Sequence[Image], judged: Callable[[Image], dict[str, float]], watcher: Tamper
) -> list[dict[str, float]]:
    verdicts = tamper.verdicts(watcher, images)
    return [judged(image) | {PRODUCT: verdict.score} for image, verdict in zip(images, verdicts, strict=True)]


def _row(score: str, measured: Sequence[Scored], seed: int) -> Row:
    def scored(misdeeds: Sequence[str]) -> list[ranking.Scene]:
        return [(_column(scene, score, misdeeds), _column(scene, score, (NORMAL,))) for scene in measured]

    def precision(chosen: Sequence[ranking.Scene]) -> float:
        return ranking.precision(chosen, np.random.default_rng(seed))

    return Row(
        _estimate(scored(OBVIOUS), precision),
        {name: _estimate(scored(misdeeds), ranking.pooled) for name, misdeeds in COLUMNS.items()},
    )


def _column(scene: Scored, score: str, kinds: Sequence[str]) -> NDArray[np.float64]:
    return np.array([scores[score] for kind in kinds for scores in scene[kind]])


def _estimate(
    chosen: Sequence[ranking.Scene], measure: Callable[[Sequence[ranking.Scene]], float]
) -> Estimate:
    return Estimate(measure(chosen), ranking.interval(chosen, measure))


def _chance() -> Row:
    """What is expected of scores that say nothing."""
    return Row(Estimate(SHARE, None), {name: Estimate(0.5, None) for name in COLUMNS})


def _figure(name: str, picture: torch.Tensor, drawn: torch.Tensor) -> Figure:
    found = residual(picture, drawn)
    both = torch.cat([picture, drawn], dim=3)[0, 0]
    levels = (both * 255).round().to(torch.uint8).numpy()
    return Figure(name, found.error, found.gradients, np.repeat(levels[..., None], 3, axis=2))
