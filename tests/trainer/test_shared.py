"""On real footage: both recipes train, and the bundled restorers are worth having."""

import shutil
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import av
import numpy as np
import pytest
import torch
import yaml

from streamer import detect, modelfile
from streamer.boxes import whole
from streamer.config import BlurConfig
from streamer.detectors import DetectConfig
from streamer.hide import hide
from streamer.restore import load as load_restorer
from streamer.restorers import RestoreConfig
from tests.trainer.scenes import command
from trainer import noise
from trainer.config import NoiseConfig
from trainer.data import Picture
from trainer.evaluate import IDENTITY, compare
from trainer.images import read_image

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


LIGHT = BlurConfig(strength=0.001, floor=4.0, quantise=1)
"""What ``bundled:deblur-sigma4`` was trained on."""


@pytest.mark.parametrize(
    ("model", "blur", "least"), [("bundled", BlurConfig(), 1.0), ("bundled:deblur-sigma4", LIGHT, 3.0)]
)
def test_bundled_restorers_of_regions_beat_the_identity_on_a_held_out_clip(
    shared: Path, model: str, blur: BlurConfig, least: float
) -> None:
    # how much a restorer gains hangs on what is hidden: a detector that stays as it is says that
    settings = DetectConfig(model=str(shared / "models" / "yolox_nano.onnx"))
    detector = detect.load(settings, CPU, classes=settings.classes, threshold=settings.threshold)
    restorer = load_restorer(RestoreConfig(model=model), CPU)
    rows = []
    with av.open(shared / "data" / "footage" / "cctv_crash_720p.mp4") as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % 5 == 0:
                image = torch.from_numpy(frame.to_ndarray(format="rgb24"))
                found = detector.detect([image])[0]
                blurred, regions, _ = hide(image, found.boxes, blur)
                restored = restorer.restore([blurred], [regions])[0]
                picture = Picture(Path(f"crash_{index}"), f"crash_{index}", "crash", str(index))
                scored = compare(picture, image, blurred, {"bundled": restored}, regions)
                if scored is not None:
                    rows.append(scored.row)
    assert len(rows) >= 5
    assert sum(row.regions for row in rows) >= 20
    gains = [row.gain("bundled") for row in rows]
    assert fmean(gains) > least
    assert min(gains) > 0.0
    for measure in ("psnr_db", "ssim", "ssim_regions"):
        assert all(row.measures["bundled"][measure] > row.measures[IDENTITY][measure] for row in rows)


@pytest.mark.parametrize(("sigma", "least"), [(15.0, 4.0), (51.0, 7.0)])
def test_the_bundled_denoiser_beats_the_identity_on_pictures_it_never_saw(
    shared: Path, sigma: float, least: float
) -> None:
    restorer = load_restorer(RestoreConfig(model="bundled:denoise"), CPU)
    noisy = partial(noise.add, noise=NoiseConfig(sigma=sigma))
    for path in sorted((shared / "data" / "denoise" / "CBSD68").glob("*.png"))[::20]:
        original = read_image(path)
        degraded = noisy(original.permute(2, 0, 1).float() / 255, random=np.random.default_rng(0))
        given = (degraded * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous()
        everything = whole(original.shape[1], original.shape[0])
        restored = restorer.restore([given], [everything])[0]
        picture = Picture(path, path.name, path.stem, path.name)
        scored = compare(picture, original, given, {"denoise": restored}, everything, hides=False)
        assert scored is not None
        assert scored.row.gain("denoise") > least
