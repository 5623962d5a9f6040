"""The file with the temperatures and thresholds of zero-shot classes."""

import json
from pathlib import Path

import pytest

from streamer.errors import ConfigError
from streamer.watch.calibration import Calibrated, Calibration, read, require_same, write

MADE = Calibration(
    {"accident": Calibrated(0.02, 0.7), "smoke": Calibrated(0.013, 0.55, 0.02)},
    {"model": "ViT-B-32-256", "weights": "ab12"},
    {"clips": ["a", "b"], "auroc": 0.71},
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "made" / "zeroshot.json", MADE)
    assert read(tmp_path / "made" / "zeroshot.json") == MADE


def test_a_run_that_reads_the_old_file_reads_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "zeroshot.json"
    write(path, MADE)
    before = path.read_text(encoding="utf-8")
    with path.open(encoding="utf-8") as opened:
        write(path, Calibration({}, MADE.scorer))
        assert opened.read() == before
    assert read(path).classes == {}


def test_a_person_can_read_it(tmp_path: Path) -> None:
    write(tmp_path / "zeroshot.json", MADE)
    said = json.loads((tmp_path / "zeroshot.json").read_text(encoding="utf-8"))
    assert said["classes"]["smoke"] == {"temperature": 0.013, "threshold": 0.55, "offset": 0.02}


def test_an_offset_may_be_left_out(tmp_path: Path) -> None:
    write(tmp_path / "zeroshot.json", MADE)
    said = json.loads((tmp_path / "zeroshot.json").read_text(encoding="utf-8"))
    del said["classes"]["accident"]["offset"]
    (tmp_path / "zeroshot.json").write_text(json.dumps(said))
    assert read(tmp_path / "zeroshot.json") == MADE


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"classes": {"accident": {"temperature": 0.0, "threshold": 0.5}}}, ["accident", "temperature", "0"]),
        ({"classes": {"accident": {"temperature": 0.1, "threshold": 1.0}}}, ["accident", "threshold", "1"]),
        ({"classes": {"accident": {"temperature": 0.1}}}, ["accident", "threshold"]),
        ({"scorer": "mine"}, ["scorer"]),
        ({"clases": {}}, ["clases"]),
        ({"version": 2}, ["version 2", "up to 1"]),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(
    tmp_path: Path, change: dict[str, object], parts: list[str]
) -> None:
    path = tmp_path / "zeroshot.json"
    write(path, MADE)
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}))
    with pytest.raises(ConfigError) as raised:
        read(path)
    assert all(part in str(raised.value) for part in [str(path), *parts]), raised.value
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[1]"])
def test_what_is_no_calibration_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "zeroshot.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"zeroshot\.json: ") as raised:
        read(path)
    assert "\n" not in str(raised.value)


def test_a_missing_file_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: No such file.*trainer calibrate"):
        read(tmp_path / "no.json")


def test_a_calibration_of_another_scorer_is_refused_with_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "zeroshot.json"
    require_same(path, MADE.scorer, {"model": "ViT-B-32-256", "weights": "ab12"})
    with pytest.raises(ConfigError, match=r"other weights \(ab12, here cd34\)"):
        require_same(path, MADE.scorer, {"model": "ViT-B-32-256", "weights": "cd34"})
    with pytest.raises(ConfigError, match=r"other sentences \(none, here ef\)"):
        require_same(path, MADE.scorer, {"sentences": "ef"})
