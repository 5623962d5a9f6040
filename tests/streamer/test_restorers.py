"""What `restore` may be, and what a camera makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from streamer.config import CameraConfig, parse
from streamer.errors import ConfigError
from streamer.restorers import RestoreConfig

DENOISE, DEBLUR = {"model": "denoise.safetensors", "when": "night"}, {"model": "bundled", "steady": 0.5}


def restored(restore: Any, own: Any = None) -> tuple[RestoreConfig, ...]:
    """What one camera's pictures are restored by."""
    camera = {"source": "gate.mp4"} | ({} if own is None else {"restore": own})
    return parse({"version": 1, "restore": restore, "cameras": {"gate": camera}}).cameras["gate"].restore


def test_by_default_the_bundled_model_does_what_suits_it() -> None:
    default = CameraConfig(source="gate.mp4").restore
    assert default == (RestoreConfig(model="bundled", mode=None, engine="auto", when="always", steady=0.0),)
    assert restored({}) == default


def test_a_mapping_is_one_restorer_a_list_as_many_and_off_none() -> None:
    assert restored(DEBLUR) == (RestoreConfig(model="bundled", steady=0.5),)
    assert [(each.model, each.when) for each in restored([DENOISE, DEBLUR])] == [
        ("denoise.safetensors", "night"), ("bundled", "always"),
    ]  # fmt: skip
    assert restored(False) == restored("off") == ()


@pytest.mark.parametrize(
    ("restore", "own", "expected"),
    [
        (DEBLUR, {"steady": 0.2}, [("bundled", 0.2)]),
        (DEBLUR, [{"model": "mine"}], [("mine", 0.0)]),
        (DEBLUR, False, []),
        (False, {"model": "mine"}, [("mine", 0.0)]),
        (False, {}, [("bundled", 0.0)]),
        ([DENOISE, DEBLUR], {"steady": 0.2}, [("denoise.safetensors", 0.2), ("bundled", 0.2)]),
        ([DENOISE, DEBLUR], [{"model": "mine"}], [("mine", 0.0)]),
        ([DENOISE, DEBLUR], False, []),
        ([DENOISE], {"model": "mine"}, [("mine", 0.0)]),
    ],
)
def test_a_camera_overrides_keys_of_all_or_has_a_list_of_its_own(
    restore: Any, own: Any, expected: list[tuple[str, float]]
) -> None:
    assert [(each.model, each.steady) for each in restored(restore, own)] == expected


@pytest.mark.parametrize(
    ("restore", "own", "message"),
    [
        (
            [],
            None,
            "restore: expected keys and values, a list with those of each restorer, or off; found an empty",
        ),
        (
            [DEBLUR, {"stedy": 0}],
            None,
            "restore.1.stedy: unknown key (did you mean 'steady'?); known here: model,",
        ),
        (
            {"stedy": 0},
            None,
            "restore.stedy: unknown key (did you mean 'steady'?); known here: model, mode, engine",
        ),
        ({"steady": 1.0}, None, "restore.steady: "),
        ({"when": "dusk"}, None, "restore.when: expected 'always' or 'night', found 'dusk'"),
        ({"mode": "region"}, None, "restore.mode: expected 'regions' or 'frame', found 'region'"),
        (3, None, "restore: expected keys and values, found 3"),
        ([3], None, "restore.0: expected keys and values, found 3"),
        (
            [DENOISE, DEBLUR],
            {"model": "a"},
            "cameras.gate.restore.model: which of the 2 restorers is meant? ",
        ),
        (DEBLUR, {"modle": "a"}, "cameras.gate.restore.modle: unknown key"),
    ],
)
def test_what_is_wrong_is_named(restore: Any, own: Any, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        restored(restore, own)
    assert str(raised.value).startswith(message)
