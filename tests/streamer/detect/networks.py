"""Small networks of torchvision's detection families, with random weights that find many things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, KeypointRCNN, MaskRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN

SIZE: Mapping[str, int] = {"min_size": 96, "max_size": 160}


def build(family: str) -> Any:
    """Build a network with COCO's 91 numbers (2 for keypoints), the same one each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        make, spread = _MAKERS[family]
        network = make(_backbone())
        for name, parameter in network.named_parameters():
            # weights as they are first drawn give all classes of all boxes nearly the same score
            if "cls" in name or "class" in name:
                nn.init.normal_(parameter, std=spread)
    return network.eval()


def _backbone() -> nn.Module:
    body = nn.Sequential(
        nn.Conv2d(3, 16, 3, 8, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU()
    )
    for weights in body.parameters():
        nn.init.normal_(weights, std=0.5)
    features: nn.Module = BackboneWithFPN(body, {"2": "0", "4": "1"}, [16, 16], 32)
    return features


def _anchors(*ratios: float) -> Any:
    return AnchorGenerator(((16,), (32,), (64,)), (ratios,) * 3)


FAMILIES = ("faster", "retinanet", "fcos")

_MAKERS: Mapping[str, tuple[Callable[[nn.Module], Any], float]] = {
    "faster": (lambda b: FasterRCNN(b, 91, rpn_anchor_generator=_anchors(0.5, 1.0, 2.0), **SIZE), 0.1),
    "mask": (lambda b: MaskRCNN(b, 91, rpn_anchor_generator=_anchors(0.5, 1.0, 2.0), **SIZE), 0.1),
    "keypoint": (lambda b: KeypointRCNN(b, 2, rpn_anchor_generator=_anchors(0.5, 1.0, 2.0), **SIZE), 0.3),
    "retinanet": (lambda b: RetinaNet(b, 91, anchor_generator=_anchors(0.5, 1.0, 2.0), **SIZE), 0.05),
    "fcos": (lambda b: FCOS(b, 91, anchor_generator=_anchors(1.0), **SIZE), 0.3),
}
"""What makes each family's network around a backbone, and how far apart it puts the scores."""
