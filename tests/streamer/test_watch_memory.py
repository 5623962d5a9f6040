"""What watchers know over a restart: as a file, in a watcher, in the stage on lists of frames, in sinks."""

import io
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamer.config import TamperConfig, WatchConfig
from streamer.event import Event
from streamer.frame import Batch, Detections, Discontinuity, Dropped, End, Hidden, Image, Stream
from streamer.sink.events import EventSink
from streamer.sink.memory import MemorySink
from streamer.watch.load import load as load_watchers
from streamer.watch.look import COLUMNS, HEIGHT, ROWS, WIDTH, look
from streamer.watch.memory import NAME, Known, Memory, decoded, load
from streamer.watch.reference import Reference
from streamer.watch.stage import stage
from streamer.watch.still import Stillness
from streamer.watch.tamper import Tamper
from streamer.watch.watcher import Keep, Watchers
from tests import scene
from tests.scene import blurred, covered, seen, shifted, view
from tests.streamer.sink.limits import files_no_larger_than
from tests.values import frame, hidden

RATE = 5
VIEW = view()
NONE = Detections.none()
NOTHING = np.zeros((0, 4), np.float32)
READ_AT = time.monotonic()
"""When all first frames were read."""
SOURCE = "rtsp://***@gate.local/1"
EVENT = Event("a1", "gate", "covered", "start", 3.25, None, 0.9877, {"edges_lost": 0.7}, "events/a1.jpg")
PICTURE = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


def memory(**more: Any) -> Memory:
    known = {"tamper": Known({"views": [{"grey": np.ones((2, 3), np.float32)}]}, EVENT)}
    return replace(Memory(SOURCE, (320, 192), 1.75e9, 60.0, known), **more)


# the file


def test_a_memory_comes_back_from_its_file_as_it_was() -> None:
    known = Known({"a": [1, 2.5, None, "x"], "b": {"c": np.eye(3)}}, replace(EVENT, picture=PICTURE))
    back = decoded(memory(known={"tamper": known, "other": Known([], None)}).encoded())
    assert (back.source, back.size, back.zero, back.time_s) == (SOURCE, (320, 192), 1.75e9, 60.0)
    tree, event = back.known["tamper"].watcher, back.known["tamper"].event
    assert tree["a"] == [1, 2.5, None, "x"]
    assert np.array_equal(tree["b"]["c"], np.eye(3))
    assert event is not None
    assert event.line() == EVENT.line()
    assert np.array_equal(event.picture, PICTURE) if event.picture is not None else False
    assert back.known["other"].event is None


class Meddled(Event):
    """An event of which a line says anything."""

    def line(self) -> str:
        names = ("id", "camera", "kind", "state", "start_s", "end_s", "score", "evidence", "thumbnail")
        return json.dumps({name: getattr(self, name) for name in names})


FIELDS = json.loads(EVENT.line())


