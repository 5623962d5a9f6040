"""Camera tamper through the whole command: what is written, listed and shown; nothing stops for it."""

import json
import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import streamer
from streamer.event import Event
from streamer.frame import Image
from streamer.watch.tamper import Tamper
from tests import footage, scene
from tests.standin import StandIn, box_of, command, rows, summary

RATE = 5
SECONDS = 8
CONFIG = "version: 1\ndevice: cpu\nrestore: off\nwatch: {tamper: {}}\ncameras: {yard: {source: yard.mp4}}\n"
SIZE = 320, 192


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a configuration."""
    monkeypatch.chdir(tmp_path)
    Path("cam.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    chosen = StandIn()
    monkeypatch.setattr("streamer.detect.load", lambda *_, **__: chosen)
    return chosen


def write(pictures: list[Image], name: str = "yard.mp4") -> None:
    footage.write_clip(Path(name), pictures, time_base=Fraction(1, RATE), options={"crf": "18"})


def covered_halfway(back: bool = False) -> list[Image]:
    """A view that something smooth is put in front of after ``SECONDS``, and taken away again or not."""
    view = scene.view()
    clear = [scene.seen(view, number) for number in range(SECONDS * RATE)]
    behind = [scene.seen(scene.covered(view, 0.9), number) for number in range(SECONDS * RATE)]
    return [*clear, *behind, *(clear if back else [])]


def lines(folder: str = "out/yard") -> list[dict[str, Any]]:
    text = Path(folder, "events.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_cover_is_written_once_and_ends_with_the_run() -> None:
    write(covered_halfway())
    outcome = command("run", "cam.yaml")
    assert outcome.code == 0, outcome.err
    start, end = lines()
    assert list(start) == [
        "id", "camera", "kind", "state", "start_s", "end_s", "score", "evidence", "thumbnail",
    ]  # fmt: skip
    assert (start["camera"], start["kind"], start["state"], start["end_s"]) == (
        "yard", "covered", "start", None,
    )  # fmt: skip
    assert start["start_s"] == pytest.approx(SECONDS)
    assert 0.5 < start["score"] <= 1.0
    assert start["evidence"]["edges_lost"] > 0.6
    last = float(rows(Path("out/yard"))[-1]["time_s"])
    assert {**end, "score": start["score"]} == {**start, "state": "end", "end_s": pytest.approx(last)}
    assert summary(Path("out/yard"))["events"] == {"covered": 1}
    assert f"yard: covered since {SECONDS}.0 s" in outcome.err
    assert "yard: covered until the end" in outcome.err


def test_what_is_over_before_the_end_is_said_to_be_over_then_and_listed() -> None:
    write(covered_halfway(back=True))
    assert command("run", "cam.yaml", "--quiet").code == 0
    start, end = lines()
    assert (start["state"], end["state"], start["id"]) == ("start", "end", end["id"])
    assert end["end_s"] == pytest.approx(2 * SECONDS)
    listed = command("events", "out").out.splitlines()[-1].split()
    assert listed[:6] == ["yard", "covered", f"{SECONDS}.0", "s", f"{2 * SECONDS}.0", "s"]
    (as_json,) = command("events", "out/yard", "--json").out.splitlines()
    assert json.loads(as_json) == end
    assert command("events", "out", "--since", str(2 * SECONDS - 1), "--json").out != ""
    assert command("events", "out", "--since", str(2 * SECONDS + 1), "--json").out == ""
    assert command("events", "out", "--kind", "moved", "--json").out == ""
    assert command("events", "out", "--camera", "yard", "--kind", "covered", "--json").out != ""


def test_a_thumbnail_is_of_the_hidden_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.standin.number_of", lambda _: 0)  # the object stays where it is
    write(covered_halfway())
    Path("solid.yaml").write_text(CONFIG + "blur: {method: solid, colour: [255, 0, 255]}\n")
    assert command("run", "solid.yaml", "--quiet").code == 0
    thumbnail = Path("out/yard", lines()[0]["thumbnail"])
    picture = cv2.imread(str(thumbnail))
    assert picture is not None
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    x0, y0, x1, y1 = (round(v) for v in box_of(0, *SIZE))
    inside = picture[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4].reshape(-1, 3).astype(int)
    assert np.abs(inside - [255, 0, 255]).max() <= 12


def test_without_watch_there_are_no_events_and_with_it_alone_on_one_camera() -> None:
    write(covered_halfway()[:10])
    Path("two.yaml").write_text(
        "version: 1\ndevice: cpu\nrestore: off\nwatch: {tamper: {}}\ncameras:\n"
        "  yard: {source: yard.mp4}\n  gate: {source: yard.mp4, watch: {tamper: off}}\n"
    )
    assert command("run", "two.yaml", "--quiet").code == 0
    assert lines() == []
    assert not Path("out/gate/events.jsonl").exists()
    refused = command("events", "out/gate")
    assert (refused.code, refused.out) == (2, "")
    assert "events.jsonl" in refused.err


def test_earlier_events_go_with_earlier_outputs() -> None:
    write(covered_halfway())
    assert command("run", "cam.yaml", "--quiet").code == 0
    (before,) = Path("out/yard/events").iterdir()
    assert command("run", "cam.yaml", "--quiet", "--overwrite").code == 0
    (after,) = Path("out/yard/events").iterdir()
    assert before != after
    assert len(lines()) == 2


def test_a_watcher_that_fails_is_said_once_and_stops_no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("cannot watch")

    monkeypatch.setattr(Tamper, "see", fail)
    write(covered_halfway()[:10])
    outcome = command("run", "cam.yaml")
    assert outcome.code == 0
    assert summary(Path("out/yard"))["frames_written"] == 10
    assert outcome.err.count("ValueError: cannot watch") == 1
    assert "yard: watching failed for 10 frames" in outcome.err
    assert lines() == []


def test_an_event_whose_picture_cannot_be_made_is_raised_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no picture")

    monkeypatch.setattr("streamer.watch.station._thumbnail", fail)
    write(covered_halfway())
    assert command("run", "cam.yaml", "--quiet").code == 0
    assert [(line["state"], line["thumbnail"]) for line in lines()] == [("start", None), ("end", None)]


def test_results_carry_events_where_nothing_is_written() -> None:
    write(covered_halfway(back=True))
    settings = {
        "version": 1, "device": "cpu", "restore": "off", "output": "off", "watch": {"tamper": {}},
    }  # fmt: skip
    with streamer.open(settings, ["yard.mp4"]) as run:
        events = [(event.state, event.kind, result.time_s) for result in run for event in result.events]
    assert [event[:2] for event in events] == [("start", "covered"), ("end", "covered")]
    assert SECONDS < events[0][2] <= SECONDS + 5


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{oops", ["line 1", "not JSON"]),
        ('{"id": "a"}', ["line 1", "camera", "missing"]),
    ],
)
def test_a_wrong_line_is_named(text: str, parts: list[str]) -> None:
    Path("events.jsonl").write_text(f"{text}\n")
    outcome = command("events", "events.jsonl")
    assert (outcome.code, outcome.out) == (2, "")
    assert all(part in outcome.err for part in parts)
    assert outcome.err.count("\n") == 1


def test_kinds_are_those_of_tamper_and_what_the_files_hold() -> None:
    line = Event("a", "gate", "smoke", "start", 1.0, None, 0.9).line()
    Path("events.jsonl").write_text(f"{line}\n", encoding="utf-8")
    assert command("events", "events.jsonl", "--kind", "smoke", "--json").out == f"{line}\n"
    assert command("events", "events.jsonl", "--kind", "moved", "--json").out == ""
    refused = command("events", "events.jsonl", "--kind", "smok")
    assert (refused.code, refused.out) == (2, "")
    assert "unknown kind 'smok' (did you mean 'smoke'?); known: defocused, " in refused.err
    assert refused.err.endswith("glare, smoke\n")


def test_of_a_kind_that_has_not_happened_there_is_no_event() -> None:
    Path("events.jsonl").write_text("", encoding="utf-8")
    outcome = command("events", "events.jsonl", "--kind", "accident", "--json")
    assert (outcome.code, outcome.out) == (0, "")
    assert "no event is of kind 'accident'; known: defocused, " in outcome.err


def test_a_line_that_a_kill_cut_off_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    whole = {
        "id": "a",
        "camera": "gate",
        "kind": "moved",
        "state": "start",
        "start_s": 1.0,
        "end_s": None,
        "score": 1,
    }
    Path("events.jsonl").write_text(json.dumps(whole) + '\n{"id": "b", "cam')
    caplog.set_level(logging.WARNING)
    outcome = command("events", "events.jsonl")
    assert outcome.code == 0
    assert "open" in outcome.out
    assert "moved" in outcome.out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clip", "kind", "begins", "ends"),
    [
        ("Defocusing", "defocused", 1.0, 4.6),
        ("Occlusion", "covered", 2.2, 4.4),
        ("Displacement", "moved", 2.8, 7.2),
    ],
)
def test_real_tampering_is_raised_once_within_five_seconds_and_not_before(
    shared: Path, clip: str, kind: str, begins: float, ends: float
) -> None:
    outcome = command("run", "cam.yaml", shared / f"data/tamper/vas_{clip}.mp4")
    assert outcome.code == 0, outcome.err
    start, end = lines(f"out/vas_{clip}")
    assert (start["kind"], start["state"], end["state"]) == (kind, "start", "end")
    assert begins <= start["start_s"] <= begins + 5
    assert end["end_s"] == pytest.approx(ends, abs=0.2)
