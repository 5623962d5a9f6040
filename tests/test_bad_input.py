"""What bad input gets: one line that says what and where, an exit code, and nothing that looks whole."""

import errno
import json
import os
import pickle
import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import safetensors.torch
import torch

import streamer
from streamer import modelfile, nets
from streamer.errors import StreamerError
from tests import footage
from tests.standin import Outcome, command, rows, summary

USAGE, FAILED = 2, 1

OUTPUTS = ("blurred.mp4", "restored.mp4", "frames.csv", "detections.jsonl", "summary.json")


@pytest.fixture(autouse=True)
def here(here: Path) -> Path:
    """An empty folder to work in, with a good clip."""
    footage.write_clip(Path("yard.mp4"), 8)
    return here


def write_config(text: str = "", cameras: str = "cameras: {yard: {source: yard.mp4}}") -> Path:
    path = Path("cam.yaml")
    restore = "" if "restore:" in text else "restore: off\n"
    path.write_text(f"version: 1\ndevice: cpu\n{restore}{text}\n{cameras}\n", encoding="utf-8")
    return path


def assert_refused(outcome: Outcome, *parts: str, code: int = USAGE) -> None:
    """One line with all ``parts`` in it and nothing else, and nothing written."""
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome.err
    for part in parts:
        assert part in lines[0]
    assert outcome.code == code
    assert outcome.out == ""
    if code == USAGE:
        assert not [path for path in Path().rglob("*") if path.name in OUTPUTS]


# the configuration


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("blurr: {kernel: 51}", ["blurr: unknown key", "did you mean 'blur'"]),
        ("blur: {kernal: 51}", ["blur.kernal: unknown key", "kernel"]),
        ("blur: {kernel: big}", ["blur.kernel:", "valid integer", "'big'"]),
        ("blur: {kernel: 50}", ["blur.kernel:", "odd"]),
        ("blur: {method: mosaic}", ["blur.method:", "gaussian", "'mosaic'"]),
        ("blur: 51", ["blur: expected keys and values", "51"]),
        ("detect: {classes: [lorry]}", ["detect.classes: unknown class 'lorry'"]),
        ("detect: {classes: [carr]}", ["detect.classes: unknown class 'carr'", "did you mean 'car'"]),
        ("detect: {classes: []}", ["detect.classes:", "at least 1"]),
        ("detect: {classes: car}", ["detect.classes:", "a list", "'car'"]),
        ("detect: {threshold: 1.5}", ["detect.threshold:", "less than or equal to 1", "1.5"]),
        ("detect: {threshold: -0.1}", ["detect.threshold:", "greater than or equal to 0", "-0.1"]),
        ("detect: {threshold: .nan}", ["detect.threshold:", "nan"]),
        ('detect: {threshold: "0.5"}', ["detect.threshold:", "valid number", "'0.5'"]),
        ("output: {directory: 3}", ["output.directory:", "valid string", "3"]),
        ("output: {crf: 99}", ["output.crf:", "less than or equal to 51", "99"]),
        ("blur: {kernel: 51}\nblur: {kernel: 31}", ["key 'blur' is given twice", "line 5"]),
    ],
)
def test_a_wrong_setting_is_one_line_with_the_file_the_key_and_what_is_expected(
    text: str, parts: list[str]
) -> None:
    assert_refused(command("run", write_config(text), "--quiet"), "streamer: cam.yaml: ", *parts)


