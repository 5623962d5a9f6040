"""A summary is whole or not there at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer.errors import SinkError
from streamer.sink.summary import write_summary
from tests.streamer.sink.limits import files_no_larger_than

FACTS = {
    "camera": "gate",
    "fps": 24.5,
    "psnr_restored_db": None,
    "frames_dropped": {"processing is behind": 3},
}


def test_facts_come_back_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("old")
    write_summary(tmp_path / "summary.json", FACTS)
    assert json.loads((tmp_path / "summary.json").read_text()) == FACTS
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


def test_a_number_that_json_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_summary(tmp_path / "summary.json", {"psnr_blurred_db": float("inf")})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_what_was_there_and_is_told_in_one_line(tmp_path: Path) -> None:
    write_summary(tmp_path / "summary.json", FACTS)
    with (
        files_no_larger_than(20),
        pytest.raises(SinkError, match=r"summary\.json: cannot be written: File too"),
    ):
        write_summary(tmp_path / "summary.json", {**FACTS, "camera": "yard"})
    assert json.loads((tmp_path / "summary.json").read_text()) == FACTS
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


def test_a_missing_folder_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"gone/summary\.json: cannot be written: No such file or directory$"):
        write_summary(tmp_path / "gone" / "summary.json", FACTS)
