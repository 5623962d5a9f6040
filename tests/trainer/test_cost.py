"""What is measured of a network's cost."""

import pytest
import torch

from streamer.boxes import disjoint
from streamer.modelfile import Header
from streamer.nets.network import Network
from trainer import cost
from trainer.cost import REGIONS, costs, machine
from trainer.system import System

CPU = torch.device("cpu")


class Seen(Network):
    """Takes down which sizes come."""

    stride = 4
    residual = True

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(images.shape))
        return images


def system(network: Network, task: str, of: str, size: int | None) -> System:
    training = {"config": {"pairs": {"of": of}}}
    return System("mine", network, Header("none", {}, task, size=size, training=training), CPU)


@pytest.fixture(autouse=True)
def sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SIZES", {"small": (32, 24), "720p": (64, 36)})
    monkeypatch.setattr(cost, "MOST", 3)


def test_one_that_is_applied_per_region_is_measured_on_a_frame_with_some_too() -> None:
    network = Seen()
    found = costs(system(network, "deblur", "regions", 16), CPU)
    assert [each.name for each in found] == ["small", "720p", "720p, 8 regions"]
    assert all(each.ms > 0 for each in found)
    assert set(network.shapes) == {(1, 3, 24, 32), (1, 3, 36, 64), (REGIONS, 3, 16, 16)}


def test_one_for_whole_frames_is_measured_on_them_at_the_size_that_it_works_at() -> None:
    own, any_size = Seen(), Seen()
    assert len(costs(system(own, "deblur", "frames", 16), CPU)) == 2
    assert set(own.shapes) == {(1, 3, 16, 16)}
    costs(system(any_size, "denoise", "crops", None), CPU)
    assert set(any_size.shapes) == {(1, 3, 24, 32), (1, 3, 36, 64)}
    assert 4 <= len(any_size.shapes) <= 8  # once before the clock runs, then up to three times


def test_regions_lie_apart_within_the_frame() -> None:
    regions = cost._regions(1280, 720)
    assert len(disjoint(regions)) == REGIONS
    assert regions[:, 2].max() <= 1280
    assert regions[:, 3].max() <= 720


def test_the_machine_is_named() -> None:
    facts = machine(system(Seen(), "denoise", "crops", None), CPU).facts()
    assert list(facts) == ["processor", "threads", "engine", "clock"]
    assert facts["processor"]
    assert facts["threads"] == torch.get_num_threads()
    assert facts["engine"].startswith(f"torch {torch.__version__}")
