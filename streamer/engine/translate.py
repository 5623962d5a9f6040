"""Networks as ONNX graphs, for the engines that are faster on a CPU than torch is.

A graph is written from torch.fx's of the network, operation by operation, so that there is no second
description of the network to keep in step. torch's own exporter would need the packages ``onnx`` and
``onnxscript``; this needs neither and takes a tenth of a second, so that nothing is kept on disk.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from streamer.engine import quantise
from streamer.engine.graph import Graph, Range

Node: TypeAlias = Any
"""An ``fx.Node`` of an operation that is known, so that it is known too what its arguments are."""

Translation: TypeAlias = Callable[[Graph, Node, Any], object]
"""Takes the graph, the node and, where it calls one, the layer."""

END = np.iinfo(np.int64).max
"""Where a slice ends that goes to the end."""


class Translated(NamedTuple):
    """A network in a graph."""

    outputs: list[str]
    """The names of the values that it gives."""
    sized: bool
    """Whether it asked for the size of its input, so that the graph is right for pictures like the example
    alone; otherwise sizes of batch, height and width may be others."""


def translate(network: nn.Module, graph: Graph, given: str, example: Tensor) -> Translated:
    """Add a network to a graph.

    Args:
        network: in evaluation mode and on the CPU.
        graph: where its operations are added; names of values in it have a dot, but for the network's own.
        given: name of the value in the graph that it takes.
        example: of what it takes.

    Raises:
        NotImplementedError: something in it has no translation here; says what.
    """
    tracer = _Tracer(example)
    try:
        with torch.inference_mode():
            nodes = tracer.trace(network).nodes
    except (
        Exception
    ) as error:  # code that asks what its input is like meets none, and raises whatever it likes
        raise NotImplementedError(f"what it computes depends on its input: {error}") from None
    results: Any = ()
    for node in nodes:
        if node.op == "placeholder":
            graph.add("Identity", node.name, given)
        elif node.op == "get_attr":
            graph.constant(node.name, operator.attrgetter(node.target)(network))
        elif node.op == "output":
            results = node.args[0]
        else:
            module = network.get_submodule(node.target) if node.op == "call_module" else None
            what = node.target if module is None else type(module)
            if what not in _TRANSLATIONS:
                raise NotImplementedError(f"no translation of {what} into ONNX")
            _TRANSLATIONS[what](graph, node, module)
    outputs = [each.name for each in (results if isinstance(results, tuple) else (results,))]
    return Translated(outputs, tracer.sized)


class _Proxy(fx.Proxy):
    """Stands for a value while a network is traced, and knows the example's."""

    tracer: _Tracer

    @property
    def shape(self) -> torch.Size:
        self.tracer.sized = True
        shape: torch.Size = self.node.meta["value"].shape
        return shape


class _Tracer(fx.Tracer):
    """Computes the example along with the graph, for what depends on sizes."""

    def __init__(self, example: Tensor) -> None:
        super().__init__()
        self.sized = False
        self._example = example
        self._computing = False

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Proxy(node, self)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        # tracing takes hold of all networks of the process, and other threads may run theirs meanwhile
        if not any(isinstance(each, fx.Proxy) for each in (*args, *kwargs.values())):
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        # layers that compute the example take their weights themselves
        return attr_val if self._computing else super().getattr(attr, attr_val, parameter_proxy_cache)

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *others: Any, **more: Any) -> Any:
        made = super().create_proxy(kind, target, args, kwargs, *others, **more)
        known, named = (
            fx.node.map_aggregate(each, lambda x: x.node.meta["value"] if isinstance(x, fx.Proxy) else x)
            for each in (args, kwargs)
        )
        self._computing = True
        made.node.meta["value"] = self._computed(kind, target, known, named)
        self._computing = False
        return made

    def _computed(self, kind: str, target: Any, args: Any, kwargs: Any) -> Any:
        """Return what a node gives for the example."""
        if kind == "placeholder":
            return self._example
        if kind == "get_attr":
            return operator.attrgetter(target)(self.root)
        if kind == "call_module":
            return self.root.get_submodule(target).forward(*args, **kwargs)
        if kind == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        return None if kind == "output" else target(*args, **kwargs)


def _refuse(node: Node) -> NotImplementedError:
    return NotImplementedError(f"no translation of {node.format_node()} into ONNX")


def _shape(node: Node) -> tuple[int, ...]:
    """Return the sizes of what a node gives, for the example."""
    return tuple(node.meta["value"].shape)


