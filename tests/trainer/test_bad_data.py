"""Folders as they are found: each bad file is counted once, and each hopeless folder is one line."""

import errno
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from tests.trainer.scenes import StandIn, command, configuration, frames, install, picture
from tests.trainer.test_images import claiming


def littered(folder: Path) -> None:
    """Put one of everything beside the frames of clip a."""
    whole = PIL.Image.fromarray(picture(1))
    whole.convert("CMYK").save(folder / "a_10.jpg")
    whole.quantize(8).save(folder / "a_11.png")
    transparent = picture(2)
    PIL.Image.fromarray(np.dstack([transparent, transparent[..., :1]])).save(folder / "a_12.png")
    cv2.imwrite(str(folder / "a_13.png"), picture(3).astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "a_14.png"), picture(4)[..., 0].astype(np.uint16) * 257)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(picture(5)).save(folder / "a_15.jpg", exif=exif)
    PIL.Image.fromarray(picture(6)[:1, :1]).save(folder / "a_16.png")  # tiny
    (folder / "a_17.jpg").write_bytes((folder / "a_15.jpg").read_bytes()[:900])  # truncated
    (folder / "a_18.png").write_bytes(b"no picture")
    (folder / "a_19.png").write_bytes(b"")
    (folder / "a_20.png").write_bytes(claiming(30_000, 30_000))  # a decompression bomb
    (folder / "a_21.png").write_bytes((folder / "c_1.png").read_bytes())  # the test side's
    (folder / "a_22.png").write_bytes((folder / "d_1.png").read_bytes())
    (folder / "a_23.jpg.lnk").write_bytes(b"L\0\0\0")
    (folder / "a_24.png").mkdir()
    (folder / "a_25.png").symlink_to(folder / "gone.png")
    (folder / "notes.txt").write_text("of no use")


@pytest.mark.parametrize(("task", "of"), [("denoise", "crops"), ("deblur", "regions"), ("deblur", "crops")])
def test_training_goes_on_with_what_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, of: str
) -> None:
    install(monkeypatch)
    littered(frames(tmp_path / "pictures"))
    path = configuration(tmp_path, task=task, pairs={"of": of, "size": 32})
    outcome = command("fit", path, "--runs", tmp_path / "runs", "--steps", "1")
    assert outcome.code == 0, outcome.err
    lines = [line for line in outcome.err.splitlines() if "left out" in line]
    assert (
        "19 frames of 2 clips for train, 4 frames of 1 clips for validation, 4 frames of 1 clips for test; "
        "left out: 2 files that are no images, 1 repeated across sides, 1 repeated on one side, 4 unreadable"
    ) in " ".join(lines)
    small = [line for line in lines if "smaller than 32 pixels" in line]
    assert len(small) == (of == "crops")
    assert len(lines) == 1 + len(small)


@pytest.mark.parametrize(("task", "of"), [("denoise", "crops"), ("deblur", "regions"), ("deblur", "crops")])
def test_where_nothing_can_be_read_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, of: str
) -> None:
    install(monkeypatch)
    folder = frames(tmp_path / "pictures")
    for number, path in enumerate([*folder.glob("a_*"), *folder.glob("d_*")]):
        path.write_bytes(b"no picture %d" % number)
    path = configuration(tmp_path, task=task, pairs={"of": of, "size": 32})
    outcome = command("fit", path, "--runs", tmp_path / "runs")
    assert outcome.code != 0
    assert outcome.err.count("\n") == 1
    expected = (
        "none of 8 pictures can be read" if task == "denoise" else "none of the 8 frames for train can be"
    )
    assert expected in outcome.err


@pytest.mark.parametrize("of", ["frames", "regions", "crops"])
def test_no_car_in_any_frame_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: str) -> None:
    install(monkeypatch, StandIn(boxes=()))
    frames(tmp_path / "pictures")
    path = configuration(tmp_path, pairs={"of": of, "size": 32})
    outcome = command("fit", path, "--runs", tmp_path / "runs")
    assert outcome.code == 2
    assert outcome.err.startswith("trainer: detect: no car at or above 0.5 in the ")
    assert outcome.err.count("\n") == 1


def test_a_folder_of_which_all_is_excluded_is_one_line(tmp_path: Path) -> None:
    frames(tmp_path / "pictures")
    data = {"folder": str(tmp_path / "pictures"), "exclude": ["a", "b", "c", "d"], "test": 0.2}
    path = configuration(tmp_path, task="denoise", pairs={"of": "crops", "size": 32}, data=data)
    outcome = command("fit", path, "--runs", tmp_path / "runs")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "data" in outcome.err


def test_pictures_that_are_all_too_small_are_one_line(tmp_path: Path) -> None:
    frames(tmp_path / "pictures")
    path = configuration(tmp_path, task="denoise", pairs={"of": "crops", "size": 80})
    outcome = command("fit", path, "--runs", tmp_path / "runs")
    assert outcome.code == 2
    assert "trainer: pairs.size: all 4 pictures are smaller than 80 pixels" in outcome.err


def test_a_disk_that_is_full_while_pictures_are_decoded_leaves_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames(tmp_path / "pictures")
    path = configuration(tmp_path, task="denoise", pairs={"of": "crops", "size": 32})
    original = Path.write_text

    def full(self: Path, *arguments: object, **options: object) -> int:
        if self.name == "pictures.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        outcome = command("fit", path, "--runs", tmp_path / "runs")
    assert outcome.code == 1
    assert "cannot be written: No space left on device" in outcome.err
    assert list((tmp_path / "cache").glob("*pictures*")) == []
    assert command("fit", path, "--runs", tmp_path / "runs", "--steps", "1").code == 0


def test_a_test_picture_that_cannot_be_read_does_not_end_the_evaluation(tmp_path: Path) -> None:
    folder = frames(tmp_path / "pictures")
    (folder / "c_2.png").write_bytes(b"no picture")
    path = configuration(tmp_path, task="denoise", pairs={"of": "crops", "size": 32})
    outcome = command("fit", path, "--runs", tmp_path / "runs", "--steps", "1")
    assert outcome.code == 0, outcome.err
    assert "left out: " in outcome.err
    assert "c_2.png: no image, damaged or truncated" in outcome.err


def test_nothing_to_test_with_is_said_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.fit.fit", None)
    folder = frames(tmp_path / "pictures")
    for number, path in enumerate(folder.glob("c_*")):
        path.write_bytes(b"no picture %d" % number)
    path = configuration(tmp_path, task="denoise", pairs={"of": "crops", "size": 32})
    outcome = command("fit", path, "--runs", tmp_path / "runs")
    assert outcome.code == 1
    assert outcome.err == "trainer: data: none of the 4 pictures for test can be read\n"
