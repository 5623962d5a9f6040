"""Zero-shot alerts on lists of frames, with a stand-in for CLIP: what is raised, when, and what shows it."""

import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamer.config import WatchConfig
from streamer.errors import ConfigError, ModelError
from streamer.event import Event
from streamer.frame import Batch, Discontinuity, Dropped, End, Hidden, Stream
from streamer.watch.calibration import Calibrated, Calibration, write
from streamer.watch.hysteresis import Hysteresis, Says
from streamer.watch.load import load
from streamer.watch.memory import Memory, decoded
from streamer.watch.stage import stage
from streamer.watch.watcher import Keep
from streamer.watch.zeroshot import Scorer
from streamer.zeroshot import ZeroShotConfig
from tests.clip import StandIn
from tests.values import frame, hidden

CPU = torch.device("cpu")
CRASH, ROAD = 255, 0
"""Brightness of pictures as ``StandIn`` tells them apart."""

CLASSES = {"accident": ("a crash",), "normal": ("a road",)}


@pytest.fixture(autouse=True)
def clip(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """In the place of every CLIP."""
    chosen = StandIn()
    monkeypatch.setattr("streamer.watch.alerts.Encoder", lambda *_: chosen)
    return chosen


def item(light: int, time_s: float, camera: str = "gate", failure: str | None = None) -> Hidden:
    """A plain picture of which all is hidden in green."""
    image = np.full((24, 32, 3), light, np.uint8)
    green = torch.zeros((24, 32, 3), dtype=torch.uint8)
    green[..., 1] = 200
    made = hidden(torch.from_numpy(image), green, np.array([[0, 0, 32, 24]], np.int32))
    shown = frame(
        image, camera=camera, pts=round(time_s * 100), time_base=Fraction(1, 100), stream=Stream(32, 24)
    )
    return Hidden(shown, made.image, made.detections, made.blurred, made.regions, failure)


def story(*lights: tuple[int, float], camera: str = "gate", rate: int = 5) -> list[Hidden]:
    """So many seconds of each brightness, one after the other."""
    shown = [light for light, seconds in lights for _ in range(round(seconds * rate))]
    return [item(light, number / rate, camera) for number, light in enumerate(shown)]


def on(**given: Any) -> WatchConfig:
    return WatchConfig(zeroshot=ZeroShotConfig(**{"classes": CLASSES, **given}))


def watched(watch: dict[str, WatchConfig], *batches: Batch[Hidden | Dropped]) -> list[tuple[float, Event]]:
    """The events, each with the time of the frame that it came with."""
    out = [each for batch in stage(batches, load(watch, CPU)) for each in batch]
    return [(each.frame.time_s, event) for each in out if isinstance(each, Hidden) for event in each.events]


def test_what_lasts_is_raised_once_and_ended_once_with_its_times_and_sentences() -> None:
    config = on(classes={"accident": ("a crash", "smoke", "two crashed cars"), "normal": ("a road",)})
    found = watched({"gate": config}, story((ROAD, 10), (CRASH, 10), (ROAD, 10)))
    (at, start), (later, end) = found
    assert (start.camera, start.kind, start.state, start.end_s) == ("gate", "accident", "start", None)
    # looks are at whole seconds; of the last three one is a crash at 10 s, two at 11 s, and all at 12 s
    assert (start.start_s, at) == (11.0, 13.0)
    assert (end.id, end.kind, end.state, end.start_s) == (start.id, "accident", "end", 11.0)
    assert (end.end_s, later) == (21.0, 23.0)
    assert list(start.evidence) == ["probability", "margin", "a crash", "two crashed cars", "smoke"]
    assert [start.evidence[name] for name in ("a crash", "two crashed cars", "smoke")] == pytest.approx(
        [1.0, 1.0, 0.0], abs=1e-6
    )
    assert start.score == pytest.approx(1.0)
    assert end.score == pytest.approx(1.0)
    assert end.evidence["probability"] < 0.5


def test_margins_are_averaged_over_the_window_before_they_become_probabilities() -> None:
    # a picture of 51 has the angle π/10: its cosine is 0.9511 with the road and 0.3090 with the crash
    lights = [51, 51, 204]
    margins = [np.sin(light / 255 * np.pi / 2) - np.cos(light / 255 * np.pi / 2) for light in lights]
    probability = 1 / (1 + np.exp(-np.mean(margins) / 0.5))
    frames = [item(light, float(number)) for number, light in enumerate(lights)]
    config = on(temperature=0.5, threshold=0.3, seconds=1.0, of=1.0)
    ((at, start),) = watched({"gate": config}, frames)
    assert at == 2.0
    assert start.evidence["margin"] == pytest.approx(np.mean(margins), abs=1e-6)
    assert start.score == pytest.approx(probability, abs=1e-6)
    assert start.score != pytest.approx(
        np.mean([1 / (1 + np.exp(-each / 0.5)) for each in margins]), abs=1e-3
    )


def test_what_passes_within_the_window_raises_nothing() -> None:
    assert watched({"gate": on()}, story((ROAD, 10), (CRASH, 2), (ROAD, 10))) == []


def test_it_takes_less_to_stay_raised_than_to_be() -> None:
    # a picture of 127 is a little nearer to the road; of 128, to the crash
    config = on(temperature=0.05, threshold=0.6, release=0.5)
    unsure = story((CRASH, 6), (126, 20))
    assert [event.state for _, event in watched({"gate": config}, unsure)] == ["start"]
    assert watched({"gate": config}, story((126, 20))) == []
    over = story((CRASH, 6), (100, 20))
    assert [event.state for _, event in watched({"gate": config}, over)] == ["start", "end"]


def test_each_class_is_raised_on_its_own(clip: StandIn) -> None:
    classes = {"accident": ("a crash",), "collision": ("crashed cars",), "calm": ("a road",)}
    found = watched({"gate": on(classes=classes, normal="calm")}, story((ROAD, 4), (CRASH, 10), (ROAD, 10)))
    assert sorted((event.kind, event.state) for _, event in found) == [
        ("accident", "end"), ("accident", "start"), ("collision", "end"), ("collision", "start"),
    ]  # fmt: skip
    assert len({event.id for _, event in found}) == 2
    assert clip.batches == [24]  # one look for both


def test_a_thumbnail_holds_no_pixel_that_is_not_hidden() -> None:
    _, start = watched({"gate": on()}, story((ROAD, 4), (CRASH, 10)))[0]
    assert start.picture is not None
    assert (start.picture == [0, 200, 0]).all()


def test_two_cameras_share_a_batch_and_each_is_looked_at_once_a_second(clip: StandIn) -> None:
    gate, yard = story((ROAD, 2), rate=10), story((CRASH, 2), rate=10)
    both = [item(255, each.frame.time_s, "yard") for each in yard]
    mixed = [each for pair in zip(gate, both, strict=True) for each in pair]
    batches = [mixed[start : start + 8] for start in range(0, len(mixed), 8)]
    watched({"gate": on(), "yard": on(threshold=0.9)}, *batches)
    assert clip.batches == [2, 2]  # at 0 s and at 1 s


def test_cameras_keep_to_their_own_pace(clip: StandIn) -> None:
    frames = [item(ROAD, number / 5, name) for number in range(20) for name in ("gate", "yard", "dock")]
    watched(
        {"gate": on(every=0.5), "yard": on(every=2.0), "dock": WatchConfig()}, *[[each] for each in frames]
    )
    # in 3.8 s at 5 a second: at 0, 0.6, 1.2, … 3.6 s, and at 0 and 2 s
    assert clip.batches == [1] * (7 + 2)


def test_a_cut_clears_the_window_and_ends_nothing() -> None:
    before, after = story((CRASH, 3)), [item(CRASH, 3 + number / 5) for number in range(10)]
    assert [at for at, _ in watched({"gate": on()}, before, after)] == [2.0]
    # two looks before the cut and two after it raise nothing
    early = [each for each in before if each.frame.time_s < 2.0]
    late = [each for each in after if each.frame.time_s < 5.0]
    assert watched({"gate": on()}, early, [Discontinuity("gate")], late) == []
    raised = watched({"gate": on()}, before, [Discontinuity("gate")], after)
    assert [event.state for _, event in raised] == ["start"]


def test_a_frame_that_was_hidden_whole_is_looked_at_too_and_shows_nothing() -> None:
    frames = [item(CRASH, float(number), failure="detector") for number in range(4)]
    ((_, start),) = watched({"gate": on()}, frames)
    assert start.kind == "accident"
    assert start.picture is not None
    assert (start.picture == [0, 200, 0]).all()


def test_a_picture_that_cannot_be_looked_at_is_its_cameras_trouble_alone(
    clip: StandIn, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("streamer"), "propagate", True)
    clip.failing = {77}
    mixed = [item(light, float(n), name) for n in range(6) for light, name in ((CRASH, "gate"), (77, "yard"))]
    found = watched({"gate": on(), "yard": on()}, mixed)
    assert [(event.camera, event.state) for _, event in found] == [("gate", "start")]
    said = [record.getMessage() for record in caplog.records if "failed" in record.getMessage()]
    assert said == [
        "yard: watching failed (zeroshot accident), frames go on without: RuntimeError: cannot look"
    ]


def test_a_model_that_cannot_be_had_stops_the_run_or_is_done_without(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("streamer"), "propagate", True)
    tried: list[str] = []

    def missing(config: ZeroShotConfig, _: torch.device) -> StandIn:
        tried.append(config.model)
        raise ModelError("watch.zeroshot.weights: cannot be had")

    monkeypatch.setattr("streamer.watch.alerts.Encoder", missing)
    with pytest.raises(ModelError, match="cannot be had"):
        load({"gate": on(required=False), "yard": on()}, CPU)
    found = load({"gate": on(required=False), "yard": on(required=False)}, CPU)
    assert {name: dict(named) for name, named in found.of.items()} == {"gate": {}, "yard": {}}
    assert len(tried) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "watch.zeroshot.weights: cannot be had; going on without alerts of gate, yard"
    ]


