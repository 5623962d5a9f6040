"""Pictures of events: read within the camera's folder alone."""

from pathlib import Path

import pytest

from streamer.report.thumbnail import LARGEST, load

JPEG = b"\xff\xd8\xff\xe0 a picture"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gate/events").mkdir(parents=True)
    (tmp_path / "gate/events/a.jpg").write_bytes(JPEG)
    (tmp_path / "secret.jpg").write_bytes(JPEG)
    (tmp_path / "gate/link.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "gate/frames.csv").write_text("frame")
    (tmp_path / "gate/large.jpg").write_bytes(JPEG + bytes(LARGEST))
    return tmp_path / "gate"


def test_a_picture_in_the_folder_is_read(folder: Path) -> None:
    assert load(folder, "events/a.jpg") == JPEG
    assert load(folder, f"{folder}/events/a.jpg") == JPEG


@pytest.mark.parametrize(
    "said",
    [
        "../secret.jpg", "/etc/hostname", "link.jpg", "events/../../secret.jpg", "frames.csv", "large.jpg",
        "none.jpg", "events", "", "\0", "x" * 5000, None, 7, ["events/a.jpg"],
    ],
)  # fmt: skip
def test_nothing_else_is(folder: Path, said: object) -> None:
    assert load(folder, said) is None
    assert load(folder, f"{folder.parent}/secret.jpg") is None
