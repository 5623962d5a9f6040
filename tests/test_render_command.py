"""`streamer render` and `streamer export` whole: the same again, other masks, edits by hand, mistakes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streamer
from streamer import source
from streamer.channel import Stop
from streamer.config import CameraConfig
from streamer.frame import Frame
from streamer.hide import GREY
from tests import footage
from tests.footage import Image
from tests.standin import StandIn, box_of, command, rows, summary

pytestmark = pytest.mark.usefixtures("here", "detector")

FRAMES = 14
SETTINGS: dict[str, Any] = {"version": 1, "device": "cpu", "restore": "off", "blur": {"quantise": 1}}
Line = dict[str, Any]


def forbid_detecting(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> StandIn:
        raise AssertionError("a detector was loaded")

    monkeypatch.setattr("streamer.detect.load", refuse)


def write_config(text: str = "") -> Path:
    """A configuration as YAML, which JSON is."""
    path = Path("cam.yaml")
    cameras = {"yard": {"source": "yard.mkv"}}
    path.write_text(json.dumps({**SETTINGS, "cameras": cameras, **json.loads(text or "{}")}), "utf-8")
    return path


def detect(count: int = FRAMES, text: str = "") -> Path:
    """Run with the detector on a clip; returns the file of detections."""
    footage.write_clip(Path("yard.mkv"), count)
    outcome = command("run", write_config(text), "-q")
    assert outcome.code == 0, outcome.err
    return Path("out/yard/detections.jsonl")


def edit(path: Path, change: Callable[[int, Line], Line | None]) -> None:
    """Change lines, given by frame; None leaves one out."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    changed = [change(number, line) for number, line in enumerate(lines)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in changed if line is not None), "utf-8")


def lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def blurred(detections: str | None = None, tracks: Any = "recompute", **settings: Any) -> list[Image]:
    """The pictures that a run hands to the encoder, and what it writes left out."""
    given = {**SETTINGS, "output": "off", "cameras": {"yard": {"source": "yard.mkv"}}, **settings}
    with streamer.open(given, detections=detections, tracks=tracks) as run:
        return [result.blurred for result in run]


def originals() -> list[Image]:
    """The clip's pictures, as they are converted for everybody."""
    items = source.read("yard", CameraConfig(source="yard.mkv"), Stop(), source.SourceStats())
    return [item.image for item in items if isinstance(item, Frame)]


def inside(number: int) -> tuple[slice, slice]:
    """Pixels of the stand-in's object, well within."""
    x0, y0, x1, y1 = box_of(number)
    return slice(round(y0) + 1, round(y1) - 1), slice(round(x0) + 1, round(x1) - 1)


def cut() -> list[Image]:
    """Pictures of a clip with a scene cut at number 20."""
    return [footage.picture(n) if n < 20 else 255 - footage.picture(n)[::-1] for n in range(30)]


