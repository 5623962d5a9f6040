"""The table, on data whose PSNR is known."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from streamer.boxes import Boxes
from streamer.config import BlurConfig
from streamer.modelfile import Header
from streamer.nets.network import Network
from streamer.restore import Restorer
from tests.trainer.scenes import CAR, frames
from trainer import report
from trainer.data import Picture
from trainer.evaluate import Row, Score, at_size, compare, mode_of, score, summarise

REGIONS: Boxes = np.array([[2, 3, 12, 13], [20, 3, 30, 13]], np.int32)


def image(inside: tuple[int, int]) -> torch.Tensor:
    """uint8 ``[30, 40, 3]`` of 100, with a value of its own in each region."""
    made = torch.full((30, 40, 3), 100, dtype=torch.uint8)
    for (x0, y0, x1, y1), value in zip(REGIONS.tolist(), inside, strict=True):
        made[y0:y1, x0:x1] = value
    return made


def decibels(mse: float) -> float:
    return 10 * math.log10(255**2 / mse)


class Add(Network):
    """Adds one grey level times ``by``."""

    stride = 1
    residual = True

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + self.by / 255


def test_psnr_is_of_the_whole_frame_and_of_what_is_hidden() -> None:
    scored = compare("a", image((100, 100)), image((110, 120)), image((105, 140)), REGIONS)
    assert scored is not None
    identity, model = (100 + 400) / 2, (25 + 1600) / 2
    assert scored.row.identity.regions == pytest.approx(decibels(identity))
    assert scored.row.model.regions == pytest.approx(decibels(model))
    assert scored.row.identity.frame == pytest.approx(decibels(identity * 200 / 1200))
    assert scored.row.model.frame == pytest.approx(decibels(model * 200 / 1200))
    assert (scored.row.regions, scored.row.worsened) == (2, 1)


def test_pixels_in_two_regions_count_once() -> None:
    overlapping = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], np.int32)
    original, blurred = image((100, 100)), image((100, 100))
    blurred[:5, :10] += 10
    scored = compare("a", original, blurred, blurred, overlapping)
    assert scored is not None
    assert scored.row.identity.regions == pytest.approx(decibels(50))


def test_a_frame_that_hiding_did_not_change_has_no_row() -> None:
    same, other = image((100, 100)), image((110, 100))
    assert compare("a", same, same, other, REGIONS) is None
    assert compare("a", same, other, same, REGIONS) is None


def test_a_long_clip_counts_no_more_than_a_short_one() -> None:
    def row(clip: str, identity: float, model: float, worsened: int) -> Row:
        return Row(clip, Score(identity + 10, identity), Score(model + 10, model), 2, worsened)

    found = summarise([row("b", 20, 22, 0), row("a", 10, 13, 2), row("a", 12, 17, 1), row("a", 14, 18, 0)])
    assert list(found.clips) == ["a", "b"]
    a, mean = found.clips["a"], found.mean
    assert (a.frames, a.regions, a.identity, a.model) == (3, 6, Score(22, 12), Score(26, 16))
    assert a.worsened == pytest.approx(0.5)
    assert (mean.frames, mean.regions) == (4, 8)
    assert (mean.identity, mean.model) == (Score(26, 16), Score(29, 19))
    assert mean.gain == 3
    assert mean.worsened == pytest.approx(0.25)


def test_frames_are_hidden_and_restored_as_they_are_live(tmp_path: Path) -> None:
    frames(tmp_path, ["a"], each=3)
    pictures = [Picture(tmp_path / f"a_{i}.png", f"a_{i}.png", "a", str(i)) for i in range(3)]
    boxes = {"a_0.png": np.array([CAR], np.float32), "a_1.png": np.zeros((0, 4), np.float32)}
    header = Header("unet", {}, "deblur", size=16, context=0.25)
    restorer = Restorer(Add(0.0), header, torch.device("cpu"))
    (scored,) = score(pictures, boxes, BlurConfig(), restorer)
    assert torch.equal(scored.blurred, scored.restored)
    assert scored.row.identity == scored.row.model
    assert scored.row.identity.regions < scored.row.identity.frame
    (worse,) = score(pictures, boxes, BlurConfig(), Restorer(Add(60.0), header, torch.device("cpu")))
    assert worse.row.model.regions < worse.row.identity.regions
    assert worse.row.worsened == 1


def test_a_frame_is_scored_at_the_networks_size_too() -> None:
    scored = compare("a", image((100, 100)), image((110, 110)), image((110, 110)), REGIONS)
    assert scored is not None
    # 40x30 to 20x20: across in half, down to two thirds
    small = at_size(scored, Add(-5.0), 20)
    assert small is not None
    assert small.original.shape == (20, 20, 3)
    assert small.regions.tolist() == [[1, 2, 6, 9], [10, 2, 15, 9]]
    before, after = (
        (other.int() - 100)[2:9, 1:6].square().float().mean() for other in (small.blurred, small.restored)
    )
    assert small.row.identity.regions == pytest.approx(decibels(float(before)), abs=1e-3)
    assert small.row.model.regions == pytest.approx(decibels(float(after)), abs=1e-3)


def test_the_table_has_the_identity_first_then_the_model() -> None:
    rows = [
        Row("gate", Score(30.0, 20.0), Score(31.5, 23.25), 4, 1),
        Row("yard", Score(32.0, 22.0), Score(33.5, 23.25), 4, 0),
    ]
    console = Console(file=io.StringIO(), width=80)
    console.print(report.table(summarise(rows), "mine", "At full size"))
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines() if line.strip()]
    assert lines[0] == ["At", "full", "size"]
    assert [line for line in lines if "identity" in line[:2] or "mine" in line[:1]][:6] == [
        ["gate", "identity", "1", "4", "30.00", "20.00"],
        ["mine", "31.50", "23.25", "+3.25", "25.0%"],
        ["yard", "identity", "1", "4", "32.00", "22.00"],
        ["mine", "33.50", "23.25", "+1.25", "0.0%"],
        ["mean", "identity", "2", "8", "31.00", "21.00"],
        ["mine", "32.50", "23.25", "+2.25", "12.5%"],
    ]


def test_a_model_is_applied_as_it_was_trained() -> None:
    for of, mode in (("frames", "frame"), ("regions", "regions")):
        training = {"config": {"pairs": {"of": of}}}
        assert mode_of(Header("unet", {}, "deblur", training=training)) == mode
    assert mode_of(Header("unet", {}, "deblur")) == "regions"
