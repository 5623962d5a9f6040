"""The watching stage on lists of frames, and the file that its events go to."""

import json
import logging
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.config import TamperConfig, WatchConfig
from streamer.errors import SinkError
from streamer.event import Event, read, thumbnail_of
from streamer.frame import Batch, Discontinuity, Dropped, End, Hidden, Image, Stream
from streamer.sink.events import EventSink
from streamer.watch.load import load
from streamer.watch.stage import stage
from streamer.watch.station import THUMBNAIL
from streamer.watch.watcher import Alert, Watchers
from tests.scene import covered, seen, shifted, view
from tests.values import frame, hidden

RATE = 5
ON = WatchConfig(tamper=TamperConfig())
VIEW = view()
CPU = torch.device("cpu")


def item(image: Image, number: int, camera: str = "gate") -> Hidden:
    """A frame of which all is hidden in green."""
    height, width = image.shape[:2]
    green = torch.zeros((height, width, 3), dtype=torch.uint8)
    green[..., 1] = 200
    made = hidden(torch.from_numpy(image), green, np.array([[0, 0, width, height]], np.int32))
    stream = Stream(width, height)
    shown = frame(image, camera=camera, index=number, pts=number, time_base=Fraction(1, RATE), stream=stream)
    return Hidden(shown, made.image, made.detections, made.blurred, made.regions)


def story(camera: str = "gate", back: bool = True) -> list[Hidden]:
    """A view for 6 s, covered for 4, and well again for 6."""
    kinds = [VIEW] * 30 + [covered(VIEW)] * 20 + [VIEW] * (30 if back else 0)
    return [item(seen(image, number), number, camera) for number, image in enumerate(kinds)]


def events(batches: list[Batch[Hidden | Dropped]], watch: dict[str, WatchConfig]) -> list[Event]:
    out = [each for batch in stage(batches, load(watch, CPU)) for each in batch]
    return [event for each in out if isinstance(each, Hidden) for event in each.events]


def test_events_ride_on_the_frames_with_which_they_start_and_end() -> None:
    out = [each for batch in stage([story()], load({"gate": ON}, CPU)) for each in batch]
    found = [(each, event) for each in out if isinstance(each, Hidden) for event in each.events]
    (first, start), (last, end) = found
    assert 6.0 < first.frame.time_s <= 11.0
    assert 10.0 < last.frame.time_s <= 15.0
    assert (start.camera, start.kind, start.state, start.end_s) == ("gate", "covered", "start", None)
    assert start.start_s == pytest.approx(6.0)
    assert (end.id, end.kind, end.state, end.start_s) == (start.id, "covered", "end", start.start_s)
    assert end.end_s == pytest.approx(10.0)
    assert end.picture is None
    assert start.thumbnail == end.thumbnail == thumbnail_of(start.id)


def test_a_picture_is_a_small_copy_of_the_hidden_one() -> None:
    (start,) = events([story(back=False)], {"gate": ON})
    assert start.picture is not None
    assert start.picture.shape == (192, THUMBNAIL, 3)
    assert (start.picture == [0, 200, 0]).all()


def test_an_event_without_a_picture_names_none_when_it_ends_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: torch.Tensor) -> Image:
        raise MemoryError("no room")

    monkeypatch.setattr("streamer.watch.station._thumbnail", failing)
    found = events([story()], {"gate": ON})
    assert [(event.state, event.thumbnail, event.picture) for event in found] == [
        ("start", None, None), ("end", None, None),
    ]  # fmt: skip


def test_frames_and_what_stands_between_them_pass_in_their_order() -> None:
    given: Batch[Hidden | Dropped] = [
        *story()[:3], Dropped("gate", "hider"), Discontinuity("gate"), *story()[3:5], End("gate"),
    ]  # fmt: skip
    (out,) = stage([given], load({"gate": ON}, CPU))
    assert list(out) == list(given)
    assert list(stage([[]], load({"gate": ON}, CPU))) == [[]]


def test_cameras_are_watched_apart_and_only_where_they_are_to_be() -> None:
    both = [each for pair in zip(story("gate"), story("yard"), strict=True) for each in pair]
    found = events([both], {"gate": ON, "yard": ON})
    assert sorted((event.camera, event.state) for event in found) == [
        ("gate", "end"), ("gate", "start"), ("yard", "end"), ("yard", "start"),
    ]  # fmt: skip
    assert len({event.id for event in found}) == 2
    assert {event.camera for event in events([both], {"gate": WatchConfig(), "yard": ON})} == {"yard"}


def test_a_reconnect_does_not_repeat_an_open_event() -> None:
    frames = story(back=False)
    more = [item(seen(covered(VIEW), number), number) for number in range(50, 80)]
    found = events([[*frames, Discontinuity("gate"), *more]], {"gate": ON})
    assert [event.state for event in found] == ["start"]


def test_a_camera_that_was_moved_has_a_new_view_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.watch.tamper.ACCEPT", 5.0)
    pictures = [VIEW] * 30 + [shifted(VIEW, 0.25)] * 80
    frames = [item(seen(image, number), number) for number, image in enumerate(pictures)]
    assert [(event.kind, event.state) for event in events([frames], {"gate": ON})] == [
        ("moved", "start"), ("moved", "end"),
    ]  # fmt: skip


def test_what_is_open_at_the_end_is_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a command that ran in this process before may have sent the log elsewhere
    monkeypatch.setattr(logging.getLogger("streamer"), "propagate", True)
    caplog.set_level(logging.WARNING, "streamer")
    list(stage([[*story(back=False), End("gate")]], load({"gate": ON}, CPU)))
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "gate: covered since 6.0 s", "gate: covered until the end",
    ]  # fmt: skip


