"""Several detectors at once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from streamer import pipeline
from streamer.config import CameraConfig, Config, parse
from streamer.detect import select
from streamer.detect.ensemble import Ensemble
from streamer.detect.stage import stage
from streamer.detectors import DetectConfig
from streamer.errors import ModelError
from streamer.frame import Detected, Detections, End
from streamer.record import as_logged
from streamer.track.stage import stage as track_stage
from tests.streamer.detect import onnx_file
from tests.values import Object, found, frame

CPU = torch.device("cpu")


class Says:
    """Finds the same in every picture."""

    def __init__(self, name: str, *objects: Object, engine: str = "none", batch_size: int = 1) -> None:
        self.name, self.engine, self.batch_size = name, engine, batch_size
        self.objects = objects

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        return [found(*self.objects) for _ in images]


def settings(*detectors: dict[str, object]) -> DetectConfig:
    return CameraConfig.model_validate({"source": "-", "detect": list(detectors)}).detect


def united(config: DetectConfig, *parts: Sequence[Object]) -> list[Object]:
    ensemble = Ensemble([Says(str(place), *part) for place, part in enumerate(parts)])
    (both,) = ensemble.detect([torch.zeros(4, 4, 3, dtype=torch.uint8)])
    chosen = select(both, config)
    return [
        (*box, round(score, 4), label)
        for box, score, label in zip(
            chosen.boxes.tolist(), chosen.scores.tolist(), chosen.labels, strict=True
        )
    ]


CAR: Object = (10, 10, 50, 30, 0.9, "car")
PERSON: Object = (60, 10, 70, 40, 0.8, "person")


def test_it_is_named_after_all_and_works_on_the_most_that_one_likes() -> None:
    both = Ensemble([Says("a.onnx", engine="x", batch_size=1), Says("b", engine="y", batch_size=8)])
    assert (both.name, both.engine, both.batch_size) == ("a.onnx + b", "x + y", 8)
    assert Ensemble([Says("a", engine="x"), Says("b", engine="x")]).engine == "x"
    assert both.detect([]) == []


def test_each_finds_its_own_classes() -> None:
    config = settings({"classes": ["car"]}, {"classes": ["person", "face"]})
    face: Object = (62, 10, 66, 14, 0.7, "face")
    assert united(config, [CAR, PERSON], [CAR, face]) == [CAR, face]


def test_each_has_its_own_thresholds() -> None:
    config = settings(
        {"classes": ["car"], "threshold": 0.4, "hide_threshold": 0.4},
        {"classes": ["person"], "threshold": 0.8, "hide_threshold": 0.8},
    )
    faint: Object = (10, 10, 50, 30, 0.2, "car")
    assert united(config, [faint], [(60, 10, 70, 40, 0.39, "person")]) == [faint]
    assert (config.threshold_of("car"), config.threshold_of("person")) == (0.4, 0.8)
    assert (config.hide_threshold_of("car"), config.hide_threshold_of("person")) == (0.4, 0.8)


def test_an_object_that_two_found_is_one_and_its_box_holds_both() -> None:
    config = settings({"classes": ["car"]}, {"classes": ["car"]})
    other: Object = (14, 8, 54, 30, 0.5, "car")
    assert united(config, [CAR], [other]) == [(10, 8, 54, 30, 0.9, "car")]
    assert united(config, [other], [CAR]) == [(10, 8, 54, 30, 0.9, "car")]
    assert len(united(config, [CAR, other], [])) == 2  # what one detector tells apart stays apart
    assert len(united(config, [CAR], [(32, 10, 72, 30, 0.5, "car")])) == 2  # they overlap by 29%


def test_what_is_too_faint_for_its_own_detector_is_not_hidden_for_anothers_sake() -> None:
    config = settings(
        {"classes": ["car"], "threshold": 0.8, "hide_threshold": 0.8},
        {"classes": ["car"], "threshold": 0.2, "hide_threshold": 0.1},
    )
    strict: Object = (10, 10, 50, 30, 0.5, "car")
    lax: Object = (110, 10, 150, 30, 0.15, "car")
    # of what would be hidden by the other's 0.1 it is left a bit less, as any faint one has
    assert united(config, [strict], [lax]) == [lax, (*strict[:4], 0.0999, "car")]
    assert united(config, [(*strict[:4], 0.19, "car")], [lax]) == [lax]  # less than a quarter of its own
    assert united(config, [(10, 10, 50, 30, 0.85, "car")], []) == [(10, 10, 50, 30, 0.85, "car")]
    # at the threshold itself, in single precision
    assert united(config, [(10, 10, 50, 30, 0.8, "car")], []) == [(10, 10, 50, 30, 0.8, "car")]


@pytest.mark.parametrize("least", [0.1, 0.15, 0.15004, 0.15006, 0.12345, 0.00004])
def test_what_is_too_faint_for_its_own_detector_is_not_hidden_in_the_numbers_of_the_log(least: float) -> None:
    config = settings(
        {"classes": ["car"], "hide_threshold": 0.25}, {"classes": ["car"], "hide_threshold": least}
    )
    both = Ensemble([Says("a", (10, 10, 50, 30, 0.2, "car")), Says("b")])
    (found,) = both.detect([torch.zeros(4, 4, 3, dtype=torch.uint8)])
    logged = as_logged(select(found, config)).scores
    assert len(logged) == 1
    assert 0 <= logged[0] < np.float32(config.hide_threshold_of("car"))


def test_where_all_is_hidden_for_another_detectors_sake_what_is_too_faint_is_left_out() -> None:
    config = settings({"classes": ["car"]}, {"classes": ["car"], "hide_threshold": 0.0})
    assert united(config, [(10, 10, 50, 30, 0.1, "car")], []) == []


def test_what_is_too_faint_for_its_own_detector_goes_on_with_a_track() -> None:
    detect = settings({"classes": ["car"], "mirror": False}, {"classes": ["car"], "hide_threshold": 0.25})
    camera = CameraConfig(source="-", detect=detect)
    faint: Object = (10, 10, 50, 30, 0.2, "car")
    apart: Object = (10, 110, 50, 130, 0.2, "car")  # where there is no track

    class Fades(Says):
        def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
            calls.append(len(images))
            return [found(CAR) if sum(calls) <= 3 else found(faint, apart) for _ in images]

    calls: list[int] = []
    both = Ensemble([Says("a"), Fades("b")])
    picture = np.zeros((150, 64, 3), np.uint8)
    frames = [frame(picture, index=index) for index in range(5)]
    detected = stage([*([each] for each in frames), [End("gate")]], both, CPU, {"gate": detect})
    leaving = [item for batch in track_stage(detected, {"gate": camera}) for item in batch]
    hidden = [item.detections.boxes.tolist() for item in leaving if isinstance(item, Detected)]
    assert hidden == [[list(CAR[:4])]] * 5


boxes = st.builds(
    lambda x, y, w, h, score, label: (x, y, x + w, y + h, score, label),
    st.integers(0, 60), st.integers(0, 60), st.integers(1, 40), st.integers(1, 40),
    st.sampled_from([0.2, 0.5, 0.9]), st.sampled_from(["car", "person"]),
)  # fmt: skip


@given(st.lists(boxes, max_size=6), st.lists(boxes, max_size=6))
def test_what_is_hidden_is_the_union_of_what_each_finds(first: list[Object], second: list[Object]) -> None:
    config = settings({"classes": ["car", "person"]}, {"classes": ["car"]})
    mask = np.zeros((110, 110), bool)
    for x0, y0, x1, y1, *_ in united(config, first, second):
        mask[int(y0) : int(y1), int(x0) : int(x1)] = True
    for x0, y0, x1, y1, _, _ in [*first, *(each for each in second if each[5] == "car")]:
        assert mask[int(y0) : int(y1), int(x0) : int(x1)].all()


def test_both_reach_the_tracks_and_one_object_is_one_track() -> None:
    detect = settings(
        {"classes": ["car"], "every": 2, "mirror": False}, {"classes": ["car", "person"], "threshold": 0.5}
    )
    camera = CameraConfig(source="-", detect=detect)
    both = Ensemble([Says("a", CAR), Says("b", (11, 10, 51, 30, 0.6, "car"), PERSON)])
    frames = [frame(index=index) for index in range(4)]
    detected = stage([[*frames, End("gate")]], both, CPU, {"gate": detect})
    leaving = [item for batch in track_stage(detected, {"gate": camera}) for item in batch]
    found = [item.detections for item in leaving if isinstance(item, Detected)]
    assert [each.looked for each in found] == [True, False, True, False]
    assert found[0].labels == found[2].labels == ("car", "person")
    assert found[0].tracks is not None
    assert found[2].tracks is not None
    assert found[0].tracks.tolist() == found[2].tracks.tolist() == [1, 2]
    assert sorted(found[1].labels) == ["car", "person"]


def networks(folder: Path) -> tuple[str, str]:
    """A YOLOX that sees nothing, and a CenterFace."""
    cars = onnx_file.constant(folder / "cars.onnx", np.zeros((1, 84, 85), np.float32), (1, 3, 64, 64))
    return str(cars), str(onnx_file.centerface(folder / "faces.onnx", 20.0))


def config(folder: Path, **camera: object) -> Config:
    cars, faces = networks(folder)
    detectors = [{"model": cars, "tiles": "2x2"}, {"model": faces, "classes": ["face"], "threshold": 0.5}]
    return parse({"version": 1, "detect": detectors, "cameras": {"gate": {"source": "a.mp4", **camera}}})


def test_a_run_loads_each_with_its_own_classes_and_tiles(tmp_path: Path) -> None:
    loaded = pipeline.load_detector(config(tmp_path), CPU)
    assert loaded.name == "cars.onnx in 2x2 tiles + faces.onnx"
    image = torch.full((32, 32, 3), 255, dtype=torch.uint8)
    assert set(loaded.detect([image])[0].labels) == {"face"}


def test_a_class_that_its_own_detector_does_not_know_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"faces\.onnx does not know the class 'person'; it knows face"):
        pipeline.load_detector(config(tmp_path, detect=[{}, {"classes": ["person"]}]), CPU)
