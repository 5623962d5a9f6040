"""The watcher of accidents on lists of frames, and the network that it asks."""

from dataclasses import replace
from fractions import Fraction
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer import modelfile
from streamer.config import AccidentConfig, WatchConfig
from streamer.errors import ConfigError, ModelError
from streamer.frame import Batch, Detections, Discontinuity, Dropped, Hidden, Stream
from streamer.modelfile import Header
from streamer.nets import AccidentHead
from streamer.nets.accident import DOUBT, FLOOR, Options
from streamer.section import validate
from streamer.watch.accident import RAISE, Accident, load
from streamer.watch.kinematics import EVERY, NAMES
from streamer.watch.load import load as load_watchers
from streamer.watch.stage import stage
from streamer.watch.watcher import Alert, Watchers
from tests.crash import Box, driving, picture
from tests.values import frame, hidden

RATE = 25
PER_LOOK = round(RATE * EVERY)
CRASH = 25
CPU = torch.device("cpu")


def head() -> AccidentHead:
    """One that finds twice the usual as likely an accident as not."""
    made = AccidentHead().eval()
    with torch.no_grad():
        made.mean.fill_(0.005)
        made.gain.fill_(log(4.0))
        made.bias.fill_(-4.0 * log(2.0))
    return made


def item(box: Box, number: int, *, looked: bool = True, failure: str | None = None) -> Hidden:
    image = picture(box)
    made = hidden(torch.from_numpy(image), torch.from_numpy(image), np.zeros((0, 4), np.int32))
    stream = Stream(image.shape[1], image.shape[0])
    shown = frame(image, index=number, pts=number, time_base=Fraction(1, RATE), stream=stream)
    found = Detections(
        np.array([box], np.float32), np.array([0.9], np.float32), ("car",), np.array([1]), looked=looked
    )
    return replace(made, frame=shown, detections=found, failure=failure)


def drive(crash: int | None = CRASH, looks: int = 80) -> list[Hidden]:
    """A car in frames of ``RATE`` a second; it crashes at a look, drives on out of the way, or both."""
    boxes = driving(looks, crash, speed=4.0)
    return [item(box, number) for number, box in enumerate(box for box in boxes for _ in range(PER_LOOK))]


def alerts(frames: list[Hidden], threshold: float = 0.5, network: AccidentHead | None = None) -> list[Alert]:
    watcher = Accident(network or head(), threshold)
    return [alert for each in frames if (alert := watcher.see(each)) is not None]


def test_a_crash_is_raised_once_and_ends_when_nothing_happens_any_more() -> None:
    start, end = alerts(drive())
    assert (start.change, start.kind, start.end_s) == ("start", "accident", None)
    assert CRASH * EVERY <= start.start_s <= CRASH * EVERY + 1.0
    assert start.score >= 0.5
    assert set(start.evidence) == set(NAMES)
    assert start.evidence["swerve"] > 2.0  # times the usual
    assert (end.change, end.start_s) == ("end", start.start_s)
    assert end.end_s is not None
    assert start.start_s + (RAISE - 1) * EVERY <= end.end_s <= CRASH * EVERY + 5.0
    assert end.score >= start.score


def test_a_car_that_drives_on_raises_nothing() -> None:
    assert alerts(drive(crash=None, looks=60)) == []


def test_a_threshold_that_is_not_reached_raises_nothing() -> None:
    assert alerts(drive(), threshold=0.9999) == []


def test_a_frame_of_twenty_five_a_second_is_looked_at_every_fifth_of_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[float] = []
    monkeypatch.setattr(
        "streamer.watch.accident.Traffic.see", lambda _, image, found, time_s, learn: looked_at.append(time_s)
    )
    watcher = Accident(head(), 0.5)
    for each in drive(looks=5):
        watcher.see(each)
    assert looked_at == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])


def test_frames_in_which_nobody_looked_are_passed_over() -> None:
    frames = drive()
    blind = [replace(each, detections=replace(each.detections, looked=False)) for each in frames]
    assert alerts(blind) == []
    assert alerts([replace(each, failure="the detector hung") for each in frames]) == []
    every_second = [(frames if number % 2 else blind)[number] for number in range(len(frames))]
    assert [alert.change for alert in alerts(every_second)] == ["start", "end"]


def test_a_restart_goes_on_with_what_is_raised_and_ends_it_once() -> None:
    frames = drive()
    before, after = Accident(head(), 0.5), Accident(head(), 0.5)
    assert before.kept() is None
    raised_at, start = next(
        (number, alert) for number, each in enumerate(frames) if (alert := before.see(each)) is not None
    )
    kept = before.kept()
    time_s = frames[raised_at].frame.time_s
    after.resume(kept, 0.0, shift=-time_s, pause=30.0)  # the next run begins its time from 0
    resumed = after.open
    assert resumed == "accident"
    quiet = drive(crash=None, looks=60)
    (end,) = [alert for each in quiet if (alert := after.see(each)) is not None]
    assert (end.change, end.score) == ("end", start.score)
    assert end.start_s == pytest.approx(start.start_s - time_s - 30.0)
    assert after.open is None
    with pytest.raises(KeyError):
        after.resume({"score": 1.0}, 0.0, 0.0, 0.0)
    assert after.open is None


def test_an_event_that_a_cut_falls_into_is_ended_once() -> None:
    watcher = Accident(head(), 0.5)
    frames = drive()
    changes = []
    for each in frames:
        alert = watcher.see(each)
        if alert is not None:
            changes.append(alert.change)
            watcher.cut()
    assert changes == ["start", "end"]
    assert watcher.open is None


