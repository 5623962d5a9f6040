"""A restorer's network as an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from streamer.engine import proto
from streamer.engine.graph import Graph, Range
from streamer.engine.translate import translate
from streamer.nets import Network

PICTURES, HINTS, RESTORED = "given.pictures", "given.hints", "given.restored"
"""The names of the inputs and of the output."""


class Export:
    """A network's ONNX files; one for all sizes of pictures, where it does not ask for theirs."""

    def __init__(self, network: Network, within: Mapping[str, Range] | None = None) -> None:
        """Translate the network.

        Args:
            network: in evaluation mode and on the CPU.
            within: what its convolutions take, of those to be computed in 8 bits, by name.

        Raises:
            NotImplementedError: something in it has no translation; says what.
        """
        self._network = network
        self._within = within
        self.quantised = bool(within)
        """Whether some of it is to be computed in 8 bits."""
        self._free, self.sized = export(network, network.stride, network.stride, within)

    def of(self, height: int, width: int) -> bytes:
        """Return the file for pictures of a size, which takes them one by one if the network is ``sized``."""
        return export(self._network, height, width, self._within)[0] if self.sized else self._free


def export(
    network: Network, height: int, width: int, within: Mapping[str, Range] | None = None
) -> tuple[bytes, bool]:
    """Return a network as an ONNX file, and whether that is for one picture of that size alone.

    It takes any number of pictures of any size (a multiple of the network's stride) as they lie in memory,
    uint8 ``[B, H, W, 3]`` in RGB, and gives the same, restored and rounded. A network with more than three
    inputs takes the others as float32 ``[B, inputs - 3, H, W]``.

    Args:
        network: in evaluation mode and on the CPU.
        height: of a picture.
        width: likewise.
        within: what its convolutions take, of those to be computed in 8 bits, by name.

    Raises:
        NotImplementedError: something in it has no translation; says what.
    """
    graph = Graph(within)
    white = graph.number("white", 255.0)
    levels = graph.planes("pictures.planes", PICTURES)
    given = graph.add("Div", "pictures.input", levels, white)
    inputs = [proto.value(PICTURES, "uint8", ("batch", "height", "width", 3))]
    if (hints := network.inputs - 3) > 0:
        given = graph.add("Concat", "pictures.hinted", given, HINTS, axis=1)
        inputs.append(proto.value(HINTS, "float32", ("batch", hints, "height", "width")))
    example = torch.zeros(1, network.inputs, height, width)
    translated = translate(network, graph, given, example)
    graph.add("Mul", "restored.levels", translated.outputs[0], white)
    graph.add("Round", "restored.round", "restored.levels")
    graph.add("Clip", "restored.clipped", "restored.round", graph.number("black", 0.0), white)
    graph.add("Cast", "restored.planes", "restored.clipped", to=proto.KINDS["uint8"])
    graph.add("Transpose", RESTORED, "restored.planes", perm=(0, 2, 3, 1))
    outputs = [proto.value(RESTORED, "uint8", ("batch", "height", "width", 3))]
    return proto.model(graph.nodes, graph.constants, inputs, outputs), translated.sized
