"""What a class's decisions are worth, on constructed margins."""

import numpy as np
import pytest

from streamer.errors import ConfigError
from trainer.zeroshot.calibration import Windows
from trainer.zeroshot.judged import judge
from trainer.zeroshot.labelled import Part


def footage(margins: dict[str, list[float]]) -> tuple[Windows, list[Part]]:
    """Windows of parts that are named ``CLIP CLASS``, each clip a scene."""
    parts = [Part(name.split()[1], name.split()[0], name.split()[0], (), ()) for name in margins]
    places = [place for place, values in enumerate(margins.values()) for _ in values]
    return Windows(
        np.array([margin for values in margins.values() for margin in values]),
        np.array([parts[place].label == "smoke" for place in places]),
        np.array(places, np.intp),
        [parts[place].scene for place in places],
    ), parts


def test_margins_that_tell_a_class_are_worth_it() -> None:
    windows, parts = footage(
        {
            **{f"{clip} smoke": [0.05 + 0.001 * clip, 0.06, 0.07] for clip in range(6)},
            **{f"{clip} normal": [-0.01, 0.0, 0.001 * clip] for clip in range(6)},
        }
    )
    found = judge("smoke", "normal", windows, parts)
    assert (found.clips, found.normal, found.scenes, found.windows) == (6, 6, 6, 36)
    assert (found.auroc.mean, found.auroc.bounds) == (1.0, (1.0, 1.0))
    assert (found.accuracy.mean, found.accuracy.bounds) == (1.0, (1.0, 1.0))
    assert found.raised == {f"{clip}": {"smoke": 1.0, "normal": 0.0} for clip in range(6)}
    assert not found.by_chance
    assert found.facts()["balanced_accuracy"] == {"mean": 1.0, "low": 1.0, "high": 1.0}


def test_a_long_clip_counts_as_much_as_a_short_one() -> None:
    # all clips are told but one of the two normal ones, which is half of the normal side however long it is
    windows, parts = footage({
        "a smoke": [0.1], "b smoke": [0.1, 0.11], "c normal": [0.0] * 3, "d normal": [0.2] * 97
    })  # fmt: skip
    found = judge("smoke", "normal", windows, parts)
    assert found.auroc.mean == pytest.approx(0.5)
    assert found.windows == 103


def test_margins_by_chance_are_said_to_be() -> None:
    random = np.random.default_rng(5)
    windows, parts = footage(
        {
            f"{clip} {label}": random.normal(size=4).tolist()
            for clip in range(20)
            for label in ("smoke", "normal")
        }
    )
    found = judge("smoke", "normal", windows, parts)
    assert found.auroc.bounds is not None
    low, high = found.auroc.bounds
    assert low < 0.5 < high
    assert found.by_chance
    assert found.warning().startswith("smoke: these clips do not show that it is told from normal")


@pytest.mark.parametrize(
    ("margins", "said"),
    [
        (
            {"a smoke": [0.1], "b normal": [0.0], "c normal": [0.0]},
            "smoke: the labelled clips of smoke show 1 ",
        ),
        (
            {"a smoke": [0.1], "b smoke": [0.0], "c normal": [0.0]},
            "smoke: the labelled clips of normal show 1 ",
        ),
        ({"a smoke": [0.1], "b smoke": [0.0]}, "smoke: the labelled clips of normal show 0 of the 2 scenes"),
    ],
)
def test_too_few_clips_are_refused(margins: dict[str, list[float]], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        judge("smoke", "normal", *footage(margins))