@pytest.mark.parametrize("tracks", ["recompute", "keep"])
def test_the_same_settings_give_the_same_files_again_without_a_detector(
    tracks: str, detector: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector.failing = {6, 12}
    footage.write_clip(Path("yard.mkv"), cut())
    config = write_config('{"detect": {"every": 2}}')
    assert command("run", config, "-q").code == 0
    forbid_detecting(monkeypatch)
    outcome = command("render", config, "--detections", "out", "--output", "again", "--tracks", tracks, "-q")
    assert (outcome.code, outcome.out) == (0, "")
    for name in ("detections.jsonl", "blurred.mp4"):
        assert Path("again/yard", name).read_bytes() == Path("out/yard", name).read_bytes()
    before, after = rows(Path("out/yard")), rows(Path("again/yard"))
    assert [{**row, "latency_ms": ""} for row in after] == [{**row, "latency_ms": ""} for row in before]
    assert {"begins", "failure", "looked", "carried"} <= {
        key for line in lines(Path("out/yard/detections.jsonl")) for key in line
    }
    facts = summary(Path("again/yard"))
    assert facts["frames_hidden_whole"] == summary(Path("out/yard"))["frames_hidden_whole"] != {}
    assert facts["detector"] == "detections in out"
    assert facts["engine"] == f"none, tracks {'recomputed' if tracks == 'recompute' else 'kept'}"


def test_the_pixels_before_encoding_are_the_same_again() -> None:
    detect()
    once = blurred()
    for tracks in ("recompute", "keep"):
        for image, again in zip(once, blurred("out", tracks), strict=True):
            np.testing.assert_array_equal(image, again)


def test_other_masks_are_had_from_the_same_detections() -> None:
    detect()
    outcome = command(
        "render", write_config('{"blur": {"method": "solid", "colour": [200, 40, 90]}}'),
        "--detections", "out/yard/detections.jsonl", "--output", "solid", "-q",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    for number, image in enumerate(footage.read_clip("solid/yard/blurred.mp4").images):
        assert np.abs(image[inside(number)].mean(axis=(0, 1)) - (200, 40, 90)).max() < 12
        assert footage.number_of(image) == number


def test_an_object_that_is_deleted_shows_and_one_that_is_drawn_or_moved_is_hidden() -> None:
    path = detect()
    original = originals()

    def change(number: int, line: Line) -> Line:
        if number == 3:
            return {**line, "objects": []}
        if number == 5:
            return {**line, "objects": [*line["objects"], {"box": [50, 14, 62, 20], "class": "person"}]}
        if number == 7:
            return {**line, "objects": [{**line["objects"][0], "box": [2, 30, 12, 44]}]}
        return line

    edit(path, change)
    solid = {"method": "solid", "scale": 1.0, "edge": "hard"}
    images = blurred("out", "keep", blur=solid)
    np.testing.assert_array_equal(images[3], original[3])
    for number, image in enumerate(images):
        grey = (image == GREY).all(axis=2)
        expected = np.zeros_like(grey)
        if number not in (3, 7):
            expected[inside(number)] = True
        if number == 5:
            expected[14:20, 50:62] = True
        if number == 7:
            expected[30:44, 2:12] = True
        assert grey[expected].all()
        assert not grey[:12].any()
        differing = (image != original[number]).any(axis=2)
        if number == 7:  # where it was before it was moved
            assert not differing[:, 14:].any()


def test_an_object_that_is_drawn_in_some_frames_is_hidden_between_them_too() -> None:
    path = detect()
    drawn = {"box": [50, 14, 62, 20], "class": "person"}
    edit(path, lambda n, line: {**line, "objects": [*line["objects"], drawn]} if n in (4, 5, 8) else line)
    solid = {"method": "solid", "scale": 1.0, "edge": "hard"}
    for number, image in enumerate(blurred("out", blur=solid)):
        if 4 <= number <= 8:
            assert (image[14:20, 50:62] == GREY).all()


def test_a_frame_without_a_line_is_hidden_whole_and_counted() -> None:
    path = detect()
    edit(path, lambda number, line: None if number in (2, 6) else line)
    outcome = command("render", write_config(), "--detections", "out", "--output", "again")
    assert outcome.code == 0
    assert "finding recorded detections failed" in outcome.err
    assert summary(Path("again/yard"))["frames_hidden_whole"] == {"no detections": 2}
    for number, image in enumerate(footage.read_clip("again/yard/blurred.mp4").images):
        assert (np.abs(image.astype(int) - GREY).max() < 12) == (number in (2, 6))
    assert [line.get("failure") for line in lines(Path("again/yard/detections.jsonl"))].count(
        "no detections"
    ) == 2


def test_the_file_of_a_run_that_was_killed_serves_as_far_as_it_goes() -> None:
    path = detect()
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:8]) + whole[8][:40])
    outcome = command("render", write_config(), "--detections", "out", "--output", "again")
    assert outcome.code == 0
    assert outcome.err.count(f"{path}, line 9: is cut off and left out") == 1
    assert summary(Path("again/yard"))["frames_hidden_whole"] == {"no detections": FRAMES - 8}


def test_a_wrong_line_is_named_before_anything_is_touched() -> None:
    path = detect()
    assert command("render", write_config(), "--detections", "out", "--output", "again", "-q").code == 0
    before = Path("again/yard/blurred.mp4").read_bytes()
    edit(path, lambda n, line: {**line, "objects": [{"box": [1, 2, 3], "class": "car"}]} if n == 9 else line)
    outcome = command("render", write_config(), "--detections", "out", "--output", "again", "--overwrite")
    assert outcome.code == 2
    assert outcome.err == (
        "streamer: out/yard/detections.jsonl, line 10: objects: box has 3 numbers, expected x0, y0, x1, y1\n"
    )
    assert Path("again/yard/blurred.mp4").read_bytes() == before


