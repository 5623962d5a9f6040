"""`trainer fit` and `trainer evaluate`, from the command to the files."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml

from streamer import modelfile
from streamer.errors import ConfigError
from tests.trainer.scenes import command, configuration, frames, install
from trainer import cli, config, fit
from trainer.fit import Fitting
from trainer.run import check

OUTPUTS = {
    "model.safetensors", "metrics.csv", "metrics.json", "curves.png", "samples.png", "report.html",
    "config.yaml",
}  # fmt: skip


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with frames and a stand-in detector."""
    install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    frames(tmp_path / "pictures")
    return tmp_path


def test_fit_writes_the_whole_run(work: Path) -> None:
    path = configuration(work, fit={"epochs": 3})
    outcome = command("fit", path)
    assert outcome.code == 0, outcome.err
    run = work / "runs" / "small"
    assert {entry.name for entry in run.iterdir()} == OUTPUTS | {"checkpoints", "logs"}
    assert {entry.name for entry in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["identity", "1", "2", "3"]
    assert list(rows[0]) == ["epoch", "train_loss", "validation_loss", "psnr_db", "psnr_hidden_db"]
    assert all(float(row["psnr_hidden_db"]) > 5 for row in rows)
    for name in ("curves.png", "samples.png"):
        assert cv2.imread(str(run / name)) is not None
    assert config.parse(yaml.safe_load((run / "config.yaml").read_text())) == config.load(path)
    network, header = modelfile.load(run / "model.safetensors")
    assert (header.network, header.size, header.context) == ("unet", 16, 0.25)
    assert header.training["clips"] == {"train": ["a", "d"], "validation": ["b"], "test": ["c"]}
    metrics = json.loads((run / "metrics.json").read_text())
    assert {**header.metrics, "tables": []} == {key: metrics[key] for key in metrics if key != "cost"} | {
        "tables": []
    }
    (found,), (brief,) = metrics["tables"], header.metrics["tables"]
    assert brief == {key: found[key] for key in brief}
    assert len(found["pictures"]) == 4
    assert network.stride == 4
    table = [line.split() for line in outcome.out.splitlines()]
    identity = next(i for i, line in enumerate(table) if line[:2] == ["c", "identity"])
    assert "small" in table[identity + 1]


def test_samples_show_blurred_original_and_restored(work: Path) -> None:
    command("fit", configuration(work), "--steps", "1")
    sheet = cv2.imread(str(work / "runs" / "small" / "samples.png"))
    assert sheet is not None
    assert sheet.shape == (28 + 4 * 200, 3 * 320, 3)  # a heading, and the four frames of the test clip
    blurred, restored, original = (sheet[28:198, 320 * i + 60 : 320 * i + 260] for i in range(3))
    contrast = [float(cv2.Laplacian(tile, cv2.CV_64F).std()) for tile in (blurred, original, restored)]
    assert contrast[1] > 2 * contrast[0]
    assert contrast[1] > 2 * contrast[2]


@pytest.mark.parametrize("of", ["frames", "regions"])
def test_fit_stops_after_two_steps(work: Path, monkeypatch: pytest.MonkeyPatch, of: str) -> None:
    steps: list[int] = []
    original = Fitting.training_step

    def counted(self: Fitting, batch: fit.Batch, index: int) -> Any:
        steps.append(len(batch[0]))
        return original(self, batch, index)

    monkeypatch.setattr(Fitting, "training_step", counted)
    path = configuration(work, pairs={"of": of}, fit={"epochs": 50, "batch": 3})
    outcome = command("fit", path, "--steps", "2")
    assert outcome.code == 0, outcome.err
    assert steps == [3, 3]
    assert modelfile.load(work / "runs" / "small" / "model.safetensors")[1].training["steps"] == 2


@pytest.mark.parametrize(
    "sections",
    [
        {
            "network": {"name": "nafnet", "encoder": [1], "decoder": [1]},
            "fit": {"loss": {"ms_ssim": 0.84, "l1": 0.16}},
        },
        {
            "network": {"name": "pix2pix", "width": 8, "levels": 3},
            "fit": {"loss": {"l1": 100, "adversarial": 1}},
        },
        {
            "task": "denoise",
            "pairs": {"of": "crops"},
            "network": {"name": "autoencoder", "widths": [4, 8], "norm": True, "dropout": 0.1, "grey": True},
        },
    ],
    ids=["nafnet", "pix2pix", "autoencoder"],
)
def test_fit_takes_every_network_to_a_model_that_loads(work: Path, sections: dict[str, Any]) -> None:
    path = configuration(work, **sections)
    facts = yaml.safe_load(path.read_text()) | {"network": sections["network"]}  # none of the scene's own
    path.write_text(yaml.safe_dump(facts))
    outcome = command("fit", path, "--steps", "2")
    assert outcome.code == 0, outcome.err
    network, header = modelfile.load(work / "runs" / "small" / "model.safetensors")
    assert {"name": header.network, **header.config} == sections["network"]
    assert not [name for name in network.state_dict() if "discriminator" in name]
    assert header.metrics["tables"][0]["frames"] == 4


def test_evaluate_repeats_what_fit_found(work: Path) -> None:
    command("fit", configuration(work))
    run = work / "runs" / "small"
    expected = json.loads((run / "metrics.json").read_text())
    outcome = command("evaluate", run / "model.safetensors", "--json", "--output", work / "again")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert json.loads((work / "again" / "metrics.json").read_text()) == found
    assert {entry.name for entry in (work / "again").iterdir()} == {
        "metrics.json",
        "samples.png",
        "report.html",
    }
    assert [cost["name"] for cost in found["cost"]["ms_per_frame"]] == ["small", "720p", "720p, 8 regions"]
    assert all(cost["ms"] > 0 for cost in found["cost"]["ms_per_frame"])
    del found["cost"], expected["cost"]
    assert found == expected
    assert expected["unseen"] is True
    (table,) = expected["tables"]
    clip = table["clips"]["c"]
    assert (clip["frames"], clip["regions"]) == (4, 4)
    means = {name: each["mean"] for name, each in table["mean_over_clips"]["identity"].items()}
    assert means == clip["identity"]


def test_evaluate_says_so_where_training_saw_the_clips(work: Path) -> None:
    command("fit", configuration(work))
    path = configuration(work, data={"folder": str(work / "pictures"), "validation": ["b"], "test": ["a"]})
    outcome = command("evaluate", work / "runs" / "small" / "model.safetensors", path, "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["unseen"] is False
    assert "training saw a" in outcome.err


def test_whole_frames_are_evaluated_at_the_networks_size_too(work: Path) -> None:
    outcome = command("fit", configuration(work, pairs={"of": "frames", "size": 24}), "--json")
    full, small = json.loads(outcome.out)["tables"]
    assert (full["title"], small["title"]) == (
        "At full size, as streamer restores",
        "At 24x24, as it was trained",
    )
    assert small["clips"]["c"]["frames"] == 4
    assert small["mean_over_clips"]["identity"] != full["mean_over_clips"]["identity"]


def test_a_run_that_is_there_is_not_replaced_unasked(work: Path) -> None:
    path = configuration(work)
    assert command("fit", path, "--steps", "1").code == 0
    before = (work / "runs" / "small" / "model.safetensors").stat().st_mtime_ns
    outcome = command("fit", path, "--steps", "1")
    assert outcome.code == 2
    assert outcome.err.startswith("trainer: runs/small: holds a run already; --resume continues it")
    assert (work / "runs" / "small" / "model.safetensors").stat().st_mtime_ns == before
    assert command("fit", path, "--steps", "1", "--overwrite").code == 0


def test_ctrl_c_leaves_a_run_that_resumes(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"epochs": 3, "loss": {"l1": 1.0, "mse": 0.5}}
    path = configuration(work, fit=settings)
    original = Fitting.training_step

    def interrupted(self: Fitting, batch: fit.Batch, index: int) -> Any:
        if self.current_epoch == 2:
            raise KeyboardInterrupt
        return original(self, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(Fitting, "training_step", interrupted)
        assert command("fit", path).code == 130
    run = work / "runs" / "small"
    assert not (run / "model.safetensors").exists()
    changed = command("fit", configuration(work, fit=settings | {"rate": 0.5}), "--resume")
    assert changed.code == 2
    assert "trainer: fit.rate: is 0.5, but runs/small was started with 0.01; change it back" in changed.err
    assert command("fit", configuration(work, fit=settings), "--resume").code == 0
    with (run / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["identity", "1", "2", "3"]


TERMINATED = """
import os, signal
from streamer import detect
from tests.trainer.scenes import StandIn
from trainer.cli import main
from trainer.fit import Fitting
from trainer.run import check

original = Fitting.training_step

def terminated(self, batch, index):
    if self.current_epoch == 1:
        os.kill(os.getpid(), signal.SIGTERM)
    return original(self, batch, index)

Fitting.training_step = terminated
detect.load = lambda *_, **__: StandIn()
main()
"""


def test_sigterm_leaves_a_run_that_resumes(work: Path) -> None:
    path = configuration(work)
    root = str(Path(__file__).resolve().parents[2])
    arguments = [sys.executable, "-c", TERMINATED, "fit", str(path)]
    outcome = subprocess.run(
        arguments, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 143, outcome.stderr
    assert not (work / "runs" / "small" / "model.safetensors").exists()
    assert command("fit", path, "--resume").code == 0


def test_sigterm_unwinds_and_is_handled_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as raised, cli._terminable():
        signal.raise_signal(signal.SIGTERM)
    assert raised.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_the_training_stack_one_line_says_what_to_install(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == "lightning" else object())
    outcome = command("fit", configuration(work))
    assert outcome.code == 2
    assert outcome.err == "trainer: lightning not installed: `pip install 'cctv-streamer[train]'`\n"


def test_resuming_nothing_is_refused(work: Path) -> None:
    outcome = command("fit", configuration(work), "--resume")
    assert outcome.code == 2
    assert "no run to resume" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "none.yaml"), "trainer: none.yaml: no such file"),
        (("evaluate", "none.safetensors"), "trainer: none.safetensors: no such model file"),
        (("evaluate", "bundled:none"), "trainer: there is no 'bundled:none' in this installation"),
    ],
)
def test_what_is_not_there_is_one_line_and_code_2(
    work: Path, arguments: tuple[str, ...], message: str
) -> None:
    outcome = command(*arguments)
    assert outcome.code == 2
    assert outcome.err.startswith(message)
    assert outcome.err.count("\n") == 1


def test_a_runs_folder_that_cannot_be_written_is_one_line_and_code_1(work: Path) -> None:
    (work / "runs").write_text("a file in the way")
    outcome = command("fit", configuration(work), "--steps", "1", "--quiet")
    assert outcome.code == 1
    assert outcome.err == "trainer: runs/small/config.yaml: cannot be written: Not a directory\n"


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (("evaluate", "no.safetensors"), "metrics.json"),
        (("evaluate-tamper", "no.mp4"), "tamper.json"),
        (("evaluate-zeroshot", "no.yaml", "no"), "zeroshot.json"),
    ],
)
def test_an_output_that_cannot_be_written_is_said_before_the_work(
    work: Path, arguments: tuple[str, ...], file: str
) -> None:
    (work / "way").write_text("a file in the way")
    outcome = command(*arguments, "--output", "way/in")
    assert (outcome.code, outcome.err) == (
        1,
        f"trainer: way/in/{file}: cannot be written: Not a directory\n",
    )


