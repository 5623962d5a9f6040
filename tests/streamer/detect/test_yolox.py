import itertools
import math
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from streamer.classes import COCO, STREET
from streamer.detect.yolox import Yolox
from streamer.errors import ModelError
from streamer.frame import Detections

Floats = NDArray[np.float32]

SIDE = 64
CELLS = 8 * 8 + 4 * 4 + 2 * 2
FIELDS = 5 + 80


class StandIn:
    """A session that keeps what it was fed and returns what it was given."""

    def __init__(
        self,
        output: Floats,
        takes: tuple[int | str | None, ...] = (1, 3, SIDE, SIDE),
        kind: str = "tensor(float)",
        outputs: int = 1,
    ) -> None:
        self.output = output
        self.fed: list[Floats] = []
        self._inputs = [SimpleNamespace(name="pictures", shape=list(takes), type=kind)]
        self._outputs = [SimpleNamespace(name=f"output{i}", shape=[1, CELLS, FIELDS]) for i in range(outputs)]

    def get_inputs(self) -> list[Any]:
        return self._inputs

    def get_outputs(self) -> list[Any]:
        return self._outputs

    def run(self, names: object, feeds: dict[str, Floats]) -> list[Floats]:
        self.fed.append(feeds["pictures"].copy())
        return [self.output[None]]


def quiet() -> Floats:
    """What a network returns that sees nothing: undecoded, every score 0."""
    output = np.zeros((CELLS, FIELDS), np.float32)
    output[:, :2] = 0.5
    return output


def noisy(seed: int) -> Floats:
    """What a network may return in a crowded scene, with several boxes for each object."""
    random = np.random.default_rng(seed)
    output = quiet()
    output[:, :2] = random.normal(0.5, 0.3, (CELLS, 2))
    output[:, 2:4] = random.normal(1.0, 0.4, (CELLS, 2))
    output[:, 4:] = random.uniform(0, 1, (CELLS, FIELDS - 4)) ** 3
    return output


def detector(session: StandIn, classes: tuple[str, ...] = STREET, threshold: float = 0.25) -> Yolox:
    return Yolox(session, "net.onnx", "a stand-in", classes=classes, threshold=threshold)


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, 256, (height, width, 3), np.uint8))


def read_frame(path: Path, index: int) -> NDArray[np.uint8]:
    with av.open(str(path)) as clip:
        frame = next(itertools.islice(clip.decode(video=0), index, None))
        return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def preprocessed(image: NDArray[np.uint8], side: int) -> tuple[Floats, float]:
    """YOLOX's ``preproc``, from its demo for ONNX Runtime, on a picture in BGR as OpenCV reads it."""
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    padded = np.ones((side, side, 3), dtype=np.uint8) * 114
    ratio = min(side / bgr.shape[0], side / bgr.shape[1])
    h, w = max(1, int(bgr.shape[0] * ratio)), max(1, int(bgr.shape[1] * ratio))
    padded[:h, :w] = cv2.resize(bgr, (w, h), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(padded.transpose(2, 0, 1), dtype=np.float32)[None], ratio


def decoded(output: Floats, side: int) -> Floats:
    """The pixels of the network's input that an undecoded output means, cell by cell."""
    result = output.copy()
    cell = 0
    for stride in (8, 16, 32):
        for row in range(side // stride):
            for column in range(side // stride):
                x, y, w, h = (float(n) for n in output[cell, :4])
                result[cell, :4] = (
                    (x + column) * stride, (y + row) * stride, math.exp(w) * stride, math.exp(h) * stride,
                )  # fmt: skip
                cell += 1
    return result


def overlap(a: Floats, b: Floats) -> float:
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(w * h / (areas - w * h))


def expected(
    pixels: Floats, ratio: float, classes: tuple[str, ...], threshold: float
) -> list[tuple[float, str, Floats]]:
    """All objects of a decoded output, class by class and box by box, best score first."""
    found = []
    for name in classes:
        column = 5 + COCO.index(name)
        rows = sorted(pixels, key=lambda row: -row[4] * row[column])
        kept: list[Floats] = []
        for row in rows:
            score = row[4] * row[column]
            x, y, w, h = row[:4] / np.float32(ratio)
            box = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2], np.float32)
            if score >= np.float32(threshold) and all(overlap(box, other) <= 0.45 for other in kept):
                kept.append(box)
                found.append((float(score), name, box))
    return sorted(found, key=lambda object_: -object_[0])


def assert_same(found: Detections, wanted: list[tuple[float, str, Floats]]) -> None:
    assert list(found.labels) == [name for _, name, _ in wanted]
    np.testing.assert_allclose(found.scores, [score for score, _, _ in wanted], rtol=1e-5)
    np.testing.assert_allclose(found.boxes, [box for _, _, box in wanted], rtol=1e-4, atol=1e-2)


def test_pictures_of_any_shape_are_fed_as_yolox_feeds_them() -> None:
    session = StandIn(quiet())
    # each leaves less of the canvas, or another part of it, than the one before
    sizes = [(64, 64), (48, 64), (64, 48), (1, 1), (720, 1280), (1280, 720), (1, 500), (500, 1), (33, 47)]
    images = [picture(height, width, seed) for seed, (height, width) in enumerate(sizes)]
    detector(session).detect(images)
    for image, fed in zip(images, session.fed[1:], strict=True):
        assert fed.dtype == np.float32
        np.testing.assert_array_equal(fed, preprocessed(image.numpy(), SIDE)[0])


def test_the_first_picture_fed_is_the_trial_in_grey() -> None:
    session = StandIn(quiet())
    detector(session)
    np.testing.assert_array_equal(session.fed, np.full((1, 1, 3, SIDE, SIDE), 114, np.float32))


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.25, 0.7])
@pytest.mark.parametrize("size", [(64, 64), (270, 480), (7, 5)])
def test_the_objects_are_those_of_a_plain_implementation(size: tuple[int, int], threshold: float) -> None:
    output = noisy(seed=size[0])
    (found,) = detector(StandIn(output), threshold=threshold).detect([picture(*size)])
    ratio = min(SIDE / size[0], SIDE / size[1])
    wanted = expected(decoded(output, SIDE), ratio, STREET, threshold)
    assert len(wanted) > (0 if threshold > 0.5 else 10)
    assert_same(found, wanted)


