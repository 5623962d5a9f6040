"""An ONNX graph in the making."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, fx

from streamer.engine import proto


class Range(NamedTuple):
    """What values lie in."""

    low: float
    high: float


class Graph:
    """What has been written so far: operations on named values, and constants."""

    def __init__(self, within: Mapping[str, Range] | None = None) -> None:
        """Begin with nothing.

        Args:
            within: what the convolutions to be computed in 8 bits take, by name; see
                ``streamer.engine.quantise``.
        """
        self.within = within or {}
        self.nodes: list[bytes] = []
        self.constants: list[bytes] = []

    def add(self, kind: str, output: str, *inputs: str, **attributes: proto.Attribute) -> str:
        """Add an operation and return the name of its output."""
        self.nodes.append(proto.node(kind, inputs, output, attributes))
        return output

    def constant(self, name: str, values: Tensor | NDArray[Any]) -> str:
        """Add a constant and return its name."""
        array = values.detach().numpy() if isinstance(values, Tensor) else values
        self.constants.append(proto.tensor(name, array))
        return name

    def number(self, name: str, value: float) -> str:
        """Add a number as a constant and return its name."""
        return self.constant(name, np.array(value, np.float32))

    def integers(self, name: str, *values: int) -> str:
        """Add a row of integers as a constant and return its name."""
        return self.constant(name, np.array(values, np.int64))

    def operand(self, node: fx.Node, index: int) -> str:
        """Return the name of a node's argument; a number becomes a constant."""
        given = node.args[index]
        if isinstance(given, fx.Node):
            return given.name
        if not isinstance(given, int | float):
            raise NotImplementedError(f"no translation of {node.format_node()} into ONNX")
        return self.number(f"{node.name}.{index}", given)

    def planes(self, name: str, pictures: str) -> str:
        """Turn uint8 ``[B, H, W, 3]`` into float32 ``[B, 3, H, W]``, still 0 to 255, and return its name."""
        self.add("Cast", f"{name}.float", pictures, to=proto.KINDS["float32"])
        return self.add("Transpose", name, f"{name}.float", perm=(0, 3, 1, 2))
