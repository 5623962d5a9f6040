"""What rows come to, worked out by hand."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from trainer import report
from trainer.data import Picture
from trainer.evaluate import IDENTITY, Row
from trainer.summary import Table


def picture(clip: str, number: int = 0) -> Picture:
    return Picture(Path(f"{clip}_{number}.png"), f"{clip}_{number}.png", clip, f"{clip}{number}")


def hidden(clip: str, identity: float, model: float, worsened: int, number: int = 0) -> Row:
    """A frame with two regions; whole frames are 10 dB nearer."""
    measures = {
        name: {"psnr_db": value + 10, "ssim": 0.5, "psnr_regions_db": value, "ssim_regions": 0.25}
        for name, value in ((IDENTITY, identity), ("mine", model))
    }
    return Row(picture(clip, number), 2, measures, {"mine": worsened})


def coloured(clip: str, own: float, restored: float, change: float | None = None, number: int = 0) -> Row:
    measures = {
        IDENTITY: {"psnr_db": 20.0, "ssim": 0.5, "colourfulness": 0.0},
        "mine": {"psnr_db": 22.0, "ssim": 0.6, "colourfulness": restored},
    }
    original = {"colourfulness": own}
    if change is not None:
        measures[IDENTITY]["chroma_change"] = 0.0
        measures["mine"]["chroma_change"] = 2 * change
        original["chroma_change"] = change
    return Row(picture(clip, number), 1, measures, {"mine": 0}, original)


def test_a_long_clip_counts_no_more_than_a_short_one() -> None:
    rows = [
        hidden("b", 20, 22, 0),
        *(hidden("a", x, y, w) for x, y, w in ((10, 13, 2), (12, 17, 1), (14, 18, 0))),
    ]
    table = Table("full", rows)
    assert list(table.clips) == ["a", "b"]
    a = table.clips["a"]
    assert (a.frames, a.regions) == (3, 6)
    mine = {name: value.value for name, value in a.systems["mine"].items()}
    assert (mine["psnr_db"], mine["psnr_regions_db"], mine["gain_db"]) == (26, 16, 4)
    assert mine["worse"] == pytest.approx(0.5)
    means = table.means
    assert (means[IDENTITY]["psnr_regions_db"].mean, means["mine"]["psnr_regions_db"].mean) == (16, 19)
    # of two clips both may be the same one
    assert means["mine"]["gain_db"].facts() == {"mean": 3, "low": 2, "high": 4}
    assert means["mine"]["worse"].mean == pytest.approx(0.25)
    assert "gain_db" not in means[IDENTITY]


def test_colour_is_a_share_of_the_originals_and_grey_pictures_do_not_decide() -> None:
    table = Table("full", [coloured("vivid", 50.0, 45.0), coloured("drab", 1.0, 6.0)])
    assert table.stills
    assert table.clips["drab"].systems["mine"]["colourfulness_ratio"].value == pytest.approx(6.0)
    assert table.means["mine"]["colourfulness_ratio"].mean == pytest.approx(51.0 / 51.0)
    assert table.means[IDENTITY]["colourfulness_ratio"].mean == 0.0
    assert table.means["mine"]["gain_db"].mean == pytest.approx(2.0)
    assert "flicker" not in table.means["mine"]


def test_flicker_is_of_clips_with_several_frames() -> None:
    rows = [
        coloured("a", 9, 9),
        coloured("a", 9, 9, 0.5, 1),
        coloured("a", 9, 9, 1.5, 2),
        coloured("b", 9, 9),
    ]
    table = Table("full", rows)
    assert not table.stills
    assert "flicker" not in table.clips["b"].systems["mine"]
    assert table.means["mine"]["flicker"].mean == pytest.approx(2.0)
    assert "colourfulness" not in table.means["mine"]


def test_plain_data_has_pictures_unless_they_are_not_wanted() -> None:
    table = Table("full", [hidden("a", 20, 22, 1), hidden("b", 21, 22, 0)], "sigma 15")
    facts = table.facts()
    assert (facts["title"], facts["case"], facts["frames"], facts["regions"]) == ("full", "sigma 15", 2, 4)
    assert facts["clips"]["a"]["mine"]["gain_db"] == 2
    assert facts["pictures"][0]["picture"] == "a_0.png"
    assert facts["pictures"][0]["mine"] == {
        "psnr_db": 32, "ssim": 0.5, "psnr_regions_db": 22, "ssim_regions": 0.25, "worsened": 1,
    }  # fmt: skip
    brief = table.facts(pictures=False)
    assert brief == {key: facts[key] for key in facts if key not in ("clips", "pictures")}
    assert brief["mean_over_clips"]["mine"]["gain_db"] == {"mean": 1.5, "low": 1, "high": 2}


def printed(tables: list[Table]) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=100)
    report.show(report.grid(tables), console)
    assert isinstance(console.file, io.StringIO)
    return [line.split() for line in console.file.getvalue().splitlines() if line.strip()]


def test_the_table_has_the_identity_first_then_the_model() -> None:
    gate = [hidden("gate", 20.0, 23.25, 1, number) for number in range(2)]
    yard = [hidden("yard", 22.0, 23.25, 0, number) for number in range(2)]
    lines = printed([Table("At full size", gate + yard)])
    assert lines[0] == ["At", "full", "size"]
    rows = [line for line in lines if {"identity", "mine"} & set(line)]
    assert rows[0] == ["gate", "identity", "30.00", "0.5000", "20.00", "0.2500"]
    assert rows[1][-6:] == ["33.25", "0.5000", "23.25", "0.2500", "+3.25", "50.0%"]
    assert rows[2][:3] == ["yard", "identity", "32.00"]
    assert rows[4][:3] == ["mean", "identity", "31.00"]
    assert rows[5][-6:] == ["33.25", "0.5000", "23.25", "0.2500", "+2.25", "25.0%"]
    assert lines[-1] == ["mine:", "gain", "+2.25", "dB", "(+1.25", "to", "+3.25)"]


def test_single_pictures_are_not_named_one_by_one() -> None:
    words = printed([Table("Whole", [coloured(name, 9, 9) for name in ("p", "q", "r")])])
    flat = [word for line in words for word in line]
    assert "p" not in flat
    assert ["mean", "identity"] in [line[:2] for line in words]
    assert "hidden" not in flat
    assert "regions" not in flat


def test_cases_of_one_title_stand_below_each_other() -> None:
    tables = [Table("Unclipped", [coloured("p", 9, 9), coloured("q", 9, 9)], case) for case in ("one", "two")]
    starts = [line[:2] for line in printed(tables)]
    assert starts.index(["one", "identity"]) < starts.index(["two", "identity"])
