"""A clip's first half tells its second half's colours, and nothing else does."""

from pathlib import Path

import cv2
import numpy as np
import torch

from streamer.modelfile import Header
from streamer.nets.network import Network
from trainer.data import Picture
from trainer.evaluate import IDENTITY, score_whole
from trainer.plates import Plated, halves, in_order
from trainer.system import System

SIDE = 48


def saved(folder: Path, clip: str, number: int, rgb: tuple[int, int, int]) -> Picture:
    """A frame of one colour on its left, and of grey steps on its right."""
    image = np.full((SIDE, SIDE, 3), rgb, np.uint8)
    image[:, SIDE // 2 :] = np.linspace(40, 200, SIDE, dtype=np.uint8)[:, None, None]
    name = f"{clip}_{number}.png"
    cv2.imwrite(str(folder / name), image[..., ::-1])
    return Picture(folder / name, name, clip, f"{clip}{number}")


class Believe(Network):
    """Gives every pixel the colour of its hint, as far as that is sure."""

    stride = 1
    residual = False
    inputs = 6

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        luma, cb, cr, sure = images[:, 0], images[:, 3], images[:, 4], images[:, 5]
        red, blue = luma + 1.402 * cr * sure, luma + 1.772 * cb * sure
        green = (luma - 0.299 * red - 0.114 * blue) / 0.587
        return torch.stack([red, green, blue], dim=1)


def test_frames_follow_each_other_by_number_and_halves_by_clip(tmp_path: Path) -> None:
    frames = [
        Picture(tmp_path / f"{name}.png", name, name[0], name) for name in ("b_1", "a_10", "a_9", "a_8")
    ]
    assert [frame.name for frame in in_order(frames)] == ["a_8", "a_9", "a_10", "b_1"]
    first, second = halves(frames)
    assert [frame.name for frame in first] == ["a_8"]
    assert [frame.name for frame in second] == ["a_9", "a_10"]


def test_a_plate_gives_the_colours_that_were_seen_and_no_others(tmp_path: Path) -> None:
    red, blue = (180, 60, 60), (60, 60, 180)
    seen = [saved(tmp_path, "red", number, red) for number in range(2)]
    later = [saved(tmp_path, "red", 2, red), saved(tmp_path, "blue", 0, blue)]
    system = System("plate", Believe(), Header("none", {}, "colourise"), torch.device("cpu"))
    rows = [scored.row for scored in score_whole(later, Plated(seen), [system], colour=True)]
    known, unknown = rows
    assert known.gain("plate") > 15
    assert known.measures["plate"]["ciede2000"] < 2 < known.measures[IDENTITY]["ciede2000"]
    # the other clip's camera was never seen in colour
    assert unknown.measures["plate"]["psnr_db"] == unknown.measures[IDENTITY]["psnr_db"]


def test_a_plate_of_another_size_says_nothing(tmp_path: Path) -> None:
    seen = [saved(tmp_path, "red", 0, (180, 60, 60))]
    small = tmp_path / "red_9.png"
    cv2.imwrite(str(small), np.full((20, 24, 3), (60, 60, 180), np.uint8))
    original, planes = Plated(seen)(Picture(small, small.name, "red", "0"))
    assert tuple(original[0, 0].tolist()) == (180, 60, 60)
    assert planes.shape == (6, 20, 24)
    assert not planes[3:].any()
