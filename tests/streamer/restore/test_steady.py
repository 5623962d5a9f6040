"""Steadiness on constructed frames: what flickers becomes still, what moves leaves nothing behind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from streamer.boxes import Boxes, whole
from streamer.measure import flicker
from streamer.restore.steady import Steady, stillness

HEIGHT, WIDTH = 96, 160
EVERYWHERE = whole(WIDTH, HEIGHT)
NOTHING = torch.zeros((HEIGHT, WIDTH), dtype=torch.bool)


def scene() -> np.ndarray:
    """A still street: smooth, with edges."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    levels = 70 + 0.3 * x + 0.4 * y + 40 * ((x // 40 + y // 24) % 2)
    return np.repeat(levels[..., None], 3, axis=2)


def frames(
    count: int, *, noise: float = 0.0, seed: int = 0, speed: float | None = None
) -> list[torch.Tensor]:
    """The scene, noisy, and in it a bright box of 24 by 16 pixels that moves."""
    random = np.random.default_rng(seed)
    made = []
    for n in range(count):
        picture = scene()
        if speed is not None:
            left = 10 + round(speed * n)
            picture[40:56, left : left + 24] = 220
        picture += random.normal(0, noise, picture.shape) if noise else 0
        made.append(torch.from_numpy(np.clip(picture, 0, 255).round().astype(np.uint8)))
    return made


def amplified(given: Sequence[torch.Tensor], still: torch.Tensor, gain: float = 2.0) -> list[torch.Tensor]:
    """What a restorer does to noise: each deviation from the scene, twice as large."""
    return [
        (still.float() + gain * (each.float() - still.float())).round().clamp(0, 255).to(torch.uint8)
        for each in given
    ]


def steadied(
    share: float, given: Sequence[torch.Tensor], restored: Sequence[torch.Tensor],
    hidden: torch.Tensor = NOTHING, areas: Boxes = EVERYWHERE, *, within: bool = False,
) -> list[torch.Tensor]:  # fmt: skip
    steady = Steady(share)
    return [steady.blend(a, b, hidden, areas, within=within) for a, b in zip(given, restored, strict=True)]


@pytest.mark.parametrize("noise", [2.0, 12.0, 40.0])
def test_flicker_falls_where_nothing_moves(noise: float) -> None:
    still = frames(12)
    given = frames(12, noise=noise)
    restored = amplified(given, still[0], 1.5)
    before = flicker(still, given, restored)
    after = flicker(still[4:], given[4:], steadied(0.8, given, restored)[4:])
    assert before is not None
    assert after is not None
    assert 1.1 < before <= 1.55  # less than 1.5 where levels are cut off at 255
    assert after < 0.45 * before


def test_the_average_comes_near_the_scene() -> None:
    given = frames(20, noise=8.0)
    last = steadied(0.9, given, given)[-1].float()
    apart = [
        float((each.float() - frames(1)[0].float()).square().mean().sqrt()) for each in (given[-1], last)
    ]
    assert apart[0] == pytest.approx(8.0, rel=0.05)
    assert apart[1] < 0.5 * apart[0]


@pytest.mark.parametrize("noise", [0.0, 4.0])
@pytest.mark.parametrize("speed", [1.0, 3.0, 11.0])
def test_what_moves_leaves_no_ghost(speed: float, noise: float) -> None:
    given = frames(9, noise=noise, speed=speed)
    result = steadied(0.95, given, given)[-1].float()
    clean = frames(9, speed=speed)[-1].float()
    # where the object was in the frames before, and is no longer
    left = 10 + round(speed * 8)
    trail = result[40:56, 10:left] - clean[40:56, 10:left]
    assert trail.mean().abs() < 0.5  # its brightness is 80 to 150 levels off
    assert trail.abs().max() <= max(1, 6 * noise)
    on = result[40:56, left : left + 24] - clean[40:56, left : left + 24]
    assert on.mean().abs() < 0.5


