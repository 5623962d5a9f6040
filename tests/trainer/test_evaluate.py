"""What is measured of a picture, on data whose PSNR is known."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from streamer.boxes import Boxes
from streamer.config import BlurConfig
from streamer.modelfile import Header
from streamer.nets.network import Network
from tests.trainer.scenes import CAR, frames
from trainer.data import Picture
from trainer.evaluate import IDENTITY, Scored, at_size, compare, score, score_whole
from trainer.measures import BEST_PSNR
from trainer.system import System, mode_of

REGIONS: Boxes = np.array([[2, 3, 12, 13], [20, 3, 30, 13]], np.int32)
PICTURE = Picture(Path("a_0.png"), "a_0.png", "a", "00000000")
CPU = torch.device("cpu")


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

    stride = 4
    residual = True

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + self.by / 255


def system(by: float, task: str = "deblur", size: int | None = 16, of: str = "regions") -> System:
    training = {"config": {"pairs": {"of": of}}}
    return System("mine", Add(by), Header("unet", {}, task, size=size, context=0.25, training=training), CPU)


def measured(
    original: torch.Tensor,
    degraded: torch.Tensor,
    restored: Mapping[str, torch.Tensor],
    regions: Boxes = REGIONS,
) -> Scored:
    scored = compare(PICTURE, original, degraded, restored, regions)
    assert scored is not None
    return scored


def test_psnr_is_of_the_whole_frame_and_of_what_is_hidden() -> None:
    scored = measured(
        image((100, 100)), image((110, 120)), {"mine": image((105, 140)), "other": image((110, 120))}
    )
    row = scored.row
    assert list(row.measures) == [IDENTITY, "mine", "other"]
    identity, model = (100 + 400) / 2, (25 + 1600) / 2
    assert row.measures[IDENTITY]["psnr_regions_db"] == pytest.approx(decibels(identity))
    assert row.measures["mine"]["psnr_regions_db"] == pytest.approx(decibels(model))
    assert row.measures[IDENTITY]["psnr_db"] == pytest.approx(decibels(identity * 200 / 1200))
    assert row.measures["mine"]["psnr_db"] == pytest.approx(decibels(model * 200 / 1200))
    assert row.measures["other"] == row.measures[IDENTITY]
    assert (row.regions, row.worsened) == (2, {"mine": 1, "other": 0})
    assert row.gain("mine") == pytest.approx(decibels(model) - decibels(identity))


def test_psnr_is_that_of_torchmetrics() -> None:
    random = torch.Generator().manual_seed(0)
    one, two = (torch.randint(0, 256, (30, 40, 3), dtype=torch.uint8, generator=random) for _ in range(2))
    scored = measured(one, two, {})
    expected = peak_signal_noise_ratio(two.float(), one.float(), data_range=255.0)
    assert scored.row.measures[IDENTITY]["psnr_db"] == pytest.approx(float(expected), abs=1e-4)


def test_ssim_is_of_the_windows_around_what_is_hidden_too() -> None:
    original = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8))
    degraded = original.clone()
    degraded[8:24, 8:24] = 128
    found = measured(original, degraded, {}, np.array([[8, 8, 24, 24]], np.int32)).row.measures[IDENTITY]
    assert found["ssim_regions"] < 0.3  # its edges are in windows with what is not hidden
    share = (16 + 10) ** 2 / (64 * 80)  # windows reach five pixels beyond
    assert 1 - share < found["ssim"] < 1.0
    assert "ms_ssim" not in found  # too small for it


def test_pixels_in_two_regions_count_once() -> None:
    overlapping = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], np.int32)
    original, degraded = image((100, 100)), image((100, 100))
    degraded[:5, :10] += 10
    scored = measured(original, degraded, {}, overlapping)
    assert scored.row.measures[IDENTITY]["psnr_regions_db"] == pytest.approx(decibels(50))


def test_a_frame_that_hiding_did_not_change_has_no_row_and_a_perfect_one_has_the_best() -> None:
    same, other = image((100, 100)), image((110, 100))
    assert compare(PICTURE, same, same, {"mine": other}, REGIONS) is None
    perfect = measured(same, other, {"mine": same}).row
    assert perfect.measures["mine"]["psnr_regions_db"] == BEST_PSNR
    assert perfect.worsened == {"mine": 0}


def test_frames_are_hidden_and_restored_as_they_are_live(tmp_path: Path) -> None:
    frames(tmp_path, ["a"], each=3)
    pictures = [Picture(tmp_path / f"a_{i}.png", f"a_{i}.png", "a", str(i)) for i in range(3)]
    boxes = {"a_0.png": np.array([CAR], np.float32), "a_1.png": np.zeros((0, 4), np.float32)}
    (scored,) = score(pictures, boxes, BlurConfig(), [system(0.0)])
    assert torch.equal(scored.degraded, scored.restored["mine"])
    measures = scored.row.measures
    assert measures["mine"] == measures[IDENTITY]
    assert measures[IDENTITY]["psnr_regions_db"] < measures[IDENTITY]["psnr_db"]
    (worse,) = score(pictures, boxes, BlurConfig(), [system(60.0)])
    assert worse.row.gain("mine") < 0
    assert worse.row.worsened == {"mine": 1}


def test_a_frame_is_scored_at_the_networks_size_too() -> None:
    scored = measured(image((100, 100)), image((110, 110)), {"mine": image((110, 110))})
    # 40x30 to 20x20: across in half, down to two thirds
    small = at_size(scored, [system(-5.0, size=20, of="frames")], 20)
    assert small is not None
    assert small.original.shape == (20, 20, 3)
    assert small.regions.tolist() == [[1, 2, 6, 9], [10, 2, 15, 9]]
    for name, other in ((IDENTITY, small.degraded), ("mine", small.restored["mine"])):
        error = float((other.int() - 100)[2:9, 1:6].square().float().mean())
        assert small.row.measures[name]["psnr_regions_db"] == pytest.approx(decibels(error), abs=1e-3)


def whole_pictures(folder: Path, count: int = 2) -> list[Picture]:
    frames(folder, ["a"], each=count)
    return [Picture(folder / f"a_{i}.png", f"a_{i}.png", "a", str(i)) for i in range(count)]


def test_8_bits_lose_what_lies_between_and_beyond(tmp_path: Path) -> None:
    pictures = whole_pictures(tmp_path, 1)

    def pairing(picture: Picture) -> tuple[torch.Tensor, torch.Tensor]:
        original = torch.full((24, 36, 3), 250, dtype=torch.uint8)
        return original, torch.full((3, 24, 36), 260.4 / 255)

    subtract = system(-10.0, task="denoise", size=None)
    (floats,) = score_whole(pictures, pairing, [subtract], rounded=False)
    (whole,) = score_whole(pictures, pairing, [subtract])
    # unclipped the network is given 260.4, in 8 bits 255
    assert floats.row.measures["mine"]["psnr_db"] == pytest.approx(decibels(0.4**2), abs=0.01)
    assert whole.row.measures["mine"]["psnr_db"] == pytest.approx(decibels(5.0**2), abs=0.01)
    # but what doing nothing shows ends at white either way
    for scored in (floats, whole):
        assert scored.row.measures[IDENTITY]["psnr_db"] == pytest.approx(decibels(5.0**2), abs=0.01)
        assert "psnr_regions_db" not in scored.row.measures[IDENTITY]
        assert (scored.row.regions, scored.row.hides) == (1, False)


def test_colours_are_measured_where_they_are_asked_for(tmp_path: Path) -> None:
    pictures = whole_pictures(tmp_path, 3)
    shades = iter([(200, 100, 50), (180, 100, 50), (180, 100, 90)])

    def pairing(picture: Picture) -> tuple[torch.Tensor, torch.Tensor]:
        original = torch.tensor(next(shades), dtype=torch.uint8).expand(24, 36, 3).contiguous()
        return original, torch.full((3, 24, 36), 120 / 255)

    rows = [
        scored.row for scored in score_whole(pictures, pairing, [system(0.0, "colourise", None)], colour=True)
    ]
    first = rows[0].measures["mine"]
    assert first["ciede2000"] > 20
    assert first["colourfulness"] == pytest.approx(0.0, abs=1e-4)
    assert rows[0].original["colourfulness"] == pytest.approx(0.3 * math.hypot(100, 100), rel=1e-5)
    assert "chroma_change" not in first
    assert "chroma_change" not in rows[0].original
    for row in rows[1:]:
        assert row.measures["mine"]["chroma_change"] == 0.0  # grey stays grey
        assert row.original["chroma_change"] > 2


def test_a_model_is_applied_as_it_was_trained() -> None:
    for of, mode in (("frames", "frame"), ("regions", "regions")):
        training = {"config": {"pairs": {"of": of}}}
        assert mode_of(Header("unet", {}, "deblur", training=training)) == mode
    assert mode_of(Header("unet", {}, "deblur")) == "regions"
    assert mode_of(Header("unet", {}, "denoise")) == "frame"
