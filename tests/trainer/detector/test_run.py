"""`trainer fit` and `trainer evaluate` for a detector, from the command to the files."""

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torchvision
import yaml

from streamer import coco, detect, modelfile
from streamer.coco import Labelled
from streamer.detect import bundled_path
from streamer.detectors import DetectConfig
from streamer.errors import ConfigError, ModelError
from streamer.frame import Detections
from streamer.modelfile import Header
from streamer.nets.fcos import Fcos, Options
from tests.trainer.scenes import command, install
from trainer import backbone
from trainer.detector import config, fit
from trainer.detector.config import ViewConfig
from trainer.detector.fit import _Training, load_start
from trainer.detector.samples import Sample, Samples, collate

FACTS: dict[str, Any] = {
    "version": 1,
    "task": "detect",
    "device": "cpu",
    "data": {"validation": ["b"], "test": ["c"]},
    "network": {"classes": ["car", "person"], "height": 64, "width": 96, "channels": 16, "blocks": 1},
    "fit": {"steps": 4, "batch": 2, "save": 2, "freeze": 0},
}


def scene(seed: int) -> tuple[np.ndarray[Any, Any], Detections]:
    """A bright car and a dark person on noise."""
    random = np.random.default_rng(seed)
    image = random.integers(90, 130, (64, 96, 3), np.uint8)
    x, y = (int(value) for value in random.integers(4, 30, 2))
    image[y : y + 16, x : x + 24] = 240
    image[y : y + 24, x + 40 : x + 50] = 5
    boxes = np.array([[x, y, x + 24, y + 16], [x + 40, y, x + 50, y + 24]], np.float32)
    return image, Detections(boxes, np.array([1.0, 1.0], np.float32), ("car", "person"))


def labels(folder: Path, clips: Sequence[str] = ("a", "b", "c"), each: int = 2) -> list[Sample]:
    (folder / "images").mkdir(parents=True)
    images, samples = [], []
    for number, clip in enumerate(clips):
        for j in range(each):
            image, objects = scene(10 * number + j)
            name = f"{clip}_{j}.png"
            cv2.imwrite(str(folder / "images" / name), image)
            images.append(Labelled(name, 96, 64, objects))
            samples.append(Sample(folder / "images" / name, objects))
    coco.save(folder / "annotations.json", images, {})
    return samples


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    labels(tmp_path / "labels")
    return tmp_path


def configuration(**sections: dict[str, Any]) -> str:
    facts = {**FACTS, **{name: {**FACTS.get(name, {}), **section} for name, section in sections.items()}}
    Path("mine.yaml").write_text(yaml.safe_dump(facts))
    return "mine.yaml"


def test_fit_stops_after_two_steps_and_writes_the_whole_run(work: Path) -> None:
    outcome = command("fit", configuration(), "--steps", "2")
    assert outcome.code == 0, outcome.err
    run = work / "runs" / "mine"
    assert {entry.name for entry in run.iterdir()} == {
        "model.safetensors", "metrics.csv", "metrics.json", "config.yaml", "checkpoints",
    }  # fmt: skip
    _, header = modelfile.load_detector(run / "model.safetensors")
    assert header.training["steps"] == 2
    assert header.training["clips"] == {"train": ["a"], "validation": ["b"], "test": ["c"]}
    assert header.metrics == json.loads((run / "metrics.json").read_text())
    assert header.metrics["test"]["objects"] == {"vehicles": 2, "persons": 2}
    assert (run / "metrics.csv").read_text().splitlines()[0] == "step,score_loss,box_loss"
    assert "vehicles uncovered" in outcome.out
    loaded = detect.load(
        DetectConfig(model=str(run / "model.safetensors")),
        torch.device("cpu"),
        classes=("car",),
        threshold=0.0,
    )
    assert loaded.detect([torch.zeros(30, 50, 3, dtype=torch.uint8)])[0].labels[0] == "car"


