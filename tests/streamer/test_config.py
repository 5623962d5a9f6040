import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamer.classes import STREET
from streamer.config import (
    BlurConfig,
    CameraConfig,
    Config,
    TamperConfig,
    ZonesConfig,
    into,
    load,
    parse,
)  # fmt: skip
from streamer.detectors import HIDE_THRESHOLD
from streamer.errors import ConfigError
from streamer.restorers import RestoreConfig
from streamer.zeroshot import ZeroShotConfig

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
MINIMAL: Mapping[str, Any] = {"version": 1, "cameras": {"gate": {"source": "gate.mp4"}}}


def override(detect: object) -> Mapping[str, Any]:
    """A camera that overrides ``detect``."""
    return {"gate": {"source": "a", "detect": detect}}


def written(folder: Path, text: str) -> Path:
    path = folder / "cam.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_commented_example_says_what_the_defaults_are() -> None:
    config = load(CONFIGS / "cam.yaml", environment={"CAM_USER": "u", "CAM_PASSWORD": "p"})
    assert config.cameras["yard"] == CameraConfig(source="footage/yard.mp4")
    assert config.device == Config.model_fields["device"].default
    given = yaml.safe_load((CONFIGS / "cam.yaml").read_text())
    for section in ("detect", "track", "blur", "watch", "output"):
        assert set(given[section]) == set(type(getattr(config.cameras["yard"], section)).model_fields)
    assert set(given["restore"]) == set(RestoreConfig.model_fields)
    assert set(given["cameras"]["gate"]["zones"]) == set(ZonesConfig.model_fields)
    assert set(given["cameras"]["yard"]) | set(given["cameras"]["gate"]) == {
        "source", "fps", "transport", "timeout", "detect", "blur", "zones",
    }  # fmt: skip


def test_the_commented_example_says_what_watching_is_set_to() -> None:
    (said,) = re.findall(r"watches as (\{.*?\})", (CONFIGS / "cam.yaml").read_text())
    assert set(yaml.safe_load(said)) == set(TamperConfig.model_fields)
    config = parse({**MINIMAL, "watch": {"tamper": yaml.safe_load(said)}})
    assert config.cameras["gate"].watch.tamper == TamperConfig()


def test_the_commented_example_says_what_zero_shot_alerts_are_set_to() -> None:
    text = (CONFIGS / "cam.yaml").read_text(encoding="utf-8")
    (block,) = re.findall(r"^  # zeroshot:\n((?:  #   .*\n)+)", text, re.MULTILINE)
    said = yaml.safe_load("\n".join(line.removeprefix("  # ") for line in block.splitlines()))
    assert set(said) == set(ZeroShotConfig.model_fields)
    config = parse({**MINIMAL, "watch": {"zeroshot": said}})
    assert config.cameras["gate"].watch.zeroshot == ZeroShotConfig()


def test_accidents_of_vehicles_that_nobody_looks_for_are_refused() -> None:
    watched = {**MINIMAL, "watch": {"accident": "head.safetensors"}}
    with pytest.raises(ConfigError, match=r"watch\.accident: is about vehicles, and detect\.classes has"):
        parse({**watched, "detect": {"classes": ["person"]}})
    assert parse({**watched, "detect": {"classes": ["person", "truck"]}}).cameras["gate"].watch.accident


def test_nothing_is_watched_unless_it_is_named_and_a_camera_may_differ() -> None:
    assert parse(MINIMAL).cameras["gate"].watch.tamper is None
    cameras = {
        "gate": {"source": "a"},
        "yard": {"source": "b", "watch": {"tamper": False}},
        "dock": {"source": "c", "watch": {"tamper": {"kinds": ["covered"]}}},
    }
    config = parse({"version": 1, "watch": {"tamper": {"every": 1.0}}, "cameras": cameras})
    tampers = {name: camera.watch.tamper for name, camera in config.cameras.items()}
    assert tampers == {
        "gate": TamperConfig(every=1.0),
        "yard": None,
        "dock": TamperConfig(every=1.0, kinds=("covered",)),
    }


