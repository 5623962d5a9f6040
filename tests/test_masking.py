"""Zones and settings by class through the whole command, to the pixel, beside a camera without any."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from streamer.frame import Detections
from tests import footage
from tests.footage import Image
from tests.standin import command, rows, summary

WIDTH, HEIGHT = 160, 120
FRAMES = 6
EMPTY = (0, 5)
"""Pictures in which nothing is found."""

CLOSE = 4
"""Levels by which encoding may change a grey picture that is kept as it was."""

Box = tuple[int, int, int, int]
CAR: Box = (16, 56, 48, 88)
PERSON: Box = (64, 56, 84, 104)
BUS: Box = (96, 72, 136, 112)
TRUCK: Box = (112, 16, 148, 60)
"""Reaches into the zone that is kept, and by its foot into the one that counts."""
PASSER_BY: Box = (60, 4, 80, 24)
"""Where objects do not count."""
LABELS = {CAR: "car", PERSON: "person", BUS: "bus", TRUCK: "truck", PASSER_BY: "person"}

WINDOW: Box = (0, 0, 40, 30)
CLOCK: Box = (120, 0, 160, 30)
STREET: Box = (0, 48, 160, 120)
RED = (200, 40, 40)


class FiveObjects:
    """Finds the same in every picture, but for those that are empty."""

    name, engine, batch_size = "five objects", "none", 2

    def detect(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        found = Detections(
            np.array(list(LABELS), np.float32), np.full(len(LABELS), 0.9, np.float32), tuple(LABELS.values())
        )
        return [Detections.none() if footage.number_of(image.numpy()) in EMPTY else found for image in images]


def noise(number: int) -> Image:
    """Grey noise, whose colour no encoder spoils, with the picture's number in two rows of it."""
    luma = np.random.default_rng(number).choice([60, 120, 190], (HEIGHT, WIDTH))
    image = np.repeat(luma[..., None], 3, axis=2).astype(np.uint8)
    numbered = footage.picture(number, WIDTH, HEIGHT)
    image[14:16] = numbered[14:16]  # ``number_of`` looks at an eighth of the height
    return image


@dataclass(frozen=True)
class Camera:
    """What a camera was given and what it wrote."""

    originals: list[Image]
    blurred: list[Image]
    restored: list[Image]
    lines: list[dict[str, Any]]
    rows: list[dict[str, str]]

    def videos(self) -> list[tuple[int, Image, Image]]:
        """Number, original and output of each picture of both videos."""
        both = (self.blurred, self.restored)
        return [
            (number, self.originals[number], image) for video in both for number, image in enumerate(video)
        ]


def at(box: Box, inset: int = 0) -> tuple[slice, slice]:
    x0, y0, x1, y1 = box
    return slice(y0 + inset, y1 - inset), slice(x0 + inset, x1 - inset)


def share(box: Box) -> list[list[float]]:
    """A box as a polygon in shares of the picture."""
    x0, y0, x1, y1 = box[0] / WIDTH, box[1] / HEIGHT, box[2] / WIDTH, box[3] / HEIGHT
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def likeness(one: Image, other: Image) -> float:
    """Correlation of two pictures of noise; 0 where one is plain."""
    a, b = (image.mean(axis=2).ravel() - image.mean() for image in (one, other))
    return float((a * b).sum() / max(1.0, np.sqrt((a * a).sum() * (b * b).sum())))


