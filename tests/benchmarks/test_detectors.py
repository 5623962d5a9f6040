"""The benchmark of detectors: what counts as found, and that its table comes out."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.detectors import Judged, average_precision, main
from streamer import modelfile
from streamer.errors import ModelError
from streamer.frame import Detections
from streamer.modelfile import Header
from streamer.nets.fcos import Fcos, Options
from tests import footage


def boxes(*corners: tuple[int, int], scores: list[float] | None = None) -> Detections:
    """Cars of 10x10 pixels."""
    around = np.array([(x, y, x + 10, y + 10) for x, y in corners], np.float32).reshape(-1, 4)
    return Detections(around, np.array(scores or [1.0] * len(corners), np.float32), ("car",) * len(corners))


def test_an_object_is_found_once_and_a_doubtful_one_does_not_count() -> None:
    judged = Judged()
    found = boxes((1, 0), (0, 0), (52, 50), (80, 80), scores=[0.9, 0.8, 0.7, 0.6])
    judged.add(found, boxes((0, 0), (20, 20)), boxes((50, 50)))
    assert judged.facts(0.5) == {"objects": 2, "recall": 0.5, "precision": pytest.approx(1 / 3), "ap50": 0.5}
    assert judged.facts(0.85) == {"objects": 2, "recall": 0.5, "precision": 1.0, "ap50": 0.5}
    assert judged.facts(0.95)["precision"] is None


def test_where_there_is_nothing_to_find_no_share_is_claimed() -> None:
    judged = Judged()
    judged.add(boxes((0, 0)), boxes(), boxes())
    assert judged.facts(0.5) == {"objects": 0, "recall": None, "precision": 0.0, "ap50": None}


def test_average_precision_is_the_area_under_the_envelope() -> None:
    scores = np.array([0.3, 0.9, 0.5, 0.7])
    right = np.array([True, True, True, False])
    # from the best score on: right, wrong, right, right: precision 1, 1/2, 2/3, 3/4
    assert average_precision(scores, right, 4) == pytest.approx((1 + 0.75 + 0.75) / 4)
    assert average_precision(np.zeros(0), np.zeros(0, bool), 4) == 0.0


def test_every_engine_gets_a_row(sees_a_car: Path, tmp_path: Path) -> None:
    options = Options(height=32, width=64, channels=8, blocks=1)
    header = Header(network="fcos", config=options.model_dump(mode="json"), task="detect")
    modelfile.save(tmp_path / "mine.safetensors", Fcos(options), header, half=True)
    clip = footage.write_clip(tmp_path / "yard.mp4", 3)
    main(
        [
            str(clip),
            *("--models", f"{sees_a_car},{tmp_path / 'mine.safetensors'}", "--tiled", str(sees_a_car)),
            *("--random", "ssdlite320_mobilenet_v3_large", "--truth", str(sees_a_car)),
            *("--cache", str(tmp_path / "cache"), "--json", str(tmp_path / "rows.json")),
        ]
    )
    written = json.loads((tmp_path / "rows.json").read_text())
    rows = {(row["detector"], row["engine"].split()[0]): row for row in written["rows"]}
    assert written["frames"] == 3
    assert all(row["cpu_ms"] > 0 for row in rows.values())
    single = rows["car.onnx", "onnxruntime"]["vehicle"]
    assert single["precision"] == 1.0
    assert 0.0 < single["recall"] < rows["car.onnx, whole and tiled", "onnxruntime"]["vehicle"]["recall"]
    assert {"torch", "onnxruntime"} <= {engine for name, engine in rows if name == "mine.safetensors"}
    assert rows["mine.safetensors", "torch"]["vehicle"]["objects"] == single["objects"] > 3
    assert "vehicle" not in rows["ssdlite320_mobilenet_v3_large, random weights", "torch"]


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.safetensors: no such model file"):
        main([str(tmp_path), "--models", str(tmp_path / "none.safetensors")])
