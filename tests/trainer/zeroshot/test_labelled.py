"""Labelled clips: which file is of which class, clip and scene."""

from pathlib import Path

import pytest

from streamer.errors import ConfigError
from trainer.zeroshot import labelled
from trainer.zeroshot.labelled import Naming

NAMING = Naming("normal", ["accident", "smoke"])


def files(folder: Path, *names: str) -> Path:
    """A folder with files of different content."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def named(found: labelled.Labelled) -> dict[str, list[str]]:
    """The names of each part's files."""
    return {part.name: [path.name for path in [*part.images, *part.videos]] for part in found.parts}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Accident", "accident"),
        ("Smoke", "smoke"),
        ("NORMAL", "normal"),
        ("Non Accident", "normal"),
        ("non-accident", "normal"),
        ("no_smoke", "normal"),
        ("accidents of 2020", None),
        ("train", None),
    ],
)
def test_names_of_folders_mean_classes(name: str, label: str | None) -> None:
    assert NAMING.of(name) == label


def test_a_given_name_comes_before_what_would_be_guessed() -> None:
    naming = Naming("normal", ["accident"], ["Calm = Street=normal", "non accident=accident"])
    assert naming.of("Calm = street") == "normal"
    assert naming.of("Non Accident") == "accident"


@pytest.mark.parametrize("text", ["calm", "=normal", "calm="])
def test_a_label_without_name_or_class_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected NAME=CLASS"):
        Naming("normal", ["accident"], [text])


def test_a_label_of_an_unknown_class_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown class \(did you mean 'normal'\?\); known: normal, accident"
    ):
        Naming("normal", ["accident"], ["calm=norml"])


def test_clips_of_a_dataset_are_whole_over_its_folders(tmp_path: Path) -> None:
    folder = files(
        tmp_path / "data", "train/Accident/test1_10.jpg", "train/Accident/test1_9.jpg",
        "val/Accident/test1_2.jpg", "train/Non Accident/test1_1.jpg", "val/Non Accident/test2_5.jpg",
        "notes.txt", "train/Accident/.test1_3.jpg",
    )  # fmt: skip
    found = labelled.read([folder], NAMING)
    assert named(found) == {
        "test1, accident": ["test1_2.jpg", "test1_9.jpg", "test1_10.jpg"],
        "test1, normal": ["test1_1.jpg"],
        "test2, normal": ["test2_5.jpg"],
    }
    assert {part.scene for part in found.parts} == {"test1", "test2"}


def test_videos_are_clips_and_so_are_folders_where_asked(tmp_path: Path) -> None:
    folder = files(tmp_path, "smoke/a_1.mp4", "smoke/a_2.mp4", "normal/one/1.jpg", "normal/two/1.jpg")
    assert list(named(labelled.read([folder], NAMING, clips="folder"))) == [
        "a_1, smoke", "a_2, smoke", "one, normal", "two, normal",
    ]  # fmt: skip


def test_a_given_folder_may_itself_be_named_by_class(tmp_path: Path) -> None:
    files(tmp_path, "Accident/a_1.jpg", "Non Accident/b_1.jpg")
    found = labelled.read([tmp_path / "Accident", tmp_path / "Non Accident"], NAMING)
    assert list(named(found)) == ["a, accident", "b, normal"]


def test_the_given_folder_s_name_does_not_make_up_for_a_class_that_is_missing(tmp_path: Path) -> None:
    folder = files(tmp_path / "accident", "Accident/a_1.jpg", "Calm/b_1.jpg")
    with pytest.raises(ConfigError, match=r'Calm: is of no class; classes are normal, .*"Calm=normal"'):
        labelled.read([folder], NAMING)
    assert list(named(labelled.read([folder], Naming("normal", ["accident"], ["calm=normal"])))) == [
        "a, accident", "b, normal",
    ]  # fmt: skip


def test_a_list_names_files_beside_it(tmp_path: Path) -> None:
    files(tmp_path, "clips/a.mp4", "b_1.jpg", "b_2.jpg")
    path = tmp_path / "list.csv"
    path.write_text("path,class\nclips/a.mp4,Accident\nb_2.jpg,Non Accident\nb_1.jpg,normal\n")
    assert named(labelled.read([path], NAMING)) == {
        "b, normal": ["b_1.jpg", "b_2.jpg"],
        "clips/a, accident": ["a.mp4"],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,label\na.jpg,normal\n", "expected the columns path,class, found file,label"),
        ("path,class\nb.jpg,normal\n", "line 2: 'b.jpg': no such file"),
        ("path,class\na.jpg,normal\na.jpg,calm\n", "line 3: 'calm' is no class; classes are normal"),
        ("path,class\na.jpg\n", "line 2: says no class of 'a.jpg'"),
        ("path,class\n", "no images and no videos in it"),
    ],
)
def test_a_list_with_a_mistake_is_refused_by_line(tmp_path: Path, text: str, said: str) -> None:
    files(tmp_path, "a.jpg")
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        labelled.read([path], NAMING)


@pytest.mark.parametrize(
    ("name", "said"), [("gone", "no such file or folder"), ("a.jpg", "neither a folder")]
)
def test_what_is_no_folder_and_no_list_is_refused(tmp_path: Path, name: str, said: str) -> None:
    files(tmp_path, "a.jpg")
    with pytest.raises(ConfigError, match=said):
        labelled.read([tmp_path / name], NAMING)


def test_the_same_picture_counts_once_and_joins_its_clips_to_one_scene(tmp_path: Path) -> None:
    folder = files(tmp_path, "accident/a_1.jpg", "accident/b_1.jpg", "normal/c_1.jpg", "normal/d_1.jpg")
    (folder / "accident" / "b_2.jpg").write_text("accident/a_1.jpg")
    found = labelled.read([folder], NAMING, groups=[["c", "d"], ["e", "a"]])
    assert named(found) == {
        "a, accident": ["a_1.jpg"],
        "b, accident": ["b_1.jpg"],
        "c, normal": ["c_1.jpg"],
        "d, normal": ["d_1.jpg"],
    }
    assert found.counts == {"repeated": 1}
    assert [part.scene for part in found.parts] == ["a", "a", "c", "c"]


def test_a_picture_of_two_classes_is_left_out(tmp_path: Path) -> None:
    folder = files(tmp_path, "accident/a_1.jpg", "accident/a_2.jpg", "normal/b_1.jpg")
    (folder / "normal" / "b_2.jpg").write_text("accident/a_1.jpg")
    found = labelled.read([folder], NAMING)
    assert named(found) == {"a, accident": ["a_2.jpg"], "b, normal": ["b_1.jpg"]}
    assert found.counts == {"under two classes": 2}
    assert len({part.scene for part in found.parts}) == 1


def test_a_group_with_a_clip_that_is_not_there_is_refused(tmp_path: Path) -> None:
    found = labelled.read([files(tmp_path, "accident/gate_1.jpg", "normal/yard_1.jpg")], NAMING)
    found.require([["gate", "yard"]])
    with pytest.raises(ConfigError, match=r"--group: no clip is called 'gat' \(did you mean 'gate'\?\)"):
        found.require([["gat", "yard"]])