@pytest.mark.parametrize(
    ("cameras", "parts"),
    [
        ("", ["cameras: expected at least one"]),
        ("cameras: {}", ["cameras: expected at least one"]),
        ("cameras: [yard.mp4]", ["cameras: expected at least one"]),
        ("cameras: {yard: yard.mp4}", ["cameras.yard: expected keys", "'yard.mp4'"]),
        ("cameras: {yard: {}}", ["cameras.yard.source: is missing"]),
        ("cameras: {yard: {sorce: yard.mp4}}", ["cameras.yard.sorce: unknown key", "did you mean 'source'"]),
        ("cameras: {yard: {source: 5}}", ["cameras.yard.source:", "valid string", "5"]),
        ("cameras: {yard: {source: yard.mp4, timeout: 0}}", ["cameras.yard.timeout:", "greater than 0"]),
        ("cameras: {yard: {source: yard.mp4, transport: http}}", ["cameras.yard.transport:", "'udp'"]),
        ("cameras: {yard: {source: a.mp4, detect: {model: x}}}", ["cameras.yard.detect.model:", "top level"]),
        ("cameras: {yard: {source: yard.mp4, blur: {kernel: 2}}}", ["cameras.yard.blur.kernel:", "2"]),
        ("cameras:\n  yard: {source: yard.mp4}\n  yard: {source: b.mp4}", ["key 'yard' is given twice"]),
        ("cameras: {yard: {source: yard.mp4}, Yard: {source: yard.mp4}}", ["'yard' and 'Yard'", "case"]),
        ("cameras: {../yard: {source: yard.mp4}}", ["camera name '../yard'", "folder"]),
        ("cameras: {/tmp/yard: {source: yard.mp4}}", ["camera name '/tmp/yard'", "folder"]),
        ("cameras: {..: {source: yard.mp4}}", ["camera name '..'", "folder"]),
        ("cameras: {a/b: {source: yard.mp4}}", ["camera name 'a/b'", "folder"]),
        ("cameras: {'': {source: yard.mp4}}", ["camera name ''", "folder"]),
        ("cameras: {gate: {source: 'rtsp://${NO_SUCH}@x/'}}", ["cameras.gate.source:", "NO_SUCH is not set"]),
    ],
)  # fmt: skip
def test_a_wrong_camera_is_one_line_with_its_name_and_what_is_expected(
    cameras: str, parts: list[str]
) -> None:
    assert_refused(command("run", write_config(cameras=cameras), "--quiet"), "streamer: cam.yaml: ", *parts)


def test_names_that_are_one_name_as_text_are_duplicates_too() -> None:
    path = write_config(cameras='cameras: {1: {source: yard.mp4}, "1": {source: other.mp4}}')
    assert_refused(command("run", path, "--quiet"), "cam.yaml: ", "'1'", "twice")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"cameras: [", ["line ", "not valid YAML"]),
        (b"- a\n- b\n", ["expected keys and values, found a list"]),
        (b"", ["expected keys and values, found nothing"]),
        (b"\xff\xfe\x00\x01", ["cannot be read as text"]),
        (b"cameras: {yard: {source: yard.mp4}}", ["version: is missing"]),
        (b"version: 2\ncameras: {yard: {source: yard.mp4}}", ["version:", "1", "2"]),
        (b"version: !!python/object/apply:os.mkdir [ran]\n", ["not valid YAML"]),
    ],
)
def test_a_file_that_is_no_configuration_is_one_line(content: bytes, parts: list[str]) -> None:
    Path("cam.yaml").write_bytes(content)
    assert_refused(command("run", "cam.yaml", "--quiet"), "streamer: cam.yaml: ", *parts)
    assert not Path("ran").exists()


def test_a_configuration_that_is_not_there_is_one_line() -> None:
    for name in ("run", "check"):
        assert_refused(command(name, "none.yaml"), "streamer: none.yaml: no such file")


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize(
    ("device", "says"), [("cuda", "cuda"), ("cuda:7", "cuda:7"), ("gpu", "auto, cpu, cuda")]
)
def test_a_device_that_is_not_there_is_one_line(device: str, says: str) -> None:
    if torch.cuda.is_available() and device == "cuda":
        pytest.skip("there is one here")
    assert_refused(command("run", write_config(), "--device", device, "--quiet"), "device: ", says)


def test_wrong_usage_is_exit_code_2() -> None:
    for arguments in (
        [],
        ["run"],
        ["walk"],
        ["run", "cam.yaml", "--durations", "3"],
        ["run", "x", "--duration", "-1"],
    ):
        assert command(*arguments).code == USAGE


# sources


def test_footage_that_is_not_there_is_one_line_and_nothing_is_run() -> None:
    assert_refused(
        command("run", write_config(), "yard.mp4", "gone.mp4", "--quiet"), "gone.mp4: no such file"
    )


