"""Pairs made as they are asked for: from decoded pictures on disk, the same for the same index."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console

from streamer.errors import ConfigError, SourceError
from tests.trainer.scenes import command, configuration, frames
from trainer import colour, noise, store
from trainer.config import NoiseConfig
from trainer.crops import Crops, Degrade
from trainer.data import Picture, images_below
from trainer.images import read_image
from trainer.store import Store

QUIET = Console(quiet=True)


def pictures(folder: Path) -> list[Picture]:
    return [
        Picture(path, path.name, path.stem, path.read_bytes().hex()[-32:])
        for path in sorted(folder.iterdir())
    ]


@pytest.fixture
def decoded(tmp_path: Path) -> Store:
    """Three clips with a picture each, and a file that is none."""
    folder = frames(tmp_path / "pictures", ("a", "b", "c"), each=1)
    (folder / "z.png").write_bytes(b"no picture")
    return store.store(pictures(folder), tmp_path / "cache", "decoding", QUIET)


def nothing(clean: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    return clean


def test_pictures_are_decoded_once_and_read_back_as_they_are(
    tmp_path: Path, decoded: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decoded.names == ["a_0.png", "b_0.png", "c_0.png"]
    assert decoded.unreadable == ["z.png"]
    for index, path in enumerate(images_below(tmp_path / "pictures")[0][:3]):
        np.testing.assert_array_equal(decoded[index], read_image(path).numpy())
    monkeypatch.setattr(store, "read_image", None)
    again = store.store(pictures(tmp_path / "pictures"), tmp_path / "cache", "decoding", QUIET)
    np.testing.assert_array_equal(again[2], decoded[2])


def test_enormous_pictures_are_reduced(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "wide.png"), np.full((30, 3 * store.LONGEST, 3), 7, np.uint8))
    made = store.store(pictures(folder), tmp_path / "cache", "decoding", QUIET)
    assert made[0].shape == (10, store.LONGEST, 3)
    assert (made[0] == 7).all()


def test_a_folder_without_a_readable_picture_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"decoding: none of 1 pictures can be read, a.png first"):
        store.store(pictures(folder), tmp_path / "cache", "decoding", QUIET)


def test_an_item_follows_from_its_index_alone(decoded: Store) -> None:
    made = [
        Crops(decoded, nothing, 32, each=4, augment=["mirror", "flip", "colour", "scale"], seed=3)
        for _ in "ab"
    ]
    assert len(made[0]) == 12
    for index in (0, 5, 12 + 5):
        for one, other in zip(made[0][index], made[1][index], strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert not torch.equal(made[0][5][1], made[0][12 + 5][1])  # another epoch cuts elsewhere
    assert made[0][5][1].shape == (3, 32, 32)
    torch.testing.assert_close(made[0][5][2], torch.ones(1, 32, 32))


def test_a_crop_is_a_part_of_its_picture(decoded: Store) -> None:
    clean = (Crops(decoded, nothing, 24, seed=0)[4][1] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    picture = decoded[1]
    found = np.lib.stride_tricks.sliding_window_view(picture, (24, 24), axis=(0, 1))
    assert (found == clean.transpose(2, 0, 1)).all(axis=(2, 3, 4)).any()


def test_what_is_validated_is_the_middle_in_every_epoch(decoded: Store) -> None:
    noisy: Degrade = lambda clean, random: noise.add(clean, NoiseConfig(), random)  # noqa: E731
    fixed = Crops(decoded, noisy, 24, fixed=True, augment=["flip"])
    middle = decoded[0][24:48, 36:60].transpose(2, 0, 1)
    np.testing.assert_array_equal((fixed[0][1] * 255).round().numpy(), middle)
    torch.testing.assert_close(fixed[0][0], fixed[3][0], rtol=0, atol=0)


def test_pictures_smaller_than_a_crop_are_left_out(decoded: Store) -> None:
    with pytest.raises(ConfigError, match=r"pairs.size: all 3 pictures are smaller than 80 pixels"):
        Crops(decoded, nothing, 80)


@pytest.mark.parametrize(("sigma", "expected"), [(51.0, (51, 51)), ([5.0, 55.0], (5, 55))])
def test_noise_has_the_strength_that_was_asked_for(
    sigma: float | list[float], expected: tuple[float, float]
) -> None:
    clean = torch.full((3, 64, 64), 0.5)
    random = np.random.default_rng(0)
    made = torch.stack([noise.add(clean, NoiseConfig(sigma=sigma), random) for _ in range(200)])
    strengths = 255 * (made - clean).std(dim=(1, 2, 3))
    low, high = expected
    assert abs(float(strengths.mean()) - (low + high) / 2) < max(0.3, 0.1 * (high - low))
    assert float(strengths.min()) > 0.95 * low
    assert float(strengths.max()) < 1.05 * high
    assert float(strengths.max() - strengths.min()) > 0.8 * (high - low)
    assert abs(float((made - clean).mean())) < 0.001
    assert float(made.max()) > 1.0 if low == high else True  # nothing is clipped


def test_grey_is_the_luma_in_three_channels() -> None:
    colours = torch.eye(3)[:, :, None]
    random = np.random.default_rng(0)
    torch.testing.assert_close(
        colour.without(colours, random), torch.tensor([0.299, 0.587, 0.114])[None, :, None].expand(3, 3, 1)
    )


@pytest.mark.parametrize("task", ["denoise", "colourise"])
def test_fit_trains_and_measures_a_task_that_hides_nothing(tmp_path: Path, task: str) -> None:
    frames(tmp_path / "pictures")
    frames(tmp_path / "more", ("b", "e"), each=1)
    frames(tmp_path / "standard", ("t",), each=2)
    for path in sorted(tmp_path.glob("*/*.png")):  # the scenes are grey
        cv2.imwrite(str(path), read_image(path).numpy() // np.array([1, 2, 3], np.uint8))
    path = configuration(
        tmp_path,
        task=task,
        pairs={"of": "crops", "size": 32, "variants": 2},
        fit={"epochs": 1, "augment": ["mirror", "scale"]},
        data={"test_folder": str(tmp_path / "standard"), "extra": [str(tmp_path / "more")]},
    )
    outcome = command("fit", path, "--runs", tmp_path / "runs", "--json")
    assert outcome.code == 0, outcome.err
    assert "13 frames of 4 clips for train" in outcome.err  # e is more, b serves validation
    assert "2 frames of 1 clips for test" in outcome.err
    model = tmp_path / "runs" / "small" / "model.safetensors"
    for folder in ("pictures", "more"):  # what is only trained on need not be there
        (tmp_path / folder).rename(tmp_path / f"{folder}-elsewhere")
    evaluated = command("evaluate", model, "--runs", tmp_path / "runs", "--json")
    assert evaluated.code == 0, evaluated.err
    first, second = json.loads(outcome.out), json.loads(evaluated.out)
    assert first.pop("cost").keys() == second.pop("cost").keys()
    assert second == first


def test_regions_are_refused_where_nothing_is_hidden(tmp_path: Path) -> None:
    frames(tmp_path / "pictures")
    outcome = command("fit", configuration(tmp_path, task="denoise"), "--runs", tmp_path / "runs")
    assert outcome.code == 2
    assert "pairs.of: nothing is hidden for denoise; expected crops or frames" in outcome.err


def test_a_plate_knows_all_but_a_few_rectangles_of_half_the_pictures() -> None:
    clean = torch.rand(3, 8, 12, generator=torch.Generator().manual_seed(0)).repeat_interleave(8, 1)
    clean = clean.repeat_interleave(8, 2)
    random = np.random.default_rng(0)
    made = [colour.with_plate(clean, random) for _ in range(60)]
    with_one = [picture for picture in made if picture[5].any()]
    assert 20 <= len(with_one) <= 40
    for picture in made:
        assert picture.shape == (6, 64, 96)
        torch.testing.assert_close(picture[:3], colour.without(clean, random))
        assert not picture[3:5, picture[5] == 0].any()
    assert any((picture[5] == 0).any() for picture in with_one)
    whole = next(picture for picture in with_one if picture[5].all())
    centres = (slice(None), slice(3, None, 8), slice(3, None, 8))
    torch.testing.assert_close(whole[3:5][centres], colour.chroma(clean)[centres], atol=0.1, rtol=0)


def test_a_network_without_hints_is_refused_where_pairs_have_them(tmp_path: Path) -> None:
    frames(tmp_path / "pictures")
    path = configuration(
        tmp_path, task="colourise", pairs={"of": "crops", "size": 32}, colour={"hints": "plate"}
    )
    outcome = command("fit", path, "--runs", tmp_path / "runs")
    assert outcome.code == 2
    assert "network: unet takes 3 channels, but pairs have 6; set network.hints and colour.hints alike" in (
        outcome.err
    )


def test_whole_pictures_are_resized_to_a_square(decoded: Store) -> None:
    items = Crops(decoded, nothing, 24, of="frames", each=2, augment=["mirror"])
    assert (len(items), items.small) == (6, 0)
    expected = cv2.resize(decoded[1], (24, 24), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
    seen = set()
    for epoch in range(6):
        clean = (255 * items[epoch * len(items) + 1][1]).round().numpy()
        errors = [np.abs(clean - other).mean() for other in (expected, expected[..., ::-1])]
        assert min(errors) == 0 < max(errors)
        seen.add(int(np.argmin(errors)))
    assert seen == {0, 1}
    large = Crops(decoded, nothing, 120, of="frames", fixed=True)
    assert large[0][1].shape == (3, 120, 120)
