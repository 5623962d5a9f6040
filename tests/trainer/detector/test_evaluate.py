"""What is left uncovered and what is hidden needlessly, on frames whose answer is known."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from streamer.frame import Detections
from trainer.data import Picture
from trainer.detector.evaluate import THRESHOLDS, evaluate, uncovered

CPU = torch.device("cpu")


def found(*objects: tuple[tuple[float, float, float, float], float, str]) -> Detections:
    return Detections(
        np.array([box for box, _, _ in objects], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in objects], np.float32),
        tuple(label for _, _, label in objects),
    )


class Fixed:
    """Finds the same in every picture."""

    name, engine, batch_size = "fixed", "none", 1

    def __init__(self, detections: Detections) -> None:
        self._detections = detections

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        return [self._detections for _ in images]


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    cv2.imwrite(str(tmp_path / "a_1.png"), np.zeros((100, 200, 3), np.uint8))
    return Picture(tmp_path / "a_1.png", "a_1.png", "a", "")


def test_an_object_counts_as_hidden_from_nine_tenths_on() -> None:
    hidden = np.zeros((20, 40), bool)
    hidden[:9, :10] = True
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 11], [20, 0, 30, 10]], np.float32)
    assert uncovered(boxes, hidden).tolist() == [False, True, True]


def test_shares_by_threshold_are_as_by_hand(picture: Picture) -> None:
    truth = found(
        ((10, 10, 50, 50), 0.9, "car"),
        ((100, 10, 140, 50), 0.9, "truck"),
        ((60, 60, 70, 90), 0.5, "person"),
        ((0, 0, 3, 3), 0.9, "car"),  # too small to count: 9 of 20000 pixels
        ((150, 60, 190, 90), 0.15, "car"),  # too doubtful to count, and to make hiding it no waste
    )
    detector = Fixed(
        found(
            ((10, 10, 50, 50), 0.6, "bus"),  # by another name, but hidden
            ((100, 10, 140, 50), 0.25, "truck"),
            ((150, 60, 190, 90), 0.4, "car"),
        )
    )
    evaluation = evaluate([picture], {"a_1.png": truth}, detector, 0.3, CPU)
    assert (evaluation.frames, evaluation.objects) == (1, {"vehicles": 2, "persons": 1})
    by = {row.threshold: row for row in evaluation.rows}
    assert tuple(by) == THRESHOLDS
    vehicles = [by[threshold].uncovered["vehicles"] for threshold in (0.2, 0.3, 0.5, 0.7)]
    assert vehicles == [0.0, 0.5, 0.5, 1.0]
    assert {row.uncovered["persons"] for row in evaluation.rows} == {1.0}
    # 40 x 30 pixels, grown by 2 and 1.5 a side: rows 58 to 92 (rounded outwards), columns 148 to 192
    assert by[0.3].needless == pytest.approx(44 * 34 / 20000)
    assert by[0.5].needless == 0.0


def test_where_there_is_no_person_their_share_is_none(picture: Picture) -> None:
    truth = found(((10, 10, 50, 50), 0.9, "car"))
    evaluation = evaluate([picture], {"a_1.png": truth}, Fixed(Detections.none()), 0.3, CPU)
    row = evaluation.facts()["thresholds"][0]
    assert row["uncovered"] == {"vehicles": 1.0, "persons": None}