def test_each_network_and_each_set_of_descriptions_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def encoder(config: ZeroShotConfig, _: torch.device) -> StandIn:
        made.append(config.model)
        return StandIn()

    monkeypatch.setattr("streamer.watch.alerts.Encoder", encoder)
    watch = {
        "gate": on(), "yard": on(threshold=0.9), "dock": on(classes={"smoke": ("smoke",), "normal": ("a",)}),
        "roof": on(model="other"),
    }  # fmt: skip
    found = load(watch, CPU)
    assert made == ["ViT-B-32-256", "other"]
    assert len(found.shared) == 2
    assert {name: list(named) for name, named in found.of.items()} == {
        "gate": ["zeroshot accident"], "yard": ["zeroshot accident"], "dock": ["zeroshot smoke"],
        "roof": ["zeroshot accident"],
    }  # fmt: skip


def test_a_calibration_holds_for_the_classes_in_it(tmp_path: Path) -> None:
    path = tmp_path / "zeroshot.json"
    config = on(calibration=str(path), temperature=0.01, threshold=0.5)
    assert config.zeroshot is not None
    fingerprint = Scorer(config.zeroshot, CPU, StandIn()).fingerprint  # type: ignore[arg-type]
    write(path, Calibration({"accident": Calibrated(1.0, 0.8)}, fingerprint))
    # a margin of 1 is a probability of 0.731 at a temperature of 1
    assert watched({"gate": config}, story((CRASH, 10))) == []
    write(path, Calibration({"accident": Calibrated(1.0, 0.7)}, fingerprint))
    ((_, start),) = watched({"gate": config}, story((CRASH, 10)))
    assert start.score == pytest.approx(1 / (1 + np.exp(-1.0)))
    write(path, Calibration({"accident": Calibrated(1.0, 0.4, offset=1.25)}, fingerprint))
    ((_, start),) = watched({"gate": config}, story((CRASH, 10)))
    assert start.score == pytest.approx(1 / (1 + np.exp(0.25)))
    write(path, Calibration({"smoke": Calibrated(1.0, 0.7)}, fingerprint))
    ((_, start),) = watched({"gate": config}, story((CRASH, 10)))
    assert start.score == pytest.approx(1.0)
    write(path, Calibration({"accident": Calibrated(1.0, 0.7)}, {**fingerprint, "weights": "other"}))
    with pytest.raises(ConfigError, match=r"zeroshot\.json: was calibrated with other weights"):
        load({"gate": config}, CPU)