def _argument(node: Node, place: int, name: str, default: Any = None) -> Any:
    """Return an argument, be it given by its place or by its name."""
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


def _axes(node: Node) -> tuple[int, ...]:
    """Return the dimensions that a node reduces, counted from the first; it must keep them."""
    dims = _argument(node, 1, "dim")
    if dims is None or not _argument(node, 2, "keepdim", default=False):
        raise _refuse(node)
    rank = len(_shape(node))
    return tuple(dim % rank for dim in ((dims,) if isinstance(dims, int) else dims))


def _unary(kind: str) -> Translation:
    return lambda graph, node, _: graph.add(kind, node.name, graph.operand(node, 0))


def _binary(kind: str) -> Translation:
    return lambda graph, node, _: graph.add(kind, node.name, graph.operand(node, 0), graph.operand(node, 1))


def _filters(graph: Graph, node: Node, layer: Any, within: Range | None = None) -> list[str]:
    """Return the inputs of a convolution, in 8 bits where it is known what the first of them lies within."""
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        raise _refuse(node)
    given, weight = graph.operand(node, 0), f"{node.name}.weight"
    if within is None:
        names = [given, graph.constant(weight, layer.weight)]
    else:
        given = quantise.rounded(graph, f"{node.name}.given", given, within)
        names = [given, quantise.weights(graph, weight, layer.weight)]
    if layer.bias is not None:
        names.append(graph.constant(f"{node.name}.bias", layer.bias))
    return names


def _convolution(graph: Graph, node: Node, layer: Any) -> None:
    graph.add(
        "Conv", node.name, *_filters(graph, node, layer, graph.within.get(node.target)),
        strides=layer.stride, pads=layer.padding * 2, dilations=layer.dilation, group=layer.groups,
    )  # fmt: skip


def _transposed(graph: Graph, node: Node, layer: Any) -> None:
    graph.add(
        "ConvTranspose", node.name, *_filters(graph, node, layer),
        strides=layer.stride, pads=layer.padding * 2, output_padding=layer.output_padding,
        dilations=layer.dilation, group=layer.groups,
    )  # fmt: skip


def _normalisation(graph: Graph, node: Node, layer: Any) -> None:
    names = ("weight", "bias", "running_mean", "running_var")  # in ONNX's order too
    constants = [graph.constant(f"{node.name}.{name}", getattr(layer, name)) for name in names]
    graph.add("BatchNormalization", node.name, graph.operand(node, 0), *constants, epsilon=layer.eps)


def _relu6(graph: Graph, node: Node, _: Any) -> None:
    bounds = [graph.number(f"{node.name}.{value}", value) for value in (0, 6)]
    graph.add("Clip", node.name, graph.operand(node, 0), *bounds)


def _leaky_relu(graph: Graph, node: Node, layer: Any) -> None:
    graph.add("LeakyRelu", node.name, graph.operand(node, 0), alpha=float(layer.negative_slope))


def _clamp(graph: Graph, node: Node, _: Any) -> None:
    limits = (("min", _argument(node, 1, "min")), ("max", _argument(node, 2, "max")))
    bounds = ["" if value is None else graph.number(f"{node.name}.{name}", value) for name, value in limits]
    graph.add("Clip", node.name, graph.operand(node, 0), *bounds)


def _interpolation(graph: Graph, node: Node, _: Any) -> None:
    size, factor, mode = (
        _argument(node, place, name, default)
        for place, name, default in ((1, "size", None), (2, "scale_factor", None), (3, "mode", "nearest"))
    )
    if mode == "nearest" and factor is not None:
        _nearest(graph, node, factor)
    elif mode == "area" and size is not None:
        _area(graph, node)
    elif mode == "bilinear" and size is not None and not _argument(node, 4, "align_corners"):
        sizes = graph.integers(f"{node.name}.sizes", *_shape(node))
        graph.add(
            "Resize", node.name, graph.operand(node, 0), "", "", sizes,
            mode="linear", coordinate_transformation_mode="half_pixel",
        )  # fmt: skip
    else:
        raise _refuse(node)


def _area(graph: Graph, node: Node) -> None:
    """Average over the pixels that each new one covers: what each row takes, and what each column takes."""
    (height, width), (rows, columns) = _shape(node.args[0])[2:], _shape(node)[2:]
    down, across = (
        F.adaptive_avg_pool1d(torch.eye(before), after).T.contiguous()
        for before, after in ((height, rows), (width, columns))
    )
    less = graph.constant(f"{node.name}.rows", down)
    made = graph.add("MatMul", f"{node.name}.shorter", less, graph.operand(node, 0))
    graph.add("MatMul", node.name, made, graph.constant(f"{node.name}.columns", across.T.contiguous()))