def test_what_creeps_does_not_fall_behind() -> None:
    """A light that fades by half a level a frame, each too little to be seen as a change."""
    given = [torch.full((HEIGHT, WIDTH, 3), round(100 + 0.5 * n), dtype=torch.uint8) for n in range(60)]
    last = steadied(0.95, given, given)[-1].float()
    assert (last - given[-1].float()).abs().max() <= 3  # plain averaging would be 9.5 behind


def test_fine_texture_that_moves_is_no_noise() -> None:
    given = [each.clone() for each in frames(6)]
    y, x = np.mgrid[0:32, 0:48]
    for n, each in enumerate(given):
        stripes = 100 + 60 * (
            (x + y + 2 * n) // 2 % 2
        )  # of two pixels, which average to the same in each cell
        each[40:72, 40:88] = torch.from_numpy(np.repeat(stripes[..., None], 3, axis=2).astype(np.uint8))
    result = steadied(0.95, given, given)[-1]
    assert torch.equal(result[40:72, 40:88], given[-1][40:72, 40:88])


def test_what_was_not_hidden_before_does_not_show_where_it_is_now() -> None:
    seen, now = torch.full((HEIGHT, WIDTH, 3), 101, dtype=torch.uint8), torch.full((HEIGHT, WIDTH, 3), 100)
    hidden = NOTHING.clone()
    hidden[20:60, 30:90] = True
    steady = Steady(0.9)
    steady.blend(seen, seen + 50, NOTHING, EVERYWHERE, within=False)
    result = steady.blend(now.to(torch.uint8), now.to(torch.uint8), hidden, EVERYWHERE, within=False)
    assert (result[20:60, 30:90] == 100).all()
    assert (result[70:, 100:] > 140).all()


def test_in_regions_only_what_is_hidden_is_averaged() -> None:
    region = np.array([(32, 16, 96, 64)], np.int32)
    hidden = NOTHING.clone()
    hidden[16:64, 32:80] = True  # a part of the region
    given = [torch.full((HEIGHT, WIDTH, 3), 100, dtype=torch.uint8)] * 3
    restored = [torch.full((HEIGHT, WIDTH, 3), level, dtype=torch.uint8) for level in (100, 120, 100)]
    last = steadied(0.5, given, restored, hidden, region, within=True)[-1]
    assert (last[16:64, 32:80] == 105).all()
    outside = ~hidden
    assert (last[outside] == 100).all()


def test_another_size_begins_anew() -> None:
    steady = Steady(0.9)
    for height, level in ((96, 50), (48, 90)):
        picture = torch.full((height, WIDTH, 3), level, dtype=torch.uint8)
        hidden = torch.zeros((height, WIDTH), dtype=torch.bool)
        result = steady.blend(picture, picture, hidden, whole(WIDTH, height), within=False)
        assert (result == level).all()


def test_stillness_is_one_in_noise_alone_and_nought_where_something_came() -> None:
    random = np.random.default_rng(0)
    change = random.normal(0, 10, (HEIGHT, WIDTH, 3)).astype(np.float32)
    assert stillness(torch.from_numpy(change), NOTHING).mean() > 0.9
    change[30:50, 40:70] += 40
    still = stillness(torch.from_numpy(change), NOTHING)
    assert (still[30:50, 40:70] == 0).all()
    assert still.shape == (HEIGHT, WIDTH)


def test_flicker_is_measured_where_the_original_is_still() -> None:
    original = [torch.full((4, 8, 3), 100, dtype=torch.uint8) for _ in range(2)]
    original[1][:, 4:] = 200  # something moved there, and does not count
    given = [torch.full((4, 8, 3), level, dtype=torch.uint8) for level in (100, 104)]
    restored = [given[0], given[1] + 2]
    restored[1][:, 4:] = 0
    assert flicker(original, given, restored) == pytest.approx(6 / 4)
    assert flicker(original, [given[0]] * 2, restored) is None