def test_an_export_that_decodes_its_boxes_gives_the_same_objects() -> None:
    output = noisy(seed=3)
    (plain,) = detector(StandIn(output)).detect([picture(270, 480)])
    (inside,) = detector(StandIn(decoded(output, SIDE))).detect([picture(270, 480)])
    assert plain.labels == inside.labels
    np.testing.assert_allclose(plain.boxes, inside.boxes, rtol=1e-5, atol=1e-3)


def test_one_box_that_may_be_two_classes_is_found_as_both() -> None:
    output = quiet()
    output[9, 4] = 0.9
    output[9, 5 + COCO.index("car")] = 0.5
    output[9, 5 + COCO.index("truck")] = 0.8
    (found,) = detector(StandIn(output)).detect([picture(64, 64)])
    assert found.labels == ("truck", "car")
    np.testing.assert_allclose(found.scores, [0.72, 0.45], rtol=1e-6)
    np.testing.assert_array_equal(found.boxes, [[8, 8, 16, 16]] * 2)  # column 1, row 1 of stride 8


def test_only_the_classes_asked_for_are_found() -> None:
    (found,) = detector(StandIn(noisy(4)), classes=("bus", "dog")).detect([picture(64, 64)])
    assert set(found.labels) == {"bus", "dog"}


def test_a_score_at_the_threshold_is_found_and_one_below_is_not() -> None:
    output = quiet()
    output[[0, 7], 4] = 1.0
    output[0, 5] = np.float32(0.7)
    output[7, 5] = np.nextafter(np.float32(0.7), np.float32(0))
    (found,) = detector(StandIn(output), threshold=0.7).detect([picture(64, 64)])
    assert found.scores.tolist() == [np.float32(0.7)]


def test_a_picture_without_objects_has_none() -> None:
    (found,) = detector(StandIn(quiet())).detect([picture(48, 64)])
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)


def test_no_pictures_give_no_results() -> None:
    assert detector(StandIn(quiet())).detect([]) == []


def test_boxes_may_reach_off_the_frame() -> None:
    output = quiet()
    output[0, 2:4] = 3.0
    output[0, 4:6] = 1.0
    (found,) = detector(StandIn(output)).detect([picture(64, 64)])
    half = math.exp(3.0) * 4
    np.testing.assert_allclose(found.boxes, [[4 - half, 4 - half, 4 + half, 4 + half]], rtol=1e-6)


@pytest.mark.parametrize("field", [0, 3, 4, 5 + COCO.index("car")])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_a_number_is_an_error_and_not_an_empty_picture(field: int, value: float) -> None:
    output = quiet()
    output[20, 4:] = 0.9
    output[20, field] = value
    with pytest.raises(ValueError, match="not a number"):
        detector(StandIn(output)).detect([picture(64, 64)])


def test_a_size_beyond_all_numbers_is_an_error() -> None:
    output = quiet()
    output[20, 2] = 1000.0
    output[20, 4:] = 0.9
    with pytest.raises(ValueError, match="not a number"):
        detector(StandIn(output)).detect([picture(64, 64)])


