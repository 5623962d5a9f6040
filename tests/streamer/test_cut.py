"""What is a cut, and what only looks like one."""

import cv2
import numpy as np
import pytest

from streamer import cut
from streamer.frame import Batch, Discontinuity, End, Frame, Image
from tests import values


def scenery(seed: int) -> Image:
    """Smooth random colours: like a place, and unlike any other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC), np.uint8)


def cuts(*images: Image) -> list[int]:
    """Numbers of the frames that are said not to continue the one before."""
    batches: list[Batch[Frame]] = [[values.frame(image, index=index)] for index, image in enumerate(images)]
    found = []
    for batch in cut.stage(batches):
        marked = [isinstance(item, Discontinuity) for item in batch]
        assert marked in ([False], [True, False])
        if marked[0] and isinstance(batch[1], Frame):
            found.append(batch[1].index)
    return found


def test_a_change_of_scene_is_a_cut_and_said_in_front_of_its_first_frame() -> None:
    assert cuts(scenery(1), scenery(1), scenery(2), scenery(2), scenery(1)) == [2, 4]


def test_light_noise_and_what_passes_are_no_cuts() -> None:
    place = scenery(1)
    dim = (place * 0.5).astype(np.uint8)
    noisy = np.clip(place + np.random.default_rng(0).normal(0, 25, place.shape), 0, 255).astype(np.uint8)
    truck = place.copy()
    truck[:, :140] = 40
    grey = np.repeat(place.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert cuts(place, dim, place, noisy, place, truck, place, grey) == []


def test_a_small_thing_on_a_plain_ground_is_no_cut_and_a_black_picture_is() -> None:
    plain = np.full((48, 64, 3), 90, np.uint8)
    thing = plain.copy()
    thing[10:20, 10:20] = 250
    assert cuts(plain, thing, plain) == []
    assert cuts(plain, np.zeros_like(plain), plain) == [1, 2]


def test_another_size_is_a_cut_and_a_single_pixel_is_no_trouble() -> None:
    assert cuts(np.zeros((48, 64, 3), np.uint8), np.zeros((40, 64, 3), np.uint8)) == [1]
    assert cuts(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)) == []


@pytest.mark.parametrize("marker", [End("gate"), Discontinuity("gate")])
def test_after_a_marker_nothing_is_compared_with_what_was_before(marker: End | Discontinuity) -> None:
    batches: list[Batch[Frame]] = [[values.frame(scenery(1)), marker, values.frame(scenery(2), index=1)]]
    assert [len(batch) for batch in cut.stage(batches)] == [3]


def test_cameras_are_compared_with_themselves_alone() -> None:
    gate, yard = values.frame(scenery(1)), values.frame(scenery(2), camera="yard")
    batches: list[Batch[Frame]] = [[gate, yard], [gate, yard], []]
    assert [len(batch) for batch in cut.stage(batches)] == [2, 2, 0]
