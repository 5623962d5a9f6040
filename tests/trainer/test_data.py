"""Frames: found, gathered, and split by clip."""

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamer.errors import ConfigError
from tests.trainer.scenes import frames
from trainer import data
from trainer.config import DataConfig
from trainer.data import Picture, Split, clip_of, gather, images_below, split
from trainer.images import read_image


def pictures(*clips: str, each: int = 3) -> list[Picture]:
    """Frames of clips, all different."""
    return [
        Picture(Path(f"{clip}_{i}.jpg"), f"{clip}_{i}.jpg", clip, f"{clip}/{i}")
        for clip in clips
        for i in range(each)
    ]


def config(**fields: Any) -> DataConfig:
    return DataConfig.model_validate(fields)


def sides(divided: Split) -> dict[str, str]:
    """Clip → side; fails when a clip is on two."""
    found: dict[str, str] = {}
    for side, clips in divided.clips().items():
        for clip in clips:
            assert found.setdefault(clip, side) == side
    return found


@pytest.mark.parametrize(
    ("name", "by_name", "by_folder"),
    [
        ("test10_33.jpg", "test10", "test10_33"),
        ("test10_33-2.jpg", "test10", "test10_33-2"),
        ("acc/north_gate_7.png", "north_gate", "acc"),
        ("north/0001.jpg", "north", "north"),
        ("city/north/0001.jpg", "city/north", "city/north"),
        ("alone.jpg", "alone", "alone"),
    ],
)
def test_a_frame_belongs_to_the_clip_that_its_name_or_folder_says(
    name: str, by_name: str, by_folder: str
) -> None:
    assert clip_of(name, "name") == by_name
    assert clip_of(name, "folder") == by_folder


def test_clips_are_never_divided() -> None:
    divided = split(pictures(*"abcdefghij"), config(validation=0.2, test=0.3), seed=0)
    found = sides(divided)
    assert sorted(found) == list("abcdefghij")
    assert sorted(found.values()) == ["test"] * 3 + ["train"] * 5 + ["validation"] * 2
    assert len(divided.pictures) == 30


def test_the_seed_and_the_names_alone_choose_the_clips() -> None:
    shares = config(validation=0.2, test=0.3)
    found = sides(split(pictures(*"abcdefghij"), shares, seed=0))
    assert sides(split(pictures(*"jihgfedcba", each=1), shares, seed=0)) == found
    assert any(sides(split(pictures(*"abcdefghij"), shares, seed=seed)) != found for seed in range(1, 4))


def test_clips_of_one_scene_fall_on_the_same_side() -> None:
    clips = pictures(*"abcdefghij")
    groups = [["a", "b"], ["b", "c"], ["i", "j"], ["x", "y"]]
    for seed in range(20):
        found = sides(split(clips, config(groups=groups, validation=0.3, test=0.3), seed))
        assert found["a"] == found["b"] == found["c"]
        assert found["i"] == found["j"]


def test_a_listed_clip_takes_its_scene_along() -> None:
    found = sides(
        split(pictures(*"abcde"), config(groups=[["a", "b"]], validation=["c"], test=["b"]), seed=0)
    )
    assert found == {"a": "test", "b": "test", "c": "validation", "d": "train", "e": "train"}


def test_an_excluded_clip_is_on_no_side_and_takes_its_scene_along() -> None:
    wanted = config(groups=[["a", "b"]], exclude=["b", "unheard of"], validation=["c"], test=["d"])
    divided = split(pictures(*"abcde"), wanted, seed=0)
    assert sides(divided) == {"c": "validation", "d": "test", "e": "train"}
    assert divided.counts["of excluded clips"] == 6


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"validation": ["a"], "test": ["a"]}, r"data\.validation: 'a' .* already on the test side"),
        ({"groups": [["a", "b"]], "validation": ["b"], "test": ["a"]}, "already on the test side"),
        ({"exclude": ["a"], "validation": ["b"], "test": ["a"]}, "already on the excluded side"),
        ({"validation": ["a", "b"], "test": ["c"]}, "no frames are left for train; there are 3 scenes"),
        ({"validation": ["z"], "test": ["c"]}, "no frames are left for validation"),
    ],
)
def test_a_split_that_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split(pictures(*"abc"), config(**fields), seed=0)


