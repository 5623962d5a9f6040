"""The stage on lists of frames: which restorers run, in what order, on what, and what is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch

from streamer.boxes import Boxes
from streamer.frame import Discontinuity, Dropped, End, Hidden, Restored
from streamer.modelfile import Header
from streamer.nets import Network
from streamer.restore import Restorer
from streamer.restore.stage import Link, stage
from streamer.restorers import RestoreConfig
from tests.values import frame, hidden

CPU = torch.device("cpu")
REGION = np.array([(20, 10, 60, 50)], np.int32)


class Scaled(Network):
    """Multiplies and adds, so that the order shows."""

    stride = 4
    residual = False

    def __init__(self, factor: float, added: float) -> None:
        super().__init__()
        self.factor, self.added = factor, added
        self.seen: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(images))
        return (images[:, :3] * self.factor + self.added).clamp(0, 1)


class Hints(Scaled):
    """Shows the hints that it was given."""

    inputs = 6

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images[:, 3:] + torch.tensor([0.5, 0.5, 0.0]).view(3, 1, 1)).clamp(0, 1)


def link(
    network: Network, name: str = "test", mode: Literal["regions", "frame"] = "frame", **keys: Any
) -> Link:
    header = Header(network="test", config={}, task="denoise", size=16 if mode == "regions" else None)
    return Link(Restorer(network, header, CPU, mode, name=name), RestoreConfig(**keys))


def flat(value: int = 100) -> torch.Tensor:
    return torch.full((60, 80, 3), value, dtype=torch.uint8)


def coloured() -> torch.Tensor:
    return torch.tensor([180, 90, 60], dtype=torch.uint8).expand(60, 80, 3).contiguous()


def at(seconds: float, picture: torch.Tensor, regions: Boxes = REGION) -> Hidden:
    """A hidden frame at a time of its source; of the original nothing is to be seen."""
    original = torch.zeros_like(picture)
    value = hidden(original, picture, regions)
    return replace(value, frame=frame(original.numpy(), pts=round(25 * seconds)))


def restored(items: Sequence[Any], *links: Link) -> list[Any]:
    """What the stage makes of one camera's items, one batch each."""
    return [item for batch in stage([[item] for item in items], {"gate": links}) for item in batch]


def test_the_stage_restores_from_what_is_hidden_alone() -> None:
    items = [hidden(flat(value), flat(100), REGION) for value in (0, 255)]
    first, second, end = restored([*items, End("gate")], link(Scaled(1.0, 0.2), mode="regions"))
    assert isinstance(end, End)
    assert torch.equal(first.restored, second.restored)
    assert first.restored[30, 40].tolist() == [151] * 3
    assert first.restored[0, 0].tolist() == [100] * 3


def test_restorers_run_in_order_and_are_named() -> None:
    twice, added = link(Scaled(2.0, 0.0), "twice"), link(Scaled(1.0, 0.2), "added")
    (one,) = restored([at(0, flat(50))], twice, added)
    (other,) = restored([at(0, flat(50))], added, twice)
    assert (one.restored == 151).all()
    assert (other.restored == 202).all()
    assert one.restorers == ("twice", "added")
    assert other.restorers == ("added", "twice")


def test_a_later_restorer_of_regions_sees_what_the_first_made_of_the_frame() -> None:
    (item,) = restored([at(0, flat(50))], link(Scaled(2.0, 0.0)), link(Scaled(1.0, 0.2), mode="regions"))
    assert item.restored[30, 40].tolist() == [151] * 3
    assert item.restored[0, 0].tolist() == [100] * 3


def test_frames_of_cameras_that_share_a_model_go_through_it_together() -> None:
    network = Scaled(1.0, 0.2)
    shared = link(network, mode="regions")
    yard = replace(at(0, flat()), frame=frame(flat().numpy(), camera="yard"))
    list(stage([[at(0, flat()), yard]], {"gate": [shared], "yard": [shared]}))
    assert network.seen == [2]


@pytest.mark.parametrize("mode", ["regions", "frame"])
def test_what_is_never_touched_is_the_same_after_restoring(mode: Literal["regions", "frame"]) -> None:
    keep = np.zeros((60, 80), np.uint8)
    keep[:20, :30] = 1
    whole = np.array([(0, 0, 80, 60)], np.int32)
    item = replace(hidden(flat(50), flat(), whole), mask=1 - keep, keep=keep)
    (one,) = restored([item], link(Scaled(1.0, 0.2), mode=mode))
    assert (one.restored[:20, :30] == 100).all()
    assert (one.restored[30:50, 40:70] == 151).all()


