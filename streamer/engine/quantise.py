"""Convolutions in 8 bits: what they take is rounded to 256 levels, the weights of each output to 255.

Static quantisation of a trained network (Jacob et al. 2018, "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference"; weights by output channel: Krishnamoorthi 2018, "Quantizing deep
convolutional networks for efficient inference"). A graph says where values are rounded, in ONNX's operations
for it, and an engine turns what lies between into arithmetic of integers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from streamer.engine.graph import Graph, Range

LEAST = 1e-12
"""The least step from one level to the next: of a layer that takes or has nothing but zeros."""


def ranges(network: nn.Module, examples: Iterable[Tensor]) -> dict[str, Range]:
    """Return what to round the inputs of a network's convolutions by.

    The first and the last of them are left as they are: they are small, and errors there are seen most. So
    are convolutions in groups, which an engine hardly computes faster in 8 bits, and transposed ones.

    Args:
        network: in evaluation mode and on the CPU.
        examples: of what it takes, like what will come. Beyond the values that they cause, others are cut
            off; with examples of more contrast than ever comes, all are rounded by more.

    Returns:
        By the layer's name in the network, in the order in which they work.
    """
    found: dict[str, Range] = {}

    def seen(name: str, values: Tensor) -> None:
        low, high = (float(each) for each in values.aminmax())
        before = found.get(name, Range(low, high))
        found[name] = Range(min(before.low, low), max(before.high, high))

    def watching(name: str) -> Any:
        return lambda _, given: seen(name, given[0])

    handles = [
        layer.register_forward_pre_hook(watching(name))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d) and layer.groups == 1
    ]
    try:
        with torch.inference_mode():
            for example in examples:
                network(example)
    finally:
        for handle in handles:
            handle.remove()
    return dict(list(found.items())[1:-1])


def rounded(graph: Graph, name: str, given: str, within: Range) -> str:
    """Round a value to 8 bits and return the name of the result.

    Args:
        graph: where the operations are added.
        name: what theirs begin with.
        given: name of the value.
        within: what it lies in: levels are from 0 where nothing is below that, else on both sides of 0.
    """
    if within.low >= 0:
        step, zero = within.high / 255, np.array(0, np.uint8)
    else:
        step, zero = max(-within.low / 128, within.high / 127), np.array(0, np.int8)
    names = graph.number(f"{name}.step", max(step, LEAST)), graph.constant(f"{name}.zero", zero)
    levels = graph.add("QuantizeLinear", f"{name}.levels", given, *names)
    return graph.add("DequantizeLinear", f"{name}.rounded", levels, *names)


def weights(graph: Graph, name: str, values: Tensor) -> str:
    """Add the weights of a convolution, float32 ``[out, in, h, w]``, in 8 bits and return their name."""
    exact = values.detach()
    steps = (exact.abs().amax(dim=(1, 2, 3)) / 127).clamp(min=LEAST)
    levels = (exact / steps[:, None, None, None]).round().to(torch.int8)
    return graph.add(
        "DequantizeLinear", name,
        graph.constant(f"{name}.levels", levels), graph.constant(f"{name}.steps", steps),
        graph.constant(f"{name}.zeros", torch.zeros(len(levels), dtype=torch.int8)), axis=0,
    )  # fmt: skip