def _nearest(graph: Graph, node: Node, factor: float) -> None:
    scales = graph.constant(f"{node.name}.scales", np.array([1, 1, factor, factor], np.float32))
    graph.add(
        "Resize", node.name, graph.operand(node, 0), "", scales,
        mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip


def _shuffle(graph: Graph, node: Node, layer: Any) -> None:
    # torch keeps a channel's factor² parts next to each other, which ONNX calls CRD
    graph.add(
        "DepthToSpace", node.name, graph.operand(node, 0), blocksize=int(layer.upscale_factor), mode="CRD"
    )


def _unshuffle(graph: Graph, node: Node, layer: Any) -> None:
    # ONNX's SpaceToDepth has another order of channels; a strided convolution that picks pixels has torch's
    factor, channels = layer.downscale_factor, _shape(node.args[0])[1]
    picks = torch.eye(factor**2).view(factor**2, 1, factor, factor).repeat(channels, 1, 1, 1)
    weight = graph.constant(f"{node.name}.picks", picks)
    graph.add("Conv", node.name, graph.operand(node, 0), weight, strides=(factor, factor), group=channels)


def _mean(graph: Graph, node: Node, _: Any) -> None:
    graph.add("ReduceMean", node.name, graph.operand(node, 0), axes=_axes(node), keepdims=1)


def _sum(graph: Graph, node: Node, _: Any) -> None:
    axes = graph.integers(f"{node.name}.axes", *_axes(node))
    graph.add("ReduceSum", node.name, graph.operand(node, 0), axes, keepdims=1)


def _average(graph: Graph, node: Node, layer: Any) -> None:
    if (layer.output_size if layer is not None else node.args[1]) not in (1, (1, 1)):
        raise _refuse(node)
    graph.add("GlobalAveragePool", node.name, graph.operand(node, 0))


def _inverse_root(graph: Graph, node: Node, _: Any) -> None:
    root = graph.add("Sqrt", f"{node.name}.root", graph.operand(node, 0))
    graph.add("Reciprocal", node.name, root)


def _concatenation(graph: Graph, node: Node, _: Any) -> None:
    parts = (part.name for part in node.args[0])
    graph.add("Concat", node.name, *parts, axis=_argument(node, 1, "dim", default=0))


def _flattening(graph: Graph, node: Node, _: Any) -> None:
    shape = [0] * node.args[1] + [-1]  # 0 keeps a length, -1 takes what is left
    graph.add("Reshape", node.name, graph.operand(node, 0), graph.integers(f"{node.name}.shape", *shape))


def _transposition(graph: Graph, node: Node, _: Any) -> None:
    order = list(range(len(_shape(node))))
    first, second = node.args[1:]
    order[first], order[second] = order[second], order[first]
    graph.add("Transpose", node.name, graph.operand(node, 0), perm=order)


def _permutation(graph: Graph, node: Node, _: Any) -> None:
    graph.add("Transpose", node.name, graph.operand(node, 0), perm=node.args[1:])


def _unsqueezing(graph: Graph, node: Node, _: Any) -> None:
    axes = graph.integers(f"{node.name}.axes", _argument(node, 1, "dim"))
    graph.add("Unsqueeze", node.name, graph.operand(node, 0), axes)


def _expansion(graph: Graph, node: Node, _: Any) -> None:
    lengths = graph.integers(f"{node.name}.lengths", *(max(1, length) for length in node.args[1:]))
    graph.add("Expand", node.name, graph.operand(node, 0), lengths)


def _layer_normalisation(graph: Graph, node: Node, _: Any) -> None:
    """Of the last dimension."""
    shape, weight, bias, eps = (
        _argument(node, place, name)
        for place, name in enumerate(("normalized_shape", "weight", "bias", "eps"), 1)
    )
    if len(shape) != 1 or weight is None or bias is None:
        raise _refuse(node)
    name = node.name
    mean = graph.add("ReduceMean", f"{name}.mean", graph.operand(node, 0), axes=(-1,), keepdims=1)
    apart = graph.add("Sub", f"{name}.apart", graph.operand(node, 0), mean)
    square = graph.add("Mul", f"{name}.square", apart, apart)
    variance = graph.add("ReduceMean", f"{name}.variance", square, axes=(-1,), keepdims=1)
    sure = graph.add("Add", f"{name}.sure", variance, graph.number(f"{name}.eps", eps))
    deviation = graph.add("Sqrt", f"{name}.deviation", sure)
    normal = graph.add("Div", f"{name}.normal", apart, deviation)
    scaled = graph.add("Mul", f"{name}.scaled", normal, weight.name)
    graph.add("Add", name, scaled, bias.name)


def _nothing(graph: Graph, node: Node, _: Any) -> None:
    """Parts are taken by those who use them."""


def _item(graph: Graph, node: Node, layer: Any) -> None:
    """Take one of the parts that something was cut into along a dimension, or a slice."""
    source, chosen = node.args
    if source.target in ("unbind", torch.unbind):
        index = graph.constant(f"{node.name}.index", np.array(chosen, np.int64))
        axis = _argument(source, 1, "dim", default=0)
        graph.add("Gather", node.name, source.args[0].name, index, axis=axis)
    elif source.target in ("chunk", torch.chunk):
        shapes = [part.shape for part in source.meta["value"]]
        axis = _argument(source, 2, "dim", default=0) % len(shapes[0])
        start = sum(shape[axis] for shape in shapes[:chosen])
        _slice(graph, node, node.name, source.args[0].name, axis, start, start + shapes[chosen][axis])
    else:
        _slices(graph, node)


def _slices(graph: Graph, node: Node) -> None:
    source, chosen = node.args
    parts = chosen if isinstance(chosen, tuple) else (chosen,)
    if Ellipsis in parts:
        gap = parts.index(Ellipsis)
        missing = len(_shape(source)) - (len(parts) - 1)
        parts = (*parts[:gap], *[slice(None)] * missing, *parts[gap + 1 :])
    name = source.name
    for axis, part in enumerate(parts):
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise _refuse(node)
        if part != slice(None):
            output, stop = f"{node.name}.{axis}", END if part.stop is None else part.stop
            _slice(graph, node, output, name, axis, part.start or 0, stop)
            name = output
    graph.add("Identity", node.name, name)


def _slice(graph: Graph, node: Node, output: str, source: str, axis: int, start: int, stop: int) -> None:
    limits = (("start", start), ("stop", stop), ("axis", axis))
    names = [graph.integers(f"{node.name}.{axis}.{name}", value) for name, value in limits]
    graph.add("Slice", output, source, *names)


_TRANSLATIONS: Mapping[Any, Translation] = {
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _transposed,
    nn.BatchNorm2d: _normalisation,
    nn.ReLU6: _relu6,
    nn.LeakyReLU: _leaky_relu,
    nn.PixelShuffle: _shuffle,
    nn.PixelUnshuffle: _unshuffle,
    nn.AdaptiveAvgPool2d: _average,
    F.adaptive_avg_pool2d: _average,
    F.interpolate: _interpolation,
    **dict.fromkeys((nn.ReLU, F.relu, torch.relu, "relu"), _unary("Relu")),
    **dict.fromkeys((nn.Sigmoid, torch.sigmoid, "sigmoid"), _unary("Sigmoid")),
    **dict.fromkeys((nn.Tanh, torch.tanh, "tanh"), _unary("Tanh")),
    **dict.fromkeys((nn.Identity, nn.Dropout, nn.Dropout2d), _unary("Identity")),  # trained by now
    **dict.fromkeys((torch.sqrt, "sqrt"), _unary("Sqrt")),
    **dict.fromkeys((torch.rsqrt, "rsqrt"), _inverse_root),
    **dict.fromkeys((operator.add, operator.iadd, torch.add), _binary("Add")),
    **dict.fromkeys((operator.sub, operator.isub, torch.sub), _binary("Sub")),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul), _binary("Mul")),
    **dict.fromkeys((operator.truediv, operator.itruediv, torch.div), _binary("Div")),
    **dict.fromkeys((operator.pow, torch.pow, "pow"), _binary("Pow")),
    **dict.fromkeys((torch.clamp, "clamp", "clip"), _clamp),
    **dict.fromkeys((torch.mean, "mean"), _mean),
    **dict.fromkeys((torch.sum, "sum"), _sum),
    **dict.fromkeys((torch.chunk, "chunk", torch.unbind, "unbind"), _nothing),
    F.layer_norm: _layer_normalisation,
    "permute": _permutation,
    "unsqueeze": _unsqueezing,
    "expand": _expansion,
    operator.getitem: _item,
    torch.cat: _concatenation,
    "flatten": _flattening,
    "transpose": _transposition,
}
"""By the type of a layer, a function, or the name of a method. What doesn't come out as it went in is caught
where an engine's outputs are compared with torch's."""
