"""CPU milliseconds that a look for camera tamper takes, while all is well and while something is wrong.

    python benchmarks/watch.py CLIP

Some frames of the clip are looked at again and again, with a sensor's noise of each time, then as a
camera shows them that was pushed: that is when most is done, since the shift is searched for in every look.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from streamer.config import TamperConfig
from streamer.frame import Detections, Image
from streamer.watch.tamper import Tamper
from trainer import scenes
from trainer.misdeeds import MISDEEDS, sensed

LOOKS = 200
"""Of each kind."""

KEPT = 8
"""Pictures of the clip that they are made of."""


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


def spent(watcher: Tamper, pictures: list[Image], start: int) -> float:
    """Return the median CPU milliseconds that looks take, the first of which has the number ``start``."""
    times = []
    for number in range(start, start + LOOKS):
        picture = sensed(pictures[number % len(pictures)], number)
        before = time.process_time()
        watcher.see(picture, Detections.none(), number * scenes.EVERY)
        times.append(time.process_time() - before)
    return 1e3 * float(np.median(times))


if __name__ == "__main__":
    main()
