"""Spots of colour as hints."""

import numpy as np
import torch

from trainer import colour


def test_spots_show_the_true_colour_and_nothing_else() -> None:
    cells = torch.rand(3, 5, 6, generator=torch.Generator().manual_seed(0))
    clean = cells.repeat_interleave(16, 1).repeat_interleave(16, 2)
    random = np.random.default_rng(0)
    counts = []
    for _ in range(50):
        made = colour.with_spots(clean, random, most=4)
        assert made.shape == (6, 80, 96)
        torch.testing.assert_close(made[:3], colour.without(clean, random))
        sure = made[5] == 1
        counts.append(int(sure.sum()))
        assert not made[3:][:, ~sure].any()
        # within a cell a spot's mean is the colour itself; across an edge it is between two or more
        true = colour.chroma(clean)
        assert float(made[3:5][:, sure].amin(dim=1).min() if counts[-1] else 0) >= float(true.min()) - 1e-6
    assert min(counts) == 0  # a picture without any is among them
    assert 81 < max(counts) <= 4 * 81
    assert len(set(counts)) > 10


def test_a_spot_within_one_colour_is_exactly_it() -> None:
    clean = torch.tensor([0.8, 0.3, 0.1])[:, None, None].expand(3, 20, 20)
    random = np.random.default_rng(1)
    made = next(
        picture
        for picture in (colour.with_spots(clean, random, most=3) for _ in range(20))
        if picture[5].any()
    )
    luma = 0.299 * 0.8 + 0.587 * 0.3 + 0.114 * 0.1
    expected = torch.tensor([(0.1 - luma) / 1.772, (0.8 - luma) / 1.402])
    torch.testing.assert_close(made[3:5][:, made[5] == 1].mean(dim=1), expected)


def test_the_colour_is_taken_from_the_clean_picture_and_the_grey_from_its_partner() -> None:
    clean = torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(3, 20, 20)
    partner = torch.tensor([0.2, 0.4, 0.6])[:, None, None].expand(3, 20, 20)
    made = colour.with_spots(torch.cat([clean, partner]), np.random.default_rng(2), most=9)
    grey = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6
    torch.testing.assert_close(made[:3], torch.full((3, 20, 20), grey))
    assert made[5].any()
    assert float(made[4][made[5] == 1].min()) > 0.49  # red's own cr