def test_a_picture_that_is_there_twice_counts_once_and_is_withheld_from_training() -> None:
    clips = pictures(*"abcd", each=2)
    names = {picture.name: picture for picture in clips}
    held, seen = names["d_0.jpg"], names["a_0.jpg"]
    clips += [
        Picture(Path("a_8.jpg"), "a_8.jpg", "a", held.digest),  # of the test's clip d
        Picture(Path("a_9.jpg"), "a_9.jpg", "a", seen.digest),  # of its own
        Picture(Path("b_9.jpg"), "b_9.jpg", "b", names["c_0.jpg"].digest),  # of what is excluded
    ]
    divided = split(clips, config(exclude=["c"], validation=["b"], test=["d"]), seed=0)
    assert [picture.name for picture in divided.train] == ["a_0.jpg", "a_1.jpg"]
    assert [picture.name for picture in divided.validation] == ["b_0.jpg", "b_1.jpg"]
    assert [picture.name for picture in divided.test] == ["d_0.jpg", "d_1.jpg"]
    assert divided.counts["repeated across sides"] == 2
    assert divided.counts["repeated on one side"] == 1


def test_images_are_gathered_flat_under_unique_names(tmp_path: Path) -> None:
    source, target = tmp_path / "dataset", tmp_path / "frames"
    frames(source / "train" / "Accident", ["a"], each=2)
    frames(source / "test" / "Accident", ["a"], each=1)
    (source / "train" / "a_7.lnk").write_bytes(b"a shortcut")
    target.mkdir()
    (target / "mine.png").write_bytes(b"not of the dataset")
    found, others = gather(source, target)
    assert [path.name for path in found] == ["a_0.png", "a_0-2.png", "a_1.png"]
    assert others == 1
    assert {path.name for path in target.iterdir()} == {"a_0.png", "a_0-2.png", "a_1.png", "mine.png"}
    assert (target / "a_0.png").read_bytes() == (source / "test" / "Accident" / "a_0.png").read_bytes()


def test_a_clip_is_gathered_in_its_order_whatever_folders_it_lies_in(tmp_path: Path) -> None:
    for number, folder in ((1, "train/Accident"), (2, "test/Accident"), (10, "test/Calm"), (9, "train/Calm")):
        (tmp_path / "dataset" / folder).mkdir(parents=True)
        (tmp_path / "dataset" / folder / f"gate_{number}.png").write_bytes(b"%d" % number)
    found, _ = gather(tmp_path / "dataset", tmp_path / "frames")
    assert [path.name for path in found] == ["gate_1.png", "gate_2.png", "gate_9.png", "gate_10.png"]


def test_a_copy_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    source = frames(tmp_path / "dataset", ["a"], each=1)
    target = tmp_path / "frames"
    gather(source, target)
    whole = (target / "a_0.png").read_bytes()
    (target / "a_0.png").write_bytes(whole[:50])
    gather(source, target)
    assert (target / "a_0.png").read_bytes() == whole


def test_a_folder_is_read_with_its_sub_folders(tmp_path: Path) -> None:
    frames(tmp_path / "pictures" / "north", ["a", "b"])
    frames(tmp_path / "pictures", ["c", "d"])
    shutil.copy(tmp_path / "pictures" / "c_0.png", tmp_path / "pictures" / "d_9.png")
    (tmp_path / "pictures" / "notes.txt").write_text("of no use")
    divided = data.read(config(folder=str(tmp_path / "pictures"), validation=["b"], test=["c"]), seed=0)
    assert sides(divided) == {"a": "train", "b": "validation", "c": "test", "d": "train"}
    assert divided.train[-1].name == "north/a_3.png"
    assert divided.counts["files that are no images"] == 1


