"""A restorer's network as an ONNX file."""

from __future__ import annotations

import torch

from streamer.engine import proto
from streamer.engine.graph import Graph
from streamer.engine.translate import translate
from streamer.nets import Network

PICTURES, HINTS, RESTORED = "given.pictures", "given.hints", "given.restored"
"""The names of the inputs and of the output."""


def export(network: Network) -> bytes:
    """Return a network as an ONNX file.

    The file takes any number of pictures of any size (a multiple of the network's stride) as they lie in
    memory, uint8 ``[B, H, W, 3]`` in RGB, and gives the same, restored and rounded. A network with more than
    three inputs takes the others as float32 ``[B, inputs - 3, H, W]``.

    Args:
        network: in evaluation mode and on the CPU.

    Raises:
        NotImplementedError: something in it has no translation; says what.
    """
    graph = Graph()
    white = graph.number("white", 255.0)
    levels = graph.planes("pictures.planes", PICTURES)
    given = graph.add("Div", "pictures.input", levels, white)
    inputs = [proto.value(PICTURES, "uint8", ("batch", "height", "width", 3))]
    if (hints := network.inputs - 3) > 0:
        given = graph.add("Concat", "pictures.hinted", given, HINTS, axis=1)
        inputs.append(proto.value(HINTS, "float32", ("batch", hints, "height", "width")))
    example = torch.zeros(1, network.inputs, network.stride, network.stride)
    (output,) = translate(network, graph, [given], example)
    graph.add("Mul", "restored.levels", output, white)
    graph.add("Round", "restored.round", "restored.levels")
    graph.add("Clip", "restored.clipped", "restored.round", graph.number("black", 0.0), white)
    graph.add("Cast", "restored.planes", "restored.clipped", to=proto.KINDS["uint8"])
    graph.add("Transpose", RESTORED, "restored.planes", perm=(0, 2, 3, 1))
    return proto.model(
        graph.nodes,
        graph.constants,
        inputs,
        [proto.value(RESTORED, "uint8", ("batch", "height", "width", 3))],
    )
