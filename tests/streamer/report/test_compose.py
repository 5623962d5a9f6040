"""The page of cameras: what is said of them, and what is not."""

import base64
import re
from datetime import datetime
from pathlib import Path

import pytest

from streamer.report.compose import page_of
from streamer.report.gather import gather
from tests.streamer.report import written
from tests.streamer.report.written import event, looked, row

NOW = datetime.fromisoformat("2026-11-21T12:00:00+01:00")
JPEG = b"\xff\xd8\xff a picture"


def page(*folders: Path) -> str:
    return page_of("out", [gather(folder) for folder in folders], NOW).decode()


def charts(text: str) -> list[str]:
    return re.findall(r"<figure class='chart[^']*'><figcaption><b>([^<]*)</b>", text)


def whole(folder: Path) -> Path:
    """A camera with everything that a page may show."""
    written.frames(folder, [row(n) for n in (0, 1, 2, 5, 6, 7, 8, 9)])
    lines = [looked(n, *["car"] * n, "person") for n in range(9)]
    written.detections(folder, [*lines, looked(9, failure="detector hung")])
    written.events(folder, [event(), event(state="end", end_s=1.75, evidence={"edges_lost": 0.0})])
    (folder / "events").mkdir()
    (folder / f"events/{written.ID}.jpg").write_bytes(JPEG)
    written.summary(folder)
    return folder


def test_a_camera_has_all_charts_its_events_with_pictures_and_what_ran(tmp_path: Path) -> None:
    text = page(whole(tmp_path / "gate"))
    assert charts(text) == [
        "PSNR of what is hidden", "PSNR of the whole frame", "Objects", "Frames dropped and hidden whole",
        "Events",
    ]  # fmt: skip
    assert "Camera gate" in text
    assert "as of 21 November 2026, 12:00 (UTC+0100)" in text
    assert f"src='data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}'" in text
    assert "<b>covered</b>, score 0.90<br>0:00.5 to 0:01.8, 1.2 s<br><small>edges_lost 0.8</small>" in text
    for said in ("of 10 read", "20.00%", "24.5", "16.0 dB", "restored 18.0 dB", "1 covered"):
        assert f">{said}</" in text
    for cause in ("dropped: processing is behind</td><td>2", "hidden whole: detector hung</td><td>1"):
        assert cause in text
    for name, value in (("detector", "street"), ("python", "3.12.1"), ("restorers", "deblur (8)")):
        assert f"<dt>{name}</dt><dd>{value}</dd>" in text
    assert "car (36)" in text
    assert "class='warning'" not in text


def test_several_cameras_have_an_overview_that_leads_to_each(tmp_path: Path) -> None:
    bare = tmp_path / "yard"
    written.frames(bare, [])
    text = page(whole(tmp_path / "gate"), bare)
    assert "<title>out: 2 cameras</title>" in text
    assert "1 complete, 1 no summary" in text
    for anchor, name in (("camera-1", "gate"), ("camera-2", "yard")):
        assert f"<a href='#{anchor}'>{name}</a>" in text
        assert f"<section id='{anchor}'><h2>{name}</h2>" in text


def test_a_camera_of_which_nothing_is_known_says_so(tmp_path: Path) -> None:
    written.frames(tmp_path, [])
    text = page(tmp_path)
    assert charts(text) == []
    for said in (
        "There is no summary: the run was killed, or it goes on.",
        "No frame has a PSNR", "Nobody looked for objects.", "No frame was dropped", "No event was raised.",
    ):  # fmt: skip
        assert said in text


def test_without_a_restorer_and_without_objects_there_is_one_line_and_no_chart_of_objects(
    tmp_path: Path,
) -> None:
    written.frames(tmp_path, [f"{n},{n / 4},0,40.5,,,,12.5," for n in range(4)])
    written.detections(tmp_path, [looked(n) for n in range(4)])
    written.summary(tmp_path, frames_dropped={})
    text = page(tmp_path)
    assert charts(text) == ["PSNR of the whole frame"]
    assert "restored</span>" not in text
    assert "No object was found." in text
    assert "<dt>restorers</dt><dd>none</dd>" in text