def files() -> Iterator[tuple[str, bytes, str]]:
    whole = memory().encoded()
    yield "empty", b"", "is damaged"
    yield "cut off", whole[: len(whole) // 2], "is damaged"
    yield "something else", b"frame,time_s\n", "is damaged"
    for name, arrays in (
        ("pickled", {"tree": np.array([{"version": 1}], object)}),
        ("without a tree", {"a0": np.ones(3)}),
        ("no JSON", {"tree": np.frombuffer(b"{", np.uint8)}),
        ("a list", {"tree": np.frombuffer(b"[]", np.uint8)}),
        ("without keys", {"tree": np.frombuffer(b'{"version": 1}', np.uint8)}),
        (
            "an array that is missing",
            {"tree": np.frombuffer(b'{"version": 1, "a": {"array": "a7"}}', np.uint8)},
        ),
    ):
        content = io.BytesIO()
        np.savez(content, allow_pickle=True, **arrays)
        yield name, content.getvalue(), "is damaged"
    content = io.BytesIO()
    np.savez(content, tree=np.frombuffer(json.dumps({"version": 2}).encode(), np.uint8))
    yield "newer", content.getvalue(), "is of another version"


@pytest.mark.parametrize(
    "more",
    [
        {"thumbnail": "../secret.jpg"}, {"id": "../a", "thumbnail": "events/../a.jpg"}, {"evidence": None},
        {"state": "over"}, {"score": "high"},
    ],
)  # fmt: skip
def test_an_event_that_cannot_be_meant_is_not_gone_on_with(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is damaged"):
        decoded(memory(known={"tamper": Known({}, Meddled(**{**FIELDS, **more}))}).encoded())


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("streamer"), "propagate", True)
    caplog.set_level(logging.WARNING)
    return caplog


@pytest.mark.parametrize(("content", "why"), [pytest.param(c, w, id=n) for n, c, w in files()])
def test_a_file_that_is_no_use_is_told_of_in_one_line(
    tmp_path: Path, said: pytest.LogCaptureFixture, content: bytes, why: str
) -> None:
    (tmp_path / NAME).write_bytes(content)
    assert load(tmp_path, SOURCE) is None
    assert said.messages == [f"{tmp_path / NAME}: {why}, views are learned anew"]


def test_the_memory_of_another_source_is_no_use_and_none_is_no_news(
    tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    assert load(tmp_path, SOURCE) is None
    assert said.messages == []
    (tmp_path / NAME).write_bytes(memory().encoded())
    assert load(tmp_path, SOURCE) is not None
    assert load(tmp_path, "rtsp://***@yard.local/1") is None
    assert "is of another source" in said.messages[0]


# watchers


def watch(tamper: Tamper, pictures: Sequence[Image], start: float = 0.0) -> list[tuple[float, str, str]]:
    said: list[tuple[float, str, str]] = []
    for number, picture in enumerate(pictures):
        alert = tamper.see(picture, NONE, start + number / RATE, NOTHING)
        if alert is not None:
            said.append((start + number / RATE, alert.change, alert.kind))
    return said


def shots(seconds: float, image: Image = VIEW, first: int = 0) -> list[Image]:
    return [seen(image, first + number) for number in range(round(seconds * RATE))]


def resumed(tamper: Tamper, shift: float = 0.0, pause: float = 0.0, at: float = 0.0) -> Tamper:
    kept = memory(known={"tamper": Known(tamper.kept(), None)})
    other = Tamper(TamperConfig())
    other.resume(decoded(kept.encoded()).known["tamper"].watcher, at, shift, pause)
    return other


@pytest.mark.parametrize(
    ("then", "kind"),
    [(covered(VIEW, 0.9), "covered"), (blurred(VIEW, 3.0), "defocused"), (shifted(VIEW, 0.2), "moved")],
)
def test_a_view_is_known_at_once_after_a_restart(then: Image, kind: str) -> None:
    tamper = Tamper(TamperConfig())
    assert watch(tamper, shots(6)) == []
    after = resumed(tamper, shift=-6.0)
    ((at, change, what),) = watch(after, shots(6, then, 500))
    assert (change, what) == ("start", kind)
    assert at <= 3.0
    # one that knows nothing takes it for the view
    assert watch(Tamper(TamperConfig()), shots(6, then, 500)) == []


def test_what_is_open_does_not_start_again_and_ends_when_it_is_over() -> None:
    tamper = Tamper(TamperConfig())
    sheet = covered(VIEW, 0.9)
    ((_, change, _),) = watch(tamper, [*shots(10), *shots(6, sheet, 100)])
    assert change == "start"
    after = resumed(tamper, shift=-16.0, pause=100.0)
    assert after.open == "covered"
    assert watch(after, shots(10, sheet, 300)) == []
    ((at, change, kind),) = watch(after, shots(6, VIEW, 400), start=10.0)
    assert (change, kind) == ("end", "covered")
    assert 12.0 <= at <= 14.0


def test_times_of_what_is_open_have_the_pause_in_them_and_those_of_the_view_have_not() -> None:
    tamper = Tamper(TamperConfig())
    watch(tamper, [*shots(10), *shots(6, covered(VIEW, 0.9), 100)])
    after = resumed(tamper, shift=-16.0, pause=100.0)
    assert after.reference.age == tamper.reference.age > 9.0
    ends = [a for n, p in enumerate(shots(8, VIEW, 400)) if (a := after.see(p, NONE, n / RATE, NOTHING))]
    assert [alert.start_s for alert in ends] == [pytest.approx(10.0 - 16.0 - 100.0)]


def test_a_frozen_picture_stays_frozen_until_one_changes() -> None:
    tamper = Tamper(TamperConfig())
    still = seen(VIEW, 99)
    ((_, change, kind),) = watch(tamper, [*shots(10), *[still] * 6 * RATE])
    assert (change, kind) == ("start", "frozen")
    after = resumed(tamper, shift=-16.0)
    assert watch(after, [still] * 8 * RATE) == []
    ((_, change, kind),) = watch(after, shots(6, VIEW, 200), start=8.0)
    assert (change, kind) == ("end", "frozen")


def test_a_cut_after_a_restart_begins_anew_what_stood_still() -> None:
    still = Stillness.resumed(
        {"seconds": 9.0, "since": 1.0, "usual": 1.0, "longest": 0.0, "looks": 50}, shift=2.0
    )
    assert (still.frozen, still.since) == (True, 3.0)
    still.cut()
    assert not still.frozen


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: kept.pop("alarm"),
        lambda kept: kept["alarm"].update(kind="burnt"),
        lambda kept: kept["alarm"].update(since="soon"),
        lambda kept: kept["still"].update(usual=None),
        lambda kept: kept["views"][0].update(grey=np.zeros((2, 2), np.float32)),
        lambda kept: kept["views"][0].update(detail=np.full((ROWS, COLUMNS), np.nan, np.float32)),
        lambda kept: kept["views"][0].pop("first"),
        lambda kept: kept.update(views=[]),
        lambda kept: kept.update(accept_in="x"),
    ],
)
def test_a_watcher_that_is_told_nonsense_stays_as_it_was(spoil: Any) -> None:
    tamper = Tamper(TamperConfig())
    watch(tamper, shots(2))
    kept = tamper.kept()
    spoil(kept)
    other = Tamper(TamperConfig())
    with pytest.raises((KeyError, TypeError, ValueError)):
        other.resume(kept, 0.0, 0.0, 0.0)
    assert other.open is None
    assert not other.reference.begun


