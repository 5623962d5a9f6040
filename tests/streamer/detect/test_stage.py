"""The detecting stage on lists of frames: what it refuses to believe, and whom it looks at next."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch

from streamer import hide
from streamer.config import BlurConfig, CameraConfig
from streamer.detect.stage import stage, trusted
from streamer.detectors import DetectConfig, OnFailure
from streamer.frame import Batch, Detected, Detections, Discontinuity, Dropped, End, Frame, Hidden, Image
from streamer.hide import GREY
from streamer.track.stage import stage as track_stage
from tests.values import detections, frame

CPU = torch.device("cpu")
NOISE: Image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


class Scripted:
    """A detector that does at each call what it is told; the last of it for ever."""

    name, engine, batch_size = "scripted", "none", 8

    def __init__(self, *script: Exception | Detections) -> None:
        self.script = list(script)
        self.looked: list[int] = []

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        self.looked.append(len(images))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return [step] * len(images)


def frames(count: int, start: int = 0) -> list[Frame]:
    return [frame(NOISE.copy(), index=index) for index in range(start, start + count)]


def looked(batches: list[Batch[Detected]]) -> list[int]:
    items = [item for batch in batches for item in batch if isinstance(item, Detected)]
    return [item.frame.index for item in items if item.detections.looked]


@pytest.mark.parametrize(
    "box",
    [(70, 5, 90, 20), (-9, 5, -1, 20), (5, 49, 9, 60), (5, -9, 9, -1), (-900, 0, 64, 48), (0, 0, 64, 1e9)],
)
def test_a_box_off_the_frame_or_out_of_all_proportion_is_not_believed(
    box: tuple[float, float, float, float],
) -> None:
    with pytest.raises(ValueError, match="a box off the frame"):
        trusted(detections((5, 5, 9, 9), box), frame(), DetectConfig())


def test_a_box_that_reaches_off_the_frame_or_touches_its_edge_is_believed() -> None:
    found = detections((-20, -20, 5, 5), (60, 40, 90, 90), (64, 0, 70, 5), (-64, -48, 128, 96))
    assert trusted(found, frame(), DetectConfig()) is not None
    np.testing.assert_array_equal(trusted(found, frame(), DetectConfig()).boxes, found.boxes)


def test_a_faint_box_off_the_frame_is_left_out_and_one_that_nobody_asked_for_is_ignored() -> None:
    config = DetectConfig(hide_threshold=0.2)
    found = detections((70, 5, 90, 20), (5, 5, 9, 9), score=0.19)
    assert trusted(found, frame(), config).boxes.tolist() == [[5, 5, 9, 9]]
    assert len(trusted(detections((70, 5, 90, 20), label="bird"), frame(), config)) == 0


@pytest.mark.parametrize("failures", [2, 3])
def test_after_a_failure_the_next_frame_is_looked_at_in_the_same_batch(failures: int) -> None:
    detector = Scripted(*[RuntimeError("broken")] * failures, detections((5, 5, 20, 20)))
    batches = list(stage([frames(6), frames(3, 6)], detector, CPU, {"gate": DetectConfig(every=4)}))
    # the first call is that of the batch
    assert looked(batches) == ([1, 5] if failures == 2 else [2, 6])
    failed = [item.frame.index for item in batches[0] if isinstance(item, Detected) and item.failure]
    assert failed == list(range(failures - 1))


def test_after_a_failure_at_the_end_of_a_batch_the_next_ones_first_frame_is_looked_at() -> None:
    broken = RuntimeError("broken")
    detector = Scripted(detections(), broken, broken, detections())
    batches = list(
        stage([frames(2), frames(3, 2), frames(3, 5)], detector, CPU, {"gate": DetectConfig(every=4)})
    )
    assert looked(batches) == [0, 5]
    assert [item.failure for item in batches[1] if isinstance(item, Detected)] == [None, None, "detector"]


def test_a_failure_before_a_marker_changes_nothing_after_it_nor_on_another_camera() -> None:
    broken = RuntimeError("broken")
    detector = Scripted(broken, broken, detections())
    other = frame(NOISE, camera="yard", index=0)
    batch: list[Frame | Discontinuity] = [*frames(1), other, Discontinuity("gate"), *frames(2, 1)]
    both = {"gate": DetectConfig(every=4), "yard": DetectConfig(every=4)}
    batches = list(stage([batch], detector, CPU, both))
    assert looked(batches) == [0, 1]  # of the yard, and after the cut
    assert batches[0][2] == Discontinuity("gate")


@pytest.mark.parametrize("on_failure", ["hide", "drop"])
@pytest.mark.parametrize("lookahead", [0.0, 0.2])
def test_a_frame_that_failed_leaves_in_its_turn_and_the_tracks_of_the_next_ones_are_right(
    on_failure: OnFailure, lookahead: float
) -> None:
    car, broken = detections((10, 10, 30, 30)), RuntimeError("broken")
    # frame 3 fails at both tries, and in frame 4 the object is missed
    script = (car, car, car, broken, broken, detections(), car)
    config = CameraConfig.model_validate(
        {
            "source": "gate.mp4",
            "detect": {"on_failure": on_failure, "mirror": False},
            "track": {"lookahead": lookahead},
        }
    )
    singles: list[Batch[Frame]] = [*([each] for each in frames(8)), [End("gate")]]
    detected = stage(singles, Scripted(*script), CPU, {"gate": config.detect})
    hidden = hide.stage(
        track_stage(detected, {"gate": config}), {"gate": BlurConfig()}, on_failure={"gate": on_failure}
    )
    items = [item for batch in hidden for item in batch if not isinstance(item, End)]
    whole = [position for position, item in enumerate(items) if isinstance(item, Dropped)]
    assert whole == ([3] if on_failure == "drop" else [])
    pictures = [item for item in items if isinstance(item, Hidden)]
    assert all(one.frame.index < other.frame.index for one, other in pairwise(pictures))
    for item in pictures:
        assert item.failure == ("detector" if item.frame.index == 3 else None)
        if item.failure:
            assert (item.blurred == GREY).all()
            continue
        shown = item.blurred[10:30, 10:30].int() - torch.from_numpy(NOISE[10:30, 10:30]).int()
        assert shown.abs().float().mean() > 40
        assert item.detections.tracks is not None
        assert item.detections.tracks.tolist() == [1]
        assert (item.detections.carried is not None) == (item.frame.index == 4)
