"""The trainer's detectors in service: files, scaling, decoding, classes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from streamer import detect, modelfile
from streamer.detect.engines import TorchHeads
from streamer.detect.fcos import FcosDetector, fit, resize
from streamer.detectors import DetectConfig
from streamer.errors import ConfigError, ModelError
from streamer.modelfile import Header
from streamer.nets.fcos import Fcos, Options, cells

CPU = torch.device("cpu")
OPTIONS = Options(classes=("car", "person"), height=64, width=96, channels=8, blocks=1)


class Told(Fcos):
    """Finds what a test tells it: a box in the network's pixels, by a cell, a class and a score."""

    def __init__(self, *told: tuple[int, tuple[float, float, float, float], int, float]) -> None:
        super().__init__(OPTIONS)
        self.told = told
        self.seen: list[Tensor] = []

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(pictures)
        centres, strides = cells(*self.size)
        logits = torch.full((len(pictures), len(centres), 2), -9.0)
        distances = torch.zeros(len(pictures), len(centres), 4)
        for cell, box, column, score in self.told:
            sides = torch.tensor(box)
            reach = torch.cat([centres[cell] - sides[:2], sides[2:] - centres[cell]])
            distances[:, cell] = (reach / strides[cell]).log()
            logits[:, cell, column] = torch.tensor(score).logit()
        return logits, distances


def detector(
    network: Fcos, threshold: float = 0.1, classes: tuple[str, ...] = ("car", "person")
) -> FcosDetector:
    heads = TorchHeads(network.eval(), CPU)
    return FcosDetector(heads, network, "told", classes=classes, threshold=threshold)


def test_boxes_come_back_in_each_pictures_own_pixels() -> None:
    network = Told((14, (8.0, 4.0, 40.0, 24.0), 0, 0.9))
    half, double = torch.zeros(32, 48, 3, dtype=torch.uint8), torch.zeros(128, 100, 3, dtype=torch.uint8)
    first, second = detector(network).detect([half, double])
    np.testing.assert_allclose(first.boxes, [[4, 2, 20, 12]], atol=1e-4)
    np.testing.assert_allclose(second.boxes, [[16, 8, 80, 48]], atol=1e-4)
    np.testing.assert_allclose(first.scores, [0.9], atol=1e-6)
    assert first.labels == second.labels == ("car",)


def test_a_picture_is_scaled_to_fit_at_the_top_left_on_grey() -> None:
    network = Told()
    image = torch.zeros(128, 100, 3, dtype=torch.uint8)
    image[..., 0] = 200
    detector(network).detect([image])
    (seen,) = network.seen
    assert seen.shape == (1, 3, 64, 96)
    assert (seen[0, :, :, :50] == torch.tensor([200, 0, 0]).view(3, 1, 1)).all()
    assert (seen[0, :, :, 50:] == 114).all()


def test_only_classes_and_scores_that_are_asked_for_are_returned() -> None:
    network = Told(
        (14, (8, 4, 40, 24), 0, 0.9), (56, (60, 20, 80, 60), 1, 0.6), (62, (10, 40, 30, 60), 1, 0.3)
    )
    image = torch.zeros(64, 96, 3, dtype=torch.uint8)
    assert detector(network, 0.5).detect([image])[0].labels == ("car", "person")
    assert detector(network, 0.2, ("person",)).detect([image])[0].labels == ("person", "person")


def test_of_two_boxes_of_one_object_the_better_is_kept() -> None:
    network = Told((14, (8, 4, 40, 24), 0, 0.6), (15, (8, 4, 41, 24), 0, 0.9), (26, (8, 4, 40, 25), 1, 0.5))
    found = detector(network).detect([torch.zeros(64, 96, 3, dtype=torch.uint8)])[0]
    assert found.labels == ("car", "person")
    np.testing.assert_allclose(found.boxes[0], [8, 4, 41, 24], atol=1e-4)


def test_what_is_no_number_is_refused() -> None:
    network = Told((14, (8, 4, 40, 24), 0, float("nan")))
    with pytest.raises(ValueError, match="not a number"):
        detector(network).detect([torch.zeros(64, 96, 3, dtype=torch.uint8)])


