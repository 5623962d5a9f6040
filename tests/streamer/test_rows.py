"""Lines of a file that a run wrote, as far as they are whole."""

import logging
from pathlib import Path

import pytest

from streamer import rows
from streamer.errors import ConfigError


def test_lines_have_numbers_and_no_ends(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfframe\r\n\n1,2\n")
    assert list(rows.read(tmp_path / "a.csv")) == [(1, "frame"), (2, ""), (3, "1,2")]


def test_a_last_line_that_was_cut_off_is_left_out_and_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (tmp_path / "a.csv").write_bytes(b"one\ntwo \xe2\x82")
    assert list(rows.read(tmp_path / "a.csv")) == [(1, "one")]
    assert caplog.messages == [f"{tmp_path / 'a.csv'}: the last line was cut off and is left out"]


def test_what_is_no_text_and_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"one\n\xff\xfe\n")
    with pytest.raises(ConfigError, match=r"a\.csv, line 2: not text in UTF-8$"):
        list(rows.read(tmp_path / "a.csv"))
    with pytest.raises(ConfigError, match=r"none: cannot be read: No such file"):
        list(rows.read(tmp_path / "none"))