def changed(original: Image, image: Image) -> NDArray[np.bool_]:
    return np.asarray(np.abs(image.astype(int) - original).max(axis=2) > CLOSE)


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Camera]:
    """One run of two cameras with the same footage and masks, one of which has zones."""
    folder = tmp_path_factory.mktemp("masking")
    clip = str(footage.write_clip(folder / "clip.mkv", [noise(number) for number in range(FRAMES)]))
    zones = {"hide": [share(WINDOW)], "keep": [share(CLOCK)], "only": [share(STREET)]}
    settings = {
        "version": 1,
        "device": "cpu",
        "track": {"lookahead": 0, "hold": 0},
        "blur": {
            "scale": 1.0,
            "margin": 0.0,
            "edge": "hard",
            "quantise": 1,
            "vehicle": {"method": "pixelate", "strength": 0.25},
            "car": {"method": "gaussian", "strength": 0.3},
            "person": {"method": "solid", "colour": RED},
        },
        "output": {"directory": str(folder / "out"), "crf": 0},
        "cameras": {"zoned": {"source": clip, "zones": zones}, "plain": {"source": clip}},
    }
    (folder / "cam.yaml").write_text(json.dumps(settings), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamer.detect.load", lambda *_, **__: FiveObjects())
        outcome = command("run", folder / "cam.yaml", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    made = {}
    for name in ("zoned", "plain"):
        out = folder / "out" / name
        assert summary(out)["frames_hidden_whole"] == {}
        made[name] = Camera(
            footage.read_clip(Path(clip)).images,
            footage.read_clip(out / "blurred.mp4").images,
            footage.read_clip(out / "restored.mp4").images,
            [json.loads(line) for line in (out / "detections.jsonl").read_text("utf-8").splitlines()],
            rows(out),
        )
        assert len(made[name].blurred) == len(made[name].restored) == len(made[name].lines) == FRAMES
    return made


def test_a_window_is_hidden_in_every_frame_whether_or_not_anything_is_found(
    cameras: dict[str, Camera],
) -> None:
    for _, original, image in cameras["zoned"].videos():
        assert abs(likeness(original[at(WINDOW)], image[at(WINDOW)])) < 0.35
        assert changed(original, image)[at(WINDOW)].mean() > 0.8
    for _, original, image in cameras["plain"].videos():
        assert not changed(original, image)[at(WINDOW)].any()


def test_a_clock_is_never_touched_though_a_truck_stands_before_it(cameras: dict[str, Camera]) -> None:
    before_clock = at((max(TRUCK[0], CLOCK[0]), TRUCK[1], TRUCK[2], CLOCK[3]))
    for number, original, image in cameras["zoned"].videos():
        assert not changed(original, image)[at(CLOCK)].any()
        below = at((TRUCK[0], CLOCK[3], TRUCK[2], TRUCK[3]))
        if number not in EMPTY:
            assert abs(likeness(original[below], image[below])) < 0.5
    for number, original, image in cameras["plain"].videos():
        assert changed(original, image)[before_clock].any() == (number not in EMPTY)


def test_who_passes_where_objects_do_not_count_is_neither_hidden_nor_counted(
    cameras: dict[str, Camera],
) -> None:
    for _, original, image in cameras["zoned"].videos():
        assert not changed(original, image)[at(PASSER_BY)].any()
    counted = ["0" if number in EMPTY else "4" for number in range(FRAMES)]
    assert [row["objects"] for row in cameras["zoned"].rows] == counted
    for line in cameras["zoned"].lines:
        boxes = {tuple(each["box"]) for each in line["objects"]}
        assert boxes == (set() if line["frame"] in EMPTY else {CAR, PERSON, BUS, TRUCK})
        assert [tuple(each["box"]) for each in line.get("also", [])] == (
            [] if line["frame"] in EMPTY else [PASSER_BY]
        )
    for number, image in enumerate(cameras["plain"].blurred):
        if number not in EMPTY:
            assert np.abs(image[at(PASSER_BY, 1)].astype(int) - RED).max() < 40
            assert cameras["plain"].rows[number]["objects"] == "5"


@pytest.mark.parametrize("name", ["zoned", "plain"])
def test_each_class_is_hidden_as_it_was_set_and_a_class_wins_over_its_group(
    name: str, cameras: dict[str, Camera]
) -> None:
    for number, original, image in cameras[name].videos():
        if number in EMPTY:
            continue
        for box in (CAR, PERSON, BUS):
            assert abs(likeness(original[at(box)], image[at(box)])) < 0.5
    for number, image in enumerate(cameras[name].blurred):
        if number in EMPTY:
            continue
        person = image[at(PERSON, 2)]
        assert np.abs(person.reshape(-1, 3).mean(axis=0) - RED).max() < 8
        assert person.std(axis=(0, 1)).max() < 3
        # cells of 10 pixels have edges between them and none inside; a wide Gaussian has none at all
        bus, car = (image[at(box)].mean(axis=2) for box in (BUS, CAR))
        steps = np.abs(np.diff(bus, axis=1))
        edges = steps[:, 9::10]
        assert np.delete(steps, np.s_[9::10], axis=1).max() <= CLOSE
        assert edges.mean() > CLOSE
        assert np.abs(np.diff(car, axis=1)).max() <= 2 * CLOSE


@pytest.mark.parametrize("name", ["zoned", "plain"])
def test_nothing_else_changes_in_either_video(name: str, cameras: dict[str, Camera]) -> None:
    zoned = name == "zoned"
    for number, original, image in cameras[name].videos():
        expected = np.zeros((HEIGHT, WIDTH), bool)
        for box in LABELS if number not in EMPTY else ():
            if not (zoned and box == PASSER_BY):
                expected[at(box)] = True
        if zoned:
            expected[at(CLOCK)] = False
            expected[0 : WINDOW[3] + 2, 0 : WINDOW[2] + 2] = True  # what its sides touch is in a zone
        elsewhere = changed(original, image) & ~expected
        # chroma has half the resolution: beside red, one pixel more
        if number not in EMPTY:
            for box in (PERSON, PASSER_BY):
                x0, y0, x1, y1 = box
                elsewhere[y0 - 2 : y1 + 2, x0 - 2 : x1 + 2] = False
        assert not elsewhere.any(), (number, np.argwhere(elsewhere)[:5])
