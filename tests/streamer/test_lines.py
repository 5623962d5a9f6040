"""A line of detections: what is written is read back, and what is wrong in one edited by hand is said."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer import lines, record
from streamer.boxes import rounded
from streamer.classes import COCO
from streamer.errors import ConfigError
from streamer.frame import Detections, Sighting
from streamer.record import Sought
from tests import footage
from tests.streamer.sink.results import result

IMAGE = footage.picture(0)
CAR: dict[str, Any] = {"box": [1, 2, 30, 40], "class": "car"}


def flat(found: Detections) -> tuple[list[Any], ...]:
    """Everything in detections, to compare."""
    tracks: NDArray[np.int64] | list[int] = [-1] * len(found) if found.tracks is None else found.tracks
    return found.boxes.tolist(), found.scores.tolist(), list(found.labels), list(tracks), [found.looked]


@st.composite
def sightings(draw: st.DrawFn) -> tuple[Detections, NDArray[np.bool_], Detections, float]:
    """What was found with tracks, which of it is hidden, what is carried, and a threshold."""
    edge = st.floats(-3000, 9000, width=32)
    count = draw(st.integers(0, 6))

    def some(n: int, track: st.SearchStrategy[int]) -> Detections:
        corners = np.array(draw(st.lists(edge, min_size=4 * n, max_size=4 * n)), np.float32).reshape(n, 2, 2)
        corners.sort(axis=1)
        scores = draw(st.lists(st.floats(0, 1, width=32), min_size=n, max_size=n))
        labels = tuple(draw(st.lists(st.sampled_from(COCO), min_size=n, max_size=n)))
        tracks = draw(st.lists(track, min_size=n, max_size=n))
        return Detections(
            corners.reshape(n, 4), np.array(scores, np.float32), labels, np.array(tracks, np.int64)
        )

    found = record.as_logged(some(count, st.integers(-1, 99)))
    assert found.tracks is not None
    threshold = draw(st.floats(0, 1))
    carried = some(draw(st.integers(0, 3)), st.integers(0, 99))
    carried = replace(
        carried,
        boxes=rounded(carried.boxes),
        scores=np.zeros(len(carried), np.float32),
        carried=np.ones(len(carried), bool),
    )
    return found, found.tracks >= 0, carried, threshold


@given(sightings())
def test_what_is_written_is_read_back_to_the_bit(
    made: tuple[Detections, NDArray[np.bool_], Detections, float],
) -> None:
    found, hidden, carried, threshold = made
    shown = replace(
        result(7, IMAGE, detections=found.keep(hidden).and_carried(carried)), sighting=Sighting(found, True)
    )
    line = record.compose(shown, threshold, (64, 48), Sought({"car": 0.1})).encode()
    read = lines.parse(line)
    again, assigned = read.found, sorted(found.scores[hidden].tolist())
    assert (read.frame, read.time_s, read.begins, read.size) == (7, 0.28, True, (64, 48))
    assert read.sought == Sought({"car": 0.1})
    # objects stand before the rest; of two with one score the order may change, and twins are one
    assert {*zip(*(map(str, part) for part in flat(again)[:4]), strict=True)} == {
        *zip(*(map(str, part) for part in flat(found)[:4]), strict=True)
    }
    assert again.scores.tolist() == sorted(again.scores.tolist(), reverse=True)
    assert set(again.scores[read.hidden].tolist()) == set(assigned)
    assert read.carried.boxes.tolist() == carried.boxes.tolist()
    assert read.carried.labels == carried.labels


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(COCO),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("frame", "time_s", "objects", "also", "carried", "looked", "failure", "begins", "size", "sought")


@given(st.dictionaries(st.sampled_from((*KEYS, "version")), JSON), st.dictionaries(st.text(max_size=4), JSON))
def test_whatever_json_stands_in_a_line_it_is_read_or_refused_in_one_line(
    facts: dict[str, Any], more: dict[str, Any]
) -> None:
    for entry in ({}, {"frame": 1, "objects": []}, {"frame": 1, "objects": [{**CAR, **more}]}):
        text = json.dumps({**more, **entry, **facts}).encode()
        refused = None
        try:
            read = lines.parse(text)
            assert len(read.found) == len(read.hidden)
        except ConfigError as error:
            refused = str(error)
        assert "\n" not in (refused or "")


@given(st.binary(max_size=60))
def test_whatever_bytes_stand_in_a_line_it_is_refused_in_one_line(line: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]+$"):
        lines.parse(line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({}, "objects: is missing"),
        ({"objects": []}, "frame: expected a whole number from 0 on, it is missing"),
        ({"frame": -1, "objects": []}, "frame: expected a whole number from 0 on, found -1"),
        ({"frame": True, "objects": []}, "frame: expected a whole number from 0 on, found true"),
        ({"frame": 0, "objects": CAR}, "objects: expected a list, found {"),
        ({"frame": 0, "objects": [[1, 2, 3, 4]]}, "objects: expected keys and values in braces, found [1, 2"),
        ({"frame": 0, "objects": [{"class": "car"}]}, "objects: box is missing"),
        ({"frame": 0, "objects": [{**CAR, "box": [1, 2, 3]}]}, "box has 3 numbers, expected x0, y0, x1, y1"),
        ({"frame": 0, "objects": [{**CAR, "box": "1,2"}]}, 'box is "1,2", expected [x0, y0, x1, y1]'),
        ({"frame": 0, "objects": [{**CAR, "box": [1, 2, "3", 4]}]}, 'box has "3", expected a number of'),
        ({"frame": 0, "objects": [{**CAR, "box": [1, 2, 1e300, 4]}]}, "box has 1e+300, expected a number of"),
        ({"frame": 0, "objects": [{**CAR, "box": [9, 2, 3, 4]}]}, "box [9, 2, 3, 4] ends before it starts"),
        ({"frame": 0, "objects": [{"box": [1, 2, 3, 4]}]}, "objects: class is missing"),
        ({"frame": 0, "objects": [CAR, {**CAR, "class": "cat fish"}]}, 'number 2: class is "cat fish", exp'),
        ({"frame": 0, "objects": [{**CAR, "score": 91}]}, "score is 91, expected a number from 0 to 1"),
        ({"frame": 0, "objects": [{**CAR, "track": 1.5}]}, "track: expected a whole number from 0 on, found"),
        ({"frame": 0, "objects": [], "also": [{**CAR, "box": []}]}, "also: box has 0 numbers"),
        ({"frame": 0, "objects": [], "time_s": "0:01"}, 'time_s: expected a number of seconds, found "0:01"'),
        ({"frame": 0, "objects": [], "looked": 0}, "looked: expected true or false, found 0"),
        ({"frame": 0, "objects": [], "failure": 1}, "failure: expected a text, found 1"),
        ({"frame": 0, "objects": [], "size": [64]}, "size: expected [width, height] in pixels, found [64]"),
        ({"frame": 0, "objects": [], "sought": {"classes": ["car"]}}, "sought: expected classes and a score"),
        (
            {"frame": 0, "objects": [], "sought": {"classes": ["car"], "score": 0, "scores": {"car": "0"}}},
            'sought: expected scores by class, found {"car": "0"}',
        ),
        (
            {"frame": 0, "objects": [], "sought": {"classes": ["car"], "score": 0, "detectors": [{}, 0.2]}},
            "sought: expected scores by class of each detector, found [{}, 0.2]",
        ),
        ({"frame": 0, "objects": [], "also": [{**CAR, "hidden": 1}]}, "also: hidden: expected true or false"),
        ({"frame": 0, "objects": [], "version": 2}, "version: is 2, and this program reads 1"),
        ([1], "expected keys and values in braces, found [1]"),
    ],
)
def test_a_mistake_is_said(line: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        lines.parse(json.dumps(line).encode())
    assert message in str(caught.value)


def test_a_box_and_a_class_are_enough_and_count_as_certain() -> None:
    read = lines.parse(b'{"frame":3,"objects":[{"box":[1,2.123,30,40],"class":"car"}]}')
    assert flat(read.found) == ([[1.0, pytest.approx(2.12), 30.0, 40.0]], [1.0], ["car"], [-1], [True])
    assert read.hidden.tolist() == [True]
    assert (read.time_s, read.failure, read.begins, read.size, read.sought) == (None, None, False, None, None)


def test_of_what_else_was_found_that_with_a_track_was_hidden() -> None:
    also = [{**CAR, "score": 0.2, "track": 4}, {**CAR, "score": 0.3}]
    read = lines.parse(json.dumps({"frame": 0, "objects": [{**CAR, "score": 0.25}], "also": also}).encode())
    assert read.found.scores.tolist() == pytest.approx([0.3, 0.25, 0.2])
    assert read.hidden.tolist() == [False, True, True]


def test_what_else_was_found_says_so_where_its_track_does_not_tell_whether_it_was_hidden() -> None:
    boxes = np.array([[n, 0, n + 5, 5] for n in range(4)], np.float32)
    tracks = np.array([3, 4, -1, -1])
    found = Detections(boxes, np.array([0.4, 0.3, 0.2, 0.1], np.float32), ("car",) * 4, tracks)
    hidden = [True, False, True, False]
    shown = replace(result(0, IMAGE, detections=found.keep(np.array(hidden))), sighting=Sighting(found))
    line = record.compose(shown, 0.5)
    assert [entry.get("hidden") for entry in json.loads(line)["also"]] == [None, False, True, None]
    read = lines.parse(line.encode())
    assert read.hidden.tolist() == hidden
    assert flat(read.found) == flat(found)


@pytest.mark.parametrize("scores", [{"car": 0.1, "face": 0.1}, {"car": 0.0375, "face": 0.1}])
def test_what_was_sought_is_read_back_also_where_it_differs_by_class(scores: dict[str, float]) -> None:
    line = record.compose(result(0, IMAGE), 0.5, (64, 48), Sought(scores))
    said = json.loads(line)["sought"]
    # readers who know one score for all take the one that holds for all
    assert (said["classes"], said["score"]) == (["car", "face"], 0.1)
    assert ("scores" in said) == (len({*scores.values()}) > 1)
    assert lines.parse(line.encode()).sought == Sought(scores)


def test_what_each_of_several_detectors_sought_is_read_back() -> None:
    sought = Sought({"car": 0.1, "face": 0.1}, ({"car": 0.6}, {"car": 0.1, "face": 0.1}))
    line = record.compose(result(0, IMAGE), 0.5, (64, 48), sought)
    assert lines.parse(line.encode()).sought == sought


def test_of_what_was_sought_there_is_no_more_than_both_sought() -> None:
    one, other = Sought({"car": 0.1, "bus": 0.2}), Sought({"face": 0.1, "bus": 0.1, "car": 0.3})
    assert one.within(other) == Sought({"car": 0.3, "bus": 0.2})


def test_the_same_holds_of_each_of_several_detectors_or_of_all_that_any_file_was_made_by() -> None:
    several = Sought({"car": 0.1, "bus": 0.2}, ({"car": 0.6}, {"car": 0.1, "bus": 0.2}))
    others = Sought({"car": 0.2, "bus": 0.1}, ({"car": 0.2}, {"bus": 0.1}))
    assert several.within(others).detectors == ({"car": 0.6}, {"bus": 0.2})
    single = Sought({"car": 0.3})
    assert (
        several.within(single) == single.within(several) == Sought({"car": 0.3}, ({"car": 0.6}, {"car": 0.3}))
    )
    three = Sought({"car": 0.3}, ({"car": 0.3}, {}, {"car": 0.4}))
    assert several.within(three).detectors == ({"car": 0.6}, {"car": 0.3}, {"car": 0.3}, {}, {"car": 0.4})


def test_lists_too_deep_are_refused_in_one_line() -> None:
    for depth in range(900, 1010):
        deep = "[" * depth + "]" * depth
        with pytest.raises(ConfigError, match=r"^[^\n]+$"):
            lines.parse(f'{{"frame":{deep},"objects":[]}}'.encode())


def write(tmp_path: Path, *lines: str, end: str = "\n") -> Path:
    path = tmp_path / "detections.jsonl"
    path.write_text("\n".join(lines) + end, encoding="utf-8")
    return path


def test_a_wrong_line_is_named_by_its_number(tmp_path: Path) -> None:
    good = [f'{{"frame":{n},"objects":[]}}' for n in range(16)]
    wrong = '{"frame":16,"objects":[{"box":[1,2,3],"class":"car"}]}'
    path = write(tmp_path, *good, wrong, '{"frame":17,"objects":[]}')
    with pytest.raises(ConfigError) as caught:
        list(lines.read(path))
    assert str(caught.value) == f"{path}, line 17: objects: box has 3 numbers, expected x0, y0, x1, y1"


def test_no_json_is_named_by_line_and_column(tmp_path: Path) -> None:
    path = write(tmp_path, '{"frame":0,"objects":[]}', '{"frame":1,"objects":[}', '{"frame":2,"objects":[]}')
    with pytest.raises(ConfigError, match=r"line 2: is no JSON at column 23: Expecting value$"):
        list(lines.read(path))


def test_frames_must_rise(tmp_path: Path) -> None:
    path = write(tmp_path, *(f'{{"frame":{n},"objects":[]}}' for n in (0, 2, 2)))
    with pytest.raises(ConfigError, match=r"line 3: frame 2 comes after frame 2: frames must rise$"):
        list(lines.read(path))


def test_a_last_line_that_was_cut_off_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = '{"frame":1,"objects":[{"box":[1,2,3,4],"class":"car"}]}'
    for length in range(1, len(whole)):
        caplog.clear()
        path = write(tmp_path, '{"frame":0,"objects":[]}', whole[:length], end="")
        with caplog.at_level(logging.WARNING):
            assert [each.frame for each in lines.read(path)] == [0]
        assert caplog.messages == [f"{path}, line 2: is cut off and left out"]


def test_a_last_line_that_is_whole_but_wrong_is_refused_though_it_has_no_end(tmp_path: Path) -> None:
    path = write(tmp_path, '{"frame":0,"objects":[]}', '{"frame":1}', end="")
    with pytest.raises(ConfigError, match="line 2: objects: is missing"):
        list(lines.read(path))


def test_editors_marks_blank_lines_and_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "detections.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"frame":0,"objects":[],"size":[64,48]}\r\n\r\n \n{"frame":1,"objects":[]}\r\n'
    )
    read = list(lines.read(path))
    assert [(each.frame, each.line, each.size) for each in read] == [(0, 1, (64, 48)), (1, 4, (64, 48))]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.jsonl: cannot be read: No such file or directory$"):
        list(lines.read(tmp_path / "none.jsonl"))


def test_the_readme_says_what_every_key_of_a_line_means() -> None:
    found = Detections(
        np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32), np.array([0.9, 0.2], np.float32), ("car", "bus")
    )  # the second one is hidden without a track
    carried = Detections(found.boxes[:1], found.scores[:1], ("car",), np.array([1]))
    full = replace(
        result(0, IMAGE, detections=replace(found, looked=False).and_carried(carried)),
        sighting=Sighting(found, True),
        failure="hider",
    )
    line = json.loads(record.compose(full, 0.5, (64, 48), Sought({"car": 0.1})))
    (entry,), (other,) = line["objects"], line["also"]
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    table = readme.split("| key | what |")[1].split("\n\n")[0]
    named = re.findall(r"`([a-z_]+)`", " ".join(row.split("|")[1] for row in table.splitlines()[2:]))
    assert set(named) == {*line, *entry, *other}
    assert set(line) == {*KEYS, "version"}
