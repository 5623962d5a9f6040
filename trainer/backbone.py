"""A MobileNetV2 that was trained on ImageNet, to start from."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from streamer.detect import weights


def load(backbone: nn.Module, path: Path) -> None:
    """Give a backbone the weights of a MobileNetV2 that was trained on ImageNet.

    Args:
        backbone: the first blocks of one.
        path: of a state dict, torchvision's or of any module with the same tensors in the same order.

    Raises:
        ModelError: it is missing, damaged, carries code, or is another network's.
    """
    state = weights.read(path)
    given = [tensor for name, tensor in state.items() if not name.startswith("classifier")]
    own = backbone.state_dict()
    renamed = dict(zip(own, given, strict=False))  # what comes after the cut is not needed
    weights.fit(backbone, renamed, path, "MobileNetV2")
