"""Zero-shot settings and scores; one example is computed by hand."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from streamer.config import parse
from streamer.errors import ConfigError
from streamer.watch.zeroshot import Scorer, pooled, probability
from streamer.zeroshot import ACCIDENT, NORMAL, TEMPLATES, ZeroShotConfig

CPU = torch.device("cpu")


def settings(**given: Any) -> ZeroShotConfig:
    """What the file's `watch: {zeroshot: {…}}` becomes."""
    config = parse({"version": 1, "cameras": {"gate": {"source": "a"}}, "watch": {"zeroshot": given}})
    found = config.cameras["gate"].watch.zeroshot
    assert found is not None
    return found


class Plane:
    """An encoder whose sentences have been given their places."""

    name, weights = "plane", "w"

    def __init__(self, places: dict[str, tuple[float, float]]) -> None:
        self._places = places

    def sentences(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        return np.array([self._places[sentence] for sentence in sentences], np.float32)


BY_HAND = {"crash": (1.0, 0.0), "collision": (0.6, 0.8), "traffic": (0.0, 1.0), "road": (-0.6, 0.8)}


def scorer(config: ZeroShotConfig, places: dict[str, tuple[float, float]]) -> Scorer:
    return Scorer(config, CPU, Plane(places))  # type: ignore[arg-type]


def test_margins_and_probabilities_are_those_computed_by_hand() -> None:
    config = settings(
        classes={"accident": ["crash", "collision"], "normal": ["traffic", "road"]}, templates=["{}"]
    )
    made = scorer(config, BY_HAND)
    assert (made.sentences, made.owners) == (
        ["crash", "collision", "traffic", "road"], ["accident", "accident", "normal", "normal"],
    )  # fmt: skip
    # (1.6, 0.8) / 2 scaled to length 1 is (2, 1) / √5; (-0.6, 1.8) / 2 is (-1, 3) / √10
    pictures = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], np.float32)
    accident = [2 / sqrt(5), 1 / sqrt(5), 2.0 / sqrt(5)]
    normal = [-1 / sqrt(10), 3 / sqrt(10), 1.8 / sqrt(10)]
    margins = made.margins(pictures)
    assert list(margins) == ["accident"]
    assert margins["accident"] == pytest.approx(np.subtract(accident, normal), abs=1e-6)
    assert margins["accident"] == pytest.approx([1.210654, -0.501470, 0.325217], abs=1e-6)
    assert probability(1.210654, 1.0) == pytest.approx(0.770415, abs=1e-6)
    # the softmax over the two cosines, each divided by the temperature
    of_two = np.exp(accident[1] / 0.25) / (np.exp(accident[1] / 0.25) + np.exp(normal[1] / 0.25))
    assert probability(float(margins["accident"][1]), 0.25) == pytest.approx(of_two, abs=1e-6)
    assert made.similarities(pictures) == pytest.approx(
        np.array([[1.0, 0.6, 0.0, -0.6], [0.0, 0.8, 1.0, 0.8], [0.6, 1.0, 0.8, 0.28]]), abs=1e-6
    )


def test_a_mean_of_embeddings_gives_the_mean_of_margins() -> None:
    made = scorer(settings(classes={"a": ["crash"], "normal": ["road"]}, templates=["{}"]), BY_HAND)
    pictures = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], np.float32)
    mean = made.margins(pictures.mean(axis=0, keepdims=True))["a"]
    assert mean == pytest.approx([made.margins(pictures)["a"].mean()], abs=1e-6)


def test_templates_are_averaged_for_each_sentence() -> None:
    places = {"crash": (1.0, 0.0), "a crash": (0.0, 1.0), "road": (-1.0, 0.0), "a road": (-1.0, 0.0)}
    made = scorer(
        settings(classes={"accident": ["crash"], "normal": ["road"]}, templates=["{}", "a {}"]), places
    )
    assert made.sentences == ["crash", "road"]
    picture = np.array([[1.0, 0.0]], np.float32)
    assert made.similarities(picture) == pytest.approx(np.array([[1 / sqrt(2), -1.0]]), abs=1e-6)


def test_what_is_pooled_has_length_1_even_where_nothing_is_left() -> None:
    assert pooled(np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)) == pytest.approx([sqrt(0.5)] * 2)
    assert pooled(np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)) == pytest.approx([0.0, 0.0])