def test_nothing_is_kept_of_a_view_that_is_not_known_yet() -> None:
    tamper = Tamper(TamperConfig())
    watch(tamper, shots(0.4))
    assert tamper.kept() is None


# what may be kept


def cell(row: int, column: int) -> np.ndarray:
    """The pixels of a cell in a scene's picture."""
    height, width = scene.HEIGHT / ROWS, scene.WIDTH / COLUMNS
    return np.array([[column * width, row * height, (column + 1) * width, (row + 1) * height]], np.float32)


def maps(kept: Any) -> np.ndarray:
    return np.stack([kept[name] for name in ("across", "down", "grey")])


def inside(values: np.ndarray, row: int, column: int) -> np.ndarray:
    height, width = HEIGHT // ROWS, WIDTH // COLUMNS
    return values[..., row * height : (row + 1) * height, column * width : (column + 1) * width]


def test_of_what_was_hidden_not_a_pixel_is_kept() -> None:
    reference, box = Reference(), cell(4, 6)
    for number in range(20):  # it stands there all the time, found or not, and belongs to the view
        reference.learn(look(seen(VIEW, number), NOTHING if number % 2 else box, number / RATE, box))
    across, down, grey = inside(maps(reference.kept()), 4, 6)
    assert not across.any()
    assert not down.any()
    assert np.unique(grey).size == 1
    assert inside(maps(reference.kept()), 0, 0).std() > 0  # and what was shown is


def test_what_was_hidden_once_may_be_kept_when_it_is_long_gone() -> None:
    reference, box = Reference(), cell(4, 6)
    reference.learn(look(seen(VIEW, 0), NOTHING, 0.0, box))
    for number in range(1, 10):
        reference.learn(look(seen(VIEW, number), NOTHING, number / RATE, NOTHING))
    assert not inside(maps(reference.kept()), 4, 6)[0].any()
    for number in range(10, 60):
        reference.learn(look(seen(VIEW, number), NOTHING, number / RATE, NOTHING))
    assert inside(maps(reference.kept()), 4, 6)[0].any()