def test_what_is_open_when_a_run_ends_is_neither_raised_nor_lost_in_the_next() -> None:
    def run(shown: list[Hidden], earlier: Memory | None) -> tuple[list[Event], Memory]:
        watchers = replace(load({"gate": on()}, CPU), keep={"gate": Keep("rtsp://gate", earlier)})
        out = [each for batch in stage([[*shown, End("gate")]], watchers) for each in batch]
        events = [event for each in out if isinstance(each, Hidden) for event in each.events]
        (end,) = (each.memory for each in out if isinstance(each, End))
        assert end is not None
        return events, decoded(end.encoded())

    (start,), kept = run(story((ROAD, 10), (CRASH, 10)), None)
    (again, end), kept = run(story((CRASH, 10), (ROAD, 10)), kept)
    assert (again.id, again.state, again.again) == (start.id, "start", True)
    assert (end.id, end.state, end.again, end.end_s) == (start.id, "end", False, 11.0)
    assert end.start_s == pytest.approx(again.start_s, abs=0.01)
    assert end.score == start.score
    (start,), _ = run(story((CRASH, 10)), kept)
    assert not start.again


def test_so_many_of_the_last_looks_raise_and_end() -> None:
    counts = Hysteresis(2, 3)
    words = {"Y": Says.YES, "N": Says.NO, "?": Says.UNSURE}
    said = [words[letter] for letter in "NYNNY?YN?NY?Y"]
    changes = [(number, counts.hear(float(number), each)) for number, each in enumerate(said)]
    assert [(at, change) for at, change in changes if change] == [(6, "start"), (9, "end"), (12, "start")]
    assert (counts.since, counts.until) == (10.0, 7.0)


def test_after_a_cut_looks_are_counted_anew() -> None:
    counts = Hysteresis(2, 3)
    assert counts.hear(0.0, Says.YES) is None
    counts.cut()
    assert counts.hear(1.0, Says.YES) is None
    assert counts.hear(2.0, Says.YES) == "start"
    assert counts.since == 1.0
