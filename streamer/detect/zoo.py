"""torchvision's detectors, by the names in its registry, trained on COCO."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision.models import get_model, get_model_weights, list_models

from streamer.classes import indices
from streamer.detect import weights as state_dicts
from streamer.errors import ModelError
from streamer.frame import Detections

MOST = 300
"""How many objects a picture may hold; torchvision's usual 100 of any class could crowd a car out."""


def names() -> list[str]:
    """Return the detectors that torchvision has COCO weights for."""
    models: list[str] = list_models(module=torchvision.models.detection)
    return [name for name in models if any(w.name.startswith("COCO") for w in get_model_weights(name))]


def load(
    name: str, weights: str, device: torch.device, *, classes: Sequence[str], threshold: float
) -> TorchvisionDetector:
    """Load one of torchvision's detectors.

    Args:
        name: in torchvision's registry.
        weights: ``default``, which are downloaded once, or the path of a state dict.
        device: where it runs.
        classes: COCO names to look for.
        threshold: the least score to return.

    Raises:
        ModelError: there is no such detector, its weights cannot be had or don't fit, or it does not know
            one of the classes.
    """
    known = names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        raise ModelError(
            f"detect.model: unknown detector {name!r}{meant}; known: bundled, a path that ends in .onnx "
            f"or .safetensors, {', '.join(known)}"
        )
    published = get_model_weights(name).DEFAULT
    categories = published.meta["categories"]
    labels = indices(classes, categories, name)  # before a download that would be for nothing
    path = state_dicts.fetch(published.url) if weights == "default" else Path(weights)
    state = state_dicts.read(path)
    # the weights that are drawn here, only to be replaced, shall not change the run's other random numbers
    with torch.random.fork_rng(devices=[]):
        network = get_model(name, weights=None, weights_backbone=None, num_classes=len(categories))
    state_dicts.fit(network, state, path, name)
    return TorchvisionDetector(
        network,
        name,
        device,
        torch.float16 if device.type == "cuda" else torch.float32,
        classes=dict(zip(labels, classes, strict=True)),
        threshold=threshold,
    )


class TorchvisionDetector:
    """A network with torchvision's detection interface, on any device.

    On a CPU it runs in as many threads as torch is set to. Where other stages keep the cores busy, one is
    fastest: torch's threads wait for each other by spinning (SSDLite, 2 cores beside one busy process: 62 ms
    with one thread, 600 to 3,000 with two).
    """

    def __init__(
        self,
        network: Any,
        name: str,
        device: torch.device,
        precision: torch.dtype,
        *,
        classes: Mapping[int, str],
        threshold: float,
    ) -> None:
        """Move ``network`` to ``device`` and set its thresholds.

        Args:
            network: takes a list of pictures, returns for each a dict of boxes, labels and scores.
            name: of the model, for messages.
            device: where it runs.
            precision: float32, or float16 for convolutions and products only; boxes stay in float32.
            classes: names to look for, by the number that the network has for them.
            threshold: the least score to return.
        """
        self.name = name
        self.engine = f"torch {torch.__version__} ({device}, {str(precision).removeprefix('torch.')})"
        # on a CPU a batch costs what its pictures cost one by one
        self.batch_size = 1 if device.type == "cpu" else 8
        self._classes = classes
        self._threshold = np.float32(threshold)
        self._autocast = torch.autocast(device.type, precision, enabled=precision != torch.float32)
        # what half precision on CUDA works in; on a CPU it saves the MobileNets 12 to 23% of their time
        self._network = network.eval().to(device=device, memory_format=torch.channels_last)
        self._finite = torch.ones((), dtype=torch.bool, device=device)
        _bound(network, threshold)
        for part in _parts(network):
            part.register_forward_hook(self._checked)

    @torch.inference_mode()
    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """Find objects; see ``streamer.detect.Detector``."""
        found: list[Detections] = []
        for start in range(0, len(images), self.batch_size):  # tiles are many, and memory has an end
            found += self._detect(images[start : start + self.batch_size])
        return found

    def _detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        pictures = [image.permute(2, 0, 1).to(torch.float32).div_(255.0) for image in images]
        self._finite.fill_(True)
        with self._autocast:
            found = self._network(pictures)
        # all in one copy to the host
        rows = [
            torch.cat([f["boxes"], f["scores"][:, None], f["labels"][:, None]], dim=1).float() for f in found
        ]
        table = torch.cat(rows).cpu().numpy()
        if not self._finite:
            raise ValueError(f"{self.name} returned what is not a number")
        ends = np.cumsum([len(row) for row in rows])[:-1]
        return [self._read(part) for part in np.split(table, ends)]

    def _read(self, table: np.ndarray[Any, np.dtype[np.float32]]) -> Detections:
        """Make detections of ``[N, 6]``: box, score and label, best score first."""
        numbers = table[:, 5].astype(int)
        chosen = np.isin(numbers, list(self._classes)) & (table[:, 4] >= self._threshold)
        labels = tuple(self._classes[number] for number in numbers[chosen])
        return Detections(table[chosen, :4], table[chosen, 4], labels)

    def _checked(self, part: nn.Module, inputs: Any, output: Any) -> Any:
        """Note whether a part of the network returned numbers throughout; returns them in single precision.

        torchvision drops what is not a number as below its threshold, which would leave the picture unhidden
        (rule 1 of the design). It places anchors in the precision of the features and decodes boxes in that
        of the heads, which in half is off by up to a pixel.
        """
        if isinstance(output, torch.Tensor):
            self._finite &= torch.isfinite(output).all()
            return output.float()
        if isinstance(output, dict):
            return {key: self._checked(part, inputs, value) for key, value in output.items()}
        return type(output)(self._checked(part, inputs, value) for value in output)


def _parts(network: Any) -> list[nn.Module]:
    """Return what makes features, and what turns these into scores and encoded boxes."""
    if hasattr(network, "roi_heads"):  # the R-CNNs, which have two stages
        return [network.backbone, network.rpn.head, network.roi_heads.box_predictor]
    return [network.backbone, network.head]


def _bound(network: Any, threshold: float) -> None:
    """Have ``network`` return all from ``threshold`` on, and spare it the work on all else."""
    if hasattr(network, "roi_heads"):
        network = network.roi_heads
        # outlines and joints are not asked for
        network.mask_roi_pool = network.keypoint_roi_pool = None
    network.score_thresh = threshold - 1e-6  # it returns what is above, not what is at it
    network.detections_per_img = max(MOST, network.detections_per_img)