@pytest.mark.parametrize("given", ["out", "out/yard", "out/yard/detections.jsonl", "linked.jsonl"])
def test_the_detections_that_are_read_are_never_written_over(given: str) -> None:
    path = detect()
    Path("linked.jsonl").symlink_to(path)
    before = path.read_bytes()
    outcome = command("render", write_config(), "--detections", given, "--overwrite")
    assert outcome.code == 2
    assert outcome.err == (
        "streamer: out/yard/detections.jsonl is a source of this run: use another output.directory\n"
    )
    assert path.read_bytes() == before


def test_existing_outputs_are_refused_without_overwrite() -> None:
    detect()
    arguments = ("render", write_config(), "--detections", "out", "--output", "again", "-q")
    assert command(*arguments).code == 0
    assert "again/yard/blurred.mp4 exists already" in command(*arguments).err
    assert command(*arguments, "--overwrite").code == 0


def test_nothing_is_carried_across_a_cut_that_the_file_does_not_have() -> None:
    footage.write_clip(Path("yard.mkv"), cut())
    assert command("run", write_config(), "-q").code == 0
    path = Path("out/yard/detections.jsonl")
    assert command("export", "out", "labels.json", "-q").code == 0
    carried = [(line.get("carried"), line.get("begins")) for line in lines(path)]
    assert [number for number, (_, begins) in enumerate(carried) if begins] == [20]
    edit(path, lambda _, line: {key: value for key, value in line.items() if key != "begins"})
    for given in ("out", "labels.json"):
        again = f"again_{Path(given).stem}"
        outcome = command("render", write_config(), "--detections", given, "--output", again, "-q")
        assert outcome.code == 0, outcome.err
        found = lines(Path(again, "yard/detections.jsonl"))
        assert [(line.get("carried"), line.get("begins")) for line in found] == carried


ENSEMBLE = [
    {"model": "a", "classes": ["car", "person"], "hide_threshold": 0.04, "threshold": 0.9},
    {"model": "b", "classes": ["bus"], "hide_threshold": 0.6, "threshold": 0.9},
]


@pytest.mark.parametrize("tracks", ["recompute", "keep"])
def test_the_same_settings_are_taken_of_several_detectors_too(tracks: str) -> None:
    path = detect(text=json.dumps({"detect": ENSEMBLE}))
    one, other = {"car": 0.02, "person": 0.02}, {"bus": 0.3}
    assert lines(path)[0]["sought"] == {
        "classes": ["car", "person", "bus"],
        "score": 0.3,
        "scores": {**one, **other},
        "detectors": [one, other],
    }
    config = write_config(json.dumps({"detect": ENSEMBLE}))
    outcome = command("render", config, "--detections", "out", "--output", "again", "--tracks", tracks, "-q")
    assert outcome.code == 0, outcome.err
    assert Path("again/yard/detections.jsonl").read_bytes() == path.read_bytes()
    lower = [ENSEMBLE[0], {**ENSEMBLE[1], "hide_threshold": 0.1}]
    config = write_config(json.dumps({"detect": lower}))
    outcome = command("render", config, "--detections", "out", "--output", "other")
    assert "holds scores of bus from 0.3 on, and detect.1.hide_threshold is 0.1: raise it" in outcome.err


