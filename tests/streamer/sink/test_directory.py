"""Nothing is overwritten unasked, and nothing old is left looking new."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamer.errors import ConfigError
from streamer.sink.directory import OUTPUTS, check_outputs, clear_outputs


def test_a_new_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    check_outputs(tmp_path / "out" / "gate", overwrite=False)
    assert list((tmp_path / "out" / "gate").iterdir()) == []


@pytest.mark.parametrize("name", OUTPUTS)
def test_any_earlier_output_is_refused_and_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old")
    with pytest.raises(ConfigError, match=rf"{name} exists already: use --overwrite"):
        check_outputs(tmp_path, overwrite=False)
    assert (tmp_path / name).read_text() == "old"


def test_all_earlier_outputs_go_when_asked_and_other_files_stay(tmp_path: Path) -> None:
    for name in (*OUTPUTS, "notes.txt"):
        (tmp_path / name).write_text("old")
    check_outputs(tmp_path, overwrite=True)
    assert len(list(tmp_path.iterdir())) == len(OUTPUTS) + 1  # checking touches nothing
    clear_outputs(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "precious.mp4").write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "blurred.mp4").symlink_to(tmp_path / "precious.mp4")
    with pytest.raises(ConfigError):
        check_outputs(tmp_path / "out", overwrite=False)
    check_outputs(tmp_path / "out", overwrite=True)
    clear_outputs(tmp_path / "out")
    assert not (tmp_path / "out" / "blurred.mp4").is_symlink()
    assert (tmp_path / "precious.mp4").read_text() == "precious"


def test_a_folder_in_the_place_of_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "blurred.mp4").mkdir()
    with pytest.raises(ConfigError, match=r"cannot be written to: Is a directory$"):
        clear_outputs(tmp_path)


def test_footage_inside_a_source_folder_is_not_taken_for_an_earlier_output(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "blurred.mp4").write_text("footage")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "1.mp4").symlink_to(tmp_path / "out" / "blurred.mp4")
    with pytest.raises(ConfigError, match=r"blurred\.mp4 is a source of this run"):
        check_outputs(tmp_path / "out", overwrite=True, sources=[tmp_path / "archive"])


def test_a_file_in_the_place_of_the_folder_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ConfigError, match=r"out/gate: cannot be written to: Not a directory$"):
        check_outputs(tmp_path / "out" / "gate", overwrite=False)


def test_a_folder_without_the_right_to_write_is_told_in_one_line(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        folder, reason = Path("/proc/self"), "No such file or directory"  # nobody may write there
    else:
        folder, reason = tmp_path, "Permission denied"
        tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match=rf"{folder}: cannot be written to: {reason}$"):
        check_outputs(folder, overwrite=False)
    tmp_path.chmod(0o700)


def test_a_source_is_never_overwritten_by_its_own_output(tmp_path: Path) -> None:
    (tmp_path / "blurred.mp4").write_text("footage")
    with pytest.raises(ConfigError, match=r"is a source of this run: use another output\.directory"):
        check_outputs(tmp_path, overwrite=True, sources=[tmp_path / "nothing" / ".." / "blurred.mp4"])
    assert (tmp_path / "blurred.mp4").read_text() == "footage"


PICTURE = f"{'0123456789abcdef' * 2}.jpg"


def test_an_earlier_event_picture_is_refused_and_goes_when_asked(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / PICTURE).write_text("old")
    with pytest.raises(ConfigError, match=rf"events/{PICTURE} exists already: use --overwrite"):
        check_outputs(tmp_path, overwrite=False)
    assert (tmp_path / "events" / PICTURE).read_text() == "old"
    check_outputs(tmp_path, overwrite=True)
    clear_outputs(tmp_path)
    assert list((tmp_path / "events").iterdir()) == []
    check_outputs(tmp_path, overwrite=False)  # an empty folder is no output


def test_pictures_that_are_no_events_stay(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    others = {"0001.jpg", f"a{PICTURE}", PICTURE.upper(), PICTURE.replace(".jpg", ".png")}
    for name in others:
        (tmp_path / "events" / name).write_text("mine")
    check_outputs(tmp_path, overwrite=False)
    clear_outputs(tmp_path)
    assert {path.name for path in (tmp_path / "events").iterdir()} == others


@pytest.mark.parametrize("source", ["events", f"events/{PICTURE}"])
def test_the_folder_of_event_pictures_is_no_source(tmp_path: Path, source: str) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / PICTURE).write_text("footage")
    with pytest.raises(ConfigError, match=rf"{source} is a source of this run: use another output"):
        check_outputs(tmp_path, overwrite=True, sources=[tmp_path / source])
    assert (tmp_path / "events" / PICTURE).read_text() == "footage"
