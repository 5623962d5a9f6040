"""`trainer calibrate` and `trainer evaluate-zeroshot`, from the command to the files, with a small CLIP."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from streamer import config
from streamer.watch import alerts, calibration
from streamer.watch.zeroshot import Scorer
from tests.clip import write_small
from tests.trainer.scenes import command
from trainer.images import read_image
from trainer.zeroshot.run import Wanted, look

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CLIP whose weights are drawn by chance."""
    return write_small(tmp_path_factory.mktemp("model"))


@pytest.fixture
def work(here: Path, model: Path) -> Path:
    """A folder to work in, with ``run.yaml``, whose camera's address needs a password that nobody has set."""
    facts = {
        "version": 1,
        "device": "cpu",
        "cameras": {"gate": {"source": "rtsp://${A_PASSWORD_NOT_SET}@gate/stream"}},
        "watch": {
            "zeroshot": {
                "model": str(model),
                "classes": {"smoke": ["smoke", "a fire"], "normal": ["a road", "a street", "cars"]},
                "window": 2.0,
            }
        },
    }
    (here / "run.yaml").write_text(yaml.safe_dump(facts, sort_keys=False))
    return here


def scorer(path: Path) -> Scorer:
    """Of a configuration."""
    section = config.load(path, sources={"any": "any"}).cameras["any"].watch.zeroshot
    assert section is not None
    return Scorer(section, torch.device("cpu"))


def picture(colour: str, seed: int) -> np.ndarray:
    """uint8 ``[48, 64, 3]``, RGB, of a colour and some noise that no other seed has."""
    noise = np.random.default_rng(seed).integers(-20, 20, (48, 64, 3))
    return np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)


def footage(folder: Path, smoke: str = "smoke", normal: str = "No Smoke", clips: int = 4) -> Path:
    """Folders with 4 images of each of so many clips a class; what the network takes for smoke is smoke."""
    of = scorer(folder / "run.yaml")
    margins = of.margins(of.embed([picture(colour, 0) for colour in COLOURS]))["smoke"]
    likely, unlikely = reversed(COLOURS) if margins[0] < margins[1] else COLOURS
    for label, colour in ((smoke, likely), (normal, unlikely)):
        (folder / "labelled" / label).mkdir(parents=True)
        for number in range(clips * 4):
            path = folder / "labelled" / label / f"clip{number // 4}_{number % 4}.png"
            seed = number + 100 * (label == smoke)
            cv2.imwrite(str(path), picture(colour, seed)[..., ::-1])
    return folder / "labelled"


def test_calibrate_writes_what_tells_the_clips_apart(work: Path) -> None:
    labelled = footage(work)
    outcome = command("calibrate", "run.yaml", labelled, "--output", "new/smoke.json")
    assert outcome.code == 0, outcome.err
    assert "Write `calibration: new/smoke.json` below watch.zeroshot in run.yaml" in outcome.out
    found = calibration.read(work / "new" / "smoke.json")
    of = scorer(work / "run.yaml")
    calibration.require_same(work / "new" / "smoke.json", found.scorer, of.fingerprint)
    temperature, threshold, offset = found.classes["smoke"]
    for path in labelled.rglob("*.png"):
        margin = of.margins(of.embed([read_image(path).numpy()]))["smoke"][0]
        raised = 1 / (1 + np.exp((offset - margin) / temperature)) >= threshold
        assert raised == (path.parent.name == "smoke")
    assert found.facts["found"]["smoke"]["balanced_accuracy"]["mean"] == 1.0
    assert found.facts["footage"]["frames"] == 32
    first = (work / "new" / "smoke.json").read_bytes()
    assert command("calibrate", "run.yaml", labelled, "--output", "new/smoke.json").code == 0
    assert (work / "new" / "smoke.json").read_bytes() == first


def test_a_run_takes_the_file_and_its_configuration_is_calibrated_anew_to_the_same(work: Path) -> None:
    command("calibrate", "run.yaml", footage(work))
    facts = yaml.safe_load((work / "run.yaml").read_text())
    facts["watch"]["zeroshot"]["calibration"] = "calibration.json"
    (work / "again.yaml").write_text(yaml.safe_dump(facts, sort_keys=False))
    section = config.load(work / "again.yaml", sources={"gate": "any"}).cameras["gate"].watch.zeroshot
    assert section is not None
    assert list(alerts.load({"gate": section}, torch.device("cpu")).of["gate"]) == ["zeroshot smoke"]
    outcome = command("calibrate", "again.yaml", work / "labelled", "--output", "again.json")
    assert outcome.code == 0, outcome.err
    assert (work / "again.json").read_bytes() == (work / "calibration.json").read_bytes()


