"""Several restorers by the whole command: what runs on which camera, what it writes, what `check` says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from streamer import modelfile, nets
from streamer.modelfile import Header
from tests import footage
from tests.standin import StandIn, box_of, command, rows

CONFIG = {"width": 4, "levels": 1, "shuffle": 2}
FRAMES = 6
RESTORE = [
    {"model": "denoise.safetensors", "when": "night", "engine": "torch"},
    {"model": "deblur.safetensors", "steady": 0.3},
]


def save(task: str, added: float) -> None:
    """A network that makes everything brighter by ``added``, of 1."""
    network = nets.build("unet", CONFIG)
    last = network.get_submodule("tail.0")
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    nn.init.constant_(last.bias, added)
    header = Header("unet", CONFIG, task, 16 if task == "deblur" else None, 0.1)
    modelfile.save(Path(f"{task}.safetensors"), network, header, half=False)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with two models, a clip in colour, a grey one, and a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streamer.detect.load", lambda *_, **__: StandIn())
    with torch.random.fork_rng(devices=[]):
        save("denoise", 0.1)
        save("deblur", 0.2)
    colour = np.full((48, 64, 3), (150, 70, 60), np.uint8)
    footage.write_clip(Path("day.mp4"), [colour] * FRAMES)
    footage.write_clip(Path("dark.mp4"), [np.full((48, 64, 3), 100, np.uint8)] * FRAMES)
    cameras = {name: {"source": f"{name}.mp4"} for name in ("day", "dark")}
    plain = {"detect": {"every": 1}, "blur": {"quantise": 1}}
    settings = {"version": 1, "device": "cpu", "restore": RESTORE, "cameras": cameras, **plain}
    Path("cam.yaml").write_text(json.dumps(settings), encoding="utf-8")


def assert_restored(out: Path) -> None:
    assert [row["restorers"] for row in rows(out / "day")] == ["deblur"] * FRAMES
    assert [row["restorers"] for row in rows(out / "dark")] == ["denoise+deblur"] * FRAMES
    x0, y0, x1, y1 = (round(edge) for edge in box_of(0))
    middle = (y0 + y1) // 2, (x0 + x1) // 2
    for camera, everywhere in (("day", 0), ("dark", 26)):
        blurred, restored = (
            footage.read_clip(out / camera / f"{kind}.mp4").images[-1].astype(int)
            for kind in ("blurred", "restored")
        )
        change = (restored - blurred).mean(axis=2)
        assert change[3, 3] == pytest.approx(everywhere, abs=3)
        assert change[middle] == pytest.approx(everywhere + 51, abs=3)


def test_a_list_of_restorers_runs_in_order_and_at_night_and_the_log_names_them() -> None:
    assert command("run", "cam.yaml", "-q").code == 0
    assert Path("out/day/frames.csv").read_text("utf-8").partition("\n")[0].endswith(",latency_ms,restorers")
    assert_restored(Path("out"))


def test_rendering_again_runs_them_too() -> None:
    settings = json.loads(Path("cam.yaml").read_text("utf-8"))
    without = json.dumps({**settings, "restore": "off"})
    Path("first.yaml").write_text(without, encoding="utf-8")
    assert command("run", "first.yaml", "-q").code == 0
    assert [row["restorers"] for row in rows(Path("out/dark"))] == [""] * FRAMES
    outcome = command("render", "cam.yaml", "--detections", "out", "--output", "again", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    assert_restored(Path("again"))


def test_check_says_what_would_run() -> None:
    outcome = command("check", "cam.yaml")
    assert outcome.code == 0
    assert outcome.out.count("denoise (whole frames, at night), then deblur (regions, steady 0.3)") == 2
    assert re.search(r"^restorer denoise on torch ", outcome.out, re.MULTILINE)
    assert re.search(r"^restorer deblur on ", outcome.out, re.MULTILINE)


def test_a_detectors_file_is_refused() -> None:
    network = nets.build("unet", CONFIG)
    modelfile.save(Path("deblur.safetensors"), network, Header("unet", CONFIG, "detect"), half=False)
    outcome = command("run", "cam.yaml")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith(
        "streamer: deblur.safetensors: a model for 'detect', expected one for 'deblur' or 'inpaint' or "
    )
