import json
from pathlib import Path
from typing import Any

import pytest

from streamer.config import Config, parse
from streamer.errors import ConfigError
from streamer.record import Sought
from streamer.recordings import Recordings, Tracks

STRICT = {"classes": ["car"], "hide_threshold": 0.6, "threshold": 0.9}
LAX = {"classes": ["car", "person"], "hide_threshold": 0.2, "threshold": 0.9}


def config(detect: Any) -> Config:
    return parse({"version": 1, "cameras": {"gate": {"source": "gate.mp4"}}, "detect": detect})


def opened(path: Path, asked: Any, tracks: Tracks = Tracks.RECOMPUTE) -> Recordings:
    """Ask for something of what the two detectors, one strict and one lax, left in a file."""
    sought = Sought.by(config([STRICT, LAX]).cameras["gate"].detect)
    path.write_text(json.dumps({"frame": 0, "objects": [], "sought": sought.entry()}), encoding="utf-8")
    return Recordings.open(path, tracks, config(asked))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            [{**STRICT, "hide_threshold": 0.5}, LAX],
            "holds scores of car from 0.6 on, and detect.0.hide_threshold is 0.5: raise it, or run the "
            "detectors",
        ),
        (
            [STRICT, {**LAX, "hide_threshold": 0.05}],
            "holds scores of car from 0.1 on, and detect.1.hide_threshold is 0.05: raise it, or run the "
            "detectors",
        ),
        (
            [LAX, STRICT],
            "holds scores of car from 0.6 on, and detect.0.hide_threshold is 0.2: raise it, or run the "
            "detectors",
        ),
        (
            [{**STRICT, "classes": ["car", "person"]}, LAX],
            "the detector of detect.0 did not look for person there: change detect.0.classes, or run the "
            "detectors",
        ),
        (
            LAX,
            "holds scores of car from 0.6 on where one of 2 detectors found it, and detect.hide_threshold is "
            "0.2: list the detectors as they were, or run the detector",
        ),
    ],
)
def test_what_one_of_several_detectors_did_not_look_for_cannot_be_hidden(
    asked: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "detections.jsonl"
    with pytest.raises(ConfigError) as raised:
        opened(path, asked)
    assert str(raised.value) == f"{path}: {message}"
    opened(path, asked, Tracks.KEEP)  # whatever was hidden stays so


@pytest.mark.parametrize(
    "asked",
    [
        [STRICT, LAX],
        [{**STRICT, "hide_threshold": 0.7}, {**LAX, "hide_threshold": 0.1}],
        [STRICT, {**LAX, "classes": ["car"]}],
        {**LAX, "hide_threshold": 0.6},
        {**LAX, "classes": ["person"]},
    ],
)
def test_what_each_of_several_detectors_looked_for_can_be_hidden(asked: Any, tmp_path: Path) -> None:
    recordings = opened(tmp_path / "detections.jsonl", asked)
    sought = recordings.cameras["gate"].sought
    assert sought is not None
    assert set(sought.scores) == set(config(asked).cameras["gate"].detect.sought)
