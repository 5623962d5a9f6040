"""On real footage: both recipes train, and the bundled restorer is worth having."""

import shutil
from pathlib import Path
from statistics import fmean
from typing import Any

import av
import pytest
import torch
import yaml

from streamer import detect, modelfile
from streamer.config import BlurConfig
from streamer.detectors import DetectConfig
from streamer.hide import hide
from streamer.restore import load as load_restorer
from streamer.restorers import RestoreConfig
from tests.trainer.scenes import command
from trainer.data import Picture
from trainer.evaluate import IDENTITY, compare

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
KAGGLE = "data/kaggle/datasets/ckay16/accident-detection-from-cctv-footage/versions/1"
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["reference", "deblur"])
def test_both_recipes_train_for_two_steps_on_real_frames(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    for clip in ("test7", "test22", "test26", "test3"):
        for path in sorted((shared / KAGGLE).rglob(f"{clip}_*.jpg"))[:2]:
            shutil.copy(path, tmp_path / "pictures")
    facts: dict[str, Any] = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    facts["data"] |= {"folder": "pictures", "extra": []}
    facts["fit"] |= {"batch": 2}
    (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(facts))
    outcome = command("fit", f"{name}.yaml", "--steps", "2", "--device", "cpu")
    assert outcome.code == 0, outcome.err
    header = modelfile.load(tmp_path / "runs" / name / "model.safetensors")[1]
    assert header.training["clips"] == {
        "train": ["test22", "test7"],
        "validation": ["test26"],
        "test": ["test3"],
    }
    assert header.size == facts["pairs"]["size"]


def test_the_bundled_restorer_beats_the_identity_on_a_held_out_clip(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = DetectConfig()
    detector = detect.load(settings, CPU, classes=settings.classes, threshold=settings.threshold)
    restorer = load_restorer(RestoreConfig(), CPU)
    rows = []
    with av.open(shared / "data" / "footage" / "cctv_crash_720p.mp4") as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % 5 == 0:
                image = torch.from_numpy(frame.to_ndarray(format="rgb24"))
                found = detector.detect([image])[0]
                blurred, regions, _ = hide(image, found.boxes, BlurConfig())
                restored = restorer.restore([blurred], [regions])[0]
                picture = Picture(Path(f"crash_{index}"), f"crash_{index}", "crash", str(index))
                scored = compare(picture, image, blurred, {"bundled": restored}, regions)
                if scored is not None:
                    rows.append(scored.row)
    assert len(rows) >= 5
    assert sum(row.regions for row in rows) >= 20
    gains = [row.gain("bundled") for row in rows]
    assert fmean(gains) > 1.0
    assert min(gains) > 0.0
    for measure in ("psnr_db", "ssim", "ssim_regions"):
        assert all(row.measures["bundled"][measure] > row.measures[IDENTITY][measure] for row in rows)
