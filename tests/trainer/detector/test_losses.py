"""Losses against values worked out by hand."""

import math

import pytest
import torch

from streamer.nets.fcos import decode
from trainer.detector.assign import BACKGROUND, IGNORED
from trainer.detector.losses import detection, quality_focal

CENTRES, STRIDES = torch.tensor([[12.0, 12.0], [20.0, 12.0], [28.0, 12.0]]), torch.full((3, 1), 8.0)


def test_quality_focal_is_cross_entropy_times_the_squared_distance() -> None:
    logits, targets = torch.tensor([0.0, 0.0, math.log(3)]), torch.tensor([0.0, 0.8, 0.75])
    # sigmoid: 0.5, 0.5, 0.75; cross entropy of the first two: ln 2
    expected = [0.25 * math.log(2), 0.09 * math.log(2), 0.0]
    assert quality_focal(logits, targets).tolist() == pytest.approx(expected)


def test_distances_are_decoded_in_strides_from_the_cells_centre() -> None:
    distances = torch.log(torch.tensor([[1.0, 0.5, 2.0, 1.5]]))
    assert decode(distances, CENTRES[:1], STRIDES[:1])[0].tolist() == pytest.approx([4.0, 8.0, 28.0, 24.0])


def test_a_distance_without_end_stays_finite() -> None:
    assert decode(torch.full((1, 4), 1e4), CENTRES[:1], STRIDES[:1]).isfinite().all()


def test_the_losses_of_three_cells_are_as_by_hand() -> None:
    logits = torch.zeros(1, 3, 2)
    distances = torch.zeros(1, 3, 4)  # a stride to each side: 16 by 16 pixels
    classes = torch.tensor([[1, BACKGROUND, IGNORED]])
    boxes = torch.zeros(1, 3, 4)
    boxes[0, 0] = torch.tensor([4.0, 4.0, 12.0, 20.0])  # the left half of what is found: IoU and GIoU 0.5
    score, box = detection(logits, distances, classes, boxes, CENTRES, STRIDES)
    assert box.item() == pytest.approx(2 * (1 - 0.5))
    # its own class is to be 0.5 and is; of the other class, and of the background's two, sigmoid is 0.5 for 0
    assert score.item() == pytest.approx(3 * 0.25 * math.log(2))


def test_a_picture_without_objects_has_a_loss_and_a_gradient() -> None:
    logits, distances = torch.zeros(1, 3, 2, requires_grad=True), torch.zeros(1, 3, 4, requires_grad=True)
    score, box = detection(
        logits, distances, torch.full((1, 3), BACKGROUND), torch.zeros(1, 3, 4), CENTRES, STRIDES
    )
    (score + box).backward()  # type: ignore[no-untyped-call]  # torch's
    assert box.item() == 0.0
    assert logits.grad is not None
    assert (logits.grad > 0).all()


def test_ignored_cells_have_no_gradient() -> None:
    logits = torch.zeros(1, 3, 2, requires_grad=True)
    classes = torch.tensor([[BACKGROUND, IGNORED, BACKGROUND]])
    score, _ = detection(logits, torch.zeros(1, 3, 4), classes, torch.zeros(1, 3, 4), CENTRES, STRIDES)
    score.backward()  # type: ignore[no-untyped-call]  # torch's
    assert logits.grad is not None
    assert not logits.grad[0, 1].any()
    assert logits.grad[0, 0].all()
