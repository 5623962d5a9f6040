from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import hide
from streamer.boxes import Boxes, pad
from streamer.config import BlurConfig
from streamer.frame import End, Hidden
from tests.values import detected, frame

Soften = Callable[[torch.Tensor, torch.Tensor, list[int], BlurConfig], None]
WAYS = [hide._soften_opencv, hide._soften_torch]


def noise(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def street(height: int = 240, width: int = 320) -> torch.Tensor:
    """Smooth shapes with hard edges, as pictures have."""
    rng = np.random.default_rng(1)
    image = np.full((height, width, 3), 90, np.uint8)
    for _ in range(60):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        cv2.rectangle(image, (x, y), (x + int(rng.integers(5, 60)), y + int(rng.integers(5, 40))), colour, -1)
    return torch.from_numpy(image)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_outside_the_padded_box_and_its_soft_edge_nothing_changes() -> None:
    image = noise(120, 160)
    hidden, regions = hide.hide(image, boxes((40, 30, 80, 70)), BlurConfig(padding=0.1))
    assert regions.tolist() == [[36, 26, 84, 74]]
    soft = round(hide.SOFT * 48)
    outside = torch.ones(120, 160, dtype=torch.bool)
    outside[26 - soft : 74 + soft, 36 - soft : 84 + soft] = False
    assert torch.equal(hidden[outside], image[outside])
    assert not torch.equal(hidden, image)


def test_with_a_hard_edge_even_the_next_pixel_is_the_original() -> None:
    image = noise(120, 160)
    hidden, _ = hide.hide(image, boxes((40, 30, 80, 70)), BlurConfig(padding=0.0, edge="hard"))
    outside = torch.ones(120, 160, dtype=torch.bool)
    outside[30:70, 40:80] = False
    assert torch.equal(hidden[outside], image[outside])


@pytest.mark.parametrize("edge", ["soft", "hard"])
def test_inside_the_padded_box_nothing_of_fine_detail_is_left(edge: str) -> None:
    image = noise(200, 200)
    hidden, regions = hide.hide(image, boxes((50, 50, 150, 150)), BlurConfig.model_validate({"edge": edge}))
    x0, y0, x1, y1 = regions[0].tolist()
    before, after = image[y0:y1, x0:x1].float(), hidden[y0:y1, x0:x1].float()
    # a Gaussian of σ = 11 leaves 1 / (2 σ √π) of white noise's standard deviation
    assert after.std() < 3 < 70 < before.std()
    correlation = np.corrcoef(before.numpy().ravel(), after.numpy().ravel())[0, 1]
    assert abs(correlation) < 0.1


def test_a_fixed_kernel_is_exactly_opencvs_gaussian_blur_of_the_box() -> None:
    image = street()
    settings = BlurConfig(kernel=51, padding=0.0, edge="hard")
    hidden, _ = hide.hide(image, boxes((60, 40, 200, 160)), settings)
    expected = cv2.GaussianBlur(image.numpy()[40:160, 60:200], (51, 51), 0)
    assert np.array_equal(hidden[40:160, 60:200].numpy(), expected)


def test_strength_follows_the_regions_height_down_to_the_floor() -> None:
    def sigma(height: int) -> float:
        image = torch.zeros((2 * height + 200, 400, 3), dtype=torch.uint8)
        image[: height + 100] = 255  # a step in the middle of the box
        settings = BlurConfig(strength=0.1, floor=4.0, padding=0.0, edge="hard")
        top = 100 + height // 2
        hidden, _ = hide.hide(image, boxes((100, top, 300, top + height)), settings)
        profile = -np.diff(hidden[top : top + height, 200, 0].numpy().astype(float))
        position = np.arange(len(profile))
        mean = (profile * position).sum() / profile.sum()
        return float(np.sqrt((profile * (position - mean) ** 2).sum() / profile.sum()))

    assert sigma(400) == pytest.approx(40, rel=0.08)
    assert sigma(200) == pytest.approx(20, rel=0.08)
    assert sigma(30) == pytest.approx(4, rel=0.08)


def test_where_regions_overlap_the_stronger_blur_wins_in_any_order() -> None:
    image = noise(300, 300)
    settings = BlurConfig(padding=0.0, edge="hard")
    small, large = (100.0, 100.0, 140.0, 140.0), (50.0, 50.0, 250.0, 250.0)
    one, _ = hide.hide(image, boxes(small, large), settings)
    other, _ = hide.hide(image, boxes(large, small), settings)
    alone, _ = hide.hide(image, boxes(large), settings)
    assert torch.equal(one, other)
    assert torch.equal(one, alone)


def test_the_original_is_not_touched() -> None:
    image = noise(50, 50)
    before = image.clone()
    hide.hide(image, boxes((0, 0, 50, 50)), BlurConfig())
    assert torch.equal(image, before)


@pytest.mark.parametrize("edge", ["soft", "hard"])
@pytest.mark.parametrize("kernel", [None, 51])
@pytest.mark.parametrize("region", [[60, 40, 200, 160], [0, 0, 320, 240], [3, 5, 4, 6], [300, 10, 320, 30]])
def test_opencv_and_torch_hide_alike(region: list[int], kernel: int | None, edge: str) -> None:
    image = street()
    settings = BlurConfig.model_validate({"kernel": kernel, "edge": edge, "strength": 0.12})
    pictures = []
    for soften in WAYS:
        pictures.append(image.clone())
        soften(image, pictures[-1], region, settings)
    difference = (pictures[0].int() - pictures[1].int()).abs()
    assert difference.max() <= 3
    assert difference.float().mean() < 0.3


@pytest.mark.gpu
def test_cuda_hides_as_the_cpu_does() -> None:
    image = street()
    found = boxes((60, 40, 200, 160), (150, 100, 300, 230))
    on_cpu, regions = hide.hide(image, found, BlurConfig())
    on_cuda, regions_cuda = hide.hide(image.cuda(), found, BlurConfig())
    assert np.array_equal(regions, regions_cuda)
    assert (on_cpu.int() - on_cuda.cpu().int()).abs().max() <= 3


EDGE = st.floats(-300, 500, width=32)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(EDGE, EDGE, EDGE, EDGE), max_size=4),
    st.integers(1, 200), st.integers(1, 200), st.sampled_from(["soft", "hard"]), st.sampled_from([None, 51]),
    st.sampled_from(WAYS),
)  # fmt: skip
def test_any_boxes_on_any_frame_are_hidden_and_nothing_else_is(
    rows: list[tuple[float, float, float, float]],
    width: int,
    height: int,
    edge: str,
    kernel: int | None,
    way: Soften,
) -> None:
    image = noise(height, width)
    settings = BlurConfig.model_validate({"edge": edge, "kernel": kernel})
    regions: Boxes = pad(boxes(*rows), width, height, settings.padding)
    hidden = image.clone()
    touched = torch.zeros((height, width), dtype=torch.bool)
    for region in regions.tolist():
        way(image, hidden, region, settings)
        (x0, y0, x1, y1), _ = hide._soft_border(region, settings, width, height)
        touched[y0:y1, x0:x1] = True
    assert torch.equal(hidden[~touched], image[~touched])


