import numpy as np
import pytest
import torch

from streamer.config import MaskConfig
from streamer.fill import fill_opencv, noise
from streamer.night import SECONDS, Night, is_grey, look
from streamer.section import validate


def flat(*colour: int) -> torch.Tensor:
    return torch.tensor(colour, dtype=torch.uint8).expand(180, 320, 3).contiguous()


DAY, GREY, DARK = flat(150, 110, 90), flat(110, 110, 110), flat(34, 26, 20)


def said(night: Night, *pictures: tuple[float, torch.Tensor]) -> list[bool]:
    return [night.at(time_s, picture) for time_s, picture in pictures]


def test_luma_and_chroma_are_those_of_bt601() -> None:
    luma, chroma = look(flat(200, 100, 50))
    expected = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert luma == pytest.approx(expected, abs=0.01)
    assert chroma == pytest.approx(max((200 - expected) / 1.402, (expected - 50) / 1.772), abs=0.01)


@pytest.mark.parametrize(("picture", "night"), [(DAY, False), (GREY, True), (DARK, True)])
def test_the_first_picture_decides_at_once(picture: torch.Tensor, night: bool) -> None:
    assert Night().at(0.0, picture) is night


def test_an_overlay_in_colour_does_not_make_a_day() -> None:
    picture = GREY.clone()
    picture[:10, :100] = torch.tensor([255, 220, 0], dtype=torch.uint8)
    assert is_grey(picture)
    picture[:60] = torch.tensor([255, 220, 0], dtype=torch.uint8)
    assert not is_grey(picture)


def test_the_dither_of_hidden_pixels_is_not_colour() -> None:
    how = validate(MaskConfig, {})
    drawn = noise(180, 320, how, np.random.default_rng(0))
    picture = torch.from_numpy(fill_opencv(GREY.numpy(), 40, how, drawn))
    assert picture.float().std(dim=2).mean() > 2
    assert is_grey(picture)


def test_night_begins_and_ends_after_seconds_of_the_source_that_all_say_so() -> None:
    night = Night()
    assert said(night, (0.0, DAY), (1.0, GREY), (1.0 + SECONDS - 0.1, GREY)) == [False] * 3
    assert said(night, (1.0 + SECONDS, GREY), (5.0, DAY), (7.9, DAY)) == [True] * 3
    assert night.at(8.0, DAY) is False


def test_a_lamp_that_flashes_changes_nothing() -> None:
    night = Night()
    flashes = [(0.5 * n, GREY if n % 5 else DAY) for n in range(40)]
    assert said(night, *flashes) == [False] * 40


def test_between_dark_and_dim_it_stays_as_it_was() -> None:
    dusk = flat(60, 50, 40)
    assert said(Night(), (0.0, DAY), (1.0, dusk), (9.0, dusk)) == [False] * 3
    assert said(Night(), (0.0, DARK), (1.0, dusk), (9.0, dusk)) == [True] * 3


def test_what_is_forgotten_is_decided_anew() -> None:
    night = Night()
    night.at(0.0, DAY)
    night.forget()
    assert night.at(0.04, GREY) is True


@pytest.mark.parametrize("size", [(1, 1), (5, 1000), (2160, 3840)])
def test_pictures_of_any_size_are_looked_at(size: tuple[int, int]) -> None:
    luma, chroma = look(torch.full((*size, 3), 90, dtype=torch.uint8))
    assert luma == pytest.approx(90, abs=0.01)
    assert chroma == pytest.approx(0, abs=0.01)
