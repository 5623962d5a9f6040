"""Convolutions in 8 bits: what is rounded by how much, and that an engine computes just that."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from streamer.engine import proto
from streamer.engine.graph import Graph, Range
from streamer.engine.quantise import ranges, rounded, weights
from streamer.engine.translate import translate

pytestmark = pytest.mark.usefixtures("one_thread")


class Layers(nn.Module):
    """A first layer, a depthwise one, one that takes nothing below 0, one that does, a last."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 1)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.rising = nn.Conv2d(4, 4, 3, padding=1)
        self.both = nn.Conv2d(4, 4, 1)
        self.last = nn.Conv2d(4, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        features = torch.relu(self.depthwise(self.first(images)))
        result: Tensor = self.last(self.both(self.rising(features)))
        return result


@pytest.fixture
def layers() -> Layers:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return Layers().eval()


EXAMPLES = [torch.linspace(-1, 1, 64).view(1, 1, 8, 8), torch.linspace(2, -2, 32).view(1, 1, 4, 8)]


def seen(layers: Layers, name: str, given: Tensor) -> Tensor:
    """What a layer takes."""
    taken: list[Tensor] = []
    handle = layers.get_submodule(name).register_forward_pre_hook(lambda _, each: taken.append(each[0]))
    with torch.inference_mode():
        layers(given)
    handle.remove()
    return taken[0]


def run(graph: Graph, output: str, given: NDArray[Any]) -> NDArray[np.float32]:
    """What ONNX Runtime makes of a graph, with nothing put together for speed."""
    inputs = [proto.value("given", "float32", given.shape)]
    outputs = [proto.value(output, "float32", [f"n{i}" for i in range(given.ndim)])]
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    file = proto.model(graph.nodes, graph.constants, inputs, outputs)
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"given": given})[0], np.float32)


def test_ranges_are_of_all_examples_and_of_what_pays_alone(layers: Layers) -> None:
    found = ranges(layers, EXAMPLES)
    assert list(found) == ["rising", "both"]  # neither the first, the last nor the depthwise one
    for name, within in found.items():
        taken = torch.cat([seen(layers, name, each).flatten() for each in EXAMPLES])
        assert within == Range(float(taken.min()), float(taken.max()))
        assert within.high > within.low
    assert found["rising"].low == 0.0
    assert found["both"].low < 0


def test_nothing_watches_a_network_any_more_not_even_one_that_failed(layers: Layers) -> None:
    with pytest.raises(RuntimeError):
        ranges(layers, [EXAMPLES[0], torch.zeros(1, 2, 4, 4)])
    ranges(layers, EXAMPLES)
    assert not any(module._forward_pre_hooks for module in layers.modules())


@pytest.mark.parametrize("within", [Range(0.0, 5.1), Range(-5.12, 1.0), Range(-1.0, 5.08)])
def test_values_are_rounded_to_256_levels_and_cut_off_beyond_their_range(within: Range) -> None:
    step = 5.1 / 255 if within.low >= 0 else 0.04
    least, most = (0, 255) if within.low >= 0 else (-128, 127)
    given = np.linspace(within.low - 1, within.high + 1, 1001, dtype=np.float32)
    graph = Graph()
    found = run(graph, rounded(graph, "one", "given", within), given)
    np.testing.assert_allclose(found / step, np.rint(found / step), atol=1e-3)
    np.testing.assert_allclose(found, np.clip(given, least * step, most * step), atol=0.5001 * step)
    assert (found == 0).any()  # a zero, such as a border's, stays one


def test_what_is_always_zero_stays_zero() -> None:
    graph = Graph()
    given = np.zeros(4, np.float32)
    assert (run(graph, rounded(graph, "one", "given", Range(0.0, 0.0)), given) == 0).all()
    graph = Graph()
    name = weights(graph, "none", torch.zeros(3, 2, 1, 1))
    graph.add("Add", "sum", name, "given")
    assert (run(graph, "sum", np.zeros((3, 2, 1, 1), np.float32)) == 0).all()


def test_weights_are_rounded_by_the_largest_of_each_output() -> None:
    exact = torch.tensor([[1.0, -0.5, 0.003], [100.0, 30.0, -127.0]]).view(2, 3, 1, 1)
    graph = Graph()
    graph.add("Add", "sum", weights(graph, "exact", exact), "given")
    found = run(graph, "sum", np.zeros((2, 3, 1, 1), np.float32)).reshape(2, 3)
    np.testing.assert_allclose(found[1], [100, 30, -127], rtol=1e-5)
    np.testing.assert_allclose(found[0], [1, -64 / 127, 0], rtol=1e-5)


def test_a_network_computes_with_what_was_rounded_where_it_is_told_to(layers: Layers) -> None:
    given = EXAMPLES[0]
    found = ranges(layers, EXAMPLES)
    graph = Graph({"both": found["both"]})
    (output,) = translate(layers, graph, "given", given).outputs
    within = found["both"]
    step = max(-within.low / 128, within.high / 127)
    steps = layers.both.weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True) / 127
    with torch.inference_mode():
        taken = (seen(layers, "both", given) / step).round().clamp(-128, 127) * step
        expected = layers.last(
            F.conv2d(taken, (layers.both.weight / steps).round() * steps, layers.both.bias)
        )
        exact = layers(given)
    np.testing.assert_allclose(run(graph, output, given.numpy()), expected.numpy(), atol=1e-5)
    assert (expected - exact).abs().max() > 1e-4  # which is not what it gives otherwise
