"""What tests share: the folder of real data, one to work in, a stand-in, the proof that no thread is left."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from streamer.device import one_torch_thread
from tests.standin import StandIn

settings.register_profile("shared machines", deadline=None)  # a core may be busy with something else
settings.load_profile("shared machines")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def shared() -> Path:
    """The folder with real clips, frames and models; its absence skips, or fails where it is required."""
    if SHARED.is_dir():
        return SHARED
    if os.environ.get("STREAMER_REQUIRE_SHARED") == "1":
        pytest.fail("../shared is required here (STREAMER_REQUIRE_SHARED=1) and is not there")
    pytest.skip("needs ../shared")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Fail a test that leaves a thread of ours running."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and _is_ours(thread)]
    for thread in left:
        thread.join(2.0)
    left = [thread for thread in left if thread.is_alive()]
    assert not left, f"threads left running: {[thread.name for thread in left]}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A stand-in in the place of every detector."""
    chosen = StandIn()
    monkeypatch.setattr("streamer.detect.load", lambda *_, **__: chosen)
    return chosen


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in a run: torch's threads wait for each other by spinning, for long where a core is busy."""
    with one_torch_thread():
        yield


def _is_ours(thread: threading.Thread) -> bool:
    # what is guarded runs in a daemon, which a test that lets it hang has to release
    return not thread.daemon or thread.name.endswith(", guarded")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked ``gpu`` where there is none."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
