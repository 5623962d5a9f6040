"""CPU milliseconds that a look takes: for camera tamper, and by CLIP for zero-shot alerts.

    python benchmarks/watch.py CLIP

For tamper some frames of the clip are looked at again and again, with a sensor's noise of each time, then as
a camera shows them that was pushed: most is done then, since the shift is searched for in every look.
For zero-shot alerts the default network has random weights, which cost what any others do.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import safetensors.torch
import torch

from streamer.config import TamperConfig
from streamer.frame import Detections, Image
from streamer.watch.tamper import Tamper
from streamer.watch.zeroshot import Scorer
from streamer.zeroshot import ZeroShotConfig
from trainer import scenes
from trainer.misdeeds import MISDEEDS, sensed

LOOKS = 200
"""Of each kind."""

KEPT = 8
"""Pictures of the clip that they are made of."""

GLANCES = 20
"""Looks by CLIP."""


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    _, pictures = next(iter(scenes.read([arguments.clip])))
    usual = list(islice(pictures, KEPT))
    pushed = [MISDEEDS["shift"].deed(picture, 1.0, np.random.default_rng(0)) for picture in usual]
    watcher = Tamper(TamperConfig(every=scenes.EVERY))
    height, width = usual[0].shape[:2]
    spent(watcher, usual, 0)  # what is learned first, and libraries that warm up
    print(f"{arguments.clip.name}, {width}x{height}, medians of {LOOKS} looks")
    print(f"all is well: {spent(watcher, usual, LOOKS):.2f} ms")
    print(f"pushed:      {spent(watcher, pushed, 2 * LOOKS):.2f} ms")
    zeroshot(usual)


def spent(watcher: Tamper, pictures: list[Image], start: int) -> float:
    """Return the median CPU milliseconds that looks take, the first of which has the number ``start``."""
    times = []
    for number in range(start, start + LOOKS):
        picture = sensed(pictures[number % len(pictures)], number)
        before = time.process_time()
        watcher.see(picture, Detections.none(), number * scenes.EVERY)
        times.append(time.process_time() - before)
    return 1e3 * float(np.median(times))


def zeroshot(pictures: list[Image]) -> None:
    """Print what CLIP takes: to be loaded, to embed the descriptions, and to look."""
    import open_clip

    defaults = ZeroShotConfig()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        network = open_clip.create_model(defaults.model, load_weights=False)
        safetensors.torch.save_file(network.state_dict(), path)
        del network
        config = defaults.model_copy(update={"weights": str(path)})
        before = time.process_time()
        scorer = Scorer(config, torch.device("cpu"))
        print(f"zero-shot, {config.model} with random weights, medians of {GLANCES} looks")
        said = f"{len(scorer.sentences)} descriptions with {len(config.templates)} templates"
        print(f"at the start, {said}: {time.process_time() - before:.1f} s")
    for count in (1, 4):
        some = pictures[:count]
        each = median(partial(scorer.embed, some)) / count
        print(f"{count} picture(s) at once: {each:.0f} ms each")
    embeddings = scorer.embed(pictures[:1])
    print(f"margins: {median(partial(scorer.margins, embeddings)):.3f} ms")


def median(work: Callable[[], object]) -> float:
    """Return the median CPU milliseconds of some work."""
    times = []
    for _ in range(GLANCES):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return 1e3 * float(np.median(times))


if __name__ == "__main__":
    main()
