"""A camera's plate: what it learns, what it hints, and when it forgets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamer.plate import EVERY, Learner, Plate, hints, learn, reduce

HEIGHT, WIDTH = 46, 62  # no multiples of a cell
NOTHING = torch.zeros((HEIGHT, WIDTH), dtype=torch.bool)


def street(seed: int = 0) -> torch.Tensor:
    """A view in colour, the same one for a seed."""
    patches = np.random.default_rng(seed).integers(40, 200, (6, 8, 3), np.uint8)
    picture = patches.repeat(8, axis=0).repeat(8, axis=1)[:HEIGHT, :WIDTH]
    return torch.from_numpy(np.ascontiguousarray(picture))


def grey(picture: torch.Tensor) -> torch.Tensor:
    luma = picture.float() @ torch.tensor([0.299, 0.587, 0.114])
    return luma.round().to(torch.uint8)[..., None].repeat(1, 1, 3)


def chroma(*colour: int) -> tuple[float, float, float]:
    """Luma, cb and cr by the book."""
    r, g, b = (level / 255 for level in colour)
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    return luma, (b - luma) / 1.772, (r - luma) / 1.402


def test_nothing_is_hinted_without_a_plate() -> None:
    assert torch.equal(hints(street(), None), torch.zeros(3, HEIGHT, WIDTH))


def test_the_hint_is_the_plates_colour_where_brightness_agrees() -> None:
    picture = torch.tensor([200, 100, 50], dtype=torch.uint8).expand(HEIGHT, WIDTH, 3).contiguous()
    plate = learn(None, picture, NOTHING)
    luma, cb, cr = chroma(200, 100, 50)
    given = hints(grey(picture), plate)
    assert given.shape == (3, HEIGHT, WIDTH)
    expected = torch.tensor([cb, cr, 1.0]).view(3, 1, 1).expand_as(given)
    torch.testing.assert_close(given, expected, atol=2e-3, rtol=0)
    # 0.06 of the brightness off is one standard deviation
    darker = torch.full((HEIGHT, WIDTH, 3), round(255 * (luma - 0.06)), dtype=torch.uint8)
    assert hints(darker, plate)[2].mean() == pytest.approx(np.exp(-0.5), abs=0.03)
    black = torch.zeros((HEIGHT, WIDTH, 3), dtype=torch.uint8)
    assert hints(black, plate)[2].max() < 1e-4


def test_the_plate_is_at_a_quarter_of_the_resolution() -> None:
    found = reduce(street())
    assert found.shape == (12, 16, 3)
    np.testing.assert_allclose(found[3, 5], chroma(*street()[12, 20].tolist()), atol=1e-5)


def test_what_passes_by_leaves_no_colour() -> None:
    view, plate = street(), None
    for n in range(60):
        picture = view.clone()
        if n in (5, 6, 20, 21, 22):  # a red truck
            picture[10:40, 10:50] = torch.tensor([255, 0, 0], dtype=torch.uint8)
        plate = learn(plate, picture, NOTHING)
    assert plate is not None
    assert (plate.colours - reduce(view)).abs().max() < 0.02


def test_what_was_there_at_first_gives_way_to_the_view() -> None:
    view = street()
    picture = view.clone()
    picture[10:40, 10:50] = torch.tensor([255, 0, 0], dtype=torch.uint8)
    plate = learn(None, picture, NOTHING)
    for _ in range(120):
        plate = learn(plate, view, NOTHING)
    assert (plate.colours - reduce(view)).abs().max() < 0.02


def test_what_is_hidden_is_not_learnt_and_not_hinted_until_it_was_seen() -> None:
    hidden = NOTHING.clone()
    hidden[8:24, 16:40] = True
    solid = street()
    solid[hidden] = 114
    plate = learn(None, solid, hidden)
    assert (hints(grey(street()), plate)[2, 10:22, 18:38] == 0).all()
    assert hints(grey(street()), plate)[2, 30:, :].mean() > 0.9
    plate = learn(plate, street(), NOTHING)
    torch.testing.assert_close(plate.colours[2:6, 4:10], reduce(street())[2:6, 4:10])


def test_a_learner_takes_a_sample_a_second_of_what_is_in_colour() -> None:
    learner = Learner()
    for n in range(51):
        if learner.due(n / 25):
            learner.see(n / 25, street(), NOTHING)
    assert EVERY == 1.0
    assert isinstance(learner.plate, Plate)
    assert (learner.plate.samples == 3).all()
    learner.see(5.0, grey(street()), NOTHING)
    assert (learner.plate.samples == 3).all()


def test_after_an_interruption_the_plate_stays_for_the_same_view_alone() -> None:
    learner = Learner()
    learner.see(0.0, street(), NOTHING)
    learner.interrupt()
    assert learner.due(0.04)
    learner.see(0.04, grey(street()), NOTHING)
    assert learner.plate is not None
    learner.interrupt()
    learner.see(0.08, grey(street(7)), NOTHING)
    assert learner.plate is None


def test_another_picture_size_is_another_view() -> None:
    learner = Learner()
    learner.see(0.0, street(), NOTHING)
    smaller = street()[:40, :40].contiguous()
    assert torch.equal(hints(smaller, learner.plate), torch.zeros(3, 40, 40))
    learner.see(1.0, smaller, NOTHING[:40, :40])
    assert learner.plate is not None
    torch.testing.assert_close(learner.plate.colours, reduce(smaller))
    learner.interrupt()
    learner.see(1.04, grey(street()), NOTHING)
    assert learner.plate is None