def test_edges_beside_what_is_hidden_say_nothing_of_what_is_in_it() -> None:
    box = np.array([[100, 60, 180, 120]], np.float32)
    pictures = [VIEW, VIEW.copy()]
    pictures[1][60:120, 100:180] = 255 - pictures[1][60:120, 100:180]
    kept = []
    for picture in pictures:
        reference = Reference()
        for number in range(20):
            reference.learn(look(picture, NOTHING, number / RATE, box))
        kept.append(maps(reference.kept())[2])
    one, other = kept
    levels = 0
    for row, column in np.ndindex(ROWS, COLUMNS):
        if np.unique(inside(one, row, column)).size == 1:  # the mean level of a cell is all that there is
            levels += 1
        else:
            assert np.array_equal(inside(one, row, column), inside(other, row, column))
    assert 12 <= levels <= 40


def test_a_view_of_which_mostly_hidden_things_are_seen_is_not_kept() -> None:
    reference = Reference()
    most = np.array([[0, 0, scene.WIDTH, 0.9 * scene.HEIGHT]], np.float32)
    for number in range(20):
        reference.learn(look(seen(VIEW, number), NOTHING, number / RATE, most))
    assert reference.usable
    assert reference.kept() is None


# the stage


def item(image: Image, number: int, *, live: bool = True, size: Stream | None = None) -> Hidden:
    """A frame of which a corner is hidden, read as late as it is."""
    height, width = image.shape[:2]
    made = hidden(torch.from_numpy(image), torch.from_numpy(image), np.array([[0, 0, 30, 20]], np.int32))
    stream = size or Stream(width, height, live=live)
    read_at = READ_AT + number / RATE
    shown = frame(
        image, index=number, pts=number, time_base=Fraction(1, RATE), stream=stream, read_at=read_at
    )
    return Hidden(shown, made.image, made.detections, made.blurred, made.regions)


def story(*parts: tuple[float, Image]) -> list[Hidden]:
    pictures = [image for seconds, image in parts for _ in range(round(seconds * RATE))]
    return [item(seen(image, number), number) for number, image in enumerate(pictures)]


def run(
    items: Sequence[Hidden | Discontinuity | End], earlier: Memory | None = None, *, keep: bool = True
) -> tuple[list[Event], list[Memory]]:
    """Return the events, and what was to be kept."""
    found = load_watchers({"gate": WatchConfig(tamper=TamperConfig())}, torch.device("cpu"))
    kept = {"gate": Keep(SOURCE, earlier)} if keep else {}
    given: Batch[Hidden | Dropped] = items
    out = [each for batch in stage([given], Watchers(found.of, (), kept)) for each in batch]
    events = [event for each in out if isinstance(each, Hidden) for event in each.events]
    memories = [each.memory for each in out if isinstance(each, Hidden | End) and each.memory is not None]
    return events, memories


def after(kept: Memory, seconds: float) -> Memory:
    """Through its file, and so many seconds before the first frame of the next run."""
    zero = time.time() - time.monotonic() + READ_AT
    return decoded(replace(kept, zero=zero - seconds - kept.time_s).encoded())


SHEET = covered(VIEW, 0.9)


def test_an_open_event_goes_on_under_its_identity_and_ends_once() -> None:
    (start,), (*_, kept) = run([*story((10, VIEW), (6, SHEET)), End("gate")])
    ((again, end), memories) = run(story((6, SHEET), (6, VIEW)), after(kept, 100.0))
    assert (again.id, again.state, again.again, again.thumbnail) == (start.id, "start", True, start.thumbnail)
    assert again.picture is not None
    assert start.picture is not None
    assert np.array_equal(again.picture, start.picture)
    # it began 6 s before the end of the first run, which was 100 s ago
    assert again.start_s == pytest.approx(-105.8, abs=0.05)
    assert (end.id, end.state, end.again, end.start_s) == (start.id, "end", False, again.start_s)
    assert 6.0 <= end.end_s <= 7.0 if end.end_s is not None else False
    assert memories[-1].known["tamper"].event is None


def test_a_memory_is_kept_soon_then_now_and_then_with_each_event_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamer.watch.station.KEPT_EVERY", 9.0)
    events, memories = run([*story((12, VIEW), (6, SHEET), (16, VIEW)), End("gate")])
    assert [event.state for event in events] == ["start", "end"]
    times = [kept.time_s for kept in memories]
    assert times == pytest.approx([10.0, times[1], times[2], times[2] + 9.0, 33.8], abs=0.01)
    assert 12.0 < times[1] < 15.0 < 18.0 < times[2] < 22.0
    assert [kept.known["tamper"].event is not None for kept in memories] == [False, True, False, False, False]


