"""Our own detector as an ONNX file, for the engines that are faster on a CPU than torch is.

The file is written from torch.fx's graph of the network, operation by operation, so that there is no second
description of the network to keep in step. torch's own exporter would need the packages ``onnx`` and
``onnxscript``; this needs neither and takes a tenth of a second, so that nothing is kept on disk.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from streamer.detect import proto
from streamer.nets.fcos import Fcos

INPUT, LOGITS, DISTANCES = "input", "logits", "distances"
"""The names of the input and of the outputs."""


def export(network: Fcos) -> bytes:
    """Return a network as an ONNX file.

    The file takes any number of pictures of the network's size as they lie in memory, uint8
    ``[B, H, W, 3]`` in RGB, and gives what the network does: float32 ``[B, N, C]`` and ``[B, N, 4]``.

    Args:
        network: in evaluation mode and on the CPU.

    Raises:
        NotImplementedError: something in it has no translation here; says what.
    """
    graph = _Graph()
    for node in fx.symbolic_trace(network).graph.nodes:
        if node.op == "placeholder":
            graph.add("Cast", f"{node.name}.float", INPUT, to=proto.KINDS["float32"])
            graph.add("Transpose", node.name, f"{node.name}.float", perm=(0, 3, 1, 2))
        elif node.op == "get_attr":
            graph.constant(node.name, network.get_buffer(node.target))
        elif node.op == "output":
            for name, given in zip((LOGITS, DISTANCES), node.args[0], strict=True):
                graph.add("Identity", name, given.name)
        else:
            module = network.get_submodule(node.target) if node.op == "call_module" else None
            what = node.target if module is None else type(module)
            if what not in _TRANSLATIONS:
                raise NotImplementedError(f"no translation of {what} into ONNX")
            _TRANSLATIONS[what](graph, node, module)
    height, width = network.size
    return proto.model(
        graph.nodes,
        graph.constants,
        [proto.value(INPUT, "uint8", ("batch", height, width, 3))],
        [
            proto.value(LOGITS, "float32", ("batch", "cells", len(network.classes))),
            proto.value(DISTANCES, "float32", ("batch", "cells", 4)),
        ],
    )


Node: TypeAlias = Any
"""An ``fx.Node`` of an operation that is known, so that it is known too what its arguments are."""


class _Graph:
    """What has been translated so far; each value is named after the node that gives it."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.constants: list[bytes] = []

    def add(self, kind: str, output: str, *inputs: str, **attributes: proto.Attribute) -> None:
        """Add an operation."""
        self.nodes.append(proto.node(kind, inputs, output, attributes))

    def constant(self, name: str, values: Tensor | NDArray[Any]) -> str:
        """Add a constant and return its name."""
        array = values.detach().numpy() if isinstance(values, Tensor) else values
        self.constants.append(proto.tensor(name, array))
        return name

    def operand(self, node: Node, index: int) -> str:
        """Return the name of a node's argument; a number becomes a constant."""
        given = node.args[index]
        if isinstance(given, fx.Node):
            return given.name
        return self.constant(f"{node.name}.{index}", np.array(given, np.float32))


def _binary(kind: str) -> Callable[[_Graph, Node, Any], None]:
    def translate(graph: _Graph, node: Node, _: Any) -> None:
        graph.add(kind, node.name, graph.operand(node, 0), graph.operand(node, 1))

    return translate


def _convolution(graph: _Graph, node: Node, layer: Any) -> None:
    inputs = [graph.operand(node, 0), graph.constant(f"{node.name}.weight", layer.weight)]
    if layer.bias is not None:
        inputs.append(graph.constant(f"{node.name}.bias", layer.bias))
    graph.add(
        "Conv", node.name, *inputs,
        strides=layer.stride, pads=layer.padding * 2, dilations=layer.dilation, group=layer.groups,
    )  # fmt: skip


def _normalisation(graph: _Graph, node: Node, layer: Any) -> None:
    names = ("weight", "bias", "running_mean", "running_var")  # in ONNX's order too
    constants = [graph.constant(f"{node.name}.{name}", getattr(layer, name)) for name in names]
    graph.add("BatchNormalization", node.name, graph.operand(node, 0), *constants, epsilon=layer.eps)


def _relu6(graph: _Graph, node: Node, _: Any) -> None:
    bounds = [graph.constant(f"{node.name}.{value}", np.array(value, np.float32)) for value in (0, 6)]
    graph.add("Clip", node.name, graph.operand(node, 0), *bounds)


def _nearest(graph: _Graph, node: Node, _: Any) -> None:
    factor = node.kwargs["scale_factor"]
    scales = graph.constant(f"{node.name}.scales", np.array([1, 1, factor, factor], np.float32))
    graph.add(
        "Resize", node.name, graph.operand(node, 0), "", scales,
        mode=node.kwargs["mode"], coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip


def _concatenation(graph: _Graph, node: Node, _: Any) -> None:
    graph.add("Concat", node.name, *(part.name for part in node.args[0]), axis=node.kwargs["dim"])


def _flattening(graph: _Graph, node: Node, _: Any) -> None:
    shape = [0] * node.args[1] + [-1]  # 0 keeps a length, -1 takes what is left
    name = graph.constant(f"{node.name}.shape", np.array(shape, np.int64))
    graph.add("Reshape", node.name, graph.operand(node, 0), name)


def _transposition(graph: _Graph, node: Node, _: Any) -> None:
    order = [0, 1, 2]
    first, second = node.args[1:]
    order[first], order[second] = second, first
    graph.add("Transpose", node.name, graph.operand(node, 0), perm=order)


def _columns(graph: _Graph, node: Node, _: Any) -> None:
    """A slice of the last dimension."""
    _, columns = node.args[1]
    start, stop = columns.start or 0, columns.stop or np.iinfo(np.int64).max
    limits = (("start", start), ("stop", stop), ("axis", -1))
    names = [graph.constant(f"{node.name}.{name}", np.array([value])) for name, value in limits]
    graph.add("Slice", node.name, graph.operand(node, 0), *names)


_TRANSLATIONS: Mapping[Any, Callable[[_Graph, Node, Any], None]] = {
    nn.Conv2d: _convolution,
    nn.BatchNorm2d: _normalisation,
    nn.ReLU6: _relu6,
    nn.functional.interpolate: _nearest,
    operator.add: _binary("Add"),
    operator.sub: _binary("Sub"),
    operator.truediv: _binary("Div"),
    operator.getitem: _columns,
    torch.cat: _concatenation,
    "flatten": _flattening,
    "transpose": _transposition,
}
"""By the type of a layer, a function, or the name of a method. What doesn't come out as it went in is caught
where an engine's outputs are compared with torch's."""