def test_what_follows_frames_that_could_not_be_judged_is_an_event_of_its_own() -> None:
    frames = drive()
    minute = 60 * RATE
    later = [replace(each, frame=replace(each.frame, pts=each.frame.pts + minute)) for each in frames]
    found = alerts([*frames[: 15 * PER_LOOK], *later], threshold=1e-9)  # whatever a window holds is one
    assert [alert.change for alert in found] == ["start", "end", "start"]
    first, end, second = found
    assert end.end_s == pytest.approx(14 * EVERY)
    assert first.start_s == pytest.approx(7 * EVERY)  # at the first whole window
    assert second.start_s == pytest.approx(60 + 7 * EVERY)


def test_traffic_that_changed_for_good_is_usual_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    def restless() -> list[Alert]:
        left, right = (100.0, 80.0, 140.0, 110.0), (120.0, 80.0, 160.0, 110.0)
        calm = [item(left, PER_LOOK * look) for look in range(30)]
        to_and_fro = [item((left, right)[look // 2 % 2], PER_LOOK * look) for look in range(30, 200)]
        swerves = head()
        with torch.no_grad():
            swerves.share[NAMES.index("swerve")] = 10.0  # all others count for nothing
        return alerts([*calm, *to_and_fro], network=swerves)

    assert [alert.change for alert in restless()] == ["start"]
    monkeypatch.setattr("streamer.watch.accident.USUAL", 5.0)
    assert [alert.change for alert in restless()] == ["start", "end"]


def test_events_carry_what_was_measured_through_the_stage() -> None:
    frames = drive()
    cut: Batch[Hidden | Dropped] = [*frames[:200], Discontinuity("gate"), *frames[200:]]
    watchers = Watchers({"gate": {"accident": Accident(head(), 0.5)}})
    (out,) = stage([cut], watchers)
    events = [event for each in out if isinstance(each, Hidden) for event in each.events]
    assert [(event.kind, event.state) for event in events] == [("accident", "start"), ("accident", "end")]
    assert events[0].picture is not None


# the network


def test_what_is_as_usual_is_above_nothing() -> None:
    looks = torch.full((1, 8, 6), 0.3)
    above = head().above(looks, looks[:, 0], torch.tensor([1e9]))
    assert above[0].tolist() == pytest.approx([0.0] * 6, abs=1e-6)


def test_a_new_camera_is_compared_with_what_training_knew() -> None:
    net = AccidentHead(Options(features=1, window=2))
    looks, before = torch.tensor([[[1.0], [3.0]]]), torch.tensor([[5.0]])
    nothing_known = net.above(looks, before, torch.tensor([0.0])).item()
    assert nothing_known == pytest.approx(log((2 + FLOOR) / (1 + FLOOR)))
    half_known = net.above(looks, before, torch.tensor([DOUBT])).item()
    assert half_known == pytest.approx(log((2 + FLOOR) / (3 + FLOOR)))


def test_logits_are_the_weighted_excess_by_hand() -> None:
    net = AccidentHead(Options(features=2, window=2))
    with torch.no_grad():
        net.share.copy_(torch.tensor([log(3.0), 0.0]))  # three quarters and one
        net.when[:, 0] = torch.tensor([0.0, log(3.0)])
        net.gain.fill_(log(2.0))
        net.bias.fill_(-1.0)
    looks = torch.tensor([[[0.0, 2.0], [4.0, 2.0]]])
    logit = net(looks, torch.zeros(1, 2), torch.zeros(1)).item()
    expected = 0.75 * log((3 + FLOOR) / (1 + FLOOR)) + 0.25 * log((2 + FLOOR) / (1 + FLOOR))
    assert logit == pytest.approx(2 * expected - 1)


def test_more_of_anything_never_speaks_against_an_accident() -> None:
    net = head()
    with torch.no_grad():
        net.share.copy_(torch.randn(6, generator=torch.Generator().manual_seed(0)))
    looks = torch.rand(1, 8, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
    net(looks, torch.ones(1, 6), torch.ones(1)).sum().backward()
    assert looks.grad is not None
    assert bool((looks.grad > 0).all())


# the configuration


def saved(path: Path, **training: object) -> Path:
    header = Header("accident", {}, "accident", training={"threshold": 0.7, **training})
    modelfile.save(path, head(), header, half=False)
    return path


def test_a_model_is_named_alone_or_with_a_threshold(tmp_path: Path) -> None:
    path = str(saved(tmp_path / "model.safetensors"))
    alone = WatchConfig.model_validate({"accident": path})
    assert alone.accident == AccidentConfig(model=path)
    assert load(AccidentConfig(model=path))._threshold == 0.7
    assert load(AccidentConfig(model=path, threshold=0.9))._threshold == 0.9
    assert set(load_watchers({"gate": alone}, CPU).of["gate"]) == {"accident"}
    assert WatchConfig.model_validate({"accident": False}).accident is None
    assert WatchConfig.model_validate({"accident": "off"}).accident is None


def test_bundled_says_that_there_is_none() -> None:
    with pytest.raises(ConfigError, match=r"no model is bundled.*trainer fit configs/accident\.yaml"):
        load_watchers({"gate": WatchConfig.model_validate({"accident": "bundled"})}, CPU)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a model for 'deblur', expected one for 'accident'"):
        modelfile.save(tmp_path / "a.safetensors", head(), Header("accident", {}, "deblur"), half=False)
        load(AccidentConfig(model=str(tmp_path / "a.safetensors")))
    with pytest.raises(ModelError, match="threshold: expected a number between 0 and 1"):
        load(AccidentConfig(model=str(saved(tmp_path / "b.safetensors", threshold=2.0))))
    with pytest.raises(ModelError, match="no such model file"):
        load(AccidentConfig(model=str(tmp_path / "none.safetensors")))
    with pytest.raises(ConfigError, match=r"^model: "):
        validate(AccidentConfig, {"model": ""})