def test_pictures_of_one_name_in_several_folders_are_told_apart(tmp_path: Path) -> None:
    for number, folder in enumerate(("pictures", "more", "standard")):
        frames(tmp_path / folder, ["a", "b"], each=number + 1)
        for path in (tmp_path / folder).iterdir():  # other pictures under the same names
            cv2.imwrite(str(path), read_image(path).numpy() // np.uint8(number + 1))
    wanted = config(
        folder=str(tmp_path / "pictures"),
        extra=[str(tmp_path / "more")],
        test_folder=str(tmp_path / "standard"),
        validation=["b"],
    )
    divided = data.read(wanted, seed=0)
    names = [picture.name for picture in divided.pictures]
    assert len(set(names)) == len(names) == 2 + 2 + 6
    assert f"{tmp_path / 'more'}/a_0.png" in names
    assert {picture.clip for picture in divided.pictures} == {"a", "b"}


def test_a_folder_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.folder: .*none: no such folder"):
        data.read(config(folder=str(tmp_path / "none")), seed=0)
    with pytest.raises(ConfigError, match="no images in it or below"):
        data.read(config(folder=str(tmp_path)), seed=0)


def test_without_network_and_cache_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kagglehub

    def offline(_: str) -> str:
        raise ConnectionError("HTTPSConnectionPool(host=…): Max retries exceeded\nwith url …")

    monkeypatch.setattr(kagglehub, "dataset_download", offline)
    with pytest.raises(
        ConfigError, match=r"cannot be downloaded \(ConnectionError\); .*KAGGLEHUB_CACHE"
    ) as caught:
        data.read(config(frames=str(tmp_path / "frames")), seed=0)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "frames").exists()


def test_the_dataset_is_answered_from_a_cache_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = "someone/some-frames"
    cached = tmp_path / "kaggle" / "datasets" / handle
    frames(cached / "versions" / "1" / "data", "abc")
    (cached / "1.complete").touch()
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    wanted = config(
        kaggle=f"{handle}/versions/1", frames=str(tmp_path / "frames"), validation=["b"], test=["c"]
    )
    divided = data.read(wanted, seed=0)
    assert len(divided.pictures) == 12
    assert {picture.path.parent for picture in divided.pictures} == {tmp_path / "frames"}


def test_a_wrong_handle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.kaggle: .*; expected owner/name"):
        data.read(config(kaggle="nonsense", frames=str(tmp_path / "frames")), seed=0)


def test_frames_of_a_clip_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("b_10", "b_9", "a_100", "b_1", "a_20", "c"):
        (tmp_path / f"{name}.jpg").touch()
    found, _ = images_below(tmp_path)
    assert [path.stem for path in found] == ["a_20", "a_100", "b_1", "b_9", "b_10", "c"]


def test_excluded_clips_are_kept_out_of_the_extra_pictures_too(tmp_path: Path) -> None:
    for name in ("main/a_0", "main/b_0", "main/c_0", "more/d_0", "more/e_0", "more/f_0", "more/b_1"):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    config = DataConfig(
        folder=str(tmp_path / "main"),
        extra=[str(tmp_path / "more")],
        exclude=["d"],
        groups=[["d", "e"]],
        validation=["b"],
        test=["c"],
    )
    found = data.read(config, seed=0)
    assert [picture.name for picture in found.train] == ["a_0.png", "f_0.png"]
    assert found.counts["of excluded clips"] == 2


def test_scenes_of_a_test_folder_are_not_trained_on(tmp_path: Path) -> None:
    for name in ("main/a_0", "main/b_0", "main/c_0", "standard/t_0", "standard/x_0"):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    config = DataConfig(
        folder=str(tmp_path / "main"),
        test_folder=str(tmp_path / "standard"),
        exclude=["x"],
        groups=[["a", "t"]],
        validation=["b"],
    )
    found = data.read(config, seed=0)
    assert [picture.name for picture in found.train] == ["c_0.png"]
    assert [picture.name for picture in found.test] == ["t_0.png"]
    assert found.counts["of excluded clips"] == 2
