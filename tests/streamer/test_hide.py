import threading
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from av.packet import Packet
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import hide
from streamer.channel import Guarded
from streamer.config import BlurConfig, ZonesConfig
from streamer.frame import Dropped, End, Hidden, Image
from streamer.stencil import SOFT, Stencil
from tests.values import detected, frame, street


def noise(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_outside_the_padded_box_and_its_soft_edge_nothing_changes() -> None:
    image = noise(120, 160)
    hidden, regions, _ = hide.hide(image, boxes((40, 30, 80, 70)), BlurConfig(scale=1.2, margin=0.0))
    assert regions.tolist() == [[36, 26, 84, 74]]
    soft = round(SOFT * 48)
    outside = torch.ones(120, 160, dtype=torch.bool)
    outside[26 - soft : 74 + soft, 36 - soft : 84 + soft] = False
    assert torch.equal(hidden[outside], image[outside])
    assert not torch.equal(hidden, image)


def test_with_a_hard_edge_even_the_next_pixel_is_the_original() -> None:
    image = noise(120, 160)
    hidden, _, _ = hide.hide(image, boxes((40, 30, 80, 70)), BlurConfig(scale=1.0, margin=0.0, edge="hard"))
    outside = torch.ones(120, 160, dtype=torch.bool)
    outside[30:70, 40:80] = False
    assert torch.equal(hidden[outside], image[outside])


@pytest.mark.parametrize("edge", ["soft", "hard"])
def test_inside_the_padded_box_nothing_of_fine_detail_is_left(edge: str) -> None:
    image = noise(200, 200)
    settings = BlurConfig.model_validate({"edge": edge, "quantise": 1})
    hidden, regions, _ = hide.hide(image, boxes((50, 50, 150, 150)), settings)
    x0, y0, x1, y1 = regions[0].tolist()
    before, after = image[y0:y1, x0:x1].float(), hidden[y0:y1, x0:x1].float()
    # a Gaussian of σ = 11 leaves 1 / (2 σ √π) of white noise's standard deviation
    assert after.std() < 3 < 70 < before.std()
    correlation = np.corrcoef(before.numpy().ravel(), after.numpy().ravel())[0, 1]
    assert abs(correlation) < 0.1


def test_a_fixed_kernel_is_exactly_opencvs_gaussian_blur_of_the_box() -> None:
    image = torch.from_numpy(street())
    settings = BlurConfig(kernel=51, quantise=1, scale=1.0, margin=0.0, edge="hard")
    hidden, _, _ = hide.hide(image, boxes((60, 40, 200, 160)), settings)
    expected = cv2.GaussianBlur(image.numpy()[40:160, 60:200], (51, 51), 0)
    assert np.array_equal(hidden[40:160, 60:200].numpy(), expected)


def test_complaint_4_a_large_region_is_as_unreadable_as_a_small_one() -> None:
    def sigma(height: int) -> float:
        image = torch.zeros((2 * height + 200, 400, 3), dtype=torch.uint8)
        image[: height + 100] = 255  # a step in the middle of the box
        settings = BlurConfig(strength=0.1, floor=4.0, quantise=1, scale=1.0, margin=0.0, edge="hard")
        top = 100 + height // 2
        hidden, _, _ = hide.hide(image, boxes((100, top, 300, top + height)), settings)
        profile = -np.diff(hidden[top : top + height, 200, 0].numpy().astype(float))
        position = np.arange(len(profile))
        mean = (profile * position).sum() / profile.sum()
        return float(np.sqrt((profile * (position - mean) ** 2).sum() / profile.sum()))

    assert sigma(400) == pytest.approx(40, rel=0.08)
    assert sigma(200) == pytest.approx(20, rel=0.08)
    assert sigma(30) == pytest.approx(4, rel=0.08)


def test_where_regions_overlap_the_stronger_blur_wins_in_any_order() -> None:
    image = noise(300, 300)
    settings = BlurConfig(quantise=1, scale=1.0, margin=0.0, edge="hard")
    small, large = (20.0, 40.0, 60.0, 80.0), (50.0, 50.0, 250.0, 250.0)
    one, regions, _ = hide.hide(image, boxes(small, large), settings)
    other, _, _ = hide.hide(image, boxes(large, small), settings)
    alone, _, _ = hide.hide(image, boxes(large), settings)
    assert len(regions) == 2
    assert torch.equal(one, other)
    assert torch.equal(one[50:250, 50:250], alone[50:250, 50:250])


def test_what_is_found_several_times_is_one_region() -> None:
    image = noise(300, 300)
    found = boxes((50, 50, 150, 150), (52, 49, 151, 150), (60, 60, 90, 90), (150, 52, 250, 149))
    picture, regions, _ = hide.hide(
        image, found, BlurConfig(method="solid", scale=1.0, margin=0.0, edge="hard")
    )
    assert regions.tolist() == [[50, 49, 250, 150]]
    assert (picture[49:150, 50:250] == 114).all()


def test_regions_that_are_hidden_in_different_ways_stay_apart() -> None:
    how = BlurConfig.model_validate(
        {"scale": 1.0, "margin": 0.0, "edge": "hard", "person": {"method": "solid"}}
    )
    found = boxes((50, 50, 150, 150), (52, 52, 148, 148))
    picture, regions, _ = hide.hide(noise(300, 300), found, how, ("car", "person"))
    assert sorted(regions.tolist()) == [[50, 50, 150, 150], [52, 52, 148, 148]]
    assert (picture[52:148, 52:148] == 114).all()


@pytest.mark.parametrize(
    "how", [BlurConfig(kernel=51, scale=1.0, margin=0.0), BlurConfig(shape="ellipse", scale=1.0)]
)
def test_boxes_stay_as_they_are_under_ellipses_and_the_fixed_kernel(how: BlurConfig) -> None:
    found = boxes((50, 50, 150, 150), (52, 49, 151, 150))
    assert len(hide.hide(noise(300, 300), found, how).regions) == 2


def test_the_original_is_not_touched() -> None:
    image = noise(50, 50)
    before = image.clone()
    hide.hide(image, boxes((0, 0, 50, 50)), BlurConfig())
    assert torch.equal(image, before)


@pytest.mark.gpu
@pytest.mark.parametrize("shape", ["box", "ellipse"])
@pytest.mark.parametrize("method", ["gaussian", "pixelate", "solid"])
def test_cuda_hides_as_the_cpu_does(method: str, shape: str) -> None:
    image = torch.from_numpy(street())
    how = BlurConfig.model_validate({"method": method, "shape": shape})
    found = boxes((60, 40, 200, 160), (150, 100, 300, 230))
    on_cpu, regions, mask = hide.hide(image, found, how, random=np.random.default_rng(0))
    on_cuda, regions_cuda, mask_cuda = hide.hide(image.cuda(), found, how, random=np.random.default_rng(0))
    assert np.array_equal(regions, regions_cuda)
    if shape == "ellipse":
        assert mask is not None
        assert mask_cuda is not None
        assert np.array_equal(mask, mask_cuda)
    difference = (on_cpu.int() - on_cuda.cpu().int()).abs()
    assert difference.max() <= 8 + 3  # what differs by a level may be rounded to the next step
    assert difference.float().mean() < 0.5


METHODS = ["gaussian", "pixelate", "solid"]
SHAPES = ["box", "ellipse"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", METHODS)
def test_complaint_4_tiny_boxes_and_boxes_off_the_frame_are_hidden_without_a_crash(
    method: str, shape: str
) -> None:
    # supervision#703 (pixelating tiny boxes) and supervision PR#555, #2390 (boxes off the frame)
    image = noise(60, 80)
    tiny = (10, 10, 10.2, 10.2), (30, 30, 31, 31), (50, 5, 52, 6)
    off = (-40, 40, 9, 90), (70, -9, 999, 12), (-50, 0, -9, 9)
    how = BlurConfig.model_validate(
        {"method": method, "shape": shape, "scale": 1.0, "margin": 0.0, "edge": "hard"}
    )
    covering = hide.hide(image, boxes(*tiny, *off), how)
    assert sorted(covering.regions.tolist()) == [
        [0, 40, 9, 60], [10, 10, 11, 11], [30, 30, 31, 31], [50, 5, 52, 6], [70, 0, 80, 12],
    ]  # fmt: skip
    marked = hidden_pixels(covering)
    assert torch.equal(covering.picture[~marked], image[~marked])
    assert marked[10, 10]
    assert marked[30, 30]
    assert marked[5, 50:52].all()
    assert marked[59, 0]  # the middle of what shows of an object that is cut off


def hidden_pixels(covering: hide.Covering) -> torch.Tensor:
    marked = torch.zeros(covering.picture.shape[:2], dtype=torch.bool)
    for x0, y0, x1, y1 in covering.regions.tolist():
        marked[y0:y1, x0:x1] = True
    return marked if covering.mask is None else torch.from_numpy(covering.mask).bool()


COORDINATE = st.floats(-60, 160, width=32)


@settings(max_examples=120)
@given(
    rows=st.lists(st.tuples(COORDINATE, COORDINATE, COORDINATE, COORDINATE), max_size=4),
    width=st.integers(1, 100), height=st.integers(1, 100),
    method=st.sampled_from(METHODS), shape=st.sampled_from(SHAPES), edge=st.sampled_from(["soft", "hard"]),
    kernel=st.sampled_from([None, 51]), quantise=st.sampled_from([1, 8]),
)  # fmt: skip
def test_any_boxes_on_any_frame_are_hidden_and_nothing_else_is(
    rows: list[tuple[float, float, float, float]], width: int, height: int, **given: object
) -> None:
    image = noise(height, width)
    how = BlurConfig.model_validate(given)
    found = np.sort(boxes(*rows).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    covering = hide.hide(image, found, how)
    marked = hidden_pixels(covering)
    within = torch.zeros((height, width), dtype=torch.bool)
    for region in covering.regions.tolist():
        x0, y0, x1, y1 = Stencil.box(region, how.edge, width, height).area
        within[y0:y1, x0:x1] = True
        assert marked[(region[1] + region[3]) // 2, (region[0] + region[2]) // 2]
    changed = within if how.edge == "soft" else marked
    assert torch.equal(covering.picture[~changed], image[~changed])
    if how.method == "solid":
        assert (covering.picture[marked] == 114).all()
    elif how.quantise == 8 and (how.edge == "hard" or len(covering.regions) == 1):
        # where a soft edge falls on another region, what is hidden in two ways is mixed
        assert (covering.picture[marked] % 8 == 0).all()


@settings(max_examples=60)
@given(
    x0=st.integers(0, 39), y0=st.integers(0, 29), width=st.integers(1, 40), height=st.integers(1, 30),
    method=st.sampled_from(METHODS), shape=st.sampled_from(SHAPES), edge=st.sampled_from(["soft", "hard"]),
)  # fmt: skip
def test_of_a_lone_pixel_inside_no_method_shows_more_than_a_trace(
    x0: int, y0: int, width: int, height: int, **given: object
) -> None:
    # the same picture twice, but for one hidden pixel that is black in one and white in the other
    region = (float(x0), float(y0), float(min(40, x0 + width)), float(min(30, y0 + height)))
    how = BlurConfig.model_validate({**given, "scale": 1.0, "margin": 0.0, "quantise": 1, "floor": 12.0})
    pictures = []
    for value in (0, 255):
        image = noise(30, 40)
        image[int(region[1] + region[3]) // 2, int(region[0] + region[2]) // 2] = value
        pictures.append(hide.hide(image, boxes(region), how))
    difference = (pictures[0].picture.int() - pictures[1].picture.int()).abs().max()
    # its share of a mean over a cell of 12x12, or of all where the box and its soft edge are smaller
    area = Stencil.box([int(v) for v in region], how.edge, 40, 30).area
    across, down = min(12, area[2] - area[0]), min(12, area[3] - area[1])
    most = {"solid": 0.0, "pixelate": 255 / (across * down), "gaussian": 255 / (across * down)}[how.method]
    # reflection about the edge of a region may count a pixel up to twice a direction
    assert difference <= 4 * most + 1


def test_complaint_5_solid_leaves_nothing_at_all_of_what_was_there() -> None:
    how = BlurConfig(method="solid", colour=(10, 20, 30), scale=1.0, margin=0.0, edge="hard")
    one, other = (hide.hide(noise(60, 80, seed), boxes((10, 10, 50, 40)), how).picture for seed in (1, 2))
    assert torch.equal(one[10:40, 10:50], other[10:40, 10:50])
    assert (one[10:40, 10:50] == torch.tensor([10, 20, 30])).all()


def test_a_scaled_box_grows_about_its_middle() -> None:
    for scale, expected in ((1.0, [40, 30, 80, 70]), (1.1, [38, 28, 82, 72]), (1.6, [28, 18, 92, 82])):
        _, regions, _ = hide.hide(
            noise(120, 160), boxes((40, 30, 80, 70)), BlurConfig(scale=scale, margin=0.0)
        )
        assert regions.tolist() == [expected]


def test_an_ellipse_hides_the_scaled_box_but_for_its_corners() -> None:
    image = noise(120, 160)
    how = BlurConfig(shape="ellipse", method="solid", scale=1.0, margin=0.0, edge="hard")
    covering = hide.hide(image, boxes((40, 30, 100, 70)), how)
    assert covering.mask is not None
    assert covering.regions.tolist() == [[40, 30, 100, 70]]
    assert (covering.picture[50, 40:100] == 114).all()
    assert (covering.picture[30:70, 70] == 114).all()
    for y, x in ((30, 40), (30, 99), (69, 40), (69, 99)):
        assert torch.equal(covering.picture[y, x], image[y, x])
    assert covering.mask.sum() == pytest.approx(np.pi / 4 * 60 * 40, rel=0.1)


def test_each_class_is_hidden_in_its_own_way_and_what_hides_most_wins() -> None:
    image = noise(120, 160)
    how = BlurConfig.model_validate(
        {
            "edge": "hard",
            "scale": 1.0,
            "margin": 0.0,
            "person": {"method": "solid"},
            "vehicle": {"scale": 2.0, "margin": 0.0},
        }
    )
    rows = boxes((10, 10, 50, 50), (30, 10, 70, 50), (100, 60, 120, 80))
    picture, regions, _ = hide.hide(image, rows, how, ("person", "dog", "car"))
    assert (picture[10:50, 10:50] == 114).all()  # over the dog's blur
    assert not (picture[10:50, 50:70] == 114).all()
    assert [90, 50, 130, 90] in regions.tolist()
    plain, _, _ = hide.hide(image, rows, how)
    assert not (plain[10:50, 10:30] == 114).all()


def test_dither_is_drawn_anew_for_every_frame_and_again_from_a_seed() -> None:
    image, found = torch.from_numpy(street()), boxes((60, 40, 200, 160))
    one, other = (hide.hide(image, found, BlurConfig()).picture for _ in range(2))
    assert not torch.equal(one, other)
    same = [hide.hide(image, found, BlurConfig(), random=np.random.default_rng(5)).picture for _ in range(2)]
    assert torch.equal(same[0], same[1])
    outside = torch.ones(240, 320, dtype=torch.bool)
    outside[20:190, 40:220] = False
    assert torch.equal(one[outside], image[outside])


def test_the_stages_dither_differs_between_frames_and_between_runs() -> None:
    items = [detected(street(), (60, 40, 200, 160)) for _ in range(2)]
    runs = [next(iter(hide.stage([items], {"gate": BlurConfig()}))) for _ in range(2)]
    pictures = {item.blurred.numpy().tobytes() for run in runs for item in run if isinstance(item, Hidden)}
    assert len(pictures) == 4


HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
QUARTER = ((0.25, 0.0), (0.5, 0.0), (0.5, 0.5), (0.25, 0.5))


def staged(
    image: Image,
    zones: ZonesConfig,
    *found: tuple[float, float, float, float],
    failure: str | None = None,
    **given: str,
) -> Hidden:
    how = BlurConfig.model_validate({"method": "solid", "scale": 1.0, "margin": 0.0, "edge": "hard", **given})
    (batch,) = hide.stage([[detected(image, *found, failure=failure)]], {"gate": how}, {"gate": zones})
    assert isinstance(batch[0], Hidden)
    return batch[0]


def test_a_zone_to_hide_is_hidden_in_frames_in_which_nothing_was_found() -> None:
    image = noise(48, 64).numpy()
    item = staged(image, ZonesConfig(hide=(HALF,)))
    assert (item.blurred[:, :32] == 114).all()
    assert np.array_equal(item.blurred[:, 34:], image[:, 34:])  # the next pixels may be touched
    assert item.regions[0, [0, 1, 3]].tolist() == [0, 0, 48]
    assert item.detections.labels == ()


def test_a_zone_to_keep_wins_over_what_was_found_and_loses_to_a_zone_to_hide() -> None:
    image = noise(48, 64).numpy()
    everything = (0.0, 0.0, 64.0, 48.0)
    item = staged(image, ZonesConfig(keep=(HALF,)), everything)
    assert np.array_equal(item.blurred[:, :32], image[:, :32])
    assert (item.blurred[:, 33:] == 114).all()
    assert item.mask is not None
    assert item.mask[:, :32].sum() == 0
    assert item.mask[:, 33:].all()
    both = staged(image, ZonesConfig(keep=(HALF,), hide=(QUARTER,)), everything)
    assert (both.blurred[:24, 16:32] == 114).all()
    assert np.array_equal(both.blurred[26:, :32], image[26:, :32])


def test_a_zone_to_keep_is_hidden_all_the_same_in_a_frame_that_is_hidden_whole() -> None:
    item = staged(noise(48, 64).numpy(), ZonesConfig(keep=(HALF,)), failure="detector")
    assert (item.blurred == hide.GREY).all()
    assert item.keep is None


def test_only_what_reaches_into_a_zone_for_it_counts() -> None:
    image = noise(48, 64).numpy()
    zones = ZonesConfig(only=(HALF,))
    inside, across, beside = (5.0, 5.0, 15.0, 15.0), (30.0, 20.0, 50.0, 30.0), (40.0, 2.0, 60.0, 12.0)
    item = staged(image, zones, inside, across, beside)
    assert item.detections.boxes.tolist() == [list(inside), list(across)]
    assert (item.blurred[20:30, 30:50] == 114).all()  # all of it, not the part in the zone
    assert np.array_equal(item.blurred[2:12, 40:60], image[2:12, 40:60])


@pytest.mark.parametrize("method", METHODS)
def test_zones_are_hidden_by_every_method_with_a_soft_edge_outside(method: str) -> None:
    image = noise(100, 200)
    triangle = ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9))
    item = staged(image.numpy(), ZonesConfig(hide=(triangle,)), method=method, edge="soft")
    assert item.mask is not None
    marked = torch.from_numpy(item.mask).bool()
    assert marked[15, 25]
    assert not marked[85, 170]
    far = torch.from_numpy(cv2.dilate(item.mask, np.ones((25, 25), np.uint8)) == 0)
    assert torch.equal(item.blurred[far], image[far])
    if method == "solid":
        assert (item.blurred[marked] == 114).all()
    else:
        assert (item.blurred[marked] % 8 == 0).all()


def test_a_frame_whose_detection_failed_is_hidden_whole() -> None:
    item = detected(noise(48, 64).numpy(), (10, 10, 20, 20), failure="detector")
    (batch,) = hide.stage([[item, End("gate")]], {"gate": BlurConfig()})
    hidden, end = batch
    assert isinstance(hidden, Hidden)
    assert isinstance(end, End)
    assert (hidden.blurred == hide.GREY).all()
    assert hidden.regions.tolist() == [[0, 0, 64, 48]]
    assert hidden.failure == "detector"


@pytest.mark.parametrize("failure", ["detector", "detector hung"])
def test_where_failures_are_dropped_nothing_of_the_picture_goes_on_and_its_sound_does(failure: str) -> None:
    sound: Any = (Packet(4), Packet(4))
    item = detected(noise(48, 64).numpy(), failure=failure)
    item = replace(item, frame=replace(item.frame, audio=sound))
    fine = detected(noise(48, 64).numpy(), (10, 10, 20, 20))
    (batch,) = hide.stage([[fine, item, End("gate")]], {"gate": BlurConfig()}, on_failure={"gate": "drop"})
    assert isinstance(batch[0], Hidden)
    assert batch[1] == Dropped("gate", failure, sound)
    assert isinstance(batch[2], End)


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


def test_of_a_batch_with_which_hiding_hangs_nothing_shows_and_the_next_is_hidden_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()
    ordinary = hide.hide
    drawn: list[object] = []

    def hanging(image: torch.Tensor, *arguments: Any) -> hide.Covering:
        drawn.append(arguments[-1])
        if image[0, 0, 0] == 7:
            released.wait()
        return ordinary(image, *arguments)

    monkeypatch.setattr(hide, "hide", hanging)
    good, bad = noise(48, 64).numpy(), noise(48, 64).numpy()
    good[0, 0, 0], bad[0, 0, 0] = 8, 7
    failed = detected(good, failure="detector")
    batches = [[detected(good)], [detected(good), detected(bad), failed], [detected(good)]]
    with Guarded(np.random.default_rng(), np.random.default_rng, "hide", 0.2) as random:
        hidden = list(hide.stage(batches, {"gate": BlurConfig()}, random=random))
        released.set()
    causes = [[item.failure for item in batch if isinstance(item, Hidden)] for batch in hidden]
    assert causes == [[None], ["hider hung", "hider hung", "detector"], [None]]
    assert all((item.blurred == hide.GREY).all() for item in hidden[1] if isinstance(item, Hidden))
    first, *_, last = drawn
    assert drawn[:3] == [first] * 3
    assert last is not first  # which may be locked for ever


def test_covering_needs_nothing_of_the_picture() -> None:
    assert hide.cover(frame()).shape == (48, 64, 3)