def test_calibrate_says_before_the_work_that_its_file_is_a_folder(work: Path) -> None:
    (work / "calibration.json").mkdir()
    outcome = command("calibrate", "no.yaml", "no")
    assert (outcome.code, outcome.err) == (
        1,
        "trainer: calibration.json: cannot be written: Is a directory\n",
    )


def test_nothing_is_left_by_a_command_that_came_to_nothing(work: Path) -> None:
    outcome = command("evaluate", "no.safetensors", "--output", "new/folder")
    assert outcome.code != 0
    assert not (work / "new").exists()


def test_quiet_says_nothing(work: Path) -> None:
    outcome = command("fit", configuration(work), "--steps", "1", "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


def test_what_was_left_out_is_counted(work: Path) -> None:
    pictures = work / "pictures"
    (pictures / "a_0.png").write_bytes(b"no picture")
    (pictures / "a_8.png").write_bytes((pictures / "c_1.png").read_bytes())
    (pictures / "shortcut.lnk").write_bytes(b"")
    outcome = command("fit", configuration(work), "--steps", "1")
    assert outcome.code == 0, outcome.err
    assert "4 frames of 1 clips for test" in outcome.err
    assert "left out: 1 files that are no images, 1 repeated across sides, 1 unreadable" in outcome.err


def test_the_command_line_starts_without_lightning() -> None:
    check = "import sys, trainer.cli; sys.exit(bool({'lightning', 'torch', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_run_of_an_earlier_version_may_go_on(tmp_path: Path) -> None:
    defaults = config.dump(config.TrainConfig())
    before = {key: value for key, value in defaults.items() if key != "noise"}  # as if there had been none
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(before))
    check(tmp_path, defaults, resume=True, overwrite=False, defaults=defaults)
    other = {**defaults, "noise": {**defaults["noise"], "gain": 2.0}}
    with pytest.raises(
        ConfigError, match=r"noise\.gain: is 2\.0, but .* was started with 0\.0; change it back"
    ):
        check(tmp_path, other, resume=True, overwrite=False, defaults=defaults)
