"""Squares around hidden regions, at the frame's own resolution."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console

from streamer.boxes import pad
from streamer.config import BlurConfig
from streamer.errors import ConfigError
from streamer.hide import grown, hide
from tests.trainer.scenes import HEIGHT, WIDTH, frames, picture
from trainer import store
from trainer.config import PairsConfig
from trainer.data import Picture
from trainer.hidden import HiddenCrops
from trainer.store import Store

BOXES = np.array([[4, 6, 20, 18], [14, 10, 30, 24], [60, 40, 90, 66]], np.float32)
"""Two that overlap, and one far away."""

BLUR = BlurConfig(quantise=1, margin=0.0)


@pytest.fixture
def decoded(tmp_path: Path) -> Store:
    folder = frames(tmp_path / "pictures", ("a", "b"), each=1)
    found = [Picture(path, path.name, path.stem, path.name) for path in sorted(folder.iterdir())]
    return store.store(found, tmp_path / "cache", "decoding", Console(quiet=True), None)


def crops(
    decoded: Store,
    boxes: Any = BOXES,
    blur: BlurConfig = BLUR,
    form: PairsConfig | None = None,
    **options: Any,
) -> HiddenCrops:
    form = form or PairsConfig(of="crops", size=32)
    return HiddenCrops(decoded, dict.fromkeys(decoded.names, boxes), blur, form, **options)


def place_of(clean: torch.Tensor, image: np.ndarray) -> tuple[int, int]:
    """Top and left of a square in its picture."""
    square = (255 * clean).round().to(torch.uint8).numpy()
    windows = np.lib.stride_tricks.sliding_window_view(image, square.shape[1:], axis=(0, 1))
    top, left = np.argwhere((windows == square).all(axis=(2, 3, 4)))[0]
    return int(top), int(left)


@pytest.mark.parametrize("shape", ["box", "ellipse"])
def test_a_square_is_cut_out_of_the_frame_as_streamer_hides_it(decoded: Store, shape: str) -> None:
    blur = BlurConfig.model_validate({"quantise": 1, "margin": 0.0, "shape": shape})
    items = crops(decoded, blur=blur)
    image = decoded[0]
    whole = hide(torch.from_numpy(image), BOXES, blur)
    mask = whole.mask
    if mask is None:
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        for x0, y0, x1, y1 in whole.regions.tolist():
            mask[y0:y1, x0:x1] = 1
    places = set()
    for epoch in range(12):
        degraded, clean, hidden = items[epoch * len(items)]
        top, left = place_of(clean, image)
        rows, columns = slice(top, top + 32), slice(left, left + 32)
        np.testing.assert_array_equal(hidden[0].numpy(), mask[rows, columns])
        expected = whole.picture[rows, columns].permute(2, 0, 1).float() / 255
        torch.testing.assert_close(degraded, expected, rtol=0, atol=1e-6)
        assert hidden.any()
        assert not torch.equal(degraded, clean)
        places.add((top, left))
    assert len(places) > 6


def test_a_region_fits_its_square_or_fills_it(decoded: Store) -> None:
    for box, size in (([30, 20, 40, 30], 32), ([10, 5, 90, 70], 32)):
        boxes = np.array([box], np.float32)
        region = grown(boxes, BLUR, WIDTH, HEIGHT)[0]
        items = crops(decoded, boxes)
        for epoch in range(20):
            hidden = items[epoch * len(items)][2]
            whole = min(size, region[2] - region[0]) * min(size, region[3] - region[1])
            assert int(hidden.sum()) == whole


def test_a_square_at_the_edge_stays_in_the_frame(decoded: Store) -> None:
    boxes = np.array([[-5, -5, 6, 6], [WIDTH - 4, HEIGHT - 4, WIDTH + 9, HEIGHT + 9]], np.float32)
    items = crops(decoded, boxes)
    for epoch in range(20):
        degraded, clean, hidden = items[epoch * len(items)]
        assert degraded.shape == clean.shape == (3, 32, 32)
        assert 0 < int(hidden.sum()) <= len(pad(boxes, WIDTH, HEIGHT, 0.05)) * 64


def test_only_later_variants_are_off_and_of_another_strength(decoded: Store) -> None:
    form = PairsConfig(of="crops", size=32, jitter=0.3, strengths=[3.0, 4.0])
    boxes = np.array([[20, 20, 44, 44]], np.float32)
    strong = BlurConfig(quantise=1, margin=0.0, floor=1.0)
    items = crops(decoded, boxes, strong, form, each=2)
    assert len(items) == 4
    region = grown(boxes, strong, WIDTH, HEIGHT)[0]
    exact = int(min(32, region[2] - region[0]) * min(32, region[3] - region[1]))
    first = [items[epoch * 4] for epoch in range(8)]
    later = [items[epoch * 4 + 2] for epoch in range(8)]
    assert {int(hidden.sum()) for _, _, hidden in first} == {exact}
    assert len({int(hidden.sum()) for _, _, hidden in later}) > 3

    def contrast(made: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> float:
        return float(np.mean([degraded[:, hidden[0] > 0].std() for degraded, _, hidden in made]))

    assert contrast(later) < 0.7 * contrast(first)


def test_an_item_follows_from_its_index_and_seed_alone(decoded: Store) -> None:
    blur = BlurConfig()  # dithered, which is random too
    one, two, other = (crops(decoded, blur=blur, each=3, seed=seed) for seed in (1, 1, 2))
    for index in (0, 5, 6 + 5):
        for a, b in zip(one[index], two[index], strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert not torch.equal(one[5][0], other[5][0])
    assert not torch.equal(one[5][0], one[6 + 5][0])
    fixed = crops(decoded, blur=blur, fixed=True)
    torch.testing.assert_close(fixed[1][0], fixed[3][0], rtol=0, atol=0)


def test_nothing_of_the_original_is_left_where_it_is_solid(decoded: Store) -> None:
    items = crops(decoded, blur=BlurConfig(method="solid", colour=(10, 20, 30)))
    for epoch in range(6):
        degraded, _, hidden = items[epoch * len(items)]
        inside = degraded[:, hidden[0] == 1]
        torch.testing.assert_close(inside, (torch.tensor([10, 20, 30]) / 255)[:, None].expand_as(inside))


def test_small_frames_and_those_without_objects_are_left_out(decoded: Store, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "pictures" / "c_0.png"), picture(9)[:20])
    found = [
        Picture(path, path.name, path.stem, path.name) for path in sorted((tmp_path / "pictures").iterdir())
    ]
    more = store.store(found, tmp_path / "cache", "decoding", Console(quiet=True), None)
    boxes = {"a_0.png": BOXES, "b_0.png": BOXES[:0], "c_0.png": BOXES}
    form = PairsConfig(of="crops", size=32)
    items = HiddenCrops(more, boxes, BLUR, form)
    assert (len(items), items.small) == (1, 1)
    with pytest.raises(
        ConfigError, match=r"pairs\.size: nothing is to be hidden in those of 32 pixels or more"
    ):
        HiddenCrops(more, {**boxes, "a_0.png": BOXES[:0]}, BLUR, form)
    off = np.array([[-50, -50, -10, -10]], np.float32)
    assert len(HiddenCrops(more, {**boxes, "b_0.png": off}, BLUR, form)) == 1
    with pytest.raises(ConfigError, match=r"pairs\.size: all 3 pictures are smaller than 80 pixels"):
        HiddenCrops(more, boxes, BLUR, PairsConfig(of="crops", size=80))


def test_a_box_that_moves_off_the_frame_is_hidden_where_it_is(
    decoded: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = np.array([[-50, -50, -10, -10]], np.float32)
    monkeypatch.setattr("trainer.hidden.varied", lambda boxes, blur, *_: (off, blur))
    items = crops(decoded, BOXES[2:], each=2)
    for index in range(len(items)):
        assert items[index][2].any()