def test_a_frame_whose_detection_failed_is_hidden_whole() -> None:
    item = detected(noise(48, 64).numpy(), (10, 10, 20, 20), failure="detector")
    (batch,) = hide.stage([[item, End("gate")]], {"gate": BlurConfig()})
    hidden, end = batch
    assert isinstance(hidden, Hidden)
    assert isinstance(end, End)
    assert (hidden.blurred == hide.GREY).all()
    assert hidden.regions.tolist() == [[0, 0, 64, 48]]
    assert hidden.failure == "detector"


def test_a_hider_that_raises_for_one_frame_hides_that_one_whole_and_the_others_as_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ordinary = hide.hide

    def broken(image: torch.Tensor, *arguments: object) -> object:
        if image[0, 0, 0] == 7:
            raise MemoryError("no room")
        return ordinary(image, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(hide, "hide", broken)
    bad = noise(48, 64).numpy()
    bad[0, 0, 0] = 7
    good = noise(48, 64, seed=2).numpy()
    good[0, 0, 0] = 8
    (batch,) = hide.stage([[detected(good), detected(bad), detected(good)]], {"gate": BlurConfig()})
    assert [item.failure for item in batch if isinstance(item, Hidden)] == [None, "hider", None]
    assert isinstance(batch[1], Hidden)
    assert (batch[1].blurred == hide.GREY).all()
    assert "no room" in caplog.text


def test_covering_needs_nothing_of_the_picture() -> None:
    assert hide.cover(frame()).shape == (48, 64, 3)
