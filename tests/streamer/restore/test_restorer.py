from typing import Literal

import numpy as np
import pytest
import torch

from streamer import modelfile
from streamer.boxes import Boxes
from streamer.modelfile import Header
from streamer.nets import Network
from streamer.restore import Restorer, cut, surroundings
from streamer.restore.engines import TorchEngine
from streamer.restore.paste import fade, paste_opencv, paste_torch


class Brighter(Network):
    """Adds a fifth, 51 levels, to every sample: a correction that is easy to check."""

    stride = 4
    residual = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(tuple(images.shape))
        return (images[:, :3] + 0.2).clamp(0, 1)


class Drawn(Brighter):
    """Draws everything anew, in one colour."""

    residual = False

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(tuple(images.shape))
        return torch.full_like(images[:, :3], 0.5)


def restorer(
    network: Brighter, mode: Literal["regions", "frame"] = "regions", size: int | None = 16
) -> Restorer:
    header = Header(network="test", config={}, task="deblur", size=size, context=0.5)
    return Restorer(network, header, torch.device("cpu"), mode)


def regions(*rows: tuple[int, int, int, int]) -> Boxes:
    return np.array(rows, np.int32).reshape(-1, 4)


def flat(value: int = 100) -> torch.Tensor:
    return torch.full((60, 80, 3), value, dtype=torch.uint8)


def smooth() -> torch.Tensor:
    y, x = np.mgrid[0:60, 0:80]
    return torch.from_numpy(np.stack([x * 3, y * 4, x + y], -1).astype(np.uint8))


def test_a_region_grows_by_its_context_within_the_frame() -> None:
    assert surroundings((20, 20, 40, 30), 0.5, 80, 60) == (10, 15, 50, 35)
    assert surroundings((0, 50, 20, 60), 0.5, 80, 60) == (0, 45, 30, 60)


@pytest.mark.parametrize("size", [8, 64])
def test_a_cut_shows_the_region_with_its_context_at_the_networks_size(size: int) -> None:
    squares = cut(smooth(), regions((20, 20, 40, 40), (0, 0, 10, 10)), size, 0.5)
    assert squares.shape == (2, 3, size, size)
    # red rises by 3 a pixel: a square of 40 pixels across from column 10 has its mean at column 29.5
    assert squares[0, 0].mean() * 255 == pytest.approx(29.5 * 3, abs=1.0)
    assert squares[1, 1].mean() * 255 == pytest.approx(7.0 * 4, abs=1.0)


def test_nothing_to_cut_gives_an_empty_batch() -> None:
    assert cut(flat(), regions(), 16, 0.5).shape == (0, 3, 16, 16)


def test_regions_gain_the_correction_andfade_in_at_their_edges_and_all_else_stays() -> None:
    (restored,) = restorer(Brighter()).restore([flat()], [regions((20, 10, 60, 50))])
    assert (restored[20:40, 30:50] == 151).all()
    edge = restored[30, 20:30, 0].int().tolist()
    assert edge == sorted(edge)
    assert 100 < edge[0] < 151
    outside = torch.ones(60, 80, dtype=torch.bool)
    outside[10:50, 20:60] = False
    assert (restored[outside] == 100).all()


def test_overlapping_regions_are_not_corrected_twice() -> None:
    (restored,) = restorer(Brighter()).restore([flat()], [regions((10, 10, 50, 50), (20, 10, 60, 50))])
    assert restored.max() == 151


def test_a_network_that_draws_anew_replaces_the_blurred_pixels() -> None:
    (restored,) = restorer(Drawn()).restore([flat(10)], [regions((20, 10, 60, 50))])
    assert (restored[25:35, 35:45] == 128).all()
    assert (restored[0] == 10).all()


def test_all_regions_of_all_frames_go_through_the_network_at_once() -> None:
    network = Brighter()
    restored = restorer(network).restore(
        [flat(), flat(), flat()], [regions((0, 0, 9, 9), (20, 20, 60, 60)), regions(), regions((5, 5, 6, 6))]
    )
    assert network.seen == [(3, 3, 16, 16)]
    assert torch.equal(restored[1], flat())


def test_frames_without_regions_do_not_wake_the_network() -> None:
    network = Brighter()
    assert torch.equal(restorer(network).restore([flat()], [regions()])[0], flat())
    assert network.seen == []


def test_a_crowd_goes_through_in_parts() -> None:
    network = Brighter()
    many = regions(*((i % 70, i % 50, i % 70 + 8, i % 50 + 8) for i in range(150)))
    restorer(network).restore([flat()], [many])
    assert [shape[0] for shape in network.seen] == [64, 64, 22]


