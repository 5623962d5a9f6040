"""What is written into a calibration file."""

import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from streamer.errors import ConfigError, SinkError
from streamer.watch.calibration import read
from tests.trainer.zeroshot.test_judged import footage
from trainer.zeroshot.calibrate import Result, calibrate


def told(high: float = 0.08) -> Result:
    """A class that is told from normal by 0.04 or more."""
    windows, parts = footage(
        {
            **{f"{clip} smoke": [high, high] for clip in range(4)},
            **{f"{clip} normal": [0.04, 0.0] for clip in range(4)},
        }
    )
    return calibrate({"smoke": windows}, "normal", parts, {"model": "tiny"}, {"frames": 16})


def test_the_threshold_is_the_middle_of_what_tells_both_sides() -> None:
    found = told().calibrated["smoke"]
    of_the_cut = math.log(found.threshold / (1 - found.threshold))
    assert (0.06 - found.offset) / found.temperature == pytest.approx(of_the_cut)
    assert 0.03 < found.offset < 0.07


def test_the_file_is_what_a_run_reads(tmp_path: Path) -> None:
    result = told()
    result.save(tmp_path / "new" / "calibration.json")
    found = read(tmp_path / "new" / "calibration.json")
    assert found.classes == result.calibrated
    assert found.scorer == {"model": "tiny"}
    assert found.facts["footage"] == {"frames": 16}
    assert found.facts["found"]["smoke"]["auroc"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    first = (tmp_path / "new" / "calibration.json").read_bytes()
    told().save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == first


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be written"):
        told().save(tmp_path / "file" / "calibration.json")


def test_a_class_whose_clips_are_no_nearer_to_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"smoke: on the whole normal clips are as near .*AUROC 0\.000 \(0"):
        told(high=-0.08)
    # one normal window in two is lower still, so that there is a threshold, but no temperature
    with pytest.raises(ConfigError, match=r"smoke: on the whole normal clips are as near .*AUROC 0\.500 \(0"):
        told(high=0.02)


def test_the_table_has_what_chance_comes_to() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    told().show(console)
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "chance 0.500 0.500" in lines
    assert any(line.startswith("smoke 4 4 1.000 (1.000 to 1.000) 1.000 (1.000 to 1.000) ") for line in lines)
