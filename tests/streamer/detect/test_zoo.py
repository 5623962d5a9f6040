import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import get_model, get_model_weights

from streamer.classes import COCO, STREET
from streamer.detect import zoo
from streamer.detect.zoo import TorchvisionDetector
from streamer.errors import ModelError
from streamer.frame import Detections
from tests.streamer.detect.networks import FAMILIES, build

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
SSDLITE = "ssdlite320_mobilenet_v3_large"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights for the smallest of torchvision's detectors, as its own training would save them."""
    path = tmp_path_factory.mktemp("weights") / "ssdlite.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = get_model(SSDLITE, weights=None, weights_backbone=None)
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
        if "classification_head" in name and isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.2, generator=torch.Generator().manual_seed(1))
    # statistics of real activations, without which what it finds does not depend on the picture
    images = torch.stack([picture(320, 320, seed) for seed in range(4)]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        network.head(list(network.backbone.train()(images).values()))
    torch.save(network.state_dict(), path)
    return path


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """A smooth picture, in which networks see more than in noise."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.uniform(0, 255, (1, 3, 5, 7)))
    smooth = nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return smooth[0].permute(1, 2, 0).to(torch.uint8).contiguous()


def plain(network: Any, image: torch.Tensor) -> list[tuple[int, float, list[float]]]:
    """What torchvision's own documentation does: label, score and box of each object, best first."""
    with torch.no_grad():
        found = network([image.permute(2, 0, 1).contiguous().float() / 255])[0]
    return list(zip(found["labels"].tolist(), found["scores"].tolist(), found["boxes"].tolist(), strict=True))


def detector(
    family: str,
    threshold: float,
    classes: dict[int, str] | None = None,
    precision: torch.dtype = torch.float32,
    device: torch.device = CPU,
) -> TorchvisionDetector:
    classes = classes or {number: str(number) for number in range(91)}
    return TorchvisionDetector(build(family), family, device, precision, classes=classes, threshold=threshold)


def threshold_after(objects: list[tuple[int, float, list[float]]], most: int) -> float:
    """A threshold that keeps ``most`` objects or fewer and lies between two scores, well apart."""
    scores = [score for _, score, _ in objects]
    gaps = [(scores[i] - scores[i + 1], (scores[i] + scores[i + 1]) / 2) for i in range(most // 2, most)]
    return max(gaps)[1]


def assert_same(
    found: Detections,
    wanted: list[tuple[int, float, list[float]]],
    score_error: float = 1e-4,
    box_error: float = 0.02,
) -> None:
    assert len(found) == len(wanted)
    assert np.all(np.diff(found.scores) <= 0)
    left = list(wanted)
    for label, score, box in zip(found.labels, found.scores, found.boxes, strict=True):
        # equal scores have no order
        match = next(
            (
                other
                for other in left
                if str(other[0]) == label
                and abs(other[1] - score) < score_error
                and np.abs(box - other[2]).max() < box_error
            ),
            None,
        )
        assert match is not None, (label, score, box)
        left.remove(match)


@pytest.mark.parametrize("size", [(90, 120), (200, 80)])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_finds_what_torchvision_finds(family: str, size: tuple[int, int]) -> None:
    image = picture(*size)
    wanted = plain(build(family), image)
    threshold = threshold_after(wanted, 60)
    (found,) = detector(family, threshold).detect([image])
    assert 30 <= len(found) <= 60
    assert_same(found, [object_ for object_ in wanted if object_[1] >= threshold])


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_of_mixed_sizes_are_found_the_same_things_in_alone_and_together(family: str) -> None:
    # all of one shape: where pictures are filled up to a common shape, a few pixels from the border differ
    images = [picture(90, 120, 1), picture(180, 240, 2), picture(45, 60, 3)]
    loaded = detector(family, threshold_after(plain(build(family), images[0]), 60))
    loaded.batch_size = 8
    together = loaded.detect(images)
    assert [len(found) > 0 for found in together] == [True] * 3
    for image, found in zip(images, together, strict=True):
        (alone,) = loaded.detect([image])
        wanted = [
            (int(label), float(score), box.tolist())
            for label, score, box in zip(alone.labels, alone.scores, alone.boxes, strict=True)
        ]
        assert_same(found, wanted)


def test_pictures_of_other_shapes_in_the_batch_keep_boxes_inside_their_own() -> None:
    sizes = [(90, 120), (200, 80), (50, 300)]
    loaded = detector("faster", 0.03)
    loaded.batch_size = 8
    found = loaded.detect([picture(*size) for size in sizes])
    for (height, width), detections in zip(sizes, found, strict=True):
        assert len(detections) > 0
        assert np.all(detections.boxes >= 0)
        assert np.all(detections.boxes <= np.array([width, height, width, height]))


def test_no_more_pictures_than_a_batch_go_to_the_network_at_once() -> None:
    loaded = detector("fcos", 0.5)
    loaded.batch_size = 2
    sizes: list[int] = []
    loaded._network.register_forward_pre_hook(lambda network, given: sizes.append(len(given[0])))
    images = [picture(45, 60, seed) for seed in range(5)]
    assert len(loaded.detect(images)) == 5
    assert sizes == [2, 2, 1]


def test_more_objects_than_torchvision_keeps_by_itself_are_found() -> None:
    assert len(plain(build("retinanet"), picture(90, 120))) == 300  # its own limit, which is ours
    (found,) = detector("faster", 0.03).detect([picture(90, 120)])
    assert len(plain(build("faster"), picture(90, 120))) == 100 < len(found) <= zoo.MOST


def test_only_the_classes_asked_for_are_found_and_by_their_names() -> None:
    image = picture(90, 120)
    wanted = plain(build("fcos"), image)
    threshold = threshold_after(wanted, 60)
    number = wanted[0][0]
    (found,) = detector("fcos", threshold, classes={number: "car"}).detect([image])
    there = [score for label, score, _ in wanted if label == number and score >= threshold]
    assert 0 < len(there) < len([score for _, score, _ in wanted if score >= threshold])
    assert found.labels == ("car",) * len(there)
    np.testing.assert_allclose(found.scores, there, atol=1e-4)


def test_a_score_at_the_threshold_is_found() -> None:
    image = picture(90, 120)
    (found,) = detector("retinanet", 0.5).detect([image])
    best = float(found.scores[0])
    (again,) = detector("retinanet", best).detect([image])
    assert again.scores[0] == found.scores[0]


def test_no_pictures_give_no_results() -> None:
    assert detector("faster", 0.5).detect([]) == []


def test_a_picture_without_objects_has_none() -> None:
    found = detector("faster", 1.0).detect([picture(90, 120), picture(60, 60)])
    assert [detections.boxes.shape for detections in found] == [(0, 4), (0, 4)]


@pytest.mark.parametrize("size", [(1, 1), (1, 120), (2, 3), (4320, 7680)])
@pytest.mark.parametrize("family", ["faster", "retinanet"])
def test_tiny_and_huge_pictures_are_taken(family: str, size: tuple[int, int]) -> None:
    (found,) = detector(family, 0.05).detect([torch.full((*size, 3), 90, dtype=torch.uint8)])
    assert np.all(found.boxes <= np.array([size[1], size[0]] * 2) + 1e-3)


@pytest.mark.parametrize("family", ["mask", "keypoint"])
def test_outlines_and_joints_are_not_worked_out_and_boxes_are_the_same(family: str) -> None:
    network = build(family)
    network.roi_heads.detections_per_img = 10
    image = picture(90, 120)
    wanted = plain(network, image)
    number = wanted[0][0]
    loaded = TorchvisionDetector(network, family, CPU, torch.float32, classes={number: "x"}, threshold=0.1)
    (found,) = loaded.detect([image])
    there = [score for label, score, _ in wanted if label == number]
    np.testing.assert_allclose(found.scores[: len(there)], there, atol=1e-4)
    with torch.no_grad():
        assert set(network([torch.rand(3, 90, 120)])[0]) == {"boxes", "labels", "scores"}


def large(family: str, precision: torch.dtype, device: torch.device = CPU) -> TorchvisionDetector:
    """A detector that works at 2,000 pixels, where half precision alone is too coarse for a box."""
    network = build(family)
    network.transform.min_size, network.transform.max_size = (500,), 2000
    classes = {number: str(number) for number in range(91)}
    return TorchvisionDetector(network, family, device, precision, classes=classes, threshold=0.03)


def count_found_again(exact: Detections, other: Detections, box_error: float) -> int:
    """How many of the 50 clearest objects are in ``other`` too; which of two near equals wins is chance."""
    found = 0
    for label, score, box in list(zip(exact.labels, exact.scores, exact.boxes, strict=True))[:50]:
        same = np.array([name == label for name in other.labels])
        distance = np.abs(other.boxes[same] - box).max(axis=1)
        found += bool(np.any((distance < box_error) & (np.abs(other.scores[same] - score) < 0.01)))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_is_right_to_a_fraction_of_a_pixel(family: str) -> None:
    """On a CPU here, where it is slow, with the same switch as on CUDA."""
    image = picture(2000, 500)
    (exact,) = large(family, torch.float32).detect([image])
    (half,) = large(family, torch.float16).detect([image])
    assert np.any(half.boxes[:50] != exact.boxes[:50])
    assert count_found_again(exact, half, 0.25) >= 45


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("part", ["backbone", "head"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_an_error_and_not_an_empty_picture(
    family: str, part: str, value: float
) -> None:
    network = build(family)
    loaded = TorchvisionDetector(network, family, CPU, torch.float32, classes={1: "person"}, threshold=0.5)
    loaded.detect([picture(90, 120)])
    with torch.no_grad():
        if part == "backbone":
            network.backbone.fpn.inner_blocks[0][0].bias.fill_(value)
        else:
            names = [name for name, _ in network.named_parameters() if "bbox" in name and "bias" in name]
            dict(network.named_parameters())[names[0]].fill_(value)
    with pytest.raises(ValueError, match="not a number"):
        loaded.detect([picture(90, 120)])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.nan_to_num_(0.0, 0.0, 0.0)
    loaded.detect([picture(90, 120)])  # one bad batch does not spoil those after it


def test_it_works_in_another_thread_than_it_was_loaded_in() -> None:
    loaded = detector("faster", 0.03)
    found: list[Detections] = []
    thread = threading.Thread(target=lambda: found.extend(loaded.detect([picture(90, 120)])))
    thread.start()
    thread.join()
    (here,) = loaded.detect([picture(90, 120)])
    assert len(here) > 10
    np.testing.assert_array_equal(found[0].boxes, here.boxes)


def test_the_names_are_torchvisions_detectors_for_coco() -> None:
    names = zoo.names()
    assert {
        "fasterrcnn_resnet50_fpn",
        "fasterrcnn_resnet50_fpn_v2",
        "retinanet_resnet50_fpn",
        SSDLITE,
    } <= set(names)
    for name in names:
        categories = get_model_weights(name).DEFAULT.meta["categories"]
        known = {"person"} if name.startswith("keypoint") else set(COCO)
        assert known <= set(categories), name
    assert get_model_weights("fasterrcnn_resnet50_fpn").DEFAULT.meta["categories"][3] == "car"


def test_a_detector_by_name_finds_what_torchvision_finds_with_its_weights(weights: Path) -> None:
    network = get_model(SSDLITE, weights=None, weights_backbone=None)
    network.load_state_dict(torch.load(weights, weights_only=True))
    image = picture(270, 480)
    everything = plain(network.eval(), image)
    threshold = threshold_after(everything, 100)
    wanted = [object_ for object_ in everything if object_[1] >= threshold]
    categories = get_model_weights(SSDLITE).DEFAULT.meta["categories"]
    numbers = {name: categories.index(name) for name in COCO[::2]}
    loaded = zoo.load(SSDLITE, str(weights), CPU, classes=list(numbers), threshold=threshold)
    (found,) = loaded.detect([image])
    assert loaded.name == SSDLITE
    assert loaded.engine == f"torch {torch.__version__} (cpu, float32)"
    there = [object_ for object_ in wanted if object_[0] in numbers.values()]
    assert 0 < len(there) < len(wanted)
    by_number = Detections(found.boxes, found.scores, tuple(str(numbers[label]) for label in found.labels))
    assert_same(by_number, there)


def test_loading_leaves_torchs_threads_and_random_numbers_alone(weights: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    threads = torch.get_num_threads()
    zoo.load(SSDLITE, str(weights), CPU, classes=STREET, threshold=0.2)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(3), expected)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ModelError) as raised:
        zoo.load("fasterrcnn_resnet_50_fpn", "default", CPU, classes=STREET, threshold=0.5)
    message = str(raised.value)
    assert message.startswith(
        "detect.model: unknown detector 'fasterrcnn_resnet_50_fpn' (did you mean 'faster"
    )
    assert f"known: bundled, a path that ends in .onnx or .safetensors, {', '.join(zoo.names())}" in message
    assert "\n" not in message


def test_a_class_that_the_detector_does_not_know_is_refused_before_any_download() -> None:
    with pytest.raises(ModelError) as raised:
        zoo.load("keypointrcnn_resnet50_fpn", "default", CPU, classes=STREET, threshold=0.5)
    assert str(raised.value) == (
        "detect.classes: keypointrcnn_resnet50_fpn does not know the class 'bicycle'; it knows person"
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("family", FAMILIES)
def test_cpu_and_cuda_agree(family: str) -> None:
    images = [picture(2000, 500, 1), picture(500, 2000, 2)]
    cuda = torch.device("cuda", 0)
    here = large(family, torch.float32).detect(images)
    for precision, least in ((torch.float32, 48), (torch.float16, 45)):
        there = large(family, precision, cuda).detect([image.to(cuda) for image in images])
        for exact, other in zip(here, there, strict=True):
            assert count_found_again(exact, other, 0.25) >= least
