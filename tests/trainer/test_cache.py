"""What is expensive is made once, whole or not at all."""

from pathlib import Path
from typing import Any

import pytest

from streamer.errors import ConfigError, SinkError
from trainer import cache


def fill(folder: Path) -> None:
    (folder / "a").write_text("made")


def test_what_is_made_is_found_the_next_time(tmp_path: Path) -> None:
    path = cache.folder(tmp_path / "deep" / "pairs-1", fill)
    assert (path / "a").read_text() == "made"

    def again(_: Path) -> None:
        raise AssertionError("made a second time")

    assert cache.folder(path, again) == path


@pytest.mark.parametrize("error", [KeyboardInterrupt, ConfigError("nothing in it")])
def test_an_interrupted_cache_is_never_taken_for_a_whole_one(
    tmp_path: Path, error: BaseException | type[BaseException]
) -> None:
    def interrupted(folder: Path) -> None:
        fill(folder)
        assert not (tmp_path / "pairs-1").exists()
        raise error

    with pytest.raises((KeyboardInterrupt, ConfigError)):
        cache.folder(tmp_path / "pairs-1", interrupted)
    assert list(tmp_path.iterdir()) == []
    assert (cache.folder(tmp_path / "pairs-1", fill) / "a").read_text() == "made"


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    def full(folder: Path) -> None:
        fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(SinkError, match=r"pairs-1: cannot be written: No space left on device"):
        cache.folder(tmp_path / "pairs-1", full)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(SinkError, match="cannot be written"):
        cache.folder(tmp_path / "cache" / "pairs-1", fill)


def test_a_run_that_was_faster_wins(tmp_path: Path) -> None:
    def slow(folder: Path) -> None:
        (folder / "a").write_text("late")
        cache.folder(tmp_path / "pairs-1", fill)

    assert (cache.folder(tmp_path / "pairs-1", slow) / "a").read_text() == "made"
    assert [path.name for path in tmp_path.iterdir()] == ["pairs-1"]


def test_the_key_changes_with_anything_in_it() -> None:
    base: dict[str, Any] = {"blur": {"kernel": 51}, "frames": [["a", "1"], ["b", "2"]]}
    assert cache.key(base) == cache.key({"frames": [["a", "1"], ["b", "2"]], "blur": {"kernel": 51}})
    others = [
        {**base, "blur": {"kernel": 53}},
        {**base, "blur": {"kernel": None}},
        {**base, "frames": [["b", "2"], ["a", "1"]]},
        {**base, "frames": [["a", "1"]]},
        {**base, "more": None},
    ]
    assert len({cache.key(facts) for facts in [base, *others]}) == 6


def test_the_digest_follows_the_contents(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("x")
    two.write_text("x")
    assert cache.digest([one]) == cache.digest([two])
    two.write_text("y")
    assert cache.digest([one]) != cache.digest([two])