class Counting:
    """A watcher of something that lasts from its third frame to its fifth; it raises, or asks, on request."""

    def __init__(self, kind: str, *, fails: bool = False, shares: "Announced | None" = None) -> None:
        self.kind, self.fails, self.shares = kind, fails, shares
        self.open: str | None = None
        self.seen = self.cuts = 0

    def see(self, item: Hidden) -> Alert | None:
        self.seen += 1
        if self.fails:
            raise ValueError(f"cannot see {self.kind}")
        if self.shares is not None:
            assert item in self.shares.batches[-1]
        if self.seen not in (3, 5):
            return None
        self.open = self.kind if self.seen == 3 else None
        end_s = None if self.open else item.frame.time_s
        return Alert("start" if self.open else "end", self.kind, 0.4, end_s, 0.9, {"frames": self.seen})

    def cut(self) -> None:
        self.cuts += 1


class Announced:
    """Takes note of what watchers will be asked about."""

    def __init__(self) -> None:
        self.batches: list[list[Hidden]] = []

    def begin(self, items: Sequence[Hidden]) -> None:
        self.batches.append(list(items))


def test_a_camera_may_have_several_watchers_whose_events_are_apart() -> None:
    watchers = Watchers({"gate": {"one": Counting("smoke"), "other": Counting("flood")}})
    (out,) = stage([[*story()[:6]]], watchers)
    found = [each.events for each in out if isinstance(each, Hidden)]
    assert [[(event.kind, event.state) for event in events] for events in found] == [
        [], [], [("smoke", "start"), ("flood", "start")], [], [("smoke", "end"), ("flood", "end")], [],
    ]  # fmt: skip
    (smoke, flood), (smoke_over, flood_over) = found[2], found[4]
    assert smoke.id == smoke_over.id != flood.id == flood_over.id
    assert smoke.thumbnail == smoke_over.thumbnail == thumbnail_of(smoke.id)
    assert (smoke.score, smoke.evidence) == (0.9, {"frames": 3})
    assert smoke_over.end_s == pytest.approx(0.8)


def test_a_watcher_that_fails_takes_no_other_with_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("streamer"), "propagate", True)
    well = Counting("smoke")
    watchers = Watchers({"gate": {"bad": Counting("flood", fails=True), "good": well}})
    (out,) = stage([[*story()[:4], Discontinuity("gate"), End("gate")]], watchers)
    assert [event.kind for each in out if isinstance(each, Hidden) for event in each.events] == ["smoke"]
    assert (well.seen, well.cuts) == (4, 1)
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if "failed" in line] == [
        "gate: watching failed (bad), frames go on without: ValueError: cannot see flood",
        "gate: watching failed for 4 frames (bad)",
    ]


def test_what_watchers_share_is_told_of_all_their_frames_before_they_are_asked() -> None:
    shared = Announced()
    watchers = Watchers(
        {"gate": {"a": Counting("smoke", shares=shared)}, "yard": {"a": Counting("smoke", shares=shared)}},
        [shared],
    )
    gate, yard, dock = story("gate"), story("yard"), story("dock")
    list(stage([[gate[0], yard[0], dock[0], gate[1]], [Discontinuity("gate")], [yard[1]]], watchers))
    assert shared.batches == [[gate[0], yard[0], gate[1]], [], [yard[1]]]


START = Event("a1", "gate", "covered", "start", 3.25, None, 0.98765, {"edges_lost": 0.7}, "events/a1.jpg")


def lines(folder: Path) -> list[dict[str, object]]:
    text = (folder / "events.jsonl").read_text(encoding="utf-8")
    return [read(line, "here") for line in text.splitlines()]


def test_a_line_says_all_of_an_event_but_the_picture(tmp_path: Path) -> None:
    assert json.loads(START.line()) == {
        "id": "a1", "camera": "gate", "kind": "covered", "state": "start", "start_s": 3.25, "end_s": None,
        "score": 0.9877, "evidence": {"edges_lost": 0.7}, "thumbnail": "events/a1.jpg",
    }  # fmt: skip


def test_what_is_open_when_the_file_is_closed_ends_with_the_last_frame(tmp_path: Path) -> None:
    sink = EventSink(tmp_path / "gate")
    sink.write((START,), 4.0)
    sink.write((), 9.5)
    sink.close()
    sink.close()
    start, end = lines(tmp_path / "gate")
    assert end == {**start, "state": "end", "end_s": 9.5}


def test_what_has_ended_is_not_ended_again(tmp_path: Path) -> None:
    sink = EventSink(tmp_path)
    sink.write((START,), 4.0)
    sink.write((Event("a1", "gate", "covered", "end", 3.25, 6.0, 0.99),), 8.0)
    sink.close()
    assert [(line["state"], line["end_s"]) for line in lines(tmp_path)] == [("start", None), ("end", 6.0)]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "gate").write_text("a file")
    with pytest.raises(SinkError, match=r"gate.*: cannot be written"):
        EventSink(tmp_path / "gate")
    sink = EventSink(tmp_path)
    (tmp_path / "events").write_text("a file")
    picture = np.zeros((4, 4, 3), np.uint8)
    broken = Event("a1", "gate", "moved", "start", 0.0, None, 1.0, {}, "events/a1.jpg", picture)
    with pytest.raises(SinkError, match="cannot be"):
        sink.write((broken,), 0.0)
    sink.close()
