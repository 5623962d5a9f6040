"""Under which conditions whole pictures are measured."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from streamer import nets
from streamer.modelfile import Header
from trainer import config
from trainer.conditions import FULL_SIZE, PLATED, Condition, conditions
from trainer.data import Picture
from trainer.system import System


def saved(folder: Path) -> list[Picture]:
    """Six frames of one clip, in colour."""
    made = []
    for number in range(6):
        name = f"a_{number}.png"
        cv2.imwrite(str(folder / name), np.full((24, 32, 3), (40, 90, 160 + number), np.uint8))
        made.append(Picture(folder / name, name, "a", f"{number}abc"))
    return made


def made(pictures: list[Picture], task: str, network: dict[str, Any], **sections: Any) -> list[Condition]:
    facts = {"version": 1, "task": task, "pairs": {"of": "crops", "size": 32}, "network": network, **sections}
    parsed = config.parse(facts)
    name, options = parsed.network.name, parsed.network.options
    system = System("mine", nets.build(name, options), Header(name, options, task), torch.device("cpu"))
    return list(conditions(parsed, pictures, system, torch.device("cpu")))


SMALL = {"name": "unet", "width": 4, "levels": 2}


@pytest.mark.parametrize(
    ("sigma", "cases"),
    [(25, ["sigma 25"]), ([5, 55], ["sigma 15", "sigma 25", "sigma 50", "sigma 51"])],
)
def test_noise_is_of_the_strength_that_each_case_names(tmp_path: Path, sigma: Any, cases: list[str]) -> None:
    pictures = saved(tmp_path)
    found = made(pictures, "denoise", SMALL, noise={"sigma": sigma})
    assert [condition.case for condition in found] == 2 * cases
    assert [condition.rounded for condition in found] == len(cases) * [False] + len(cases) * [True]
    for condition in found:
        original, degraded = condition.pairing(pictures[0])
        noise = 255 * degraded - original.permute(2, 0, 1)
        assert float(noise.std()) == pytest.approx(float(condition.case.removeprefix("sigma ")), rel=0.1)
        assert torch.equal(condition.pairing(pictures[0])[1], degraded)  # the same again, and in both


def test_noise_goes_beyond_black_and_white_though_training_cuts_some_of_it_off(tmp_path: Path) -> None:
    for condition in made(saved(tmp_path), "denoise", SMALL, noise={"sigma": 51, "clipped": 1.0}):
        assert float(condition.pairing(condition.pictures[0])[1].min()) < 0.0


def test_a_network_without_colour_is_measured_on_brightness(tmp_path: Path) -> None:
    pictures = saved(tmp_path)
    (floats, _) = made(pictures, "denoise", {**SMALL, "grey": True}, noise={"sigma": 10})
    original, degraded = floats.pairing(pictures[0])
    assert original[0, 0].tolist() == 3 * [round(0.299 * 160 + 0.587 * 90 + 0.114 * 40)]
    assert torch.equal(degraded[0], degraded[2])


def test_a_network_that_was_trained_on_whole_pictures_is_measured_at_their_size_too(tmp_path: Path) -> None:
    pictures = saved(tmp_path)
    facts = {"version": 1, "task": "denoise", "pairs": {"of": "frames", "size": 16}, "network": SMALL}
    parsed = config.parse({**facts, "noise": {"sigma": 25}})
    header = Header("unet", parsed.network.options, "denoise", size=16, training={"config": facts})
    system = System("mine", nets.build("unet", parsed.network.options), header, torch.device("cpu"))
    small, *full = conditions(parsed, pictures, system, torch.device("cpu"))
    assert (small.title, small.rounded) == ("Pictures of 16x16, as it was trained", False)
    original, degraded = small.pairing(pictures[0])
    assert (original.shape, degraded.shape) == ((16, 16, 3), (3, 16, 16))
    assert float((255 * degraded - original.permute(2, 0, 1)).std()) == pytest.approx(25, rel=0.15)
    # with nothing resized on the way, doing nothing gives back what came in
    torch.testing.assert_close(system.restore_floats(degraded), degraded.clamp(0, 1), atol=1e-5, rtol=0)
    assert [each.pairing(pictures[0])[1].shape for each in full] == [(3, 24, 32)] * 2


def test_only_a_network_that_takes_hints_is_measured_with_a_plate(tmp_path: Path) -> None:
    pictures = saved(tmp_path)
    (plain,) = made(pictures, "colourise", SMALL)
    assert (plain.title, plain.pictures, plain.rounded) == (FULL_SIZE, pictures, True)
    assert plain.pairing(pictures[0])[1].shape == (3, 24, 32)
    network = {"name": "chroma", "hints": True}
    bare, plated = made(pictures, "colourise", network, colour={"hints": "plate"})
    # what training draws as hints is of the very picture, and must not be measured with
    assert bare.pairing(pictures[0])[1].shape == (3, 24, 32)
    assert plated.title == PLATED
    assert [system.name for system in plated.beside] == ["plate alone"]
    assert list(plated.pictures) == pictures[3:]
    assert plated.pairing(pictures[5])[1].shape == (6, 24, 32)
