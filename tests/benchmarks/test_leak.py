"""What is left showing: the rows of the table, and what they are counted on."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.leak import Count, main, video
from benchmarks.teacher import Seen, black, with_missed
from streamer.config import TrackConfig
from streamer.detectors import DetectConfig
from streamer.frame import Detections, End
from tests import footage
from tests.values import detections, frame

WHOLE = detections((10, 10, 30, 30))


def judged(hidden: Sequence[tuple[float, ...]], truth: Detections = WHOLE) -> dict[str, Any]:
    """One frame of 64x48 pixels."""
    count = Count()
    count.add(frame(), truth, np.array(hidden, np.float32).reshape(-1, 4), 0.3)
    return count.facts()


def test_an_object_counts_as_uncovered_where_less_than_nine_tenths_of_it_are_hidden() -> None:
    assert judged([(10, 10, 30, 30)])["uncovered_percent"]["vehicle"] == 0
    assert judged([(10, 10, 28, 30)])["uncovered_percent"]["vehicle"] == 0  # padding hides the rest
    assert judged([(10, 10, 20, 30)])["uncovered_percent"]["vehicle"] == 100
    assert judged([])["objects"] == {"vehicle": 1, "person": 0}


def test_what_is_hidden_around_an_object_is_not_hidden_needlessly_and_what_is_beside_it_is() -> None:
    assert judged([(10, 10, 30, 30)])["needless_percent"] == 0
    # 20x20 grow by 5% and 0.256 pixels a side, and outwards to whole pixels
    beside = judged([(10, 10, 30, 30), (40, 20, 60, 40)])
    assert beside["needless_percent"] == pytest.approx(100 * 24**2 / (64 * 48))


@pytest.mark.parametrize("every", [1, 2])
def test_in_video_every_other_look_is_what_was_found_in_the_mirror(every: int) -> None:
    frames = [black(frame(index=index)) for index in range(12)]
    seen = Seen(
        items=[*frames, End("gate")],
        truth=[WHOLE] * 12,
        found=[Detections.none()] * 12,
        mirrored=[detections((34, 10, 54, 30))] * 12,
    )
    for mirror, uncovered in ((True, 0), (False, 100)):
        settings = DetectConfig(mirror=mirror, every=every)
        facts = video(seen, settings, TrackConfig(lookahead=0.5), 0.3).facts()
        assert facts["uncovered_percent"]["vehicle"] == uncovered
        assert facts["needless_percent"] == 0


def test_what_the_teacher_misses_is_added_where_somebody_saw_it() -> None:
    frames = [black(frame(index=index)) for index in range(5)]
    nothing = [Detections.none()] * 5
    seen = Seen([*frames, End("gate")], [WHOLE] * 5, nothing, nothing)
    moving = {"label": "bus", "boxes": {"3": [40, 10, 60, 20], "1": [30, 0, 50, 10]}}
    truth = with_missed(seen, [moving, {"label": "car", "boxes": {"4": [1, 2, 3, 4]}}]).truth
    assert [each.labels for each in truth] == [("car",), *[("car", "bus")] * 3, ("car", "car")]
    assert [each.boxes[1].tolist() for each in truth[1:]] == [
        [30, 0, 50, 10],
        [35, 5, 55, 15],
        [40, 10, 60, 20],
        [1, 2, 3, 4],
    ]
    assert all(score == 1 for each in truth for score in each.scores[1:])
    assert with_missed(seen, []).truth[0].labels == ("car",)
    # what the teacher saw a part of is one object
    whole = with_missed(seen, [{"label": "truck", "boxes": {"2": [10, 10, 30, 45]}}]).truth
    assert [each.labels for each in whole] == [("car",)] * 2 + [("truck",)] + [("car",)] * 2


def test_every_tiling_and_threshold_gets_its_rows_and_asks_for_no_more_than_they_need(
    sees_a_car: Path, tmp_path: Path
) -> None:
    clip = footage.write_clip(tmp_path / "yard.mp4", 3)
    common = [str(clip), "--model", str(sees_a_car), "--truth", str(sees_a_car), "--every", "1"]
    common += ["--cache", str(tmp_path / "cache"), "--json", str(tmp_path / "rows.json")]
    common += ["--lookahead", "0.5"]
    main([*common, "--thresholds", "0.1,0.9", "--tiles", "1x1,2x2"])
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    shares = {
        (row["tiles"], row["hide_threshold"], row["what"].split(",")[0]): row["uncovered_percent"]["vehicle"]
        for row in rows
    }
    assert len(rows) == len(shares) == 8
    # it sees one car in the middle of whatever it is shown, with 0.81; the truth has looked into tiles
    assert shares["1x1", 0.9, "single frame"] == shares["2x2", 0.9, "video"] == 100
    assert 0 < shares["2x2", 0.1, "single frame"] < shares["1x1", 0.1, "single frame"] < 100
    main([*common, "--thresholds", "0.1", "--large", "0.9"])
    (single, video) = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert single["hide_threshold_large"] == 0.9
    assert single["uncovered_percent"]["vehicle"] == video["uncovered_percent"]["vehicle"] == 100