def test_footage_keeps_nothing() -> None:
    events, memories = run([*story((10, VIEW), (6, SHEET)), End("gate")], keep=False)
    assert [event.state for event in events] == ["start"]
    assert memories == []


@pytest.mark.parametrize(
    ("seconds", "open_", "goes_on"),
    [(3500.0, False, True), (3700.0, False, False), (80_000.0, True, True), (90_000.0, True, False)],
)
def test_what_is_too_old_is_learned_anew(
    said: pytest.LogCaptureFixture, seconds: float, open_: bool, goes_on: bool
) -> None:
    _, (*_, kept) = run([*story((3, VIEW), *([(3.0, SHEET)] if open_ else [])), End("gate")])
    said.clear()
    events, _ = run(story((3, SHEET)), after(kept, seconds))
    # of a view that is known a cover raises an event; where it is not, the cover is taken for the view
    assert [event.again for event in events] == ([open_] if goes_on else [])
    assert ("hours old, learned anew (tamper)" in said.text) is not goes_on


def test_pictures_of_another_size_are_learned_anew(said: pytest.LogCaptureFixture) -> None:
    _, (*_, kept) = run(story((4, VIEW), (3, SHEET)))
    said.clear()
    events, _ = run(story((3, SHEET)), replace(kept, size=(640, 360)))
    assert events == []
    assert said.messages == ["gate: what was learned is of pictures of 640x360, learned anew (tamper)"]


def test_a_damaged_memory_of_a_watcher_is_told_of_and_learned_anew(said: pytest.LogCaptureFixture) -> None:
    _, (*_, kept) = run(story((4, VIEW), (3, SHEET)))
    said.clear()
    spoilt = replace(kept, known={"tamper": Known({"views": []}, kept.known["tamper"].event)})
    events, _ = run(story((3, SHEET)), spoilt)
    assert events == []
    assert said.messages == ["gate: what was learned is damaged, learned anew (tamper)"]


def test_a_clock_that_was_set_back_does_not_make_an_event_begin_later() -> None:
    _, (*_, kept) = run([*story((10, VIEW), (3, SHEET)), End("gate")])
    (again, *_), _ = run(story((1, SHEET)), after(kept, -5000.0))
    assert again.start_s == pytest.approx(-2.8, abs=0.05)


def test_a_reconnect_before_the_first_frame_forgets_nothing() -> None:
    _, (*_, kept) = run(story((4, VIEW), (3, SHEET)))
    events, _ = run([Discontinuity("gate"), *story((8, SHEET))], after(kept, 1.0))
    assert [event.again for event in events] == [True]


# sinks


def test_a_disk_that_is_full_is_told_of_once_and_the_old_file_stays(
    tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    sink = MemorySink(tmp_path)
    sink.write(memory())
    assert sink.open == {"a1"}
    before = (tmp_path / NAME).read_bytes()
    with files_no_larger_than(100):
        for _ in range(3):
            sink.write(memory(known={}))
    assert len(said.messages) == 1
    assert "watch.npz: cannot be written: File too large; a restart will not know" in said.messages[0]
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_bytes() == before
    assert sink.open == {"a1"}  # as the next run will read it


def test_what_cannot_be_put_into_a_file_is_told_of_and_stops_nothing(
    tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    MemorySink(tmp_path).write(memory(known={"tamper": Known({"score": float("nan")}, None)}))
    assert len(said.messages) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_half_written_is_not_read(tmp_path: Path) -> None:
    MemorySink(tmp_path).write(memory())
    (tmp_path / f".{NAME}.part").write_bytes(memory().encoded()[:50])
    assert load(tmp_path, SOURCE) is not None
    MemorySink(tmp_path).write(memory(time_s=61.0))
    found = load(tmp_path, SOURCE)
    assert found is not None
    assert found.time_s == 61.0


def test_what_the_next_run_goes_on_with_is_not_ended_by_this_one(tmp_path: Path) -> None:
    sink = EventSink(tmp_path)
    sink.write((EVENT, replace(EVENT, id="b2")), 4.0)
    sink.close(stays={"a1"})
    said = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(line["id"], line["state"]) for line in said] == [("a1", "start"), ("b2", "start"), ("b2", "end")]
