"""Evaluations from the command to the page, and runs side by side."""

import base64
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.trainer.scenes import command, configuration, frames, install

WHOLE = {"of": "crops", "size": 24}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    frames(tmp_path / "pictures")
    return tmp_path


def pictures_of(page: str) -> list[np.ndarray]:
    found = re.findall(r"src='data:image/(?:png|jpeg);base64,([^']+)'", page)
    decoded = [
        cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR) for data in found
    ]
    assert all(picture is not None for picture in decoded)
    return [np.asarray(picture) for picture in decoded]


def test_the_page_needs_nothing_but_itself_and_has_the_reference_second(work: Path) -> None:
    assert command("fit", configuration(work, pairs={"of": "frames", "size": 24}), "--steps", "1").code == 0
    (work / "runs" / "small").rename(work / "runs" / "reference")
    path = configuration(work)
    assert command("fit", path).code == 0
    run = work / "runs" / "small"
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "://" not in page
    assert "<script" not in page
    assert not re.search(r"(?:src|href)='(?!data:)", page)
    # two worst, two best and all four of the test clip, then the curves
    pictures = pictures_of(page)
    assert [picture.shape for picture in pictures[:8]] == [(200, 4 * 320, 3)] * 8
    assert len(pictures) == 9
    metrics = json.loads((run / "metrics.json").read_text())
    (table,) = metrics["tables"]
    assert list(table["mean_over_clips"]) == ["identity", "reference", "small"]
    assert metrics["reference"].startswith("measured with the same pictures, from runs/reference/")
    rows = re.findall(r"<td class='name'>([^<]+)</td>", page)
    assert rows[:3] == ["identity", "reference", "small"]
    gain = table["mean_over_clips"]["small"]["gain_db"]["mean"]
    assert format(gain, "+.2f").replace("-", "\N{MINUS SIGN}") in page

    given = run / "model.safetensors"
    other = command("evaluate", given, "--reference", given, "--json")
    assert json.loads(other.out)["reference"] == "this is the reference recipe itself"
    none = command("evaluate", given, "--runs", "elsewhere")
    assert "Reference: no elsewhere/reference/model.safetensors" in none.out
    side_by_side = command("compare", "runs/reference", "runs/small", "--output", "compare.html", "--json")
    assert side_by_side.code == 0, side_by_side.err
    (compared,) = json.loads(side_by_side.out)["tables"]
    assert compared["mean_over_clips"]["small"] == table["mean_over_clips"]["small"]
    assert "runs/reference" in (work / "compare.html").read_text()
    text = command("compare", "runs/small/model.safetensors", "runs/reference/metrics.json").out
    assert text.index("identity") < text.index("small") < text.index("runs/reference")


def test_a_blind_denoiser_has_a_row_for_each_strength_in_both_protocols(work: Path) -> None:
    path = configuration(work, task="denoise", pairs=WHOLE, noise={"sigma": [5, 55]})
    outcome = command("fit", path, "--steps", "1")
    assert outcome.code == 0, outcome.err
    metrics = json.loads((work / "runs" / "small" / "metrics.json").read_text())
    cases = [(table["title"].split(":")[0].split()[0], table["case"]) for table in metrics["tables"]]
    strengths = ["sigma 15", "sigma 25", "sigma 50", "sigma 51"]
    assert cases == [("Unclipped", case) for case in strengths] + [("8", case) for case in strengths]
    identity = {
        table["case"]: table["mean_over_clips"]["identity"]["psnr_db"]["mean"]
        for table in metrics["tables"][:4]
    }
    # 20 log10(255 / sigma), and more where black and white cut the noise off
    assert identity["sigma 15"] == pytest.approx(24.6, abs=0.4)
    assert 14.0 < identity["sigma 51"] < 15.5
    assert "hidden" not in outcome.out.split("ms per frame")[0]
    assert outcome.out.index("sigma 15") < outcome.out.index("sigma 51")
    assert metrics["test"]["degraded"]["task"] == "denoise"
    assert "sigma" not in metrics["test"]["degraded"]["noise"]  # each case has its own


def test_colours_have_their_own_measures(work: Path) -> None:
    for clip in ("a", "b", "c", "d"):
        for number in range(4):
            path = work / "pictures" / f"{clip}_{number}.png"
            image = cv2.imread(str(path))
            assert image is not None
            red = image[..., 2:] // (2 + number)
            cv2.imwrite(str(path), np.concatenate([image[..., :2], red], axis=2))
    outcome = command("fit", configuration(work, task="colourise", pairs=WHOLE), "--steps", "1", "--json")
    assert outcome.code == 0, outcome.err
    facts = json.loads(outcome.out)
    (table,) = facts["tables"]
    identity, model = table["mean_over_clips"]["identity"], table["mean_over_clips"]["small"]
    assert identity["colourfulness_ratio"]["mean"] == pytest.approx(0.0, abs=1e-3)
    assert identity["flicker"]["mean"] == 0.0
    assert identity["ciede2000"]["mean"] > 5
    assert {"gain_db", "ciede2000", "colourfulness_ratio", "flicker"} <= model.keys()
    assert facts["reference"] == "there is no reference recipe for colourise"


def test_a_model_for_another_task_is_refused(work: Path) -> None:
    assert command("fit", configuration(work), "--steps", "1").code == 0
    path = configuration(work, task="denoise", pairs=WHOLE)
    outcome = command("evaluate", "runs/small/model.safetensors", path)
    assert outcome.code == 2
    assert (
        outcome.err == "trainer: task: is denoise, but runs/small/model.safetensors was trained for deblur\n"
    )
