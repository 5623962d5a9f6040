"""Small CLIPs: a real one of open_clip with weights of its own, and a stand-in that needs neither."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from streamer.frame import Image
from streamer.zeroshot import ZeroShotConfig

SIDE = 32
"""Of the pictures that the small one takes."""

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
"""What they are normalised by."""

SHAPE: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": SIDE, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def write_small(folder: Path, seed: int = 0, shape: dict[str, Any] = SHAPE) -> Path:
    """Write a model's folder as those on huggingface.co are; the network's form is open_clip's own."""
    import open_clip

    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": shape, "preprocess_cfg": {"mean": MEAN, "std": STD}}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.manual_seed(seed)
    network = open_clip.CLIP(
        shape["embed_dim"],
        open_clip.CLIPVisionCfg(**shape["vision_cfg"]),
        open_clip.CLIPTextCfg(**shape["text_cfg"]),
    )
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    safetensors.torch.save_file(state, folder / "open_clip_model.safetensors")
    return folder


class StandIn:
    """Satisfies ``streamer.watch.clip.Encoder`` in a plane: where sentences lie is given, pictures by light.

    A black picture is as ``traffic`` is, a white one as ``crash``, and grey ones lie between.
    """

    name = "stand-in"
    weights = "none"

    def __init__(self, config: ZeroShotConfig | None = None, device: torch.device | None = None) -> None:
        """Take the place of the encoder, whatever it is made from."""
        self.batches: list[int] = []
        """How many pictures came at once."""
        self.failing: set[int] = set()
        """Brightness of the pictures that it raises on."""

    def images(self, images: Sequence[Image | torch.Tensor]) -> NDArray[np.float32]:
        """Embed pictures by the brightness of their first pixel."""
        self.batches.append(len(images))
        light = [int(image[0, 0, 0]) for image in images]
        if self.failing & set(light):
            raise RuntimeError("cannot look")
        return np.stack([at(each / 255) for each in light])

    def sentences(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Embed sentences: those with a crash in them one way, all others another."""
        return np.stack([at(float("crash" in sentence)) for sentence in sentences])


def at(share: float) -> NDArray[np.float32]:
    """A vector of length 1 in the plane, that far of a quarter turn from the first axis."""
    return np.array([np.cos(share * np.pi / 2), np.sin(share * np.pi / 2)], np.float32)
