"""A detector that needs no weights, and the command line with it.

It finds one object in each picture of ``tests.footage.picture``: the number that is written into the picture
says where. Pictures of any other kind have their object at number 0's place. ``command`` is the command line
in this process; `python -m tests.standin run cam.yaml` is the one in another, which takes ``STANDIN_SECONDS``
to look at each picture.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from typer import Typer

from streamer import detect
from streamer.detect.mirror import back
from streamer.frame import Detections
from tests.footage import BITS, is_mirrored, number_of


def box_of(number: int, width: int = 64, height: int = 48) -> tuple[float, float, float, float]:
    """Where the object of picture ``number`` is: below the row with the number, moving to the right."""
    left = width * (0.1 + 0.02 * (number % 25))
    return left, height * 0.4, left + width * 0.3, height * 0.8


class StandIn:
    """Satisfies ``streamer.detect.Detector``; slow, or raising, on request."""

    name = "stand-in"
    engine = "none"

    def __init__(
        self,
        *,
        batch_size: int = 2,
        failing: Sequence[int] = (),
        fails_once: bool = False,
        seconds: float = 0.0,
    ) -> None:
        """Set up.

        Args:
            batch_size: a hint, as in the interface.
            failing: numbers of the pictures for which it raises; a batch with one of them fails whole.
            fails_once: whether it raises on the first of those alone.
            seconds: how long it takes for a picture.
        """
        self.batch_size = batch_size
        self.failing = set(failing)
        self.fails_once = fails_once
        self.seconds = seconds
        self.batches: list[int] = []
        self.mirrored = 0

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find the one object of each picture."""
        self.batches.append(len(images))
        found = []
        for image in images:
            time.sleep(self.seconds)
            height, width = image.shape[:2]
            pixels = image.numpy()
            turned = width >= BITS and is_mirrored(pixels)
            number = number_of(pixels[:, ::-1] if turned else pixels) if width >= BITS else 0
            if number in self.failing:
                if self.fails_once:
                    self.failing.clear()
                raise RuntimeError(f"cannot look at picture {number}")
            box = np.array([box_of(number, width, height)], np.float32)
            self.mirrored += turned
            seen = Detections(box, np.array([0.9], np.float32), ("car",))
            found.append(back(seen, width) if turned else seen)
        return found


def install(detector: StandIn | None = None) -> StandIn:
    """Put a stand-in in the place of every detector, in this process."""
    chosen = detector or StandIn()
    detect.load = lambda *_, **__: chosen
    return chosen


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    """Exit code."""
    out: str
    """Standard output."""
    err: str
    """Standard error."""


def command(*arguments: str | Path) -> Outcome:
    """Run ``streamer`` in this process."""
    from streamer.cli import app

    return invoke(app, *arguments)


def invoke(app: Typer, *arguments: str | Path) -> Outcome:
    """Run a command line in this process, and put the logging back to what it was."""
    from typer.testing import CliRunner

    loggers = [logging.getLogger(package) for package in ("streamer", "trainer")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    try:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of ``frames.csv`` in a camera's folder."""
    with (folder / "frames.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def summary(folder: Path) -> dict[str, Any]:
    """The ``summary.json`` in a camera's folder."""
    return dict(json.loads((folder / "summary.json").read_text(encoding="utf-8")))


if __name__ == "__main__":
    from streamer.cli import main

    install(StandIn(seconds=float(os.environ.get("STANDIN_SECONDS", "0"))))
    sys.argv[0] = "streamer"
    main()
