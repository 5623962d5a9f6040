"""A small CLIP of open_clip's own form with weights that the test wrote, and what is refused."""

import builtins
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from streamer.errors import ConfigError, ModelError
from streamer.watch import openclip
from streamer.watch.clip import Encoder
from streamer.watch.zeroshot import Scorer
from streamer.zeroshot import ZeroShotConfig
from tests.clip import MEAN, SHAPE, SIDE, STD, write_small

open_clip = pytest.importorskip("open_clip")

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder."""
    return write_small(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(_: Any) -> str:
        raise FileNotFoundError("Failed to download file (a.bin) for some/where. Last error: no\nnetwork")

    monkeypatch.setattr(open_clip, "download_pretrained", download)


def refusal(model: str | Path, weights: str | Path = "datacomp_s34b_b86k") -> str:
    with pytest.raises(ConfigError) as raised:
        openclip.load(str(model), str(weights))
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("watch.zeroshot")
    return str(raised.value)


def picture(seed: int, height: int = SIDE, width: int = SIDE) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("normalise", "mean", "std"), [("model", MEAN, STD), ("half", (0.5,) * 3, (0.5,) * 3)]
)
def test_pictures_are_embedded_as_the_network_would_have_them(
    small: Path, normalise: Any, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    encoder = Encoder(ZeroShotConfig(model=str(small), normalise=normalise), CPU)
    network: Any = openclip.load(str(small), "datacomp_s34b_b86k").network.eval()
    images = [picture(seed) for seed in range(3)]
    found = encoder.images([images[0], torch.from_numpy(images[1]), images[2]])
    inputs = (np.stack(images) / 255 - np.array(mean)) / np.array(std)
    with torch.no_grad():
        expected = network.encode_image(torch.tensor(inputs.transpose(0, 3, 1, 2), dtype=torch.float32))
    expected /= expected.norm(dim=1, keepdim=True)
    assert found == pytest.approx(expected.numpy(), abs=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-3
    assert encoder.size == (SIDE, SIDE)


def test_sentences_are_embedded_as_the_network_would_have_them(small: Path) -> None:
    encoder = Encoder(ZeroShotConfig(model=str(small)), CPU)
    network: Any = openclip.load(str(small), "datacomp_s34b_b86k").network.eval()
    said = ["a car crash", "normal traffic"]
    with torch.no_grad():
        expected = network.encode_text(open_clip.SimpleTokenizer(context_length=20)(said))
    expected /= expected.norm(dim=1, keepdim=True)
    assert encoder.sentences(said) == pytest.approx(expected.numpy(), abs=1e-5)


def test_more_than_goes_through_at_once_goes_through_in_parts(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(ZeroShotConfig(model=str(small)), CPU)
    images = [picture(seed) for seed in range(5)]
    whole = encoder.images(images)
    monkeypatch.setattr("streamer.watch.clip.MOST", 2)
    assert encoder.images(images) == pytest.approx(whole, abs=1e-5)


def test_nothing_at_the_sides_of_a_wide_picture_is_cut_off(small: Path) -> None:
    encoder = Encoder(ZeroShotConfig(model=str(small)), CPU)
    wide = picture(0, 72, 128)
    other = wide.copy()
    other[:, :16] = 255
    one, two = encoder.images([wide, other])
    assert np.abs(one - two).max() > 1e-3


def test_a_scorer_compares_pictures_with_sentences(small: Path) -> None:
    scorer = Scorer(ZeroShotConfig(model=str(small)), CPU)
    embeddings = scorer.embed([picture(0), picture(1, 48, 64)])
    assert embeddings.dtype == np.float32
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx([1.0, 1.0], abs=1e-5)
    found = scorer.similarities(embeddings)
    assert found.shape == (2, len(scorer.sentences))
    assert np.abs(found).max() <= 1.0 + 1e-5
    assert scorer.margins(embeddings)["accident"].shape == (2,)
    assert scorer.fingerprint["model"] == "small"


def test_other_weights_have_another_fingerprint(small: Path, tmp_path: Path) -> None:
    again, other = write_small(tmp_path / "again"), write_small(tmp_path / "other", seed=1)
    digests = [Encoder(ZeroShotConfig(model=str(each)), CPU).weights for each in (small, again, other)]
    assert digests[0] == digests[1] != digests[2]


def test_weights_may_be_named_apart_from_the_folder_and_be_what_torch_saves(
    small: Path, tmp_path: Path
) -> None:
    other = write_small(tmp_path / "other", seed=1)
    state = safetensors.torch.load_file(other / "open_clip_model.safetensors")
    # as open_clip's own training writes it
    checkpoint = {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}
    torch.save(checkpoint, tmp_path / "epoch_3.pt")
    named = Encoder(ZeroShotConfig(model=str(small), weights=str(tmp_path / "epoch_3.pt")), CPU)
    assert named.weights == Encoder(ZeroShotConfig(model=str(other)), CPU).weights


def test_nothing_is_logged_nor_any_handler_left(small: Path, capfd: pytest.CaptureFixture[str]) -> None:
    handlers = list(logging.getLogger().handlers)
    openclip.load(str(small), "datacomp_s34b_b86k")
    assert logging.getLogger().handlers == handlers
    assert capfd.readouterr() == ("", "")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "open_clip":
            raise ModuleNotFoundError("No module named 'open_clip'")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModelError, match=r"watch\.zeroshot: .*No module.*cctv-streamer\[zeroshot\]"):
        openclip.load("ViT-B-32-256", "datacomp_s34b_b86k")


def test_a_name_or_a_tag_that_there_is_not_is_refused_with_what_is_near() -> None:
    assert "no folder 'ViT-B32'" in refusal("ViT-B32")
    assert "did you mean 'ViT-B-32'?" in refusal("ViT-B32")
    said = refusal("ViT-S-32", "datacomp_s34b_b86k")
    assert "no file 'datacomp_s34b_b86k', and ViT-S-32 has no such tag; known: none" in said
    assert "did you mean 'datacomp_s34b_b86k'?" in refusal("ViT-B-32-256", "datacomp_s34b")


def test_weights_that_cannot_be_downloaded_say_where_they_are_and_where_to_put_them() -> None:
    said = refusal("ViT-B-32-256")
    assert "datacomp_s34b_b86k of ViT-B-32-256 cannot be downloaded (FileNotFoundError: Failed to " in said
    assert "https://huggingface.co/laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K" in said
    assert said.endswith("watch.zeroshot.weights: PATH")


def test_weights_that_were_downloaded_before_need_no_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, str]] = []

    def cached(repository: str, name: str) -> str:
        asked.append((repository, name))
        return str(tmp_path / name)

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", cached)
    monkeypatch.setattr(openclip, "_built", lambda *_: torch.nn.Identity())
    said = refusal("ViT-B-32-256")
    assert f"{tmp_path / 'open_clip_model.safetensors'}: cannot be read: No such file" in said
    assert asked == [("laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K", "open_clip_model.safetensors")]


def test_weights_of_the_other_activation_are_refused() -> None:
    # they would load, and compute something else
    assert refusal("ViT-B-32", "openai").endswith(
        "the weights openai are for ViT-B-32-quickgelu, not for ViT-B-32"
    )


def test_a_tokenizer_that_must_be_downloaded_says_so(monkeypatch: pytest.MonkeyPatch, small: Path) -> None:
    def missing(_: str) -> None:
        raise ModuleNotFoundError("No module named 'transformers'")

    monkeypatch.setattr(open_clip, "get_tokenizer", missing)
    said = refusal(small)
    assert "its tokenizer cannot be had" in said
    assert "No module named 'transformers'" in said


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.safetensors", b"", "a.safetensors: empty"),
        ("a.safetensors", b"\xff" * 64, "a.safetensors: truncated, damaged"),
        ("a.pt", b"", "a.pt: empty"),
        ("a.pt", b"\x80\x02no", "a.pt: truncated, damaged"),
        ("a.pt", {"step": 3}, "a.pt: holds other things than tensors"),
        ("a.pt", [1, 2], "a.pt: truncated, damaged or no weights"),
        ("a.pt", {"logit_scale": Code()}, "a.pt: a pickle that carries code, which is refused"),
        ("a.pt", {"logit_scale": torch.ones([])}, "small: Missing key(s)"),
    ],
)
def test_a_file_that_holds_no_weights_is_refused(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: Any, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        Path(name).write_bytes(content)
    else:
        torch.save(content, name)
    assert expected in refusal(small, name)
    assert not Path("ran").exists()


def test_weights_that_do_not_fit_or_are_no_numbers_are_refused(small: Path, tmp_path: Path) -> None:
    vision = {**SHAPE["vision_cfg"], "width": 48}
    other = write_small(tmp_path / "other", shape={**SHAPE, "vision_cfg": vision})
    said = refusal(small, other / "open_clip_model.safetensors")
    assert "/small: size mismatch for visual." in said
    state = safetensors.torch.load_file(small / "open_clip_model.safetensors")
    state["text_projection"][0, 0] = float("nan")
    safetensors.torch.save_file(state, tmp_path / "nan.safetensors")
    assert "text_projection holds weights that are not numbers" in refusal(
        small, tmp_path / "nan.safetensors"
    )


@pytest.mark.parametrize(
    "change", [{"mean": [0.5]}, {"mean": "grey"}, {"mean": 0.5}, {"std": [0.2, 0.0, 0.2]}]
)
def test_a_folder_whose_pictures_cannot_be_normalised_is_refused(
    small: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = shutil.copytree(small, tmp_path / "odd")
    said = json.loads((folder / openclip.CONFIG).read_text(encoding="utf-8"))
    said["preprocess_cfg"] |= change
    (folder / openclip.CONFIG).write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(ModelError, match=r"odd: preprocess_cfg: mean and std: expected three numbers each"):
        Encoder(ZeroShotConfig(model=str(folder)), CPU)


def test_a_network_that_its_device_cannot_take_is_one_that_cannot_be_had(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 600.00 MiB.")

    loaded = openclip.load(str(small), "datacomp_s34b_b86k")
    monkeypatch.setattr(openclip, "load", lambda *_: loaded)
    monkeypatch.setattr(loaded.network, "to", full)
    with pytest.raises(ModelError, match=r"small: cannot go to cpu: OutOfMemoryError: CUDA out of memory"):
        Encoder(ZeroShotConfig(model=str(small)), CPU)


def test_a_folder_that_is_no_model_is_refused(small: Path, tmp_path: Path) -> None:
    config = tmp_path / "open_clip_config.json"
    assert f"{config}: cannot be read: No such file" in refusal(tmp_path)
    config.write_text("{oops", encoding="utf-8")
    assert f"{config}: not JSON" in refusal(tmp_path)
    config.write_text("{}", encoding="utf-8")
    assert "model_cfg is missing" in refusal(tmp_path)
    config.write_text('{"model_cfg": {"embed_dim": 4}}', encoding="utf-8")
    assert f"{tmp_path} holds no open_clip_model.safetensors" in refusal(tmp_path)
    shutil.copy(small / "open_clip_model.safetensors", tmp_path)
    assert "cannot be built: KeyError" in refusal(tmp_path)
    assert "no.pt: no such file" in refusal(small, "no.pt")


@pytest.mark.gpu
def test_a_gpu_gives_the_same(small: Path) -> None:
    config = ZeroShotConfig(model=str(small))
    host, device = Encoder(config, CPU), Encoder(config, torch.device("cuda", 0))
    images = [picture(seed, 72, 128) for seed in range(3)]
    # pictures that are scaled differ by a level at most
    assert device.images(images) == pytest.approx(host.images(images), abs=0.02)
    assert device.sentences(["a crash"]) == pytest.approx(host.sentences(["a crash"]), abs=1e-3)
