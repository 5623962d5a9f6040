"""Our own detector as an ONNX file."""

from __future__ import annotations

import torch

from streamer.engine import proto
from streamer.engine.graph import Graph
from streamer.engine.translate import translate
from streamer.nets.fcos import STRIDES, Fcos

INPUT, LOGITS, DISTANCES = "input", "logits", "distances"
"""The names of the input and of the outputs."""


def export(network: Fcos) -> bytes:
    """Return a network as an ONNX file.

    The file takes any number of pictures of the network's size as they lie in memory, uint8
    ``[B, H, W, 3]`` in RGB, and gives what the network does: float32 ``[B, N, C]`` and ``[B, N, 4]``.

    Args:
        network: in evaluation mode and on the CPU.

    Raises:
        NotImplementedError: something in it has no translation; says what.
    """
    graph = Graph()
    example = torch.zeros(1, 3, STRIDES[-1], STRIDES[-1])
    translated = translate(network, graph, graph.planes("input.planes", INPUT), example)
    for name, given in zip((LOGITS, DISTANCES), translated.outputs, strict=True):
        graph.add("Identity", name, given)
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
