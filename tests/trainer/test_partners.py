"""Two folders, matched by name."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from streamer.errors import ConfigError
from tests.trainer.scenes import command, configuration, picture
from trainer import partners
from trainer.config import DataConfig, PairedConfig
from trainer.images import read_image


def folders(folder: Path, clips: str = "abcd", each: int = 3) -> PairedConfig:
    """``noisy/CLIP_NUMBER.png`` and ``clean/CLIP_NUMBER.jpg``, the first inverted."""
    for clip in clips:
        for number in range(each):
            image = picture(100 * ord(clip) + number)
            for side, content in (("clean", image), ("noisy", 255 - image)):
                path = folder / side / f"{clip}_{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), content)
    return PairedConfig(degraded=str(folder / "noisy"), clean=str(folder / "clean"))


CLIPS = DataConfig(validation=["b"], test=["c"])


def test_pictures_are_matched_by_name_and_split_by_clip(tmp_path: Path) -> None:
    paired = folders(tmp_path)
    for path in (tmp_path / "noisy").glob("a_*.png"):  # of any kind
        path.rename(path.with_suffix(".WEBP"))
    (tmp_path / "noisy" / "notes.lnk").write_bytes(b"")
    found = partners.read(paired, CLIPS, seed=0)
    assert [p.name for p in found.train] == [f"{clip}_{n}.png" for clip in "ad" for n in range(3)]
    assert {p.clip for p in found.validation} == {"b"}
    assert {p.clip for p in found.test} == {"c"}
    for one in found.pictures:
        assert one.partner is not None
        assert one.partner.path.parent.name == "noisy"
        assert one.partner.path.stem == one.path.stem
    assert found.train[0].partner is not None
    assert found.train[0].partner.path.suffix == ".WEBP"
    assert found.counts["files that are no images"] == 1


def test_sub_folders_are_part_of_the_name(tmp_path: Path) -> None:
    for side in ("clean", "noisy"):
        for number, clip in enumerate("abc"):
            (tmp_path / side / clip).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / side / clip / "1.png"), picture(number))
    paired = PairedConfig(degraded=str(tmp_path / "noisy"), clean=str(tmp_path / "clean"))
    found = partners.read(paired, CLIPS, seed=0)
    assert [(p.name, p.partner.name if p.partner else None) for p in found.train] == [("a/1.png", "a/1.png")]


def test_missing_partners_and_other_sizes_are_left_out_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paired = folders(tmp_path)
    (tmp_path / "noisy" / "a_0.png").unlink()
    (tmp_path / "clean" / "d_1.png").unlink()
    cv2.imwrite(str(tmp_path / "noisy" / "d_2.png"), picture(1)[:, :50])
    with caplog.at_level(logging.WARNING):
        found = partners.read(paired, CLIPS, seed=0)
    assert [p.name for p in found.train] == ["a_1.png", "a_2.png", "d_0.png"]
    assert found.counts["without a partner"] == 2
    assert found.counts["of another size than their partner"] == 1
    assert caplog.messages == [
        "paired: 1 pairs differ in size and are left out: d_2.png is 96x72, its partner 50x72",
        "paired: 2 pictures have no partner of their name and are left out: a_0, d_1",
    ]


def test_folders_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    paired = folders(tmp_path)
    for path in (tmp_path / "noisy").iterdir():
        path.rename(path.with_stem("x" + path.stem))
    with pytest.raises(
        ConfigError, match=r"paired: none of the 12 pictures in .*clean has a partner of its "
    ):
        partners.read(paired, CLIPS, seed=0)
    for path in (tmp_path / "noisy").iterdir():
        cv2.imwrite(str(path.with_stem(path.stem[1:])), picture(0)[:9])
    with pytest.raises(
        ConfigError, match=r"all 12 pairs differ in size: a_0\.png is 96x72, its partner 96x9"
    ):
        partners.read(paired, CLIPS, seed=0)


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    paired = folders(tmp_path)
    cv2.imwrite(str(tmp_path / "clean" / "a_0.jpg"), picture(0))
    with pytest.raises(ConfigError, match=r"paired\.clean: a_0\.jpg and a_0\.png have one name; keep one"):
        partners.read(paired, CLIPS, seed=0)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    paired = folders(tmp_path).model_copy(update={"degraded": str(tmp_path / "none")})
    with pytest.raises(ConfigError, match=r"paired\.degraded: .*none: no such folder"):
        partners.read(paired, CLIPS, seed=0)


@pytest.mark.parametrize("task", ["paired", "colourise"])
def test_fit_trains_and_measures_with_two_folders(tmp_path: Path, task: str) -> None:
    paired = folders(tmp_path)
    for path in sorted((tmp_path / "clean").iterdir()):  # in colour, so that there is something to learn
        cv2.imwrite(str(path), read_image(path).numpy() // np.array([1, 2, 3], np.uint8))
    (tmp_path / "noisy" / "a_1.png").write_bytes(b"no picture")
    path = configuration(
        tmp_path,
        task=task,
        paired=paired.model_dump(),
        pairs={"of": "crops", "size": 32},
        fit={"epochs": 1, "augment": ["mirror", "colour", "scale"]},
        data={"folder": None},
    )
    outcome = command("fit", path, "--runs", tmp_path / "runs")
    assert outcome.code == 0, outcome.err
    assert "6 frames of 2 clips for train" in outcome.err
    assert "1 unreadable" in outcome.err


def test_both_pictures_are_cut_and_changed_alike(tmp_path: Path) -> None:
    from rich.console import Console

    from trainer.crops import Crops
    from trainer.store import store
    from trainer.tasks import given

    found = partners.read(folders(tmp_path), CLIPS, seed=0)
    decoded = store(found.train, tmp_path / "cache", "decoding", Console(quiet=True))
    assert decoded[0].shape == (72, 96, 6)
    reduced = store(found.train, tmp_path / "cache", "decoding", Console(quiet=True), 48)
    assert reduced[0].shape == (36, 48, 6)
    assert np.abs(reduced[0][..., :3].astype(int) + reduced[0][..., 3:] - 255).max() <= 1
    items = Crops(decoded, given, 24, each=4, augment=["mirror", "flip", "scale"], seed=1)
    for index in range(len(items)):
        degraded, clean, weight = items[index]
        # one is the inverse of the other
        torch.testing.assert_close(degraded, 1 - clean, rtol=0, atol=1.5 / 255)
        assert weight.all()
