"""Which files are footage, and what their cameras are called."""

from pathlib import Path

import pytest

from streamer.config import NAME
from streamer.errors import ConfigError
from streamer.source import expand
from streamer.source.footage import natural, videos_in


def touched(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_file_is_called_by_its_stem(tmp_path: Path) -> None:
    path = tmp_path / "yard.of the house.mp4"
    touched(path)
    assert expand([path]) == {"yard.of the house": path}


def test_a_repeated_stem_gets_a_number_whatever_its_case(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a/yard.mp4", "b/yard.mp4", "c/Yard.avi", "d/yard-2.mp4")]
    touched(*paths)
    assert expand(paths) == dict(zip(["yard", "yard-2", "Yard-3", "yard-2-2"], paths, strict=True))


def test_a_folders_videos_are_a_camera_each_in_natural_order(tmp_path: Path) -> None:
    for name in ("clip10.mp4", "clip2.MKV", "clip1.avi", ".hidden.mp4", "notes.txt", "1.jpg"):
        touched(tmp_path / name)
    (tmp_path / "folder.mp4").mkdir()
    assert list(expand([tmp_path])) == ["clip1", "clip2", "clip10"]


def test_a_folder_of_numbered_images_is_one_camera(tmp_path: Path) -> None:
    folder = tmp_path / "night 1"
    touched(folder / "001.jpg", folder / "002.JPG")
    assert expand([folder]) == {"night 1": folder}


@pytest.mark.parametrize("names", [[], ["notes.txt"], ["cover.jpg"]])
def test_a_folder_with_neither_is_refused(names: list[str], tmp_path: Path) -> None:
    touched(*(tmp_path / name for name in names))
    with pytest.raises(ConfigError, match="holds neither a video nor numbered images") as error:
        expand([tmp_path])
    assert str(error.value).startswith(str(tmp_path))


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"yard\.mp4: no such file or folder"):
        expand([tmp_path / "yard.mp4"])


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Straße 7 (Nord)", "Stra_e 7 _Nord_"),
        ("...", "camera"),
        ("..up..up", "up.up"),
        ("a" * 200, "a" * 90),
        ("-x-", "x"),
        ("日本", "__"),
    ],
)
def test_a_stem_is_made_fit_to_be_a_folders_name(stem: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{stem}.mp4"
    touched(path)
    assert list(expand([path, path])) == [name, f"{name}-2"]
    assert all(NAME.fullmatch(each) for each in expand([path, path]))


def test_numbers_sort_by_value_and_names_by_letter() -> None:
    names = ["b", "a10", "a2", "A1", "a02", "10", "9", "a²"]
    ordered = [path.name for path in sorted(map(Path, names), key=natural)]
    assert ordered == ["9", "10", "A1", "a02", "a2", "a10", "a²", "b"]


def test_only_files_are_videos(tmp_path: Path) -> None:
    touched(tmp_path / "a.mp4", tmp_path / "._a.mp4", tmp_path / "sub" / "b.mp4")
    assert videos_in(tmp_path) == [tmp_path / "a.mp4"]
