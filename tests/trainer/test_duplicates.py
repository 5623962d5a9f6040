"""Pictures that look alike are found whatever their names, and never cross the sides of a split."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from streamer.errors import ConfigError
from tests.trainer.scenes import command, configuration, frames, install
from trainer import duplicates
from trainer.config import DataConfig
from trainer.data import Picture, Split
from trainer.duplicates import dhash, near

QUIET = Console(quiet=True)


def scene(seed: int) -> np.ndarray:
    """uint8 ``[144, 192, 3]``: smooth, as photographs are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (192, 144), interpolation=cv2.INTER_CUBIC))


def saved(folder: Path, name: str, image: np.ndarray) -> Picture:
    path = folder / name
    cv2.imwrite(str(path), image)
    return Picture(path, name, name.partition("_")[0], name)


def grey(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def test_a_hash_says_where_brightness_rises() -> None:
    steps = np.tile(np.array([0, 9, 18, 27, 20, 13, 6, 16, 26], np.uint8), (8, 1))
    assert dhash(steps) == int("11100011" * 8, 2)
    assert dhash(steps[:, ::-1]) == int("00111000" * 8, 2)


def test_what_shows_next_to_nothing_has_no_hash() -> None:
    fog = np.full((72, 96), 120, np.uint8)
    assert dhash(fog) is None
    fog[::2] += 3
    assert dhash(fog) is None


def test_size_compression_and_brightness_hardly_change_it() -> None:
    image = scene(1)
    first = dhash(grey(image))
    smaller = cv2.resize(image, (96, 72), interpolation=cv2.INTER_AREA)
    brighter = np.clip(0.8 * image.astype(float) + 30, 0, 255).astype(np.uint8)
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 25])[1]
    rough = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    other = dhash(grey(scene(2)))
    assert first is not None
    assert other is not None
    for version in (smaller, brighter, rough):
        assert (first ^ (dhash(grey(version)) or 0)).bit_count() <= 3
    assert (first ^ other).bit_count() > 15


def test_hashes_are_near_up_to_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_AT_ONCE", 2)  # so that there are several rounds
    all_ones = 2**64 - 1
    one = np.array([0, all_ones, 0b111, all_ones], np.uint64)
    other = np.array([0b111111, 0b1111111 << 57], np.uint64)
    assert near(one, other) == [(0, 0, 6), (2, 0, 3)]
    assert near(one, np.zeros(0, np.uint64)) == []


def split(folder: Path) -> Split:
    image = scene(1)
    brighter = np.clip(image.astype(int) + 12, 0, 255).astype(np.uint8)
    return Split(
        train=[saved(folder, "gate_1.png", image), saved(folder, "yard_1.png", scene(2))],
        validation=[saved(folder, "door_1.png", scene(3)), saved(folder, "hall_1.png", brighter)],
        test=[saved(folder, "lane_1.jpg", image), saved(folder, "lane_2.png", scene(5))],
        counts=Counter({"of excluded clips": 2}),
    )


def test_they_are_refused_with_the_pair_and_what_to_do(tmp_path: Path) -> None:
    config = DataConfig(cache=str(tmp_path / "cache"))
    with pytest.raises(ConfigError) as raised:
        duplicates.check(split(tmp_path), config, QUIET)
    message = str(raised.value)
    assert "data: hall_1.png for validation looks like lane_1.jpg for test" in message or (
        "data: gate_1.png for train looks like lane_1.jpg for test" in message
    )
    assert "and 2 other pairs do too" in message
    assert "into data.groups, or one into data.exclude; `data: {duplicates: drop}` leaves" in message


def test_dropped_ones_stay_on_the_side_that_reports(tmp_path: Path) -> None:
    config = DataConfig(cache=str(tmp_path / "cache"), duplicates="drop")
    kept = duplicates.check(split(tmp_path), config, QUIET)
    sides = [[p.name for p in side] for side in (kept.train, kept.validation, kept.test)]
    assert sides == [["yard_1.png"], ["door_1.png"], ["lane_1.jpg", "lane_2.png"]]
    assert kept.counts == {"of excluded clips": 2, "near-duplicates across sides": 2}


def test_a_split_without_any_is_as_it_was_and_hashes_are_kept(tmp_path: Path) -> None:
    made = split(tmp_path)
    alone = Split(made.train, made.validation[:1], made.test[1:])
    config = DataConfig(cache=str(tmp_path / "cache"))
    assert duplicates.check(alone, config, QUIET) is alone
    for each in alone.pictures:
        each.path.unlink()
    assert duplicates.check(alone, config, QUIET) is alone  # nothing is read again
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_damaged_picture_is_passed_over(tmp_path: Path) -> None:
    made = split(tmp_path)
    for each in (made.train[0], made.validation[1]):
        each.path.write_bytes(b"no picture")
    config = DataConfig(cache=str(tmp_path / "cache"))
    assert duplicates.check(made, config, QUIET) is made


def test_fit_refuses_them_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    frames(tmp_path / "pictures")
    shown = cv2.imread(str(tmp_path / "pictures" / "c_0.png"))
    assert shown is not None
    cv2.imwrite(str(tmp_path / "pictures" / "a_9.png"), np.clip(shown.astype(int) + 2, 0, 255))
    outcome = command("fit", configuration(tmp_path), "--runs", tmp_path / "runs")
    assert outcome.code == 2
    assert outcome.err.startswith(
        "trainer: data: a_9.png for train looks like c_0.png for test (0 of 64 bits"
    )
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
