"""The stage that takes the detector's place, on lists of frames."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamer import note, render
from streamer.detectors import DetectConfig
from streamer.frame import Batch, Detected, Discontinuity, End, Frame
from streamer.record import Record
from streamer.recordings import Recording, Recordings, Tracks
from tests.values import detections, frame

CPU = torch.device("cpu")
CAR: dict[str, Any] = {"box": [1, 2, 30, 40], "class": "car", "score": 0.9, "track": 1}
BUS: dict[str, Any] = {"box": [5, 5, 20, 20], "class": "bus", "score": 0.2}


def recordings(tmp_path: Path, *lines: dict[str, Any], tracks: Tracks = Tracks.KEEP) -> Recordings:
    path = tmp_path / "detections.jsonl"
    path.write_text("".join(f"{json.dumps({'objects': [], **line})}\n" for line in lines), "utf-8")
    return Recordings(tmp_path, tracks, {"gate": Recording(path)})


def rendered(
    frames: Batch[Frame], found: Recordings, config: DetectConfig | None = None
) -> list[Detected | End | Discontinuity]:
    """What the stage makes of frames in batches of two."""
    batches = [frames[start : start + 2] for start in range(0, len(frames), 2)]
    settings = {"gate": config or DetectConfig()}
    return [item for batch in note.stage(render.stage(batches, found, CPU, settings)) for item in batch]


def only(items: list[Detected | End | Discontinuity]) -> Detected:
    (item,) = items
    assert isinstance(item, Detected)
    return item


def test_kept_is_what_was_hidden_and_what_scores_enough_to_be(
    tmp_path: Path,
) -> None:
    also = [{**BUS, "score": 0.05, "track": 7}, {**BUS, "score": 0.1}, {**BUS, "score": 0.16}]
    also += [{**BUS, "score": 0.06, "track": 8, "hidden": False}, {**BUS, "score": 0.08, "hidden": True}]
    carried = [{"box": [0, 0, 5, 5], "class": "truck", "track": 9}]
    hand_made = {"box": [7, 7, 9, 9], "class": "person"}
    line = {"frame": 0, "time_s": 0.0, "objects": [CAR, hand_made], "also": also, "carried": carried}
    config = DetectConfig(hide_threshold=0.15, hide_threshold_large=0.15)
    item = only(rendered([frame()], recordings(tmp_path, line), config))
    assert item.failure is None
    assert sorted(zip(item.detections.labels, item.detections.scores.tolist(), strict=True)) == [
        ("bus", pytest.approx(0.05)), ("bus", pytest.approx(0.08)), ("bus", pytest.approx(0.16)),
        ("car", pytest.approx(0.9)), ("person", 1.0), ("truck", 0.0),
    ]  # fmt: skip
    assert item.detections.carried is not None
    assert item.detections.carried.tolist() == [False, False, False, False, False, True]
    assert item.sighting is not None
    assert len(item.sighting.found) == 7


def test_for_recomputing_all_that_was_found_goes_on_and_nothing_that_was_carried(tmp_path: Path) -> None:
    carried = [{"box": [0, 0, 5, 5], "class": "truck", "track": 9}]
    line = {"frame": 0, "objects": [CAR], "also": [{**BUS, "score": 0.11}], "carried": carried}
    found = recordings(tmp_path, line, tracks=Tracks.RECOMPUTE)
    assert only(rendered([frame()], found)).detections.labels == ("car", "bus")
    assert only(rendered([frame()], found, DetectConfig(hide_threshold=0.25))).detections.labels == ("car",)


def test_classes_that_are_not_asked_for_are_left_out_but_of_what_is_kept(tmp_path: Path) -> None:
    carried = [{"box": [0, 0, 5, 5], "class": "truck", "track": 9}]
    seen = {"objects": [CAR, BUS], "also": [{**CAR, "score": 0.2, "hidden": False}]}
    for tracks, labels in ((Tracks.RECOMPUTE, ("bus",)), (Tracks.KEEP, ("car", "bus", "truck"))):
        found = recordings(tmp_path, {"frame": 0, **seen, "carried": carried}, tracks=tracks)
        assert only(rendered([frame()], found, DetectConfig(classes=("bus",)))).detections.labels == labels


def test_a_frame_without_a_line_is_hidden_whole_and_the_others_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = recordings(tmp_path, *({"frame": n, "objects": [CAR]} for n in (1, 2, 4)))
    with caplog.at_level(logging.ERROR):
        items = rendered([frame(index=n) for n in range(6)], found)
    failures = [item.failure for item in items if isinstance(item, Detected)]
    assert failures == ["no detections", None, None, "no detections", None, "no detections"]
    assert caplog.messages[0].endswith("hidden whole, the last frame 0 of gate: no line tells of it")


def test_lines_of_frames_that_were_dropped_or_never_come_are_passed_over(tmp_path: Path) -> None:
    lines = [{"frame": n, "objects": [{**CAR, "box": [n, 0, 60, 40]}]} for n in range(9)]
    items = rendered([frame(index=n) for n in (2, 3, 7)], recordings(tmp_path, *lines))
    assert [item.detections.boxes[0, 0] for item in items if isinstance(item, Detected)] == [2, 3, 7]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"size": [32, 24]}, "line 1 is of a picture of 32x24, not (64, 48)"),
        ({"time_s": 0.08}, "line 1 is of 0.080 s, and this is 0.040 s"),
    ],
)
def test_a_line_of_another_size_or_time_hides_the_frame_whole(
    tmp_path: Path, line: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        item = only(rendered([frame(index=1)], recordings(tmp_path, {"frame": 1, "objects": [CAR], **line})))
    assert item.failure == "no detections"
    assert len(item.detections) == 0
    assert caplog.messages[0].endswith(message)


def test_times_may_be_off_by_the_rounding_of_a_container(tmp_path: Path) -> None:
    found = recordings(tmp_path, {"frame": 1, "time_s": 0.033367, "objects": [CAR]})
    item = only(rendered([frame(index=1, pts=33, time_base=Fraction(1, 1000))], found))
    assert item.failure is None


def test_a_frame_that_the_detector_failed_on_is_hidden_whole_again(tmp_path: Path) -> None:
    line = {"frame": 0, "looked": False, "failure": "detector"}
    item = only(rendered([frame()], recordings(tmp_path, line)))
    assert (item.failure, item.detections.looked) == ("detector", False)


def test_a_frame_that_only_hiding_failed_on_is_given_another_try(tmp_path: Path) -> None:
    line = {"frame": 0, "objects": [CAR], "failure": "hider"}
    item = only(rendered([frame()], recordings(tmp_path, line)))
    assert (item.failure, item.detections.labels) == (None, ("car",))


def test_a_frame_that_nobody_looked_at_stays_one(tmp_path: Path) -> None:
    item = only(rendered([frame()], recordings(tmp_path, {"frame": 0, "looked": False})))
    assert (item.failure, item.detections.looked) == (None, False)


def test_scene_cuts_are_where_the_file_has_them_and_markers_stay_in_place(tmp_path: Path) -> None:
    lines = [{"frame": 0}, {"frame": 1, "begins": True}, {"frame": 2}, {"frame": 3}]
    given: list[Frame | End | Discontinuity] = [frame(index=n) for n in range(3)]
    given += [Discontinuity("gate"), frame(index=3), End("gate")]
    items = rendered(given, recordings(tmp_path, *lines))
    kinds = [type(item).__name__ for item in items]
    assert kinds == [
        "Detected", "Discontinuity", "Detected", "Detected", "Discontinuity", "Detected", "End",
    ]  # fmt: skip
    begins = [item.sighting.begins for item in items if isinstance(item, Detected) and item.sighting]
    assert begins == [False, True, False, True]


def test_the_file_is_read_alongside_the_frames_not_ahead_of_them(tmp_path: Path) -> None:
    read = 0

    def endless() -> Iterator[Record]:
        nonlocal read
        while True:
            yield Record(read, None, detections((1, 2, 3, 4)), np.ones(1, bool))
            read += 1

    found = Recordings(tmp_path, Tracks.KEEP, {"gate": Recording(tmp_path, endless())})
    batches = ([frame(index=n)] for n in range(100))
    for number, batch in enumerate(render.stage(batches, found, CPU, {"gate": DetectConfig()})):
        assert len(batch) == 1
        assert read == number


def test_noting_keeps_what_was_detected_in_the_numbers_of_the_log() -> None:
    found = detections((1.234567, 2, 30, 40), (0, 0, 5.555, 5), score=0.123456)
    item = Detected(frame(), torch.from_numpy(frame().image), found)
    (batch,) = note.stage([[item, Discontinuity("gate"), item, End("gate")]])
    first, second = (each for each in batch if isinstance(each, Detected))
    for each in (first, second):
        assert each.sighting is not None
        assert each.sighting.found is each.detections
        assert each.detections.boxes[0, 0] == np.float32(1.23)
        assert each.detections.scores[0] == np.float32(0.1235)
    assert first.sighting is not None
    assert second.sighting is not None
    assert (first.sighting.begins, second.sighting.begins) == (False, True)
