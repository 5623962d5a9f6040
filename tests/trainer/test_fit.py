"""Training: it learns, and an interrupted run goes on as if it had not been."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from streamer.errors import ConfigError, StreamerError
from tests.trainer.scenes import configuration, frames, install
from trainer import config, data, fit, pairs, sides
from trainer.config import TrainConfig
from trainer.fit import Fitted, Fitting, Shuffled
from trainer.pairs import PairFolders, Pairs

QUIET = Console(quiet=True)
CPU = torch.device("cpu")
COLUMNS = ("validation_loss", "psnr_db", "psnr_hidden_db")
NORMALISED = {"name": "pix2pix", "width": 4, "levels": 2}
"""With batch normalisation and dropout."""


@dataclass
class Setting:
    """Everything that ``fit`` needs."""

    config: TrainConfig
    folders: PairFolders
    folder: Path

    @property
    def sides(self) -> tuple[Pairs, Pairs]:
        """What is trained and validated with."""
        return Pairs(self.folders.train), Pairs(self.folders.validation)

    def fit(self, name: str, **options: Any) -> Fitted:
        """Train in a folder of that name."""
        return fit.fit(self.config, *self.sides, self.folder / name, CPU, progress=False, **options)


def setting(folder: Path, monkeypatch: pytest.MonkeyPatch, **sections: Any) -> Setting:
    """Pairs of a car in each of 16 frames."""
    install(monkeypatch)
    if not (folder / "pictures").exists():
        frames(folder / "pictures")
    loaded = config.load(configuration(folder, **sections))
    divided = data.read(loaded.data, loaded.seed)
    boxes, _ = pairs.find_boxes(divided.pictures, loaded, CPU, QUIET)
    return Setting(loaded, pairs.make_pairs(divided, boxes, loaded, QUIET), folder)


def interrupt(monkeypatch: pytest.MonkeyPatch, epoch: int, step: int) -> None:
    """Let Ctrl-C come in the middle of an epoch, both from 0."""
    original = Fitting.training_step

    def interrupted(self: Fitting, batch: fit.Batch, index: int) -> torch.Tensor:
        if (self.current_epoch, index) == (epoch, step):
            raise KeyboardInterrupt
        return original(self, batch, index)

    monkeypatch.setattr(Fitting, "training_step", interrupted)


def test_a_network_that_may_learn_by_heart_beats_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = setting(
        tmp_path, monkeypatch, network={"width": 16}, fit={"epochs": 30, "batch": 2, "schedule": "cosine"}
    )
    known = Pairs(prepared.folders.train)
    found = fit.fit(prepared.config, known, known, tmp_path / "run", CPU, progress=False)
    assert found.rows[-1]["psnr_hidden_db"] > found.identity["psnr_hidden_db"] + 3.0
    assert found.rows[-1]["train_loss"] < 0.5 * found.rows[0]["train_loss"]


def test_rows_say_what_the_kept_network_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = setting(tmp_path, monkeypatch, fit={"epochs": 3})
    found = prepared.fit("run")
    assert [row["epoch"] for row in found.rows] == [1, 2, 3]
    best = found.rows[found.best - 1]
    assert best["psnr_hidden_db"] == max(row["psnr_hidden_db"] for row in found.rows)
    fitting = Fitting(prepared.config)
    fitting.network.load_state_dict(found.network.state_dict())
    batch = next(iter(torch.utils.data.DataLoader(pairs.Pairs(prepared.folders.validation), 99)))
    with torch.inference_mode():
        scored = fit.means(fitting.sums(fitting.network(batch[0]), batch))
        identity = fit.means(fitting.sums(batch[0], batch))
    assert scored == pytest.approx({name: best[name] for name in scored}, abs=1e-4)
    assert identity == pytest.approx(found.identity, abs=1e-4)


@pytest.mark.parametrize(
    "sections",
    [
        {"fit": {"epochs": 3}},
        {
            "fit": {
                "epochs": 3,
                "schedule": "cosine",
                "ema": 0.9,
                "augment": ["mirror", "colour"],
                "clip": 1.0,
                "loss": "charbonnier",
            }
        },
        {"fit": {"epochs": 3, "loss": {"ms_ssim": 0.84, "l1": 0.16}}},
        {"fit": {"epochs": 3}, "network": NORMALISED},
        {"fit": {"epochs": 3, "loss": {"l1": 100, "adversarial": 1}}},
        {
            "fit": {
                "epochs": 3,
                "schedule": "cosine",
                "ema": 0.9,
                "augment": ["mirror"],
                "clip": 1.0,
                "loss": {"l1": 10, "ssim": 1, "adversarial": 1},
            },
            "network": NORMALISED,
        },
    ],
    ids=["plain", "everything", "mix", "dropout", "adversarial", "adversarial with everything"],
)
def test_a_resumed_run_ends_as_one_that_was_never_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sections: dict[str, Any]
) -> None:
    prepared = setting(tmp_path, monkeypatch, **sections)
    straight = prepared.fit("straight")
    with monkeypatch.context() as patched:
        interrupt(patched, epoch=2, step=1)
        with pytest.raises(KeyboardInterrupt):
            prepared.fit("resumed")
    resumed = prepared.fit("resumed", resume=True)
    assert resumed.rows == straight.rows
    assert resumed.best == straight.best
    for name, weight in straight.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name]), name
    last = [torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("straight", "resumed")]
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        torch.testing.assert_close(last[0][part], last[1][part], rtol=0, atol=0)


ADVERSARIAL = {"l1": 100.0, "adversarial": 1.0}


def test_two_networks_learn_where_one_is_judged_by_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms: list[float] = []
    original = torch.optim.Adam.step

    def counted(self: torch.optim.Adam, closure: Any = None) -> Any:
        gradients = [w.grad for group in self.param_groups for w in group["params"] if w.grad is not None]
        norms.append(float(torch.stack([gradient.norm() for gradient in gradients]).norm()))
        return original(self, closure)

    monkeypatch.setattr(torch.optim.Adam, "step", counted)
    prepared = setting(
        tmp_path, monkeypatch,
        fit={"epochs": 2, "batch": 4, "loss": ADVERSARIAL, "clip": 0.01, "schedule": "cosine"},
    )  # fmt: skip
    start = Fitting(prepared.config).state_dict()
    found = prepared.fit("run")
    kept = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    for half in ("network", "discriminator"):
        moved = [
            float((kept["state_dict"][name] - start[name]).abs().max())
            for name in start
            if name.startswith(half) and name.endswith("weight")
        ]
        assert max(moved) > 0, half
    steps = 2 * 2  # eight pairs in two epochs
    assert [each["last_epoch"] for each in kept["lr_schedulers"]] == [steps, steps]
    assert len(kept["optimizer_states"]) == 2
    assert len(norms) == 2 * steps
    assert max(norms) <= 0.01 * 1.001
    assert not [name for name in found.network.state_dict() if "discriminator" in name]
    # what validation reports is the part that says something: the adversarial one is lost as the other wins
    assert 0 < found.rows[-1]["validation_loss"] < 100


def test_an_adversary_changes_neither_the_fresh_network_nor_its_plain_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for loss in ("l1", {"l1": 1.0, "adversarial": 1e-9}):
        torch.manual_seed(0)
        made.append(Fitting(setting(tmp_path, monkeypatch, fit={"loss": loss}).config))
    plain, judged = made
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, judged.state_dict()[name])
    batch = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16), torch.ones(2, 1, 16, 16)
    assert torch.equal(plain.sums(batch[0], batch), judged.sums(batch[0], batch))
    assert plain.automatic_optimization


def test_a_network_without_colour_is_held_against_brightness_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitting = Fitting(setting(tmp_path, monkeypatch, network={"grey": True}).config)
    monkeypatch.setattr(fitting, "log", lambda *_, **__: None)  # there is no trainer to log to
    red = torch.zeros(1, 3, 16, 16)
    red[:, 0] = 1.0
    everywhere = torch.ones(1, 1, 16, 16)
    luma = torch.full_like(red, 0.299)
    assert fitting.sums(luma, (luma, red, everywhere))[1].item() == pytest.approx(0.0, abs=1e-9)
    assert fitting.training_step((luma, red, everywhere), 0).item() == pytest.approx(0.0, abs=1e-9)


def test_the_losses_of_a_config_are_learned_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for loss in ({"ms_ssim": 0.84, "l1": 0.16}, {"l1": 100, "adversarial": 1}):
        prepared = setting(tmp_path, monkeypatch, fit={"epochs": 12, "batch": 4, "loss": loss})
        known = Pairs(prepared.folders.train)
        found = fit.fit(prepared.config, known, known, tmp_path / "run", CPU, progress=False)
        assert found.rows[-1]["psnr_hidden_db"] > found.identity["psnr_hidden_db"] + 1.0


def test_two_runs_of_one_seed_agree_and_of_another_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = setting(tmp_path, monkeypatch, fit={"augment": ["mirror"]}).fit("one")
    two = setting(tmp_path, monkeypatch, fit={"augment": ["mirror"]}).fit("two")
    three = setting(tmp_path, monkeypatch, fit={"augment": ["mirror"]}, seed=1).fit("three")
    assert one.rows == two.rows
    assert one.rows != three.rows


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = setting(tmp_path, monkeypatch, fit={"epochs": 3})
    original = Fitting.training_step

    def broken(self: Fitting, batch: fit.Batch, index: int) -> torch.Tensor:
        degraded, clean, hidden = batch
        if self.current_epoch == 1:
            clean = clean * torch.nan
        return original(self, (degraded, clean, hidden), index)

    monkeypatch.setattr(Fitting, "training_step", broken)
    with pytest.raises(StreamerError, match=r"no number any more in epoch 2, step 1; lower fit\.rate"):
        prepared.fit("run")
    kept = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(bool(torch.isfinite(weight).all()) for weight in kept.values())


def test_whole_frames_are_weighted_everywhere_and_regions_where_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for of, inside_alone in (("frames", False), ("regions", True)):
        prepared = setting(tmp_path, monkeypatch, pairs={"of": of, "size": 24})
        fitting = Fitting(prepared.config)
        degraded, clean, hidden = (part[None] for part in pairs.Pairs(prepared.folders.train)[0])
        outside = torch.where(hidden > 0, clean, 1 - clean)  # wrong wherever nothing is hidden
        loss = float(fitting.sums(outside, (degraded, clean, hidden))[1])
        assert (loss == 0.0) is inside_alone


def test_the_order_follows_from_seed_and_epoch() -> None:
    order = Shuffled(range(20), seed=3)
    first = list(order)
    assert sorted(first) == list(range(20))
    order.set_epoch(1)
    assert list(order) != first
    order.set_epoch(0)
    assert list(order) == first
    assert list(Shuffled(range(20), seed=4)) != first


def test_the_cosine_rises_then_falls_to_zero() -> None:
    factors = [fit._cosine(step, 100) for step in range(101)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[5] == 1.0
    assert factors[100] == pytest.approx(0.0, abs=1e-9)
    assert factors[5:] == sorted(factors[5:], reverse=True)


def test_training_ends_where_nothing_gets_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = setting(tmp_path, monkeypatch, fit={"epochs": 20, "patience": 2, "rate": 1e-9})
    scores = iter([10.0, 12.0, 11.0, 12.0, 30.0, 40.0, 50.0])
    monkeypatch.setattr(fit, "means", lambda sums: dict.fromkeys(COLUMNS, next(scores)))
    monkeypatch.setattr(fit, "_identity", lambda *_: dict.fromkeys(COLUMNS, 0.0))
    found = prepared.fit("run")
    assert [row["psnr_hidden_db"] for row in found.rows] == [10.0, 12.0, 11.0, 12.0]
    assert found.best == 2
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["epoch"] == 3  # from 0
    # a run that ended so does not go on
    assert prepared.fit("run", resume=True).rows == found.rows


def test_patience_outlasts_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = setting(tmp_path, monkeypatch, fit={"epochs": 20, "patience": 3, "rate": 1e-9})
    monkeypatch.setattr(fit, "_identity", lambda *_: dict.fromkeys(COLUMNS, 0.0))
    monkeypatch.setattr(fit, "means", lambda sums: dict.fromkeys(COLUMNS, 10.0))
    with monkeypatch.context() as patched:
        interrupt(patched, epoch=2, step=0)
        with pytest.raises(KeyboardInterrupt):
            prepared.fit("run")
    assert len(prepared.fit("run", resume=True).rows) == 4


def test_tensorboard_shows_what_the_rows_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = setting(tmp_path, monkeypatch, fit={"epochs": 3}).fit("run")
    logs = EventAccumulator(str(tmp_path / "logs"))
    logs.Reload()
    for name in ("train_loss", *COLUMNS):
        shown = [event.value for event in logs.Scalars(name)]
        assert shown == pytest.approx([row[name] for row in found.rows], rel=1e-5)


def test_a_damaged_checkpoint_is_not_taken_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = setting(tmp_path, monkeypatch)
    prepared.fit("run", steps=1)
    last = tmp_path / "run" / "last.ckpt"
    whole = last.read_bytes()
    for content in (b"", whole[:100], whole[:-50]):
        last.write_bytes(content)
        with pytest.raises(ConfigError, match=r"last\.ckpt: truncated or damaged; start again with --over"):
            prepared.fit("run", resume=True)


def test_training_goes_on_where_nothing_can_be_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no C++ compiler\nin PATH")

    straight = setting(tmp_path, monkeypatch).fit("straight")
    prepared = setting(tmp_path, monkeypatch, fit={"compile": True})
    monkeypatch.setattr(torch, "compile", broken)
    assert prepared.fit("run").rows == straight.rows
    assert "fit.compile: no working compiler for cpu, training goes on without" in caplog.messages


@pytest.mark.slow
def test_a_compiled_network_learns_as_the_other_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = setting(tmp_path, monkeypatch, fit={"ema": 0.9}).fit("straight")
    prepared = setting(tmp_path, monkeypatch, fit={"ema": 0.9, "compile": True})
    monkeypatch.setattr("torch._inductor.config.compile_threads", 1)  # its own threads outlive it
    if not fit._compiles(CPU):
        pytest.skip("needs a C++ compiler")
    compiled = prepared.fit("run")
    for name in ("train_loss", *COLUMNS):
        expected = [row[name] for row in straight.rows]
        assert [row[name] for row in compiled.rows] == pytest.approx(expected, rel=1e-3)
    assert compiled.network.state_dict().keys() == straight.network.state_dict().keys()


def test_crops_of_a_later_epoch_are_the_same_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames(tmp_path / "pictures")
    sections: dict[str, Any] = {
        "task": "denoise",
        "pairs": {"of": "crops", "size": 32},
        "fit": {"epochs": 4, "augment": ["mirror", "scale"], "schedule": "cosine", "ema": 0.9},
        "data": {
            "folder": str(tmp_path / "pictures"), "cache": str(tmp_path / "cache"),
            "validation": ["b"], "test": ["c"], "subsets": {"count": 3, "each": 3},
        },
    }  # fmt: skip
    loaded = config.load(configuration(tmp_path, **sections))

    def train(name: str, *, resume: bool = False) -> Fitted:
        divided = data.read(loaded.data, loaded.seed)
        known, unseen = sides.sides(divided, {}, loaded, CPU, QUIET)
        return fit.fit(loaded, known, unseen, tmp_path / name, CPU, progress=False, resume=resume)

    straight = train("straight")
    with monkeypatch.context() as patched:
        interrupt(patched, epoch=2, step=0)
        with pytest.raises(KeyboardInterrupt):
            train("resumed")
    resumed = train("resumed", resume=True)
    assert resumed.rows == straight.rows
    for key, weight in straight.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[key]), key


def test_a_run_goes_on_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = setting(tmp_path, monkeypatch, fit={"epochs": 3})
    whole = prepared.fit("whole")
    interrupt(monkeypatch, epoch=2, step=0)
    with pytest.raises(KeyboardInterrupt):
        prepared.fit("old")
    monkeypatch.undo()
    install(monkeypatch)
    (tmp_path / "old").rename(tmp_path / "new")
    resumed = prepared.fit("new", resume=True)
    assert resumed.rows == whole.rows
    assert resumed.best == whole.best
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name])
    assert not (tmp_path / "old").exists()