def weights(path: Path) -> dict[str, torch.Tensor]:
    return modelfile.load_detector(path / "model.safetensors")[0].state_dict()


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("fit", configuration(), "--runs", "whole").code == 0
    original = _Training.take

    def interrupted(self: _Training, *batch: Any) -> None:
        if self.step == 3:
            raise KeyboardInterrupt
        original(self, *batch)

    with monkeypatch.context() as patched:
        patched.setattr(_Training, "take", interrupted)
        assert command("fit", "mine.yaml").code == 130
    run = work / "runs" / "mine"
    assert not (run / "model.safetensors").exists()
    changed = command("fit", configuration(fit={"rate": 0.5}), "--resume")
    assert "fit.rate: is 0.5, but runs/mine was started with 0.002; change it back" in changed.err
    fewer = command("fit", configuration(), "--resume", "--steps", "3")
    assert (fewer.code, "was started for 4 steps, not 3" in fewer.err) == (2, True)
    resumed = command("fit", configuration(), "--resume")
    assert resumed.code == 0, resumed.err
    assert (run / "metrics.csv").read_text() == (work / "whole" / "mine" / "metrics.csv").read_text()
    expected = weights(work / "whole" / "mine")
    for name, tensor in weights(run).items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(
    ("number", "step"),
    [(signal.SIGINT, 0), (signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGINT, 3), (signal.SIGTERM, 1)],
)
def test_a_run_that_is_stopped_in_the_middle_of_a_step_ends_it_first(
    work: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: int
) -> None:
    assert command("fit", configuration(), "--runs", "whole").code == 0
    original = _Training._losses

    def interrupted(self: _Training, *batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        losses = original(self, *batch)  # by now batch normalisation has taken the batch in
        if self.step == step:
            signal.raise_signal(number)
        return losses

    with monkeypatch.context() as patched:
        patched.setattr(_Training, "_losses", interrupted)
        assert command("fit", "mine.yaml").code in (130, 143)
    run = work / "runs" / "mine"
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["step"] == step + 1
    assert command("fit", "mine.yaml", "--resume").code == 0
    assert (run / "metrics.csv").read_text() == (work / "whole" / "mine" / "metrics.csv").read_text()
    expected = weights(work / "whole" / "mine")
    for name, tensor in weights(run).items():
        assert torch.equal(tensor, expected[name]), name


def test_a_run_of_a_version_that_knew_fewer_settings_goes_on(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: _Training, *batch: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_Training, "take", interrupted)
        assert command("fit", configuration()).code == 130
    run = work / "runs" / "mine"
    facts = yaml.safe_load((run / "config.yaml").read_text())
    del facts["view"]["paste"], facts["fit"]["hints"]
    (run / "config.yaml").write_text(yaml.safe_dump(facts))
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    del checkpoint["hints"]
    torch.save(checkpoint, run / "checkpoints" / "last.ckpt")
    resumed = command("fit", "mine.yaml", "--resume")
    assert resumed.code == 0, resumed.err


def test_a_run_that_is_there_is_not_replaced_unasked(work: Path) -> None:
    assert command("fit", configuration(), "--steps", "1").code == 0
    outcome = command("fit", "mine.yaml", "--steps", "1")
    assert outcome.code == 2
    assert "holds a run already; --resume continues it" in outcome.err


def test_a_damaged_checkpoint_is_one_line(work: Path) -> None:
    command("fit", configuration(), "--steps", "1")
    (work / "runs" / "mine" / "checkpoints" / "last.ckpt").write_bytes(b"no checkpoint")
    outcome = command("fit", "mine.yaml", "--steps", "1", "--resume")
    assert outcome.code == 2
    assert "last.ckpt: no checkpoint of this run, or damaged; start again with --overwrite" in outcome.err


def test_evaluate_measures_any_detector(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    outcome = command("evaluate", "whatever", configuration(), "--json", "--output", "there")
    assert outcome.code == 0, outcome.err
    facts = json.loads(outcome.out)
    assert facts["test"]["frames"] == 2
    assert facts["test"]["thresholds"][0]["uncovered"]["persons"] <= 1.0
    assert json.loads((work / "there" / "metrics.json").read_text()) == facts


def test_frames_without_labels_are_left_out_and_counted(work: Path) -> None:
    cv2.imwrite("labels/images/a_9.png", scene(99)[0])
    outcome = command("fit", configuration(), "--steps", "1")
    assert outcome.code == 0
    assert "2 frames for train" in outcome.err
    assert "left out: 1 without labels" in outcome.err


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"labels": {"folder": "none"}}, "none/annotations.json: no such file; `trainer label` and"),
        ({"fit": {"backbone": "none.pth"}}, "none.pth: no such file"),
        ({"network": {"height": 60}}, "mine.yaml: network.height:"),
        ({"view": {"zoom": [2.0, 1.0]}}, "view.zoom: expected two factors above 0, the smaller first"),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(work: Path, section: Any, message: str) -> None:
    outcome = command("fit", configuration(**section), "--device", "cpu")
    assert outcome.code == 2
    assert message in outcome.err.splitlines()[-1]


