"""Frames of labelled clips, in windows."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from streamer.errors import SourceError
from streamer.frame import Image
from tests.footage import number_of, write_clip
from trainer.zeroshot.embedded import embed, windows_of
from trainer.zeroshot.labelled import Part


@dataclass
class Reader:
    """Stands in for a scorer: a picture's embedding is a number that it has."""

    number: Callable[[Image], float] = lambda image: float(image.mean())

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """``[N, 1]``."""
        return np.array([[self.number(image)] for image in images], np.float32)


SCORER = cast(Any, Reader())


def pictures(folder: Path, *levels: int) -> list[Path]:
    """Grey pictures of so many levels."""
    paths = [folder / f"a_{number}.png" for number in range(len(levels))]
    for path, level in zip(paths, levels, strict=True):
        cv2.imwrite(str(path), np.full((4, 6, 3), level, np.uint8))
    return paths


def test_images_are_pooled_in_whole_windows(tmp_path: Path) -> None:
    seven = Part("smoke", "a", "a", pictures(tmp_path, 10, 20, 30, 40, 50, 60, 70), ())
    found = embed([seven], SCORER, 1.0, 3.0, Console(quiet=True))
    assert found.embeddings[:, 0].tolist() == [10, 20, 30, 40, 50, 60, 70]
    assert found.windows == [slice(0, 3), slice(3, 6)]
    assert windows_of(found, found.embeddings[:, 0], "smoke", "normal").margins.tolist() == [20, 50]


def test_a_clip_shorter_than_a_window_is_one(tmp_path: Path) -> None:
    two = Part("smoke", "a", "a", pictures(tmp_path, 10, 20), ())
    assert embed([two], SCORER, 1.0, 3.0, Console(quiet=True)).windows == [slice(0, 2)]


def test_videos_are_sampled_and_each_has_windows_of_its_own(tmp_path: Path) -> None:
    videos = [tmp_path / name for name in ("a.mp4", "b.mp4")]
    for path in videos:  # two frames a second
        write_clip(path, 10, pts=range(10), time_base=Fraction(1, 2))
    part = Part("smoke", "a", "a", pictures(tmp_path, 10), videos)
    found = embed([part], cast(Any, Reader(number_of)), 1.0, 2.0, Console(quiet=True))
    assert found.embeddings[1:, 0].tolist() == [0, 2, 4, 6, 8] * 2
    assert found.windows == [slice(0, 1), slice(1, 3), slice(3, 5), slice(6, 8), slice(8, 10)]


def test_windows_are_of_the_class_and_of_normal_footage_alone(tmp_path: Path) -> None:
    paths = pictures(tmp_path, 10, 20, 30)
    parts = [
        Part(label, "a", "gate", [path], ())
        for label, path in zip(("smoke", "normal", "flood"), paths, strict=True)
    ]
    found = embed(parts, SCORER, 1.0, 1.0, Console(quiet=True))
    windows = windows_of(found, found.embeddings[:, 0], "flood", "normal")
    assert windows.margins.tolist() == [20, 30]
    assert windows.alert.tolist() == [False, True]
    assert windows.parts.tolist() == [1, 2]
    assert windows.scenes == ["gate", "gate"]


def test_what_cannot_be_read_is_said_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = pictures(tmp_path, 10, 20)
    (tmp_path / "b.png").write_text("no picture")
    part = Part("smoke", "a", "a", [paths[0], tmp_path / "b.png", paths[1]], [tmp_path / "gone.mp4"])
    with caplog.at_level(logging.WARNING):
        found = embed([part], SCORER, 1.0, 3.0, Console(quiet=True))
    assert found.embeddings[:, 0].tolist() == [10, 20]
    assert found.failed == 2
    assert ["b.png" in caplog.messages[0], "gone.mp4" in caplog.messages[1]] == [True, True]


def test_nothing_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(SourceError, match="none of the labelled images and videos can be read"):
        embed([Part("smoke", "a", "a", [tmp_path / "b.png"], ())], SCORER, 1.0, 3.0, Console(quiet=True))