def test_what_is_rendered_claims_no_search_that_never_took_place() -> None:
    detect(text='{"detect": {"hide_threshold": 0.2}}')
    before = lines(Path("out/yard/detections.jsonl"))[0]["sought"]

    def claimed(given: str, tracks: str, **settings: Any) -> Any:
        config = write_config(json.dumps({"detect": settings}))
        outcome = command(
            "render", config, "--detections", given, "--tracks", tracks, "--output", "again",
            "--overwrite", "-q",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        return lines(Path("again/yard/detections.jsonl"))[0].get("sought")

    assert claimed("out", "keep", hide_threshold=0.01) == before
    assert claimed("out", "recompute", hide_threshold=0.11) == before
    # what is followed anew leaves out what is not asked for
    narrower = claimed("out", "recompute", hide_threshold=0.24, classes=["car"])
    assert narrower == {"classes": ["car"], "score": 0.12}
    assert command("export", "out", "labels.json", "-q").code == 0
    assert claimed("labels.json", "recompute") is None


def test_objects_of_a_class_that_is_not_named_are_told_of_and_not_kept_silently() -> None:
    path = detect()
    face = {"box": [50, 14, 62, 20], "class": "face"}
    edit(path, lambda n, line: {**line, "objects": [*line["objects"], face]} if n < 12 else line)
    arguments = ("render", write_config(), "--detections", "out", "--output", "again")
    outcome = command(*arguments)
    assert outcome.code == 0
    told = f"{path}: 12 objects of class face are not hidden: detect.classes does not name it"
    assert outcome.err.count(told) == 1
    outcome = command(*arguments, "--tracks", "keep", "--overwrite")
    assert (outcome.code, outcome.err) == (
        2,
        f"streamer: {path}: 12 objects of class face are hidden there, and detect.classes does not name it: "
        "name it, or follow objects anew (recompute)\n",
    )


def test_what_zones_left_showing_was_not_hidden() -> None:
    corner = [[[0.9, 0], [1, 0], [1, 0.1]]]
    zoned = {"yard": {"source": "yard.mkv", "zones": {"only": corner}}}
    path = detect(text=json.dumps({"cameras": zoned}))
    assert all(line["objects"] == [] for line in lines(path))
    assert all(entry["hidden"] is False for line in lines(path) for entry in line["also"])
    assert command("export", "out", "labels.json", "-q").code == 0
    facts = json.loads(Path("labels.json").read_text("utf-8"))
    assert (len(facts["images"]), facts["annotations"]) == (FRAMES, [])
    config = write_config(json.dumps({"cameras": zoned}))
    for tracks in ("recompute", "keep"):
        arguments = ("--detections", "out", "--output", tracks, "--tracks", tracks, "-q")
        assert command("render", config, *arguments).code == 0
        assert Path(tracks, "yard/detections.jsonl").read_bytes() == path.read_bytes()
    # it has the score to be hidden, where it counts
    for number, image in enumerate(blurred("out", "keep", blur={"method": "solid"})):
        assert (image[inside(number)] == GREY).all()


@pytest.mark.parametrize(
    ("detected", "asked", "message"),
    [
        (
            {"detect": {"classes": ["car"]}},
            {"detect": {"classes": ["car", "person"]}},
            "nobody looked for person there, only for car: change detect.classes, or run the detector",
        ),
        (
            {"detect": {"hide_threshold": 0.2}},
            {"detect": {"hide_threshold": 0.04}},
            "holds scores of person from 0.1 on, and detect.hide_threshold is 0.04: raise it, or run the "
            "detector",
        ),
    ],
)
def test_what_nobody_looked_for_cannot_be_hidden(
    detected: dict[str, Any], asked: dict[str, Any], message: str
) -> None:
    path = detect(text=json.dumps(detected))
    config = write_config(json.dumps(asked))
    outcome = command("render", config, "--detections", "out", "--output", "again")
    assert (outcome.code, outcome.err) == (2, f"streamer: {path}: {message}\n")


def test_footage_of_another_size_is_refused() -> None:
    path = detect()
    footage.write_clip(Path("yard.mkv"), [footage.picture(n, 80, 60) for n in range(FRAMES)])
    outcome = command("render", write_config(), "--detections", "out", "--output", "again")
    assert outcome.code == 2
    assert outcome.err == (
        f"streamer: {path}: is of pictures of 64x48, and those of cameras.yard.source (yard.mkv) have 80x60\n"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere", "nowhere: no such file or folder"),
        ("out", "out/yard/detections.jsonl: no such file, which is where detections of camera 'yard'"),
        ("empty.jsonl", "empty.jsonl: holds no frame"),
        ("cam.yaml", "cam.yaml: categories: is missing"),
    ],
)
def test_a_file_that_is_missing_or_another_kind_is_told(given: str, message: str) -> None:
    footage.write_clip(Path("yard.mkv"), 2)
    Path("out").mkdir()
    Path("empty.jsonl").touch()
    outcome = command("render", write_config(), "--detections", given)
    assert outcome.code == 2
    assert outcome.err.startswith(f"streamer: {message}")
    assert len(outcome.err.splitlines()) == 1


def test_a_live_camera_cannot_be_rendered_again() -> None:
    config = write_config('{"cameras": {"gate": {"source": "rtsp://127.0.0.1:1/x"}}}')
    outcome = command("render", config, "--detections", ".")
    assert outcome.code == 2
    assert "cameras.gate.source: is live: name the footage that was detected in" in outcome.err


def test_several_cameras_are_rendered_each_from_its_own_file() -> None:
    for name, count in (("a", 5), ("b", 7)):
        footage.write_clip(Path(f"{name}.mkv"), count)
    config = write_config()
    assert command("run", config, "a.mkv", "b.mkv", "-q").code == 0
    arguments = ("render", config, "a.mkv", "b.mkv", "--output", "again", "-q", "--detections")
    assert command(*arguments, "out").code == 0
    assert [len(rows(Path("again", name))) for name in ("a", "b")] == [5, 7]
    refused = command(*arguments, "out/a/detections.jsonl", "--overwrite")
    assert "out/a/detections.jsonl: is of one camera, and there are 2" in refused.err