def test_evaluate_puts_both_protocols_side_by_side(work: Path) -> None:
    outcome = command("evaluate-zeroshot", "run.yaml", footage(work), "--output", "report", "--json")
    assert outcome.code == 0, outcome.err
    facts = json.loads(outcome.out)
    assert json.loads((work / "report" / "zeroshot.json").read_text()) == facts
    reference, pooled = facts["reference"], facts["pooled"]["smoke"]
    assert reference["images_per_class"] == 16
    assert reference["classes"] == ["smoke", "normal"]
    assert reference["top_1"]["floor"] == pytest.approx(0.5)
    assert reference["top_5"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "floor": 1.0}
    assert sum(sum(each["best_for"].values()) for each in reference["sentences"]) == 32
    assert (pooled["clips"], pooled["normal_clips"], pooled["scenes"], pooled["windows"]) == (4, 4, 4, 16)
    assert pooled["auroc"]["mean"] == 1.0
    assert pooled["raised"]["clip0"] == {"smoke": 1.0, "normal": 0.0}
    page = (work / "report" / "zeroshot.html").read_text()
    assert "smoke: AUROC" in page
    assert "a street" in page


def test_without_footage_the_dataset_is_taken_with_its_scenes(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kagglehub

    labelled = footage(work)
    for label in ("smoke", "No Smoke"):
        for path in list((labelled / label).iterdir()):
            # the dataset's names: clips 0 and 1 are test8 and test9, which show one place
            path.rename(path.with_name(path.name.replace("clip0", "test8").replace("clip1", "test9")))
    monkeypatch.setattr(kagglehub, "dataset_download", lambda handle: str(labelled))
    outcome = command("evaluate-zeroshot", "run.yaml", "--json")
    assert outcome.code == 0, outcome.err
    facts = json.loads(outcome.out)
    assert facts["pooled"]["smoke"]["scenes"] == 3
    assert facts["footage"]["clips"]["test9, normal"] == "test8"


def test_names_and_groups_can_be_given(work: Path) -> None:
    labelled = footage(work, "Qualm", "Ruhe")
    outcome = command(
        "evaluate-zeroshot", "run.yaml", labelled, "--json", "--label", "Qualm=smoke",
        "--label", "ruhe=normal", "--group", "clip0, clip1", "--group", "clip1,clip2",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["pooled"]["smoke"]["scenes"] == 2


def test_a_seed_that_nothing_can_be_drawn_by_is_refused_before_anything_is_looked_at(work: Path) -> None:
    outcome = command("evaluate-zeroshot", "run.yaml", footage(work), "--seed", "-1")
    assert (outcome.code, "--seed" in outcome.err) == (2, True)


def test_windows_are_those_of_a_run(work: Path) -> None:
    from rich.console import Console

    seen = look(work / "run.yaml", Wanted([footage(work)]), None, Console(quiet=True))
    # 2 seconds of looks a second apart are two looks
    assert seen.embedded.windows[:3] == [slice(0, 2), slice(2, 4), slice(4, 6)]


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        ("off", [], "run.yaml: watch.zeroshot: is off at the top level; write `watch: {zeroshot: {}}`"),
        (None, ["--label", "x=fire"], "--label 'x=fire': unknown class; known: normal, smoke"),
        (None, ["--group", "clip0,clip9"], "--group: no clip is called 'clip9' (did you mean 'clip3'?)"),
        ("one clip", [], "the labelled clips of smoke show 1 of the 2 scenes that it takes at least"),
        ("unnamed", [], 'Calm: is of no class; classes are normal, smoke; `--label "Calm=normal"` says'),
        ("no normal", [], "there are no labelled clips of normal, only of smoke"),
        ("no model", [], "watch.zeroshot.model: no folder 'ViT-B-33', and open_clip has no such name"),
    ],
)
def test_mistakes_are_one_line(work: Path, change: str | None, arguments: list[str], said: str) -> None:
    normal = "Calm" if change == "unnamed" else "normal"
    labelled = footage(work, normal=normal, clips=1 if change == "one clip" else 4)
    facts = yaml.safe_load((work / "run.yaml").read_text())
    if change == "no normal":
        labelled = labelled / "smoke"
    elif change == "off":
        facts["watch"]["zeroshot"] = "off"
    elif change == "no model":
        facts["watch"]["zeroshot"]["model"] = "ViT-B-33"
    (work / "run.yaml").write_text(yaml.safe_dump(facts, sort_keys=False))
    for name in ("calibrate", "evaluate-zeroshot"):
        outcome = command(name, "run.yaml", labelled, *arguments)
        assert outcome.code == 2
        assert said in outcome.err
        assert outcome.err.count("\n") == 1
    assert not (work / "calibration.json").exists()
