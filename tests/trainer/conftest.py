"""What the trainer's tests share."""

from collections.abc import Iterator

import pytest
import torch

from trainer import cost


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small lose more to handing work around than they gain by it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def small_pictures_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a network costs is measured on small pictures, and twice."""
    monkeypatch.setattr(cost, "SIZES", {"small": (32, 24), "720p": (64, 36)})
    monkeypatch.setattr(cost, "MOST", 2)