def test_frames_in_which_nothing_differs_are_told_of_and_in_no_mean(tmp_path: Path) -> None:
    written.frames(tmp_path, [row(0, roi=""), row(1, blurred="inf", roi=""), row(2, roi="")])
    text = page(tmp_path)
    assert "1 frame of 3 left as seen: nothing differs there." in text
    assert "inf" not in re.sub(r"<style>.*</style>", "", text, flags=re.S).replace("info", "")


def test_without_a_summary_gaps_tell_how_many_frames_are_missing_and_nobody_why(tmp_path: Path) -> None:
    written.frames(tmp_path, [row(0), row(4)])
    text = page(tmp_path)
    assert "dropped: not known</td><td>3" in text
    assert "Frames dropped and hidden whole" in charts(text)


def test_an_error_is_shown_first(tmp_path: Path) -> None:
    written.frames(tmp_path, [row(0)])
    written.summary(tmp_path, error="cannot <read>")
    assert "<p class='warning'>The camera failed: cannot &lt;read&gt;</p>" in page(tmp_path)


def test_an_open_event_lasts_to_the_end_of_the_chart(tmp_path: Path) -> None:
    written.frames(tmp_path, [row(n) for n in range(9)])
    written.events(tmp_path, [event(start_s=1.0)])
    text = page(tmp_path)
    assert "0:01.0 on, still open" in text
    assert "M500 0H1000V1000H500z" in text


def test_a_live_camera_has_clock_times(tmp_path: Path) -> None:
    written.frames(tmp_path, [row(n) for n in range(9)])
    written.events(tmp_path, [event(start_s=1.0, end_s=2.0, state="end")])
    written.summary(tmp_path, live=True)
    text = page(tmp_path)
    assert "time of day (21 November 2026, UTC+0100)" in text
    assert "10:00:01 to 10:00:02, 1.0 s" in text
    assert "<dt>latency</dt><dd>12 ms, 12 at most</dd>" in text


def test_what_files_say_is_escaped_and_paths_that_lead_out_are_not_read(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>'\""
    folder = tmp_path / "<b>gate'"
    (tmp_path / "secret.jpg").write_bytes(JPEG)
    written.frames(folder, [row(0).replace("deblur", "<i>x</i>"), row(2)])
    written.detections(folder, [looked(0, evil, failure=evil)])
    written.events(folder, [event(kind=evil, thumbnail="../secret.jpg", evidence={evil: 1.0, "b": "<u>"})])
    causes = {evil: 1}
    written.summary(folder, source=evil, versions={evil: evil}, error=evil, frames_dropped=causes)
    text = page(folder, folder)
    for markup in ("<script", "<b>gate", "<i>x", "<u>", "base64"):
        assert markup not in text
    assert "no picture" in text


def test_of_very_many_events_the_latest_are_listed_and_all_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.report.camera.PICTURED", 2)
    written.frames(tmp_path, [row(n) for n in range(9)])
    said = [event(id=f"{n}", state="end", start_s=n / 4, end_s=n / 4 + 0.1, score=n / 10) for n in range(5)]
    written.events(tmp_path, said)
    text = page(tmp_path)
    assert re.findall(r"score ([\d.]+)", text) == ["0.30", "0.40"]
    assert "3 earlier events are not listed here" in text
    (drawn,) = re.findall(r"d='([^']*)'/></svg></div><div class='times'", text)
    assert drawn.count("M") == 5


def test_a_class_has_one_colour_on_all_pages_and_rare_ones_share_the_last(tmp_path: Path) -> None:
    many = ["car", "person", "dog", "cat", "bird", "horse", "sheep", "cow"]
    written.detections(tmp_path, [looked(0, *(name for n, name in enumerate(many) for _ in range(9 - n)))])
    text = page(tmp_path)
    keys = re.findall(r"<rect class='c(\d)'[^>]*/></svg>([^<]*)</span>", text)
    assert keys[:2] == [("1", "car (9)"), ("2", "person (8)")]
    assert keys[-1] == ("8", "others (5)")
    assert len({colour for colour, _ in keys}) == len(keys) == 7