def test_the_stage_leaves_cameras_without_a_restorer_alone() -> None:
    (item,) = restored([at(0, flat())])
    assert isinstance(item, Restored)
    assert item.restored is None
    assert item.restorers == ()


def test_a_frame_that_is_hidden_whole_is_not_restored_and_shares_no_pixels() -> None:
    failed = replace(at(0, flat(114)), failure="detector")
    (item,) = restored([failed], link(Scaled(1.0, 0.2)))
    assert item.restorers == ()
    assert torch.equal(item.restored, flat(114))
    assert item.restored.data_ptr() != failed.blurred.data_ptr()


def test_at_night_alone_what_is_for_the_night_runs() -> None:
    links = link(Scaled(1.0, 0.2), "denoise", when="night"), link(Scaled(1.0, 0.0), "deblur")
    items = [at(0, coloured()), *(at(1 + n, flat()) for n in range(6))]
    ran = [item.restorers for item in restored(items, *links)]
    assert ran[0] == ("deblur",)
    assert ran[-1] == ("denoise", "deblur")
    assert ran.index(("denoise", "deblur")) == 4  # after three seconds of grey pictures


def test_after_a_cut_a_single_picture_says_whether_it_is_night() -> None:
    items = [at(0, coloured()), Discontinuity("gate"), at(0.04, flat())]
    first, _, second = restored(items, link(Scaled(1.0, 0.2), "denoise", when="night"))
    assert (first.restorers, second.restorers) == ((), ("denoise",))
    assert torch.equal(first.restored, coloured())


def test_steady_averages_what_is_still() -> None:
    flickering = link(Scaled(4.0, -1.0), steady=0.5)  # a level of the input becomes four
    first, second = restored([at(0, flat(100)), at(0.04, flat(101))], flickering)
    assert (first.restored == 145).all()
    assert (second.restored == 147).all()  # 149 by itself


@pytest.mark.parametrize(
    "between",
    [Discontinuity("gate"), Dropped("gate", "hider"), replace(at(0.02, flat(114)), failure="detector")],
    ids=["a cut", "a dropped frame", "a frame hidden whole"],
)
def test_nothing_is_averaged_across(between: Any) -> None:
    items = [at(0, flat(100)), between, at(0.04, flat(101))]
    assert (restored(items, link(Scaled(4.0, -1.0), steady=0.5))[-1].restored == 149).all()


def test_each_camera_has_its_own_memory() -> None:
    shared = link(Scaled(4.0, -1.0), steady=0.5)
    yard = replace(at(0.04, flat(101)), frame=frame(flat().numpy(), camera="yard"))
    (batch,) = stage([[at(0, flat(100)), yard]], {"gate": [shared], "yard": [shared]})
    assert isinstance(batch[1], Restored)
    assert batch[1].restored is not None
    assert (batch[1].restored == 149).all()


def test_a_plate_that_was_learnt_in_colour_hints_at_night() -> None:
    none = np.zeros((0, 4), np.int32)
    grey = (0.299 * 180 + 0.587 * 90 + 0.114 * 60) / 255
    night = flat(round(grey * 255))
    items = [at(0, coloured(), none), Discontinuity("gate"), at(2, night, none)]
    day, _, dark = restored(items, link(Hints(1.0, 0.0), "colourise", when="night"))
    assert day.restorers == ()  # it learns all the same
    assert dark.restorers == ("colourise",)
    # a plain view is like nothing, so that the cut took the plate away
    assert dark.restored[30, 40].tolist() == [128, 128, 0]
    items.pop(1)
    items += [at(6, night, none)]
    *_, dark = restored(items, link(Hints(1.0, 0.0), "colourise", when="night"))
    cb, cr = (60 / 255 - grey) / 1.772, (180 / 255 - grey) / 1.402
    expected = [(cb + 0.5) * 255, (cr + 0.5) * 255, 255]
    np.testing.assert_allclose(dark.restored[30, 40].numpy(), expected, atol=1.0)