@pytest.mark.parametrize(
    ("tamper", "parts"),
    [
        ({"evry": 1}, ["watch.tamper.evry", "unknown key", "every"]),
        ({"every": 0}, ["watch.tamper.every", "0.04"]),
        ({"seconds": 6.0}, ["watch.tamper", "window", "shorter"]),
        ({"kinds": ["blurred"]}, ["watch.tamper.kinds", "defocused"]),
        ("on", ["watch.tamper", "'on'"]),
    ],
)
def test_what_is_wrong_with_watching_is_named(tamper: object, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        parse({**MINIMAL, "watch": {"tamper": tamper}})
    assert all(part in str(raised.value) for part in parts), raised.value
    assert "\n" not in str(raised.value)


def test_the_reference_is_set_as_published() -> None:
    camera = load(CONFIGS / "cam-reference.yaml").cameras["yard"]
    assert (camera.detect.model, camera.detect.classes, camera.detect.threshold) == (
        "fasterrcnn_resnet50_fpn", ("car",), 0.7,
    )  # fmt: skip
    assert (camera.detect.mirror, camera.detect.hides_large_from) == (False, 0.7)
    assert camera.blur.kernel == 51
    assert [each.mode for each in camera.restore] == ["frame"]


def test_a_camera_overrides_single_keys_of_the_defaults() -> None:
    config = parse(
        {
            **MINIMAL,
            "detect": {"threshold": 0.5, "classes": ["car"]},
            "restore": {"mode": "frame"},
            "cameras": {
                "gate": {"source": "a.mp4", "detect": {"threshold": 0.9}},
                "yard": {"source": "b.mp4", "restore": "off", "output": False},
            },
        }
    )
    gate, yard = config.cameras["gate"], config.cameras["yard"]
    assert (gate.detect.threshold, gate.detect.classes) == (0.9, ("car",))
    assert [each.mode for each in gate.restore] == ["frame"]
    assert yard.detect.threshold == 0.5
    assert yard.restore == ()
    assert yard.output is None


def test_what_counts_is_hidden_and_footage_looks_ahead_where_live_does_not() -> None:
    config = parse(
        {
            **MINIMAL,
            "detect": {"threshold": 0.05},
            "track": {"hold": 2},
            "cameras": {
                "gate": {"source": "a.mp4"},
                "yard": {"source": "b.mp4", "detect": {"threshold": 0.5, "every": 3}},
                "lane": {"source": "c.mp4", "track": {"lookahead": 2}},
            },
        }
    )
    gate, yard, lane = (config.cameras[name] for name in ("gate", "yard", "lane"))
    assert (gate.detect.hides_from, yard.detect.hides_from) == (0.05, HIDE_THRESHOLD)
    assert (gate.detect.every, yard.detect.every) == (1, 3)
    assert [each.track.seconds(live=False) for each in (gate, yard, lane)] == [0.5, 0.5, 2.0]
    assert [each.track.seconds(live=True) for each in (gate, yard, lane)] == [0.0, 0.0, 2.0]
    assert lane.track.hold == 2.0


TWO = [{"model": "a.onnx", "every": 2, "threshold": 0.5}, {"model": "b.onnx", "classes": ["face"]}]


def test_detect_may_be_a_list() -> None:
    detect = parse({**MINIMAL, "detect": TWO}).cameras["gate"].detect
    assert [each.model for each in detect.detectors] == ["a.onnx", "b.onnx"]
    assert [each.threshold for each in detect.detectors] == [0.5, 0.25]
    assert [each.classes for each in detect.detectors] == [STREET, ("face",)]
    assert detect.every == 2
    assert parse({**MINIMAL, "detect": TWO[:1]}).cameras["gate"].detect.detectors[0].model == "a.onnx"
    assert len(parse(MINIMAL).cameras["gate"].detect.detectors) == 1
    alone = parse({**MINIMAL, "detect": TWO[:1], "cameras": override({"classes": ["car"]})}).cameras["gate"]
    assert alone.detect.classes == ("car",)


def test_a_camera_overrides_thresholds_of_all_detectors_or_of_each() -> None:
    config = parse(
        {
            **MINIMAL,
            "detect": TWO,
            "cameras": {
                "all": {"source": "a", "detect": {"threshold": 0.4, "every": 5}},
                "each": {"source": "b", "detect": [{}, {"threshold": 0.9, "classes": ["person"]}]},
            },
        }
    )
    everyone, each = config.cameras["all"].detect, config.cameras["each"].detect
    assert [one.threshold for one in everyone.detectors] == [0.4, 0.4]
    assert [one.model for one in everyone.detectors] == ["a.onnx", "b.onnx"]
    assert everyone.every == 5
    assert [one.threshold for one in each.detectors] == [0.5, 0.9]
    assert [one.classes for one in each.detectors] == [STREET, ("person",)]
    assert each.every == 2


def test_tiles_are_columns_by_rows() -> None:
    assert parse(MINIMAL).cameras["gate"].detect.grid == (1, 1)
    assert parse({**MINIMAL, "detect": {"tiles": "3x2"}}).cameras["gate"].detect.grid == (3, 2)


def test_groups_of_classes_are_resolved_once() -> None:
    config = parse({**MINIMAL, "detect": {"classes": ["two-wheeler", "person", "bicycle"]}})
    assert config.cameras["gate"].detect.classes == ("bicycle", "motorcycle", "person")


def test_off_is_understood_as_yaml_reads_it(tmp_path: Path) -> None:
    text = "version: 1\ncameras:\n  gate: {source: gate.mp4}\nrestore: off\noutput: 'off'\n"
    camera = load(written(tmp_path, text)).cameras["gate"]
    assert camera.restore == ()
    assert camera.output is None


def test_variables_come_from_the_environment() -> None:
    data = {**MINIMAL, "cameras": {"gate": {"source": "rtsp://${USER}:${PASS}@host/1"}}}
    config = parse(data, environment={"USER": "me", "PASS": "s3cret"})
    assert config.cameras["gate"].source == "rtsp://me:s3cret@host/1"


def test_all_outputs_go_into_another_folder_and_what_is_off_stays_off() -> None:
    cameras = {"a": {"source": "a.mp4", "output": {"crf": 30}}, "b": {"source": "b.mp4", "output": "off"}}
    config = into(parse({"version": 1, "cameras": cameras}), "elsewhere")
    output = config.cameras["a"].output
    assert output is not None
    assert (output.directory, output.crf) == ("elsewhere", 30)
    assert config.cameras["b"].output is None


def test_footage_replaces_the_cameras_whatever_they_are() -> None:
    data = {"version": 1, "detect": {"threshold": 0.5}, "cameras": {"gate": {"source": "${UNSET}"}}}
    config = parse(data, sources={"a": "a.mp4", "b": "b.mp4"}, device="cpu", environment={})
    assert {name: camera.source for name, camera in config.cameras.items()} == {"a": "a.mp4", "b": "b.mp4"}
    assert config.cameras["a"].detect.threshold == 0.5
    assert config.device == "cpu"
    assert parse({"version": 1}, sources={"a": "a.mp4"}).cameras["a"].source == "a.mp4"


def test_settings_of_a_class_win_over_its_groups_and_these_over_what_holds_for_all() -> None:
    blur = {
        "strength": 0.2,
        "car": {"scale": 2.0},
        "two-wheeler": {"method": "solid"},
        "vehicle": {"method": "pixelate", "scale": 1.5},
    }
    camera = {"source": "a.mp4", "blur": {"edge": "hard", "car": {"shape": "ellipse"}, "kernel": None}}
    how = parse({**MINIMAL, "blur": blur, "cameras": {"gate": camera}}).cameras["gate"].blur
    by_class = {label: how.of(label) for label in ("person", "truck", "bicycle", "car")}
    assert {label: (own.method, own.scale, own.shape) for label, own in by_class.items()} == {
        "person": ("gaussian", 1.1, "box"),
        "truck": ("pixelate", 1.5, "box"),
        "bicycle": ("solid", 1.5, "box"),
        "car": ("pixelate", 2.0, "ellipse"),
    }
    assert {(own.strength, own.edge) for own in by_class.values()} == {(0.2, "hard")}


def test_a_scale_of_1_1_grows_each_side_by_a_twentieth() -> None:
    assert BlurConfig().padding == 0.05
    assert BlurConfig(scale=1.0).padding == 0.0


TRIANGLE = [[0, 0], [1, 0], [0.5, 1]]


def gate(zones: Any) -> dict[str, Any]:
    return {"gate": {"source": "a.mp4", "zones": zones}}


def test_zones_are_polygons_in_shares_of_the_frame() -> None:
    camera = parse({**MINIMAL, "cameras": gate({"hide": [TRIANGLE], "keep": []})}).cameras["gate"]
    assert camera.zones == ZonesConfig(hide=(((0.0, 0.0), (1.0, 0.0), (0.5, 1.0)),))
    assert parse(MINIMAL).cameras["gate"].zones == ZonesConfig()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detct": {}}, "detct: unknown key (did you mean 'detect'?); known here: version, device, cameras"),
        ({"detect": {"treshold": 0.5}}, "detect.treshold: unknown key (did you mean 'threshold'?)"),
        ({"detect": {"threshold": 1.5}}, "detect.threshold: expected less than or equal to 1, found 1.5"),
        (
            {"detect": {"threshold": -0.1}},
            "detect.threshold: expected greater than or equal to 0, found -0.1",
        ),
        (
            {"detect": {"threshold": 0.2, "hide_threshold": 0.3}},
            "detect: hide_threshold is 0.3, above threshold (0.2)",
        ),
        (
            {"detect": {"hide_threshold": 0.1, "hide_threshold_large": 0.05}},
            "detect: hide_threshold_large is 0.05: expected from hide_threshold (0.1) to threshold (0.25)",
        ),
        (
            {"detect": {"hide_threshold_large": 0.3}},
            "detect: hide_threshold_large is 0.3: expected from hide_threshold (0.2) to threshold (0.25)",
        ),
        (
            {"detect": [{}, {"hide_threshold_large": 0.25}]},
            "detect.1.hide_threshold_large: stands where there is one detector alone",
        ),
        ({"detect": {"every": 0}}, "detect.every: expected greater than or equal to 1, found 0"),
        ({"detect": []}, "detect: expected keys and values, or a list with those of each detector, found no"),
        ({"detect": ["a"]}, "detect.0: expected keys and values, found 'a'"),
        ({"detect": [{}, {"treshold": 1}]}, "detect.1.treshold: unknown key (did you mean 'threshold'?)"),
        ({"detect": [{}, {"threshold": 2}]}, "detect.1.threshold: expected less than or equal to 1, found 2"),
        ({"detect": [{}, {"every": 2}]}, "detect.1.every: holds for all detectors of the list; give it with"),
        ({"detect": TWO, "cameras": override({"classes": ["car"]})}, "cameras.gate.detect.classes: which of"),
        ({"detect": TWO, "cameras": override([{}])}, "cameras.gate.detect: expected 2 entries, one for each"),
        ({"detect": TWO, "cameras": override([{}, 3])}, "cameras.gate.detect.1: expected keys and values"),
        ({"detect": TWO, "cameras": override(3)}, "cameras.gate.detect: expected keys and values, found 3"),
        (
            {"detect": TWO, "cameras": override([{}, {"model": "c"}])},
            "cameras.gate.detect.1.model: all cameras share one; set it at the top level",
        ),
        (
            {"cameras": override([{}])},
            "cameras.gate.detect: expected keys and values, found a list; all cameras share the detectors",
        ),
        (
            {"detect": {"tiles": 2}},
            "detect.tiles: expected columns and rows of tiles, from 1x1 to 8x8, found 2",
        ),
        ({"detect": {"tiles": "9x1"}}, "detect.tiles: expected columns and rows of tiles, from 1x1 to 8x8"),
        ({"cameras": override({"tiles": "2x2"})}, "cameras.gate.detect.tiles: all cameras share one"),
        ({"detect": {"every": 1.5}}, "detect.every: expected a valid integer, found 1.5"),
        ({"track": {"lookahead": -1}}, "track.lookahead: expected greater than or equal to 0, found -1"),
        ({"track": {"lookahead": float("inf")}}, "track.lookahead: expected a finite number"),
        ({"track": {"look_ahead": 1}}, "track.look_ahead: unknown key (did you mean 'lookahead'?)"),
        (
            {"cameras": {"gate": {"source": "a", "track": {"hold": 61.0}}}},
            "cameras.gate.track.hold: expected less than or equal to 60, found 61.0",
        ),
        ({"detect": {"threshold": "high"}}, "detect.threshold: expected a valid number, found 'high'"),
        ({"detect": {"threshold": float("nan")}}, "detect.threshold: "),
        ({"detect": {"classes": ["caar"]}}, "detect.classes: unknown class 'caar' (did you mean 'car'?)"),
        ({"detect": {"classes": []}}, "detect.classes: "),
        ({"detect": {"classes": "car"}}, "detect.classes: expected a list, found 'car'"),
        ({"detect": None}, "detect: expected keys and values, found nothing"),
        ({"blur": {"kernel": 50}}, "blur.kernel: a kernel has an odd number of pixels, 50 is even"),
        ({"blur": {"method": "melt"}}, "blur.method: expected 'gaussian', 'pixelate' or 'solid', found"),
        ({"blur": {"padding": 0.1}}, "blur.padding: unknown key; known here: method, strength, floor"),
        (
            {"blur": {"strengt": 1}},
            "blur.strengt: unknown key (did you mean 'strength'?); known here: method",
        ),
        ({"blur": {"scale": 0.9}}, "blur.scale: expected greater than or equal to 1, found 0.9"),
        ({"blur": {"quantise": 3}}, "blur.quantise: expected 1, 2, 4, 8 or 16, found 3"),
        ({"blur": {"colour": [0, 0, 256]}}, "blur.colour.2: expected less than or equal to 255, found 256"),
        ({"blur": {"colour": [0, 0]}}, "blur.colour.2: "),
        (
            {"blur": {"caar": {"method": "solid"}}},
            "blur.caar: unknown class (did you mean 'car'?); known: two-wheeler, vehicle, person, bicycle",
        ),
        ({"blur": {"car": "solid"}}, "blur.car: expected keys and values, found 'solid'"),
        ({"blur": {"car": {"strengt": 1}}}, "blur.car.strengt: unknown key (did you mean 'strength'?)"),
        ({"blur": {"car": {"strength": 9}}}, "blur.car.strength: expected less than or equal to 2, found 9"),
        ({"zones": {}}, "zones: unknown key"),
        ({"cameras": gate({"hid": []})}, "cameras.gate.zones.hid: unknown key (did you mean 'hide'?)"),
        ({"cameras": gate(None)}, "cameras.gate.zones: expected keys and values, found nothing"),
        ({"cameras": gate({"hide": 3})}, "cameras.gate.zones.hide: expected a list of polygons, such as [[["),
        (
            {"cameras": gate({"keep": [[0, 0], [1, 0], [1, 1]]})},
            "cameras.gate.zones.keep: polygon 1, point 1: expected [x, y] from 0 to 1 of the frame's width "
            "and height, found 0 (",
        ),
        (
            {"cameras": gate({"only": [TRIANGLE, [[0, 0], [1, 0]]]})},
            "cameras.gate.zones.only: polygon 2: needs at least 3 points, has 2",
        ),
        (
            {"cameras": gate({"hide": [[[0, 0], [1, 0], [1, 1.2]]]})},
            "cameras.gate.zones.hide: polygon 1, point 3: expected [x, y] from 0 to 1",
        ),
        (
            {"cameras": gate({"hide": [["x"]]})},
            "cameras.gate.zones.hide: polygon 1, point 1: expected [x, y]",
        ),
        (
            {"cameras": gate({"hide": [[[0, 0], [1, 0], [float("nan"), 1]]]})},
            "cameras.gate.zones.hide: polygon",
        ),
        ({"cameras": gate({"hide": ["x"]})}, "cameras.gate.zones.hide: polygon 1: expected a list of [x, y]"),
        (
            {"cameras": gate({"hide": [[[0, 0], [1, 1], [1, 0], [0, 1]]]})},
            "cameras.gate.zones.hide: polygon 1: its sides cross",
        ),
        ({"output": {"directory": 3}}, "output.directory: expected a valid string, found 3"),
        ({"output": {"preset": "placebo"}}, "output.preset: expected 'ultrafast', 'superfast'"),
        ({"device": "gpu"}, "device: expected auto, cpu, cuda or cuda:N, found 'gpu'"),
        ({"version": 2}, "version: expected 1, found 2"),
        ({"version": True}, "version: expected 1, found True"),
        ({"version": 1.0}, "version: expected 1, found 1.0"),
        ({"detect": {"on_failure": "show"}}, "detect.on_failure: expected 'hide' or 'drop', found 'show'"),
        ({"detect": {"timeout": 0}}, "detect.timeout: expected greater than 0, found 0"),
        (
            {"cameras": {"a": {"source": "a.mp4", "detect": {"timeout": 5}}}},
            "cameras.a.detect.timeout: all cameras share one; set it at the top level",
        ),
        ({"cameras": {}}, "cameras: expected at least one"),
        ({"cameras": ["gate.mp4"]}, "cameras: expected at least one"),
        (
            {"cameras": {"gate": "gate.mp4"}},
            "cameras.gate: expected keys such as `source: gate.mp4`, found 'gate.mp4'",
        ),
        ({"cameras": {"gate": {}}}, "cameras.gate.source: is missing"),
        ({"cameras": {"gate": {"source": ""}}}, "cameras.gate.source: "),
        ({"cameras": {"gate": {"sorce": "a"}}}, "cameras.gate.sorce: unknown key"),
        (
            {"cameras": {"gate": {"source": "a", "blur": {"kernel": 40}}}},
            "cameras.gate.blur.kernel: a kernel has",
        ),
        (
            {"cameras": {"gate": {"source": "a", "transport": "quic"}}},
            "cameras.gate.transport: expected 'tcp' or 'udp'",
        ),
        (
            {"cameras": {"gate": {"source": "a", "detect": {"model": "x"}}}},
            "cameras.gate.detect.model: all cameras share",
        ),
        (
            {"cameras": {"../gate": {"source": "a"}}},
            "cameras: camera name '../gate' cannot be a folder's name",
        ),
        ({"cameras": {"a/b": {"source": "a"}}}, "cameras: camera name 'a/b' cannot"),
        ({"cameras": {"..": {"source": "a"}}}, "cameras: camera name '..' cannot"),
        (
            {"cameras": {"Gate": {"source": "a"}, "gate": {"source": "b"}}},
            "cameras: camera names 'Gate' and 'gate'",
        ),
        (
            {"cameras": {"gate": {"source": "${NOT_SET}"}}},
            "cameras.gate.source: the environment variable NOT_SET",
        ),
    ],
)
def test_every_mistake_names_the_key_and_what_was_expected(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({**MINIMAL, **change}, environment={})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\ncameras:\n  a: {source: x}\n  a: {source: y}\n", "line 4: key 'a' is given twice"),
        ("version: 1\nversion: 1\n", "line 2: key 'version' is given twice"),
        ("- a\n- b\n", "expected keys and values, found a list"),
        ("", "expected keys and values, found nothing"),
        ("cameras: {a: [}\n", "line 1: not valid YAML"),
        ("cameras:\n\t- a", "line 2: not valid YAML"),
        ("cameras: {a: {source: x}}\n", "version: is missing"),
        ("version: 1\nx: !!python/object/apply:os.system [ls]\n", "line 2: not valid YAML"),
    ],
)
def test_a_broken_file_is_named_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml: no such file"):
        load(tmp_path / "nothing.yaml")
    binary = tmp_path / "cam.yaml"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(ConfigError, match="cannot be read as text"):
        load(binary)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_a_password_in_the_url_is_not_in_the_error() -> None:
    url = "rtsp://me:s3cret@host/1"
    for change in ({"cameras": {"gate": url}}, {"cameras": {"gate": {"source": [url]}}}, {"device": url}):
        with pytest.raises(ConfigError) as caught:
            parse({**MINIMAL, **change})
        assert "s3cret" not in str(caught.value)
