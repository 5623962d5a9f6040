"""A live camera that needs no server: the scene of ``tests.scene``, as a file in the folder says.

``read`` takes the place of ``streamer.source.read_live``. It shows the word that stands in ``shown``,
``clear`` or ``covered``, at 5 frames a second of the camera's own time, and faster by the clock.
`python -m tests.live run cam.yaml` is the command line with it, and with the stand-in for the detector.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from streamer import source
from streamer.config import CameraConfig
from streamer.frame import End, Frame, Stream
from streamer.source import SourceStats, Stop
from tests.scene import covered, seen, view

RATE = 5
"""Frames a second of the camera's time."""

PAUSE = 0.02
"""Seconds from one to the next by the clock."""


def show(word: str) -> None:
    """Let the camera show that, from now on."""
    Path(".shown").write_text(word)
    Path(".shown").replace("shown")


def read(camera: str, config: CameraConfig, stop: Stop, stats: SourceStats) -> Iterator[Frame | End]:
    """Show the scene until ``stop`` is set."""
    clear = view()
    height, width = clear.shape[:2]
    views = {"clear": clear, "covered": covered(clear, 0.9)}
    stream = Stream(width, height, Fraction(RATE), live=True)
    number = 0
    while not stop.wait(PAUSE):
        image = seen(views[Path("shown").read_text()], number)
        stats.frames += 1
        yield Frame(camera, number, image, number, Fraction(1, RATE), time.monotonic(), stream, 1)
        number += 1
    yield End(camera)


if __name__ == "__main__":
    from streamer.cli import main
    from tests.standin import install

    install()
    setattr(source, "read_live", read)  # noqa: B010, in the place of what is not exported
    sys.argv[0] = "streamer"
    main()
