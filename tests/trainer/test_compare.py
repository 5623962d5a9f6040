"""Runs side by side, where that is honest."""

import json
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import ConfigError
from trainer.compare import compare

FULL = "At full size"


def estimate(mean: float) -> dict[str, float | None]:
    return {"mean": mean, "low": mean - 0.5, "high": mean + 0.5}


def facts(model: str, gain: float, **changed: Any) -> dict[str, Any]:
    """What ``metrics.json`` of a run holds."""
    means: dict[str, Any] = {
        "identity": {"psnr_db": estimate(20.0)},
        model: {"psnr_db": estimate(20.0 + gain), "gain_db": estimate(gain)},
    }
    table = {"title": FULL, "case": "", "hides": False, "frames": 7, "regions": 7, "mean_over_clips": means}
    made: dict[str, Any] = {
        "version": 1,
        "model": model,
        "task": "denoise",
        "unseen": True,
        "test": {"count": 7, "clips": 7, "pictures": "abc", "degraded": {"task": "denoise", "noise": {}}},
        "tables": [table],
        "cost": {
            "machine": {"processor": "a <fast> one", "threads": 1, "engine": "torch", "clock": "CPU time"},
            "ms_per_frame": [{"name": "720p", "ms": 12.34}],
        },
    }
    return {**made, **changed}


def run(folder: Path, name: str, gain: float, **changed: Any) -> str:
    (folder / name).mkdir()
    (folder / name / "metrics.json").write_text(json.dumps(facts(name, gain, **changed)))
    return str(folder / name)


def test_runs_stand_below_the_identity_in_the_order_given(tmp_path: Path) -> None:
    found = compare([run(tmp_path, "slow", 1.5), run(tmp_path, "fast", -0.25)])
    (grid,) = found.grids()
    (section,) = grid.sections
    assert (section.name, section.counts) == ("mean", "7 frames")
    assert grid.headings == ["PSNR dB", "gain dB"]
    assert [(line.name, [cell.text for cell in line.cells]) for line in section.lines] == [
        ("identity", ["20.00", ""]),
        ("slow", ["21.50", "+1.50"]),
        ("fast", ["19.75", "\N{MINUS SIGN}0.25"]),
    ]
    assert section.lines[1].cells[1].bounds == "+1.00 to +2.00"
    assert list(found.facts()["tables"][0]["mean_over_clips"]) == ["identity", "slow", "fast"]


def test_the_reference_comes_second_where_one_has_it(tmp_path: Path) -> None:
    with_one = facts("b", 1.0)
    with_one["tables"][0]["mean_over_clips"]["reference"] = {"psnr_db": estimate(11.0)}
    paths = [run(tmp_path, "a", 2.0), run(tmp_path, "b", 1.0, tables=with_one["tables"])]
    (table,) = compare(paths).facts()["tables"]
    assert list(table["mean_over_clips"]) == ["identity", "reference", "a", "b"]


def test_only_tables_that_all_have_are_shown(tmp_path: Path) -> None:
    more = facts("b", 1.0)["tables"]
    more.append({**more[0], "title": "At 128x128"})
    paths = [run(tmp_path, "a", 2.0), run(tmp_path, "b", 1.0, tables=more)]
    assert [grid.title for grid in compare(paths).grids()] == [FULL]
    lonely = [{**more[0], "title": "At 64x64"}]
    with pytest.raises(ConfigError, match="compare: a, c have no table in common"):
        compare([paths[0], run(tmp_path, "c", 1.0, tables=lonely)])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"count": 9, "pictures": "abd"},
            "a was measured on 7 pictures and b on 9, which are not the same ones",
        ),
        (
            {"degraded": {"task": "denoise", "noise": {"jpeg": 40}}},
            "degraded with another noise for a than for b",
        ),
        ({"degraded": {"blur": {}, "regions": "x"}}, "degraded with another blur for a than for b"),
    ],
)
def test_runs_that_were_measured_differently_are_refused(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    test = {**facts("b", 0.0)["test"], **changed}
    with pytest.raises(ConfigError) as raised:
        compare([run(tmp_path, "a", 2.0), run(tmp_path, "b", 1.0, test=test)])
    assert message in str(raised.value)
    assert "measure both with the same configuration: `trainer evaluate MODEL CONFIG" in str(raised.value)


def test_what_was_not_measured_says_how_to(tmp_path: Path) -> None:
    good = run(tmp_path, "a", 2.0)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "detector.json").write_text('{"model": "mine", "test": {}}')
    for other, message in (
        ("empty", "there is no metrics.json in it; `trainer evaluate"),
        ("broken.json", "no JSON, or damaged"),
        ("detector.json", "holds no restorer's evaluation by this version"),
        ("none", "no such model file"),
    ):
        with pytest.raises(ConfigError, match=message):
            compare([good, str(tmp_path / other)])
    with pytest.raises(ConfigError, match="expected two runs or more, found 1"):
        compare([good])
    with pytest.raises(ConfigError, match="is given twice"):
        compare([good, good, good])


def test_the_page_holds_the_rows_and_says_what_was_seen(tmp_path: Path) -> None:
    found = compare([run(tmp_path, "a", 2.0), run(tmp_path, "b", 1.0, unseen=False)])
    page = found.html().decode()
    assert (
        page.index("identity") < page.index("<td class='name'>a</td>") < page.index("<td class='name'>b</td>")
    )
    assert "+2.00" in page
    assert "12.3" in page
    assert "a &lt;fast&gt; one" in page
    assert "b: training saw clips that it is measured on" in page
    assert "://" not in page