def test_more_pictures_than_a_batch_holds_are_all_answered() -> None:
    network = Told((14, (8, 4, 40, 24), 0, 0.9))
    heads = TorchHeads(network.eval(), CPU)
    heads.batch_size = 8
    told = FcosDetector(heads, network, "told", classes=("car", "person"), threshold=0.1)
    sizes = [(64, 96), (32, 48), (128, 96)] * 4
    found = told.detect([torch.zeros(*size, 3, dtype=torch.uint8) for size in sizes[:11]])
    assert [len(batch) for batch in network.seen] == [8, 3]
    expected = {(64, 96): [8, 4, 40, 24], (32, 48): [4, 2, 20, 12], (128, 96): [16, 8, 80, 48]}
    for each, size in zip(found, sizes, strict=False):
        np.testing.assert_allclose(each.boxes, [expected[size]], atol=1e-4)


def test_a_picture_shows_nothing_of_the_one_before_it() -> None:
    network = Told()
    told = detector(network)
    told.detect([torch.full((64, 96, 3), 255, dtype=torch.uint8)])
    told.detect([torch.zeros(32, 96, 3, dtype=torch.uint8)])
    told.detect([torch.zeros(64, 20, 3, dtype=torch.uint8)])
    _, flat, narrow = network.seen
    assert (flat[0, :, :32] == 0).all()
    assert (flat[0, :, 32:] == 114).all()
    assert (narrow[0, :, :, :20] == 0).all()
    assert (narrow[0, :, :, 20:] == 114).all()


@pytest.mark.parametrize(
    ("threshold", "labels"),
    [(0.5, ("car", "person")), (0.75, ("car", "person")), (0.7501, ("car",)), (1.0, ("car",))],
)
def test_the_least_score_itself_is_returned(threshold: float, labels: tuple[str, ...]) -> None:
    network = Told((14, (8, 4, 40, 24), 0, 1.0), (56, (60, 20, 80, 60), 1, 0.75))
    found = detector(network, threshold).detect([torch.zeros(64, 96, 3, dtype=torch.uint8)])[0]
    assert found.labels == labels


@pytest.mark.parametrize("size", [(90, 160), (45, 80), (64, 96), (31, 17)])
def test_a_picture_is_scaled_on_a_gpu_as_on_a_cpu(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (*size, 3), generator=generator, dtype=torch.uint8)
    canvas = torch.zeros(64, 96, 3, dtype=torch.uint8)
    scale = fit(image, canvas)
    height, width = round(size[0] * scale), round(size[1] * scale)
    scaled = resize(image, height, width)
    # OpenCV calculates with 11 bits of a fraction
    assert (scaled.int() - canvas[:height, :width].int()).abs().max() <= 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "mine.safetensors"
    header = Header(network="fcos", config=OPTIONS.model_dump(mode="json"), task="detect")
    modelfile.save(path, Fcos(OPTIONS), header, half=True)
    return path


def test_a_file_gives_the_network_back(path: Path) -> None:
    torch.manual_seed(0)
    written = Fcos(OPTIONS).eval()
    read, header = modelfile.load_detector(path)
    assert (read.classes, read.size, header.task) == (written.classes, written.size, "detect")
    picture = torch.rand(1, 3, 64, 96) * 255
    with torch.inference_mode():
        for one, other in zip(written(picture), read(picture), strict=True):
            torch.testing.assert_close(one, other, atol=0.02, rtol=0.02)


def test_the_configuration_names_it_by_its_path(path: Path) -> None:
    config = DetectConfig(model=str(path), classes=("person",))
    loaded = detect.load(config, CPU, classes=("person",), threshold=0.0)
    assert loaded.name == "mine.safetensors"
    assert set(loaded.detect([torch.zeros(64, 96, 3, dtype=torch.uint8)])[0].labels) == {"person"}


def test_a_class_that_it_was_not_trained_for_is_named(path: Path) -> None:
    with pytest.raises(ModelError, match="does not know the class 'bus'; it knows car, person"):
        detect.load(DetectConfig(model=str(path)), CPU, classes=("bus",), threshold=0.1)


def test_it_takes_no_other_weights(path: Path) -> None:
    with pytest.raises(ConfigError, match="has its own"):
        detect.load(DetectConfig(model=str(path), weights="x.pth"), CPU, classes=("car",), threshold=0.1)


def test_a_restorers_file_is_no_detector(tmp_path: Path) -> None:
    from streamer import nets

    header = Header(network="unet", config={"width": 4}, task="deblur")
    modelfile.save(tmp_path / "r.safetensors", nets.build("unet", {"width": 4}), header, half=True)
    with pytest.raises(ModelError, match="a model for 'deblur', expected one for 'detect'"):
        modelfile.load_detector(tmp_path / "r.safetensors")


def test_a_detectors_file_is_no_restorer(path: Path) -> None:
    with pytest.raises(ModelError, match="a model for 'detect', expected one for 'deblur'"):
        modelfile.load(path)
