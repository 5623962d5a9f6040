"""What a fixed camera's plate is worth: learnt from a clip's first half, measured on its second."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from streamer import modelfile, nets
from streamer.modelfile import Header
from tests.trainer.scenes import command, configuration
from trainer import plates
from trainer.data import Picture


def clip(folder: Path, name: str, count: int) -> None:
    """A still scene of muted colours; from the second half on with a blue box that no frame before had."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(sum(name.encode()))
    colours = np.kron(random.integers(90, 160, (6, 8, 3)), np.ones((12, 12, 1))).astype(np.uint8)
    for number in range(count):
        frame = colours.copy()
        if number >= count // 2:
            frame[:12, :12] = (250, 60, 20)
        frame[-1, -1] = number  # no two are byte-identical
        cv2.imwrite(str(folder / f"{name}_{number}.png"), frame)


def pictures(folder: Path) -> list[Picture]:
    paths = sorted(folder.iterdir(), key=lambda path: int(path.stem.rpartition("_")[2]))
    return [Picture(path, path.name, path.stem.rpartition("_")[0], path.name) for path in paths]


def test_clips_are_halved_and_short_ones_left_out(tmp_path: Path) -> None:
    clip(tmp_path / "pictures", "long", 11)
    clip(tmp_path / "pictures", "short", plates.LEAST - 1)
    first, second = plates.halves(pictures(tmp_path / "pictures"))
    assert {name: [each.path.stem for each in members] for name, members in first.items()} == {
        "long": [f"long_{number}" for number in range(5)]
    }
    assert [each.path.stem for each in second] == [f"long_{number}" for number in range(5, 11)]


def test_a_plate_gives_back_what_stood_still_and_nothing_of_what_is_new(tmp_path: Path) -> None:
    clip(tmp_path / "pictures", "a", 8)
    first, second = plates.halves(pictures(tmp_path / "pictures"))
    original, given = plates.pairing(first)(second[0])
    made = plates.alone(torch.device("cpu")).restore_floats(given)
    still = original.permute(2, 0, 1).float() / 255
    centres = (slice(None), slice(30, None, 12), slice(30, None, 12))  # colours bleed at a plate's resolution
    torch.testing.assert_close(made[centres], still[centres], atol=0.02, rtol=0)
    new = made[:, :8, :8]
    assert float((new - still[:, :8, :8]).abs().max()) > 0.3
    assert float(new.amax(0).sub(new.amin(0)).max()) < 0.1  # nothing is known of it: grey


def test_a_partners_brightness_is_what_is_given(tmp_path: Path) -> None:
    clip(tmp_path / "pictures", "a", 8)
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((72, 96, 3), 77, np.uint8))
    partner = Picture(tmp_path / "grey.png", "grey.png", "a", "grey")
    members = [replace(picture, partner=partner) for picture in pictures(tmp_path / "pictures")]
    first, second = plates.halves(members)
    _, given = plates.pairing(first)(second[0])
    torch.testing.assert_close(given[:3], torch.full((3, 72, 96), 77 / 255))


@pytest.mark.parametrize("hints", [True, False])
def test_evaluate_holds_a_model_that_takes_hints_against_the_plate_alone(tmp_path: Path, hints: bool) -> None:
    for name in "abc":
        clip(tmp_path / "pictures", name, 8)
    options = {"side": 64, "channels": 8, "hints": hints}
    path = configuration(
        tmp_path,
        task="colourise",
        pairs={"of": "crops", "size": 32},
        network={"name": "chroma", **options},
        colour={"hints": "plate" if hints else "none"},
    )
    text = path.read_text().replace("levels: 2", "").replace("width: 4", "")
    path.write_text("\n".join(line for line in text.splitlines() if line.strip()))
    model = tmp_path / "model.safetensors"
    modelfile.save(model, nets.build("chroma", options), Header("chroma", options, "colourise"), half=True)
    outcome = command("evaluate", model, path, "--output", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    tables = json.loads(outcome.out)["tables"]
    assert len(tables) == (2 if hints else 1)
    if hints:
        found = tables[1]["mean_over_clips"]
        assert list(found)[:2] == ["identity", "plate alone"]
        assert len(found) == 3
        assert found["plate alone"]["psnr_db"]["mean"] > found["identity"]["psnr_db"]["mean"] + 2
        assert tables[1]["frames"] == 4  # of the eight of the clip for test
