"""A camera's files, read as far as they go; what is wrong in them is named by file and line."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import ConfigError
from streamer.report.gather import LATENCY, LOOKS, MISSING, WHOLE, folders, gather
from tests.streamer.report import written
from tests.streamer.report.written import event, looked, row


def test_a_whole_run_is_read(tmp_path: Path) -> None:
    written.frames(tmp_path, [row(0), row(1, roi=""), row(4, blurred="inf", roi="inf"), row(5)])
    written.detections(
        tmp_path,
        [
            looked(0, "car", "car"), looked(1), looked(4, "bus", looked=False),
            looked(5, "car", failure="detector"),
        ],
    )  # fmt: skip
    written.summary(tmp_path)
    found = gather(tmp_path)
    assert (found.written, found.equal, found.first, found.last) == (4, 1, 0.0, 1.25)
    assert found.frames.all["psnr_blurred_db"].count == 3
    assert found.frames.all["psnr_restored_roi_db"].mean == 18.0
    assert found.frames.all["psnr_blurred_roi_db"].count == 2
    assert found.frames.all[MISSING].total == 2
    assert found.frames.all[LATENCY].mean == 12.5
    assert found.restorers == {"deblur": 4}
    assert found.classes == {"car": 3}  # where nobody looked there is nothing to count
    assert found.seen.all[LOOKS].count == 3
    assert found.seen.all[WHOLE].total == 1
    assert found.causes == Counter({"detector": 1})
    assert found.began is None


def test_frames_that_are_missing_lie_before_the_next_one_and_before_the_first(tmp_path: Path) -> None:
    written.frames(tmp_path, [row(3), row(4), row(10)])
    lost = [(start, tally.total) for start, tally in gather(tmp_path).frames.spans(MISSING) if tally.total]
    assert [count for _, count in lost] == [3, 5]
    assert lost[0][0] <= 0.75 < lost[1][0] <= 2.5


def test_a_killed_run_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    written.frames(tmp_path, [row(0), row(1), "2,0.5"], end="")
    (tmp_path / "detections.jsonl").write_text('{"frame":0,"time_s":0.0,"objects":[]}\n{"fra')
    (tmp_path / "events.jsonl").write_text('{"id')
    found = gather(tmp_path)
    assert (found.written, found.summary, list(found.events)) == (2, None, [])
    assert found.seen.all[LOOKS].count == 1


def test_files_may_be_empty_or_missing(tmp_path: Path) -> None:
    for name in ("frames.csv", "detections.jsonl", "events.jsonl"):
        (tmp_path / name).touch()
        found = gather(tmp_path)
        assert (found.written, found.first, found.last) == (0, 0.0, 0.0)


def test_a_live_camera_knows_when_it_began(tmp_path: Path) -> None:
    written.summary(tmp_path, live=True)
    began = gather(tmp_path).began
    assert began is not None
    assert began.isoformat() == "2026-11-21T10:00:00+01:00"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["0,0.0,1"], r"line 2: has 3 columns, and the first line 9"),
        (
            [row(0), row(1).replace("24.0", "lots")],
            r"line 3: psnr_blurred_db: expected a number, found .lots.$",
        ),
        ([row(0).replace("24.0", "nan")], r"line 2: psnr_blurred_db: expected a number, found .nan.$"),
        ([row(1), row(1)], r"line 3: frame and time_s must rise$"),
        ([row(1), row(2, time_s=0.1)], r"line 3: frame and time_s must rise$"),
        (["x" + row(1)], r"line 2: frame: expected a number from 0 on, found .x1.$"),
        ([row(0, time_s=1e11)], r"line 2: time_s: expected seconds"),
        ([row(0), ""], r"line 3: has 1 columns"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, rows: list[str], said: str) -> None:
    written.frames(tmp_path, rows)
    with pytest.raises(ConfigError, match=rf"frames\.csv, {said}"):
        gather(tmp_path)


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "frames.csv").write_text("frame,time_s,psnr\n")
    with pytest.raises(ConfigError, match=r"frames\.csv, line 1: no column psnr_blurred_db"):
        gather(tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{oops", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "objects: expected a list"),
        ('{"frame":0}', "objects: expected a list"),
        ('{"objects":[{"class":3}]}', "objects: expected a class in each"),
        ('{"objects":[],"time_s":"1"}', "time_s: expected seconds, found"),
        ('{"objects":[],"time_s":NaN}', "time_s: expected seconds, found"),
        ('{"objects":[],"failure":1}', "failure: expected a text, found 1"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "detections.jsonl").write_text(f'{{"frame":0,"objects":[]}}\n{line}\n')
    with pytest.raises(ConfigError, match=rf"detections\.jsonl, line 2: {said}"):
        gather(tmp_path)


@pytest.mark.parametrize(
    "more",
    [{"fps": "fast"}, {"frames_read": -1}, {"frames_dropped": {"x": "many"}}, {"began": "soon"}, {"live": 1}],
)
def test_a_wrong_summary_is_named_with_its_key(tmp_path: Path, more: dict[str, Any]) -> None:
    written.summary(tmp_path, **more)
    with pytest.raises(ConfigError, match=rf"summary\.json: {next(iter(more))}: not expected"):
        gather(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_summary_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary.json").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"summary\.json: (no JSON|expected keys)"):
        gather(tmp_path)


@pytest.mark.parametrize("end_s", [float("nan"), float("inf"), 1e300, True, "later"])
def test_an_event_without_a_proper_time_is_named(tmp_path: Path, end_s: object) -> None:
    written.events(tmp_path, [event(end_s=end_s)])
    with pytest.raises(ConfigError, match=r"events\.jsonl, line 1: start_s and end_s: expected seconds"):
        gather(tmp_path)


def test_folders_are_those_of_cameras(tmp_path: Path) -> None:
    written.frames(tmp_path / "out/b", [])
    written.summary(tmp_path / "out/a")
    (tmp_path / "out/notes").mkdir()
    assert folders(tmp_path / "out") == [tmp_path / "out/a", tmp_path / "out/b"]
    assert folders(tmp_path / "out/b") == [tmp_path / "out/b"]
    with pytest.raises(ConfigError, match="no camera's outputs in it"):
        folders(tmp_path / "out/notes")
    with pytest.raises(ConfigError, match="none: cannot be read: No such file"):
        folders(tmp_path / "none")
