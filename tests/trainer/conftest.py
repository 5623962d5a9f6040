"""What the trainer's tests share."""

import signal
from collections.abc import Iterator

import pytest

from trainer import cost


@pytest.fixture(autouse=True)
def small_networks(one_thread: None) -> None:
    """Networks this small lose more to handing work around than they gain by it."""


@pytest.fixture(autouse=True)
def small_pictures_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a network costs is measured on small pictures, and twice."""
    monkeypatch.setattr(cost, "SIZES", {"small": (32, 24), "720p": (64, 36)})
    monkeypatch.setattr(cost, "MOST", 2)


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard, also where a shell that runs the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