@pytest.mark.usefixtures("detector")
def test_a_configured_source_that_is_not_there_is_one_line_and_nothing_is_run() -> None:
    path = write_config(cameras="cameras: {yard: {source: yard.mp4}, gate: {source: gone.mp4}}")
    assert_refused(command("run", path, "--quiet"), "cameras.gate.source: gone.mp4: no such file")


def test_a_folder_without_footage_is_one_line() -> None:
    Path("clips").mkdir()
    Path("clips/notes.txt").write_text("no video", encoding="utf-8")
    assert_refused(command("run", write_config(), "clips", "--quiet"), "clips: holds neither a video nor")


def raw_video(width: int, height: int) -> bytes:
    """Video of a declared size, of which not much more than the header is there."""
    return f"YUV4MPEG2 W{width} H{height} F25:1 Ip C420jpeg\nFRAME\n".encode() + bytes(5000)


def without_its_end() -> bytes:
    path = footage.write_clip(Path("whole.mp4"), 8)
    content = path.read_bytes()
    path.unlink()
    return content[: len(content) // 2]


def of_no_frames() -> bytes:
    return footage.write_clip(Path("none.mp4"), 0).read_bytes()


def of_sound_alone() -> bytes:
    import av

    with av.open("sound.mp4", "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(footage.chirp(1.0)[None, :1024], "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Path("sound.mp4").read_bytes()


def encrypted() -> bytes:
    options = {
        "encryption_scheme": "cenc-aes-ctr", "encryption_key": "00112233445566778899aabbccddeeff",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }  # fmt: skip
    return footage.write_clip(Path("secret.mp4"), 8, container_options=options).read_bytes()


UNREADABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "text": (lambda: b"to whom it may concern\n" * 200, "is not a video file"),
    "noise": (lambda: np.random.default_rng(1).bytes(50_000), "is not a video file"),
    "truncated": (without_its_end, "is cut off, its index (moov) is missing"),
    "frameless": (of_no_frames, "no video"),
    "sound": (of_sound_alone, "sound but no picture"),
    "encrypted": (encrypted, "is encrypted"),
    "size zero": (lambda: raw_video(0, 0), "is not a video file"),
    "too wide": (lambda: raw_video(20_000, 5_000), "pictures of 20000x5000 pixels"),
    "absurd": (lambda: raw_video(40_000, 30_000), "is not a video file"),
}


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_file_that_cannot_be_read_fails_its_camera_alone_in_one_line(kind: str) -> None:
    make, says = UNREADABLE[kind]
    Path("bad.mp4").write_bytes(make())
    path = write_config(cameras="cameras: {bad: {source: bad.mp4}, yard: {source: yard.mp4}}")
    outcome = command("run", path, "--quiet")
    assert_refused(outcome, "bad: bad.mp4: ", says, code=FAILED)
    assert says in summary(Path("out/bad"))["error"]
    assert rows(Path("out/bad")) == []
    assert not Path("out/bad/blurred.mp4").exists()
    assert summary(Path("out/yard"))["error"] is None
    assert len(rows(Path("out/yard"))) == len(footage.read_clip("out/yard/blurred.mp4").images) == 8


@pytest.mark.usefixtures("detector")
def test_a_file_cut_off_in_the_middle_keeps_what_is_whole_and_says_so() -> None:
    whole = footage.write_clip(Path("whole.mkv"), 60)
    Path("cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    outcome = command("run", write_config(), "cut.mkv", "--quiet")
    assert_refused(outcome, "cut: cut.mkv ends early: ", code=FAILED)
    kept = len(rows(Path("out/cut")))
    assert 0 < kept < 60
    assert f"{kept} frames" in outcome.err
    assert [footage.number_of(image) for image in footage.read_clip("out/cut/blurred.mp4").images] == list(
        range(kept)
    )
    assert "ends early" in summary(Path("out/cut"))["error"]


@pytest.mark.usefixtures("detector")
def test_an_unreadable_source_fails_the_check_and_the_others_are_still_probed() -> None:
    Path("bad.mp4").write_bytes(b"")
    outcome = command(
        "check", write_config(cameras="cameras: {bad: {source: bad.mp4}, yard: {source: yard.mp4}}")
    )
    assert outcome.code == FAILED
    assert re.search(r"^bad .*bad\.mp4: is empty", outcome.out, re.MULTILINE)
    assert re.search(r"^yard .* 64x48 at 25 fps", outcome.out, re.MULTILINE)


# models


class Trap:
    """What, once unpickled, makes the folder ``ran``."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


@pytest.mark.usefixtures("detector")
def test_a_restorer_that_carries_code_is_refused_without_running_it() -> None:
    path = Path("model.safetensors")
    for save in (lambda: torch.save(Trap(), path), lambda: path.write_bytes(pickle.dumps(Trap()))):
        save()
        outcome = command("run", write_config("restore: {model: model.safetensors}"), "--quiet")
        assert_refused(outcome, "model.safetensors: a pickle or zip", "never loaded", "trainer fit")
        assert not Path("ran").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_detector_weights_that_carry_code_are_refused_without_running_it(suffix: str) -> None:
    path = Path(f"weights{suffix}")
    setting = f"detect: {{model: ssdlite320_mobilenet_v3_large, weights: {path}}}"
    for save in (lambda: torch.save({"a": Trap()}, path), lambda: path.write_bytes(pickle.dumps(Trap()))):
        save()
        assert_refused(command("run", write_config(setting), "--quiet"), "detect.weights: ", str(path))
        assert not Path("ran").exists()


def saved_model(path: Path, task: str = "deblur") -> Path:
    header = modelfile.Header("autoencoder", {}, task, size=16)
    modelfile.save(path, nets.build("autoencoder", {}), header, half=True)
    return path


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such model file"),
        (lambda path: path.write_bytes(b""), "an empty file"),
        (lambda path: path.write_bytes(b"MZ" + bytes(500)), "not a safetensors file"),
        (lambda path: path.write_bytes(saved_model(path).read_bytes()[:-1000]), "truncated or damaged"),
        (lambda path: path.write_bytes(saved_model(path).read_bytes()[:40]), "truncated or damaged"),
        (lambda path: safetensors.torch.save_file({"a": torch.zeros(1)}, path), "without our header"),
        (lambda path: saved_model(path, "detect"), "a model for 'detect', expected one for 'deblur' or"),
        (lambda path: path.mkdir(), "cannot be read"),
    ],
)
def test_a_restorer_of_the_wrong_kind_is_one_line(make: Callable[[Path], None], says: str) -> None:
    make(Path("model.safetensors"))
    outcome = command("run", write_config("restore: {model: model.safetensors}"), "--quiet")
    assert_refused(outcome, "streamer: model.safetensors: ", says)


@pytest.mark.usefixtures("detector")
def test_a_bundled_restorer_that_does_not_exist_is_one_line_with_those_that_do() -> None:
    outcome = command("run", write_config('restore: {model: "bundled:night"}'), "--quiet")
    assert_refused(outcome, "'bundled:night'", "bundled:deblur")


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("model: none.onnx", ["none.onnx: no such model file"]),
        ("model: empty.onnx", ["empty.onnx: not an ONNX model"]),
        ("model: noise.onnx", ["noise.onnx: not an ONNX model"]),
        ("model: folder.onnx", ["folder.onnx: no such model file"]),
        ("model: resnet50", ["unknown detector 'resnet50'", "bundled"]),
        ("model: fasterrcnn_resnet50_fp", ["unknown detector", "did you mean 'fasterrcnn_resnet50_fpn'"]),
        ("model: bundled, weights: noise.onnx", ["detect.weights:"]),
        ("model: ssdlite320_mobilenet_v3_large, weights: gone.pth", ["gone.pth: no such file"]),
        ("model: ssdlite320_mobilenet_v3_large, weights: noise.onnx", ["noise.onnx: "]),
    ],
)
def test_a_detector_of_the_wrong_kind_is_one_line(setting: str, parts: list[str]) -> None:
    Path("empty.onnx").write_bytes(b"")
    Path("noise.onnx").write_bytes(np.random.default_rng(2).bytes(5000))
    Path("folder.onnx").mkdir()
    assert_refused(command("run", write_config(f"detect: {{{setting}}}"), "--quiet"), *parts)


def test_a_truncated_detector_is_one_line(shared: Path) -> None:
    Path("half.onnx").write_bytes((shared / "models/yolox_nano.onnx").read_bytes()[:500_000])
    assert_refused(
        command("run", write_config("detect: {model: half.onnx}"), "--quiet"), "half.onnx: not an ONNX model"
    )


def test_weights_that_cannot_be_downloaded_say_which_file_to_put_where(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no network in this test")

    monkeypatch.setenv("TORCH_HOME", "hub")
    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    setting = "detect: {model: ssdlite320_mobilenet_v3_large}"
    assert_refused(
        command("run", write_config(setting), "--quiet"),
        "ssdlite320_mobilenet_v3_large_coco-a79551df.pth cannot be downloaded", "no network in this test",
        "https://download.pytorch.org/models/", "put it into hub",
    )  # fmt: skip


# outputs


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize("directory", ["yard.mp4/out", "/proc/streamer"])
def test_an_output_folder_that_cannot_be_written_to_is_one_line(directory: str) -> None:
    outcome = command("run", write_config(f"output: {{directory: {directory}}}"), "--quiet")
    assert_refused(outcome, f"{directory}/yard: cannot be written to: ")


@pytest.mark.usefixtures("detector")
@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_an_output_folder_without_permission_is_one_line() -> None:
    Path("out").mkdir(mode=0o500)
    assert_refused(
        command("run", write_config(), "--quiet"), "out/yard: cannot be written to: Permission denied"
    )


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize("name", [*OUTPUTS, "events.jsonl"])
def test_any_earlier_output_is_refused_and_left_as_it_was(name: str) -> None:
    Path("out/yard").mkdir(parents=True)
    Path("out/yard", name).write_text("earlier", encoding="utf-8")
    outcome = command("run", write_config(), "--quiet")
    assert outcome.code == USAGE
    assert outcome.err == (
        f"streamer: out/yard/{name} exists already: use --overwrite, or another output.directory\n"
    )
    assert [path.read_text(encoding="utf-8") for path in Path("out/yard").iterdir()] == ["earlier"]


@pytest.mark.usefixtures("detector")
def test_overwrite_leaves_nothing_of_an_earlier_run() -> None:
    assert command("run", write_config("restore: {}"), "--quiet").code == 0
    Path("out/yard/events.jsonl").write_text("earlier", encoding="utf-8")
    Path("out/yard/mine.txt").write_text("not an output", encoding="utf-8")
    footage.write_clip(Path("yard.mp4"), 3)
    assert command("run", write_config("restore: off"), "--quiet", "--overwrite").code == 0
    left = {path.name for path in Path("out/yard").iterdir()}
    assert left == {"blurred.mp4", "frames.csv", "detections.jsonl", "summary.json", "mine.txt"}
    assert len(rows(Path("out/yard"))) == 3


@pytest.mark.usefixtures("detector")
def test_overwrite_never_deletes_what_is_about_to_be_read() -> None:
    Path("out/yard").mkdir(parents=True)
    Path("yard.mp4").rename("out/yard/blurred.mp4")
    content = Path("out/yard/blurred.mp4").read_bytes()
    for source in ("out/yard/blurred.mp4", "out/yard"):
        path = write_config(cameras=f"cameras: {{yard: {{source: {source}}}}}")
        outcome = command("run", path, "--quiet", "--overwrite")
        assert outcome.code == USAGE
        assert f"{source} is a source of this run" in outcome.err
        assert Path("out/yard/blurred.mp4").read_bytes() == content


@pytest.fixture
def small_disk(here: Path) -> Iterator[Path]:
    """A file system of 96 KB, where the tests may mount one."""
    folder = here / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("may not mount a small disk here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def busy_clip(path: str, frames: int) -> None:
    """Footage that does not compress."""
    rng = np.random.default_rng(3)
    images = [rng.integers(0, 256, (48, 64, 3)).astype(np.uint8) for _ in range(frames)]
    footage.write_clip(Path(path), images)


def assert_gate_alone_failed(folder: Path, reason: str) -> None:
    """Camera ``gate`` stopped in the middle with whole files, and ``yard`` went on to its end."""
    assert len(rows(Path("out/yard"))) == len(footage.read_clip("out/yard/blurred.mp4").images) == 60
    assert summary(Path("out/yard"))["error"] is None
    written = len(rows(folder))
    assert 0 < written < 60
    # what is lost is the fragment that did not fit, of a second or a little more
    times = footage.read_clip(folder / "blurred.mp4").times
    assert times == [Fraction(number, 25) for number in range(len(times))]
    assert max(1, written - 35) <= len(times) <= written + 8
    last = (folder / "detections.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(last)["objects"]
    if (folder / "summary.json").exists():
        assert reason in summary(folder)["error"]


@pytest.mark.usefixtures("detector")
def test_a_full_disk_stops_its_camera_alone_and_keeps_what_is_whole(small_disk: Path) -> None:
    busy_clip("gate.mp4", 60)
    footage.write_clip(Path("yard.mp4"), 60)
    path = write_config(
        cameras="cameras: {gate: {source: gate.mp4, output: {directory: disk}}, yard: {source: yard.mp4}}"
    )
    outcome = command("run", path, "--quiet")
    assert outcome.code == FAILED
    assert "gate: disk/gate/" in outcome.err.splitlines()[0]
    assert "cannot be written: No space left on device" in outcome.err.splitlines()[0]
    assert "yard" not in outcome.err
    assert_gate_alone_failed(small_disk / "gate", "No space left on device")


@pytest.mark.usefixtures("detector")
def test_a_disk_that_is_full_from_the_start_fails_its_camera_alone(small_disk: Path) -> None:
    footage.write_clip(Path("gate.mp4"), 60)
    footage.write_clip(Path("yard.mp4"), 60)
    path = write_config(
        cameras="cameras: {yard: {source: yard.mp4}, gate: {source: gate.mp4, output: {directory: disk}}}"
    )
    (small_disk / "gate").mkdir()
    (small_disk / "full").write_bytes(bytes(96 * 1024))
    outcome = command("run", path, "--quiet")
    assert outcome.code == FAILED
    assert "No space left on device" in outcome.err
    assert len(rows(Path("out/yard"))) == 60
    assert not (small_disk / "gate/blurred.mp4").exists()


@pytest.mark.usefixtures("detector")
def test_a_limit_on_the_size_of_files_stops_its_camera_alone() -> None:
    busy_clip("gate.mp4", 60)
    footage.write_clip(Path("yard.mp4"), 60)
    path = write_config(cameras="cameras: {gate: {source: gate.mp4}, yard: {source: yard.mp4}}")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        outcome = command("run", path, "--quiet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert outcome.code == FAILED
    says = f"out/gate/blurred.mp4: cannot be written: {os.strerror(errno.EFBIG)}"
    assert len(outcome.err.splitlines()) == 1
    assert says in outcome.err
    assert_gate_alone_failed(Path("out/gate"), says)
    assert says in summary(Path("out/gate"))["error"]


# everything else


def test_the_same_errors_come_from_python_as_exceptions_of_one_family() -> None:
    with pytest.raises(StreamerError, match="no such file"):
        streamer.open("none.yaml")
    with pytest.raises(ValueError, match="unknown key"):
        streamer.open({"version": 1, "camera": {}})


@pytest.mark.usefixtures("detector")
def test_an_output_folder_that_no_file_system_can_name_is_one_line() -> None:
    outcome = command("run", write_config(f"output: {{directory: {'x' * 300}}}"), "--quiet")
    assert_refused(outcome, "xxx/yard: cannot be written to: ")


@pytest.mark.usefixtures("detector")
def test_verbose_adds_the_traceback_that_the_others_keep_to_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("somewhere deep")

    monkeypatch.setattr("streamer.pipeline.check_outputs", broken)
    outcome = command("run", write_config(), "--quiet")
    assert_refused(outcome, "ZeroDivisionError: somewhere deep (--verbose shows where)", code=FAILED)
    assert "Traceback" in command("run", write_config(), "--verbose").err
