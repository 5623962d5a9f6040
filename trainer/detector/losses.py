"""How wrong a detector's outputs are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import generalized_box_iou_loss

from streamer.nets.fcos import decode
from trainer.detector.assign import IGNORED

BOX_WEIGHT = 2.0
"""Of the boxes beside the scores, as in NanoDet."""

BETA = 2.0
"""How strongly what is nearly right counts less."""


def quality_focal(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the quality focal loss of each logit (Li et al. 2020, arXiv:2006.04388).

    Args:
        logits: any shape.
        targets: the same shape, 0 to 1.
    """
    away = (targets - logits.sigmoid()).abs() ** BETA
    return away * binary_cross_entropy_with_logits(logits, targets, reduction="none")


def detection(
    logits: Tensor, distances: Tensor, classes: Tensor, boxes: Tensor, centres: Tensor, strides: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the losses of the scores and of the boxes, per cell that has an object to find.

    Args:
        logits: float32 ``[B, N, C]``.
        distances: float32 ``[B, N, 4]``, as the network gives them.
        classes: int64 ``[B, N]``, as ``assign`` gives them.
        boxes: float32 ``[B, N, 4]``, likewise.
        centres: float32 ``[N, 2]``.
        strides: float32 ``[N, 1]``.
    """
    there = classes >= 0
    count = there.sum().clamp(min=1)
    found = decode(distances, centres, strides)[there]
    wrong = generalized_box_iou_loss(found, boxes[there], reduction="sum")
    targets = torch.zeros_like(logits)
    targets[there, classes[there]] = _overlap(found.detach(), boxes[there]).to(targets.dtype)
    scores = quality_focal(logits, targets)[classes != IGNORED].sum()
    return scores / count, BOX_WEIGHT * wrong / count


def _overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the IoU of each of ``[M, 4]`` boxes with its counterpart."""
    start, end = torch.maximum(boxes[:, :2], others[:, :2]), torch.minimum(boxes[:, 2:], others[:, 2:])
    shared = (end - start).clamp(min=0.0).prod(dim=1)
    areas = ((each[:, 2:] - each[:, :2]).prod(dim=1) for each in (boxes, others))
    return shared / (sum(areas) - shared).clamp(min=1e-6)
