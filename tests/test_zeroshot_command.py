"""Zero-shot alerts through the whole command: raised, ended, listed, shown hidden, or done without."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamer.errors import ModelError
from streamer.frame import Image
from tests import clip, footage, scene
from tests.standin import StandIn, box_of, command, rows, summary

pytestmark = pytest.mark.usefixtures("here", "detector")

RATE = 5
SIZE = 320, 192
CLASSES = "classes: {accident: [a crash], normal: [a road]}"
CONFIG = "version: 1\ndevice: cpu\nrestore: off\ncameras: {yard: {source: yard.mp4}}\n"


def write_config(zeroshot: str, more: str = "") -> None:
    Path("cam.yaml").write_text(f"{CONFIG}watch: {{zeroshot: {zeroshot}}}\n{more}", encoding="utf-8")


def lines(folder: str = "out/yard") -> list[dict[str, Any]]:
    text = Path(folder, "events.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def pictures(*lights: int) -> list[Image]:
    """A second of a view at each brightness, which its upper left corner tells ``clip.StandIn``."""
    made = []
    for number in range(len(lights) * RATE):
        picture = scene.seen(scene.view(), number)
        picture[:64, :64] = lights[number // RATE]
        made.append(picture)
    return made


def write(shown: list[Image]) -> None:
    footage.write_clip(Path("yard.mp4"), shown, time_base=Fraction(1, RATE), options={"crf": "18"})


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> clip.StandIn:
    """In the place of every CLIP."""
    chosen = clip.StandIn()
    monkeypatch.setattr("streamer.watch.alerts.Encoder", lambda *_: chosen)
    return chosen


def test_an_accident_is_written_listed_and_counted(stand_in: clip.StandIn) -> None:
    write_config(f"{{{CLASSES}}}")
    write(pictures(*[0] * 4, *[255] * 8, *[0] * 8))
    outcome = command("run", "cam.yaml")
    assert outcome.code == 0, outcome.err
    start, end = lines()
    assert (start["camera"], start["kind"], start["state"], start["end_s"]) == (
        "yard", "accident", "start", None,
    )  # fmt: skip
    assert (end["id"], end["state"]) == (start["id"], "end")
    assert (start["start_s"], end["end_s"]) == (5.0, 13.0)
    assert list(start["evidence"])[:2] == ["probability", "margin"]
    assert start["evidence"]["a crash"] == pytest.approx(1.0, abs=0.1)
    assert summary(Path("out/yard"))["events"] == {"accident": 1}
    assert "yard: accident since 5.0 s" in outcome.err
    (listed,) = command("events", "out", "--kind", "accident", "--json").out.splitlines()
    assert json.loads(listed) == end
    assert sum(stand_in.batches) == 20  # one look a second


def test_what_is_open_at_the_end_ends_with_the_run(stand_in: clip.StandIn) -> None:
    write_config("{}")
    write(pictures(*[255] * 6))
    outcome = command("run", "cam.yaml")
    start, end = lines()
    assert (start["state"], end["state"]) == ("start", "end")
    assert end["end_s"] == pytest.approx(float(rows(Path("out/yard"))[-1]["time_s"]))
    assert "yard: accident until the end" in outcome.err


def test_a_thumbnail_is_of_the_hidden_picture(
    stand_in: clip.StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.standin.number_of", lambda _: 0)  # the object stays where it is
    write_config("{}", "blur: {method: solid, colour: [255, 0, 255]}\n")
    write(pictures(*[255] * 6))
    assert command("run", "cam.yaml", "--quiet").code == 0
    picture = cv2.imread(str(Path("out/yard", lines()[0]["thumbnail"])))
    assert picture is not None
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    x0, y0, x1, y1 = (round(v) for v in box_of(0, *SIZE))
    inside = picture[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4].reshape(-1, 3).astype(int)
    assert np.abs(inside - [255, 0, 255]).max() <= 12


def test_a_picture_that_no_detector_saw_is_shown_as_nothing(
    stand_in: clip.StandIn, detector: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.standin.number_of", lambda _: 0)
    detector.failing = {0}
    write_config("{}")
    write(pictures(*[255] * 6))
    assert command("run", "cam.yaml", "--quiet").code == 0
    start = lines()[0]
    assert start["kind"] == "accident"
    picture = cv2.imread(str(Path("out/yard", start["thumbnail"])))
    assert picture is not None
    assert int(picture.max()) - int(picture.min()) <= 6  # one grey


def test_a_real_network_runs_in_it_and_its_sentences_are_evidence(tmp_path: Path) -> None:
    pytest.importorskip("open_clip")
    clip.write_small(tmp_path / "small")
    # to random weights all pictures are nearly as much the one as the other
    write_config(f"{{model: {tmp_path / 'small'}, temperature: 10.0, threshold: 0.3, seconds: 1.0}}")
    write(pictures(*[0] * 4))
    outcome = command("run", "cam.yaml")
    assert outcome.code == 0, outcome.err
    start, end = lines()
    assert (start["kind"], start["state"], end["state"]) == ("accident", "start", "end")
    probability, margin, *sentences = start["evidence"].values()
    assert probability == pytest.approx(1 / (1 + np.exp(-margin / 10.0)), abs=1e-4)
    assert probability == start["score"]
    assert len(sentences) == 3
    assert sentences == sorted(sentences, reverse=True)


def test_a_model_that_cannot_be_had_stops_the_run_before_it_starts() -> None:
    write_config("{model: models/clip}")
    write(pictures(0))
    for name in ("run", "check"):
        outcome = command(name, "cam.yaml")
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.splitlines()[-1].startswith(
            "streamer: watch.zeroshot.model: no folder 'models/clip'"
        )
    assert not Path("out").exists()


def test_one_that_is_not_required_is_said_once_and_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ModelError("watch.zeroshot.weights: cannot be downloaded")

    monkeypatch.setattr("streamer.watch.alerts.Encoder", missing)
    write_config("{required: false}")
    write(pictures(255, 255))
    outcome = command("run", "cam.yaml")
    assert outcome.code == 0
    assert outcome.err.count("watch.zeroshot.weights: cannot be downloaded; going on without") == 1
    assert lines() == []
    assert summary(Path("out/yard"))["frames_written"] == 2 * RATE


def test_check_says_what_is_watched_for(stand_in: clip.StandIn) -> None:
    Path("cam.yaml").write_text(f"{CONFIG}watch: {{tamper: {{}}, zeroshot: {{}}}}\n", encoding="utf-8")
    write(pictures(0))
    outcome = command("check", "cam.yaml")
    assert outcome.code == 0
    assert "tamper, zeroshot accident" in outcome.out


@pytest.mark.parametrize("name", ["crash", "avenue"])
def test_on_an_accident_clip_an_accident_is_raised_and_ended(
    shared: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    looks = 0

    class Timed(clip.StandIn):
        """Sees an accident from its tenth look to its nineteenth, whatever is shown."""

        def images(self, images: Any) -> Any:
            nonlocal looks
            first, looks = looks, looks + len(images)
            return np.stack([clip.at(float(10 <= number < 20)) for number in range(first, looks)])

    monkeypatch.setattr("streamer.watch.alerts.Encoder", Timed)
    write_config(f"{{{CLASSES}, every: 0.2, window: 0.6, seconds: 0.6, of: 1.0}}")
    outcome = command("run", "cam.yaml", shared / f"data/footage/cctv_{name}_720p.mp4", "--quiet")
    assert outcome.code == 0, outcome.err
    folder = f"out/cctv_{name}_720p"
    start, end = lines(folder)
    assert (start["kind"], start["state"], end["state"]) == ("accident", "start", "end")
    assert (start["start_s"], end["end_s"]) == (pytest.approx(2.2), pytest.approx(4.2))
    thumbnail = cv2.imread(str(Path(folder, start["thumbnail"])))
    assert thumbnail is not None
    assert thumbnail.shape == (180, 320, 3)