def test_as_coco_json_detections_go_out_and_come_in_again() -> None:
    path = detect()
    assert command("export", "out", "labels.json", "-q").code == 0
    facts = json.loads(Path("labels.json").read_text("utf-8"))
    assert [image["file_name"] for image in facts["images"]] == [f"yard_{n}.jpg" for n in range(FRAMES)]
    assert {(image["width"], image["height"]) for image in facts["images"]} == {(64, 48)}
    names = {category["id"]: category["name"] for category in facts["categories"]}
    for number, (line, each) in enumerate(zip(lines(path), facts["annotations"], strict=True)):
        x, y, width, height = each["bbox"]
        assert [x, y, x + width, y + height] == pytest.approx(line["objects"][0]["box"], abs=0.011)
        assert [x, y, x + width, y + height] == pytest.approx(box_of(number), abs=0.02)
        assert (names[each["category_id"]], each["score"]) == ("car", 0.9)
    for image, again in zip(blurred(), blurred("labels.json"), strict=True):
        np.testing.assert_array_equal(image, again)


def test_an_image_that_is_taken_out_of_the_coco_file_is_hidden_whole_and_one_without_objects_shows() -> None:
    detect()
    assert command("export", "out/yard", "labels.json", "-q").code == 0
    facts = json.loads(Path("labels.json").read_text("utf-8"))
    del facts["images"][4]
    gone = {5, 8}  # the fifth image's, with number 5, and the eighth's
    facts["annotations"] = [each for each in facts["annotations"] if each["image_id"] not in gone]
    facts["images"][0]["file_name"] = "yard/000000.png"
    Path("labels.json").write_text(json.dumps(facts), "utf-8")
    images, original = blurred("labels.json", "keep"), originals()
    assert (images[4] == GREY).all()
    np.testing.assert_array_equal(images[7], original[7])
    assert (images[0][inside(0)] != original[0][inside(0)]).any()


def test_a_coco_file_of_other_cameras_is_refused() -> None:
    detect()
    assert command("export", "out", "labels.json", "-q").code == 0
    footage.write_clip(Path("gate.mkv"), 3)
    outcome = command("render", write_config(), "gate.mkv", "--detections", "labels.json")
    assert outcome.err == ("streamer: labels.json: has no image of camera 'gate', such as gate_0.jpg\n")


def test_an_export_replaces_nothing_unless_told_and_says_what_is_missing() -> None:
    path = detect()
    assert command("export", path, "labels.json").code == 0
    assert "labels.json exists already: use --overwrite" in command("export", path, "labels.json").err
    assert command("export", path, "labels.json", "--overwrite").code == 0
    Path("empty").mkdir()
    assert "empty: no detections.jsonl in it, nor in a folder in it" in command("export", "empty", "x").err
    edit(path, lambda _, line: {key: value for key, value in line.items() if key != "size"})
    assert f"{path}, line 1: no line so far tells the size" in command("export", path, "other.json").err


@pytest.mark.parametrize("target", ["out/yard/detections.jsonl", "linked.json"])
def test_an_export_never_writes_over_what_it_reads(target: str) -> None:
    path = detect()
    Path("linked.json").symlink_to(path)
    before = path.read_bytes()
    outcome = command("export", "out", target, "--overwrite")
    assert (outcome.code, outcome.err) == (
        2, f"streamer: {target} is what the detections are read from: name another file\n",
    )  # fmt: skip
    assert path.read_bytes() == before
    assert Path("linked.json").is_symlink()


@pytest.mark.parametrize("value", ["1" * 400, "1" * 5000, "[" * 10_000 + "]" * 10_000])
def test_a_coco_file_with_what_no_tool_writes_is_refused_in_one_line(value: str) -> None:
    detect()
    assert command("export", "out", "labels.json", "-q").code == 0
    text = Path("labels.json").read_text("utf-8")
    Path("labels.json").write_text(text.replace('"score": 0.9', f'"score": {value}', 1), "utf-8")
    outcome = command("render", write_config(), "--detections", "labels.json", "--output", "again")
    assert outcome.code == 2
    assert outcome.err.startswith("streamer: labels.json: ")
    assert len(outcome.err.splitlines()) == 1
