"""The rows say what the contract promises, and each is in the file before the next frame comes."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamer.errors import SinkError
from streamer.frame import Detections, Metrics, Sighting
from streamer.record import Sought
from streamer.sink.log import LogSink
from tests import footage
from tests.streamer.sink.limits import files_no_larger_than
from tests.streamer.sink.results import result

IMAGE = footage.picture(0)
CARS = Detections(
    np.array([[1.0, 2.5, 30.126, 40.0], [-5.0, 0.0, 70.0, 20.0]], np.float32),
    np.array([0.7, 0.6], np.float32),
    ("car", "person"),
    np.array([3, 4]),
)


def rows(directory: Path) -> list[dict[str, str]]:
    with (directory / "frames.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def lines(directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (directory / "detections.jsonl").read_text().splitlines()]


def objects(line: dict[str, object]) -> list[dict[str, object]]:
    found = line["objects"]
    assert isinstance(found, list)
    return found


def test_the_files_say_exactly_what_the_contract_says(tmp_path: Path) -> None:
    sink = LogSink(tmp_path, Sought({"car": 0.0375, "person": 0.0375}))
    metrics = Metrics(31.25, 34.5678, 20.0, None)
    sink.write(
        result(0, IMAGE, pts=126_001, time_base=Fraction(1, 90_000), detections=CARS, metrics=metrics),
        41.26,
        0.5,
    )
    metrics = Metrics(float("inf"), None, None, None)
    sink.write(result(7, IMAGE, pts=200, metrics=metrics, restorers=("denoise", "deblur")), 5.0, 0.6)
    sink.close()
    sink.close()
    assert (tmp_path / "frames.csv").read_text() == (
        "frame,time_s,objects,psnr_blurred_db,psnr_restored_db,psnr_blurred_roi_db,psnr_restored_roi_db,"
        "latency_ms,restorers\n"
        "0,1.400011,2,31.250,34.568,20.000,,41.3,\n"
        "7,8.000000,0,inf,,,,5.0,denoise+deblur\n"
    )
    assert (tmp_path / "detections.jsonl").read_text() == (
        '{"frame":0,"time_s":1.400011,"objects":['
        '{"box":[1.0,2.5,30.13,40.0],"class":"car","score":0.7,"track":3},'
        '{"box":[-5.0,0.0,70.0,20.0],"class":"person","score":0.6,"track":4}],'
        '"size":[64,48],"sought":{"classes":["car","person"],"score":0.0375},"version":1}\n'
        '{"frame":7,"time_s":8.0,"objects":[]}\n'
    )


@pytest.mark.parametrize(("threshold", "objects"), [(0.0, "2"), (0.6, "2"), (0.7, "1"), (0.71, "0")])
def test_objects_are_those_at_or_above_the_threshold(tmp_path: Path, threshold: float, objects: str) -> None:
    sink = LogSink(tmp_path)
    sink.write(result(0, IMAGE, detections=CARS), 1.0, threshold)
    assert rows(tmp_path)[0]["objects"] == objects


def test_what_a_track_says_and_what_is_below_the_threshold_are_no_objects(tmp_path: Path) -> None:
    sink = LogSink(tmp_path)
    found = replace(CARS, carried=np.array([True, False]))
    sink.write(result(0, IMAGE, detections=found), 1.0, 0.5)
    sink.write(result(1, IMAGE, detections=found), 1.0, 0.65)
    assert [row["objects"] for row in rows(tmp_path)] == ["1", "0"]
    assert [[each["track"] for each in objects(line)] for line in lines(tmp_path)] == [[4], []]


def test_what_is_hidden_or_was_found_beyond_the_objects_has_keys_of_its_own(tmp_path: Path) -> None:
    sink = LogSink(tmp_path)
    boxes = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 11, 12]], np.float32)
    labels = ("car", "person", "bus")
    found = Detections(boxes, np.array([0.7, 0.2, 0.05], np.float32), labels, np.array([3, 4, -1]))
    carried = Detections(boxes[:1], np.zeros(1, np.float32), ("truck",), np.array([5]))
    shown = replace(
        result(0, IMAGE, detections=found.keep(np.array([True, True, False])).and_carried(carried)),
        sighting=Sighting(found, begins=True),
        failure="hider",
    )
    sink.write(shown, 1.0, 0.5)
    assert lines(tmp_path) == [
        {
            "frame": 0,
            "time_s": 0.0,
            "objects": [{"box": [1, 2, 3, 4], "class": "car", "score": 0.7, "track": 3}],
            "also": [
                {"box": [5, 6, 7, 8], "class": "person", "score": 0.2, "track": 4},
                {"box": [9, 9, 11, 12], "class": "bus", "score": 0.05},
            ],
            "carried": [{"box": [1, 2, 3, 4], "class": "truck", "track": 5}],
            "failure": "hider",
            "begins": True,
            "size": [64, 48],
        }
    ]


def test_the_size_is_told_when_it_changes(tmp_path: Path) -> None:
    sink = LogSink(tmp_path)
    for index, width in enumerate([64, 64, 80, 80, 64]):
        sink.write(result(index, footage.picture(index, width)), 1.0, 0.5)
    assert [line.get("size") for line in lines(tmp_path)] == [[64, 48], None, [80, 48], None, [64, 48]]


def test_a_frame_that_nobody_looked_at_is_told_from_one_in_which_nothing_was_found(tmp_path: Path) -> None:
    sink = LogSink(tmp_path)
    sink.write(result(0, IMAGE), 1.0, 0.5)
    sink.write(result(1, IMAGE, detections=Detections.none(looked=False)), 1.0, 0.5)
    assert [row["objects"] for row in rows(tmp_path)] == ["0", ""]
    assert lines(tmp_path) == [
        {"frame": 0, "time_s": 0.0, "objects": [], "size": [64, 48]},
        {"frame": 1, "time_s": 0.04, "objects": [], "looked": False},
    ]


def test_without_tracking_a_track_is_null(tmp_path: Path) -> None:
    sink = LogSink(tmp_path)
    untracked = Detections(CARS.boxes, CARS.scores, CARS.labels)
    sink.write(result(0, IMAGE, detections=untracked), 1.0, 0.5)
    assert [found["track"] for found in objects(lines(tmp_path)[0])] == [None, None]


def test_times_of_a_long_recording_are_exact_to_the_microsecond(tmp_path: Path) -> None:
    sink = LogSink(tmp_path)
    pts = 30 * 24 * 3600 * 1_000_000 + 123_457
    sink.write(result(0, IMAGE, pts=pts, time_base=Fraction(1, 1_000_000)), 1.0, 0.5)
    assert rows(tmp_path)[0]["time_s"] == "2592000.123457"
    assert lines(tmp_path)[0]["time_s"] == 2592000.123457


def test_each_row_is_in_the_file_at_once(tmp_path: Path) -> None:
    sink = LogSink(tmp_path)
    assert rows(tmp_path) == []
    for index in range(3):
        sink.write(result(index, IMAGE), 1.0, 0.5)
        assert [row["frame"] for row in rows(tmp_path)] == [str(i) for i in range(index + 1)]
        assert len(lines(tmp_path)) == index + 1


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    LogSink(tmp_path / "out" / "gate").close()
    assert rows(tmp_path / "out" / "gate") == []


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(SinkError, match=r"out/gate: cannot be written: Not a directory$"):
        LogSink(tmp_path / "out" / "gate")


def test_a_full_disk_leaves_whole_rows_and_is_told_in_one_line(tmp_path: Path) -> None:
    sink = LogSink(tmp_path)
    with files_no_larger_than(300):
        sink.write(result(0, IMAGE, detections=CARS), 1.0, 0.5)
        for index in (1, 2):
            with pytest.raises(SinkError, match=r"detections\.jsonl: cannot be written: File too large$"):
                sink.write(result(index, IMAGE, detections=CARS), 1.0, 0.5)
        sink.close()
    assert [line["frame"] for line in lines(tmp_path)] == [0]
    assert (tmp_path / "detections.jsonl").read_bytes().endswith(b"}\n")