def test_a_picture_of_8k_is_found_things_in_at_its_own_scale() -> None:
    output = quiet()
    output[9, 4:6] = 1.0
    (found,) = detector(StandIn(output)).detect([torch.zeros(4320, 7680, 3, dtype=torch.uint8)])
    np.testing.assert_allclose(found.boxes, np.array([[8, 8, 16, 16]]) * 7680 / SIDE, rtol=1e-6)


def test_it_works_in_another_thread_than_it_was_loaded_in() -> None:
    loaded = detector(StandIn(noisy(5)))
    found: list[Detections] = []
    thread = threading.Thread(target=lambda: found.extend(loaded.detect([picture(64, 64)])))
    thread.start()
    thread.join()
    (here,) = loaded.detect([picture(64, 64)])
    assert len(here) > 10
    np.testing.assert_array_equal(found[0].boxes, here.boxes)


@pytest.mark.parametrize("batch", [1, "batch", None])
def test_a_batch_of_one_and_of_any_size_are_both_taken(batch: int | str | None) -> None:
    detector(StandIn(quiet(), takes=(batch, 3, SIDE, SIDE)))


@pytest.mark.parametrize(
    ("session", "says"),
    [
        (StandIn(quiet(), takes=(4, 3, SIDE, SIDE)), r"\[4, 3, 64, 64\]"),
        (StandIn(quiet(), takes=(1, 1, SIDE, SIDE)), r"\[1, 1, 64, 64\]"),
        (StandIn(quiet(), takes=(1, 3, 100, SIDE)), r"\[1, 3, 100, 64\]"),
        (StandIn(quiet(), takes=(1, 3, "height", "width")), r"\[1, 3, 'height', 'width'\]"),
        (StandIn(quiet(), takes=(1, 3)), r"\[1, 3\]"),
        (StandIn(quiet(), kind="tensor(uint8)"), r"tensor\(uint8\)"),
        (StandIn(quiet(), outputs=2), r"output0 \[1, 84, 85\], output1"),
        (StandIn(quiet()[:, :84]), r"output is \[1, 84, 84\], expected \[1, 84, 85\]"),
        (StandIn(quiet()[:80]), r"output is \[1, 80, 85\]"),
    ],
)
def test_another_layout_is_refused_in_one_line_with_its_shapes(session: StandIn, says: str) -> None:
    with pytest.raises(ModelError, match=says) as raised:
        detector(session)
    assert str(raised.value).startswith("net.onnx: unknown layout: ")
    assert "YOLOX" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_class_that_coco_does_not_have_is_refused() -> None:
    with pytest.raises(ModelError, match=r"net\.onnx does not know the class 'unicorn'; it knows person, "):
        detector(StandIn(quiet()), classes=("car", "unicorn"))


def test_the_real_network_finds_what_a_plain_implementation_finds(shared: Path) -> None:
    import onnxruntime

    from streamer.detect import onnx

    path = shared / "models" / "yolox_nano.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    real = onnx.load(path, torch.device("cpu"), classes=STREET, threshold=0.2)
    footage = shared / "data" / "footage"
    clips = [("cctv_avenue_720p.mp4", 30), ("vtest.avi", 100), ("highway_320x240.avi", 20)]
    images = [read_frame(footage / name, index) for name, index in clips]
    found = real.detect([torch.from_numpy(image) for image in images])
    for image, detections in zip(images, found, strict=True):
        fed, ratio = preprocessed(image, 416)
        (output,) = session.run(None, {"images": fed})
        wanted = expected(decoded(output[0], 416), ratio, STREET, 0.2)
        # engines round differently; a score within that of the threshold may be on either side
        sure = [object_ for object_ in wanted if object_[0] > 0.201]
        assert len(sure) > 1
        assert_same(detections.keep(detections.scores > 0.201), sure)


def test_the_real_network_finds_the_walkers_and_the_van_in_their_places(shared: Path) -> None:
    from streamer.detect import onnx

    path = shared / "models" / "yolox_nano.onnx"
    real = onnx.load(path, torch.device("cpu"), classes=STREET, threshold=0.25)
    image = read_frame(shared / "data" / "footage" / "vtest.avi", 100)
    (found,) = real.detect([torch.from_numpy(image)])
    # measured by eye on the picture
    seen = {
        "person": [(346, 197, 380, 276), (590, 153, 621, 237), (495, 148, 519, 219)],
        "car": [(651, 42, 728, 101)],
    }
    for label, boxes in seen.items():
        for box in boxes:
            overlaps = [
                overlap(np.array(box, np.float32), other)
                for other, name in zip(found.boxes, found.labels, strict=True)
                if name == label
            ]
            assert max(overlaps) > 0.7, (label, box)