def test_a_fingerprint_tells_what_margins_depend_on_and_nothing_else() -> None:
    places = {**BY_HAND, "a crash": (0.0, 1.0), "a road": (0.0, 1.0)}
    given: dict[str, Any] = {"classes": {"accident": ["crash"], "normal": ["road"]}, "templates": ["{}"]}
    first = scorer(settings(**given), places).fingerprint
    assert scorer(settings(**given, temperature=0.5, threshold=0.9, every=2.0), places).fingerprint == first
    for other in (
        {"templates": ["a {}"]},
        {"normalise": "half"},
        {"classes": {"accident": ["collision"], "normal": ["road"]}},
        {"classes": {"road": ["crash"], "accident": ["road"]}, "normal": "accident"},
    ):
        assert scorer(settings(**{**given, **other}), places).fingerprint != first


def test_probabilities_of_any_margin_are_numbers() -> None:
    assert probability(0.0, 0.01) == 0.5
    assert probability(2.0, 1e-4) == pytest.approx(1.0)
    assert probability(-2.0, 1e-4) == pytest.approx(0.0)


def test_accidents_are_told_from_normal_traffic_unless_other_classes_are_described() -> None:
    assert settings().classes == {"accident": ACCIDENT, "normal": NORMAL}
    assert settings().alerts == ("accident",)
    smoke = settings(classes={"smoke": ["smoke over a road"]})
    assert smoke.classes == {"smoke": ("smoke over a road",), "normal": NORMAL}
    assert smoke.alerts == ("smoke",)
    other = settings(classes={"crowd": ["a crowd"], "calm": ["an empty square"]}, normal="calm")
    assert other.alerts == ("crowd",)
    assert settings().templates == TEMPLATES


def test_seconds_are_so_many_looks() -> None:
    assert settings().looks == (3, 5)
    assert settings(every=2.0).looks == (2, 3)
    assert settings(every=0.2, seconds=0.6, of=1.0).looks == (3, 5)
    assert settings(every=10.0).looks == (1, 1)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"modle": "x"}, ["watch.zeroshot.modle", "did you mean 'model'"]),
        ({"normalise": "none"}, ["watch.zeroshot.normalise", "'half'"]),
        ({"classes": {}}, ["watch.zeroshot", "classes", "one to raise"]),
        ({"classes": {"smoke": "smoke"}}, ["watch.zeroshot.classes.smoke", "a list", "'smoke'"]),
        ({"classes": {"smoke": []}}, ["watch.zeroshot.classes", "smoke", "descriptions"]),
        ({"classes": {"smoke": [" "]}}, ["watch.zeroshot.classes", "smoke", "descriptions"]),
        ({"classes": {"a fire": ["fire"]}}, ["'a fire'", "letters, digits"]),
        ({"classes": {"covered": ["fog"]}}, ["'covered'", "camera tamper"]),
        ({"normal": "calm"}, ["watch.zeroshot", "normal", "'calm'", "accident, normal"]),
        ({"templates": ["a photo"]}, ["watch.zeroshot.templates", "{}", "'a photo'"]),
        ({"templates": []}, ["watch.zeroshot.templates", "1"]),
        ({"temperature": 0.0}, ["watch.zeroshot.temperature", "0"]),
        ({"threshold": 1.0}, ["watch.zeroshot.threshold", "1"]),
        ({"seconds": 6.0}, ["watch.zeroshot", "of", "shorter than seconds (6 and 5)"]),
        ({"release": 1.5}, ["watch.zeroshot.release", "1"]),
    ],
)
def test_what_is_wrong_with_the_settings_is_named(given: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        settings(**given)
    assert all(part in str(raised.value) for part in parts), raised.value
    assert "\n" not in str(raised.value)


def test_a_camera_may_have_classes_and_thresholds_of_its_own() -> None:
    cameras = {
        "gate": {"source": "a", "watch": {"zeroshot": {"threshold": 0.9}}},
        "yard": {"source": "b", "watch": {"zeroshot": {"classes": {"smoke": ["smoke"]}}}},
        "dock": {"source": "c", "watch": {"zeroshot": False}},
    }
    config = parse({"version": 1, "watch": {"zeroshot": {"every": 2.0}}, "cameras": cameras})
    found = {name: camera.watch.zeroshot for name, camera in config.cameras.items()}
    assert found["gate"] == ZeroShotConfig(every=2.0, threshold=0.9)
    assert found["yard"] is not None
    assert (found["yard"].alerts, found["yard"].every) == (("smoke",), 2.0)
    assert found["dock"] is None
    assert [camera.watch.on for camera in config.cameras.values()] == [True, True, False]
