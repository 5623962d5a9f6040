"""`streamer report` on the outputs of real runs, whole and broken off, and on files that are none."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from tests import footage
from tests.standin import StandIn, command, rows, summary

pytestmark = pytest.mark.usefixtures("here", "detector")


@pytest.fixture
def run() -> Path:
    """The outputs of two cameras, one of them watched."""
    pictures = [footage.picture(number, 64, 48) for number in range(12)]
    for name in ("gate", "yard"):
        footage.write_clip(Path(f"{name}.mp4"), pictures, time_base=Fraction(1, 4))
    Path("cam.yaml").write_text(
        "version: 1\ndevice: cpu\nrestore: off\nwatch: {tamper: {}}\ncameras:\n"
        "  gate: {source: gate.mp4}\n  yard: {source: yard.mp4, watch: {tamper: off}}\n"
    )
    assert command("run", "cam.yaml", "--quiet").code == 0
    return Path("out")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_a_run_has_a_page_with_what_its_files_say(run: Path) -> None:
    outcome = command("report", run)
    assert outcome.code == 0, outcome.err
    assert "out/report.html: 2 camera(s)" in outcome.err
    text = text_of(run / "report.html")
    mean = summary(run / "gate")["psnr_blurred_roi_db"]
    assert f"<b>{mean:.1f} dB</b>" in text
    assert text.count("of 12 read") == 2
    assert text.count("car (12)") == 2
    assert f"<dt>torch</dt><dd>{summary(run / 'gate')['versions']['torch']}</dd>" in text
    assert len(text) < 60_000
    for reference in re.findall(r"(?:src|href)='([^']*)'", text):
        assert reference.startswith(("data:image/jpeg;base64,", "#camera-"))


def test_one_camera_has_a_page_of_its_own_wherever_it_is_wanted_and_it_may_be_made_again(run: Path) -> None:
    for _ in range(2):
        outcome = command("report", run / "yard", "--output", "yard.html", "--quiet")
        assert (outcome.code, outcome.err) == (0, "")
    assert "<title>Camera yard</title>" in text_of(Path("yard.html"))
    assert not (run / "yard/report.html").exists()


def test_a_run_that_was_killed_is_shown_as_far_as_it_came(run: Path) -> None:
    (run / "gate/summary.json").unlink()
    for name in ("frames.csv", "detections.jsonl"):
        whole = (run / "gate" / name).read_bytes()
        (run / "gate" / name).write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 9])
    outcome = command("report", run / "gate")
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("the last line was cut off and is left out") == 2
    text = text_of(run / "gate/report.html")
    assert len(rows(run / "gate")) == 12
    assert "<b>11</b>" in text
    assert "There is no summary" in text


def test_frames_of_which_the_detector_failed_are_on_the_page_with_the_cause(detector: StandIn) -> None:
    detector.failing = {5}
    footage.write_clip(Path("gate.mp4"), [footage.picture(number, 64, 48) for number in range(8)])
    Path("cam.yaml").write_text(
        "version: 1\ndevice: cpu\nrestore: off\ncameras: {gate: {source: gate.mp4}}\n"
    )
    assert command("run", "cam.yaml", "--quiet").code == 0
    assert command("report", "out").code == 0
    (cause,) = summary(Path("out/gate"))["frames_hidden_whole"]
    assert f"hidden whole: {cause}</td><td>1" in text_of(Path("out/report.html"))


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("frames.csv", "13,9.0,1,a,,,,1.0,\n", r"frames\.csv, line 14: psnr_blurred_db: expected a number"),
        ("detections.jsonl", "{}\n", r"detections\.jsonl, line 13: objects: expected a list"),
        ("events.jsonl", "{}\n", r"events\.jsonl, line 1: id is missing"),
        ("summary.json", "}", r"summary\.json: no JSON"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_and_nothing_is_written(
    run: Path, name: str, line: str, said: str
) -> None:
    with (run / "gate" / name).open("a") as file:
        file.write(line)
    outcome = command("report", run)
    assert outcome.code == 2
    assert re.search(said, outcome.err)
    assert outcome.err.count("\n") == 1
    assert not (run / "report.html").exists()


def test_what_is_no_page_of_ours_is_never_written_over(run: Path) -> None:
    table = (run / "gate/frames.csv").read_bytes()
    for target in (run / "gate/frames.csv", run / "gate"):
        outcome = command("report", run, "--output", target)
        assert outcome.code == 2
        assert "is there already and is no report: name another file" in outcome.err
    assert (run / "gate/frames.csv").read_bytes() == table


@pytest.mark.parametrize(
    ("directory", "said"), [("none", "No such file"), (".", "no camera's outputs in it")]
)
def test_a_folder_without_outputs_is_told_of(directory: str, said: str) -> None:
    outcome = command("report", directory)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err


def test_a_page_that_cannot_be_written_is_told_of(run: Path) -> None:
    outcome = command("report", run, "--output", "none/page.html")
    assert outcome.code == 1
    assert "none/page.html: cannot be written: No such file" in outcome.err