def test_frame_mode_runs_the_whole_frame_at_the_networks_size() -> None:
    network = Brighter()
    picture = smooth() // 2
    (restored,) = restorer(network, "frame").restore([picture], [regions()])
    assert network.seen == [(1, 3, 16, 16)]
    assert torch.equal(restored, picture + 51)


def test_frame_mode_without_a_size_runs_at_full_size_padded_to_the_stride() -> None:
    network = Drawn()
    odd = torch.zeros((61, 79, 3), dtype=torch.uint8)
    (restored,) = restorer(network, "frame", None).restore([odd], [regions()])
    assert network.seen == [(1, 3, 64, 80)]
    assert restored.shape == (61, 79, 3)
    assert (restored == 128).all()


def test_regions_without_a_size_run_each_at_its_own_resolution() -> None:
    network = Brighter()
    (restored,) = restorer(network, size=None).restore([flat()], [regions((20, 10, 61, 51))])
    # context of 20 pixels, clipped at the top and the bottom: 81 x 60 pixels, filled up to multiples of 32
    assert network.seen == [(1, 3, 64, 96)]
    assert restored[30, 40, 0] == 151


@pytest.mark.parametrize("region", [(20, 10, 60, 50), (0, 0, 80, 60), (79, 59, 80, 60), (5, 5, 8, 30)])
def test_opencv_and_torch_paste_alike(region: tuple[int, int, int, int]) -> None:
    correction = torch.from_numpy(np.random.default_rng(0).integers(-60, 60, (16, 16, 3), np.int16))
    around = surroundings(region, 0.5, 80, 60)
    pasted = []
    for paste in (paste_opencv, paste_torch):
        pasted.append(smooth() // 2)
        paste(smooth(), pasted[-1], region, around, correction, fade(region, None))
    assert (pasted[0].int() - pasted[1].int()).abs().max() <= 1


def test_16_bits_restore_as_32_do() -> None:
    network, header = modelfile.load(modelfile.locate("bundled"))
    found = regions((10, 10, 70, 50))
    restored = []
    for kind in (torch.float32, torch.bfloat16):
        engine = TorchEngine(network, torch.device("cpu"), kind)
        made = Restorer(network, header, torch.device("cpu"), engine=engine)
        restored += made.restore([smooth()], [found])
    difference = (restored[0].int() - restored[1].int()).abs().float()
    assert difference.max() <= 3
    assert difference.mean() < 0.3
    assert not torch.equal(restored[0], smooth())


@pytest.mark.parametrize(
    ("task", "mode"),
    [
        ("deblur", "regions"),
        ("inpaint", "regions"),
        ("denoise", "frame"),
        ("colourise", "frame"),
        ("paired", "frame"),
    ],
)
def test_a_model_is_applied_to_what_suits_its_task(task: str, mode: str) -> None:
    header = Header(network="test", config={}, task=task)
    assert Restorer(Brighter(), header, torch.device("cpu")).mode == mode
    assert Restorer(Brighter(), header, torch.device("cpu"), "frame").mode == "frame"


def test_hints_follow_the_colours_and_are_filled_up_with_them() -> None:
    class Hinted(Brighter):
        inputs = 6

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.seen.append(tuple(images.shape))
            return images[:, 3:] + 0.5

    network = Hinted()
    made = Restorer(network, Header(network="test", config={}, task="colourise"), torch.device("cpu"))
    assert made.hinted
    hint = torch.linspace(-0.5, 0.5, 79).expand(3, 61, 79)
    (restored,) = made.restore([torch.zeros((61, 79, 3), dtype=torch.uint8)], [regions()], hints=[hint])
    assert network.seen == [(1, 6, 64, 80)]
    expected = ((hint + 0.5) * 255).round().permute(1, 2, 0)
    assert torch.equal(restored.float(), expected)


@pytest.mark.gpu
def test_cuda_restores_as_the_cpu_does() -> None:
    header = Header(network="test", config={}, task="deblur", size=16, context=0.5)
    found = regions((20, 10, 60, 50), (0, 0, 30, 20))
    pictures = [
        Restorer(Brighter(), header, torch.device(device)).restore([smooth().to(device)], [found])[0].cpu()
        for device in ("cpu", "cuda")
    ]
    assert (pictures[0].int() - pictures[1].int()).abs().max() <= 2


def test_only_what_is_hidden_of_a_region_is_restored_and_thatfades_in() -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[10:50, 20:40] = 1  # the left half of the region
    (restored,) = restorer(Brighter()).restore([flat()], [regions((20, 10, 60, 50))], [mask])
    assert (restored[torch.from_numpy(mask) == 0] == 100).all()
    assert (restored[20:40, 26:34] == 151).all()
    assert 100 < restored[30, 39, 0] < 151