def test_the_network_learns_one_batch_by_heart(tmp_path: Path) -> None:
    samples = labels(tmp_path / "labels", clips=("a",), each=2)
    settings = config.parse(
        {**FACTS, "fit": {"batch": 2, "steps": 60, "rate": 0.01, "ema": 0.5}, "labels": {"threshold": 0.5}}
    )
    view = ViewConfig(zoom=[1.0, 1.0], stretch=0.0, mosaic=0.0, colour=0.0)
    made = Samples(samples, settings.network.classes, (64, 96), 0.5, view, seed=0)
    pictures, objects = collate([made[0], made[1]])
    torch.manual_seed(0)
    training = _Training(settings, Fcos(settings.network), total=60)
    losses = []
    for _ in range(60):
        training.take(pictures, objects)
        training.note()
        losses.append(training.rows[-1]["score_loss"] + training.rows[-1]["box_loss"])
    assert losses[-1] < 0.25 * losses[0]


def test_a_backbones_weights_come_in_order_whatever_they_are_called(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = torchvision.models.mobilenet_v2()
    torch.save({f"other.{i}": w for i, w in enumerate(source.state_dict().values())}, tmp_path / "m.pth")
    network = Fcos(Options())
    backbone.load(network.backbone, tmp_path / "m.pth")
    expected = source.features[:17].state_dict()
    for name, tensor in network.backbone.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_another_networks_weights_are_no_backbone(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "r.pth")
    with pytest.raises(ModelError, match="does not fit MobileNetV2"):
        backbone.load(Fcos(Options()).backbone, tmp_path / "r.pth")


def test_a_run_may_go_on_from_a_detector_that_is_there(tmp_path: Path) -> None:
    options = Options(height=64, width=96, channels=8, blocks=1)
    torch.manual_seed(1)
    before = Fcos(options)
    header = Header(network="fcos", config=options.model_dump(mode="json"), task="detect")
    modelfile.save(tmp_path / "before.safetensors", before, header, half=False)
    network = Fcos(options)
    load_start(network, str(tmp_path / "before.safetensors"))
    assert all(torch.equal(own, before.state_dict()[name]) for name, own in network.state_dict().items())
    with pytest.raises(ConfigError, match=r"is another network .*'channels': 8"):
        load_start(Fcos(Options(channels=16)), str(tmp_path / "before.safetensors"))
    with pytest.raises(ConfigError, match=r"finds person, bicycle, .* but network.classes asks for car"):
        load_start(Fcos(Options(classes=("car",))), str(tmp_path / "before.safetensors"))
    with pytest.raises(ModelError, match="no such model file"):
        load_start(network, str(tmp_path / "none.safetensors"))


def test_a_configuration_starts_its_run_from_the_bundled_detector(work: Path) -> None:
    bundled = modelfile.load_detector(bundled_path())[1].config
    outcome = command("fit", configuration(network=bundled, fit={"start": "bundled", "rate": 1e-9}))
    assert outcome.code == 0, outcome.err
    found, before = weights(work / "runs/mine"), modelfile.load_detector(bundled_path())[0].state_dict()
    # the rate is next to nothing: what is there is what it started from, in 16 bits
    assert all(
        torch.allclose(found[name], before[name], atol=1e-2) for name in found if found[name].ndim == 4
    )


def test_the_operating_point_becomes_the_default_threshold_also_after_training(work: Path) -> None:
    name = configuration()
    assert command("fit", name).code == 0
    run = work / "runs" / "mine" / "model.safetensors"

    def scores() -> np.ndarray[Any, Any]:
        network = modelfile.load_detector(run)[0].eval()
        with torch.inference_mode():
            return np.asarray(network(torch.full((1, 3, 64, 96), 90.0))[0].sigmoid())

    trained = scores()
    configuration(fit={**FACTS["fit"], "operating_point": 0.01})
    assert command("fit", name, "--resume").code == 0
    moved = scores()
    # of odds, as a bias adds: what was 0.01 is 0.2 now
    odds = moved / (1 - moved) / (trained / (1 - trained))
    np.testing.assert_allclose(odds, (0.2 / 0.8) / (0.01 / 0.99), rtol=0.02)


def test_the_rate_rises_then_falls_to_zero() -> None:
    rates = [fit.schedule(step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[5] == 1.0
    assert rates[-1] == pytest.approx(0.0)


def test_the_example_file_is_the_code_s_defaults() -> None:
    example = config.load(Path(__file__).resolve().parents[3] / "configs" / "detector.yaml")
    default = config.parse({"version": 1, "task": "detect"})
    assert example.detect.threshold == default.detect.threshold
    for name in ("labels", "view", "network"):
        assert getattr(example, name) == getattr(default, name), name
    hints = config.HintsConfig(model="yolox_nano.onnx")  # what takes another detector is no default
    assert example.fit == default.fit.model_copy(update={"hints": hints})
