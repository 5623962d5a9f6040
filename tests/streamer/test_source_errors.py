"""What bad input gets: one line that names the file and says what is wrong."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamer.config import CameraConfig
from streamer.errors import SourceError
from streamer.frame import Frame
from streamer.source import SourceStats, probe, read
from streamer.source.input import check_size
from streamer.source.whole import missing_bytes
from tests.footage import Sound, chirp, number_of, write_clip


def failure(path: Path) -> tuple[list[Frame], str]:
    """The frames that came before the error, and the error."""
    frames = []
    try:
        for item in read("yard", CameraConfig(source=str(path)), threading.Event(), SourceStats()):
            frames += [item] if isinstance(item, Frame) else []
    except SourceError as error:
        return frames, str(error)
    raise AssertionError("it ended as though all were well")


def check(path: Path, message: str) -> None:
    """A file that gives no frame at all, however it is opened."""
    assert failure(path) == ([], message)
    with pytest.raises(SourceError) as error:
        probe(CameraConfig(source=str(path)))
    assert str(error.value) == message
    assert error.value.__suppress_context__ or error.value.__context__ is None


def test_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "yard.mp4"
    check(path, f"{path}: no such file")


def test_a_folder_without_footage(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    check(tmp_path, f"{tmp_path}: holds neither a video nor numbered images")


@pytest.mark.timeout(30)
def test_a_named_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "yard.mp4"
    os.mkfifo(path)  # reading it would wait until somebody writes
    check(path, f"{path}: is a named pipe, expected a file; record it to a file, or serve it by RTSP")


def test_a_device_is_refused(tmp_path: Path) -> None:
    path = Path("/dev/null")
    check(path, f"{path}: is a device or a socket, expected a file; record it to a file, or serve it by RTSP")


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "yard.mp4"
    path.touch()
    check(path, f"{path}: is empty")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "yard.mp4", 2)
    path.chmod(0)
    check(path, f"{path}: permission denied; make it readable for this user")


def test_a_file_that_the_system_refuses_to_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    path = write_clip(tmp_path / "yard.mp4", 2)
    monkeypatch.setattr(Path, "open", refuse)
    check(path, f"{path}: permission denied; make it readable for this user")


@pytest.mark.parametrize("name", ["yard.mp4", "yard.bin", "yard"])
def test_a_file_that_is_no_video(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(1).bytes(10_000))
    check(path, f"{path}: is not a video file that can be read (Invalid data found when processing input)")


def test_a_text_file_which_ffmpeg_would_play(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a line of text\n" * 100)
    check(path, f"{path}: is not a video file")


def test_a_file_with_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "yard.wav"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    check(path, f"{path}: holds sound but no picture")


@pytest.mark.parametrize("container", ["mkv", "avi", "mov"])
def test_a_video_without_frames(container: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / f"yard.{container}", 0)
    frames, message = failure(path)
    assert frames == []
    assert message in (f"{path}: not one frame of it can be read", f"{path}: holds no video")


def test_a_video_that_was_never_closed(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "yard.mp4", 20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    check(
        path,
        f"{path}: is cut off, its index (moov) is missing; the recording was never closed, "
        "or the copy is not complete",
    )


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv", "avi"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_file_gives_its_good_frames_and_then_fails(
    container: str, share: float, tmp_path: Path
) -> None:
    options = {"movflags": "faststart"} if container in ("mp4", "mov") else {}
    path = write_clip(
        tmp_path / f"yard.{container}", 60, sound=Sound(chirp(2.4, 8000), 8000),
        audio_codec="aac" if container in ("mp4", "mkv") else "pcm_s16le", container_options=options,
    )  # fmt: skip
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    frames, message = failure(path)
    assert 60 * share - 20 < len(frames) < 60
    # the very last may be half a picture, with the other half from the one before
    assert [number_of(frame.image) for frame in frames][:-1] == list(range(len(frames) - 1))
    assert message == (
        f"{path} ends early: {len(frames)} frames could be read, what follows is missing or damaged"
    )


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv", "avi", "ts"])
def test_a_whole_file_lacks_nothing(container: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / f"yard.{container}", 5)
    assert missing_bytes(path) == 0
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-50])
    assert missing_bytes(path) == (0 if container == "ts" else 50), size


def test_a_mkv_that_was_streamed_declares_no_length(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "yard.mkv", 5, container_options={"live": "1"})
    path.write_bytes(path.read_bytes()[:-50])
    assert missing_bytes(path) == 0


def test_an_encrypted_file(tmp_path: Path) -> None:
    options = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }
    path = write_clip(tmp_path / "yard.mp4", 5, container_options=options)
    check(path, f"{path}: is encrypted; decrypt it first")


def test_absurd_dimensions_are_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "yard.avi", [np.zeros((4, 20000, 3), np.uint8)], codec="rawvideo")
    check(path, f"{path}: has pictures of 20000x4 pixels, over 16384 a side or too many")


@pytest.mark.parametrize(
    ("width", "height", "word"),
    [(0, 48, "0x48"), (64, 0, "64x0"), (16385, 16, "over 16384 a side"), (16384, 16385, "over 16384 a side")],
)
def test_sizes_out_of_bounds_are_named(width: int, height: int, word: str) -> None:
    with pytest.raises(SourceError, match=f"yard.mp4: has pictures of .*{word}"):
        check_size("yard.mp4", width, height)


def test_the_largest_size_is_allowed() -> None:
    check_size("yard.mp4", 16384, 16384)


def test_a_name_with_a_colon_is_a_file_and_not_a_protocol(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 3).rename(tmp_path / "http:x.mp4")
    assert probe(CameraConfig(source=str(path))).frames == 3


def test_metadata_that_is_not_utf8_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "yard.mkv"
    write_clip(path, 3)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"Lavf", b"\xff\xfe\xff\xfe"))
    assert probe(CameraConfig(source=str(path))).width == 64
