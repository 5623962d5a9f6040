"""What a restorer costs on each engine, interleaved in one process so that ratios are fair.

    python -m benchmarks.restorers [MODEL …] [--repeat 20]

CPU milliseconds of one thread, medians, of the network alone: on 8 and 16 squares, where it takes squares,
and on a 720p frame. And how far each engine is from torch in single precision on the fixed pictures by which
it is checked before it is used.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Mapping

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from streamer import modelfile
from streamer.engine.choice import installed
from streamer.errors import StreamerError
from streamer.nets import Network
from streamer.restore.engines import (
    Engine,
    OnnxRuntimeEngine,
    OpenVinoEngine,
    TorchEngine,
    disagreement,
    quantised,
)
from streamer.restore.export import Export

CPU = torch.device("cpu")


def engines(network: Network, size: int | None) -> Mapping[str, Engine]:
    """Every engine that is installed and runs the network, in all precisions that it has."""
    made: dict[str, Engine] = {}
    for kind in (torch.bfloat16, torch.float32):
        name = str(kind).removeprefix("torch.")
        made[f"torch, {name}"] = TorchEngine(copy.deepcopy(network), CPU, kind)
        try:
            if installed("openvino"):
                made[f"OpenVINO, {name}"] = OpenVinoEngine(Export(network), kind)
            if kind == torch.bfloat16 and installed("openvino"):
                made["OpenVINO, int8"] = quantised(network, size)  # as bfloat16 where it has too few layers
            if kind == torch.float32:
                made[f"ONNX Runtime, {name}"] = OnnxRuntimeEngine(Export(network))
        except NotImplementedError as error:
            print(error, file=sys.stderr)
    return made


def pictures(count: int, height: int, width: int) -> torch.Tensor:
    """Smooth ones, as hidden regions are: uint8 ``[count, height, width, 3]``."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (count, height // 16, width // 16, 3), np.uint8)
    return torch.from_numpy(np.stack([cv2.resize(each, (width, height)) for each in noise]))


def cost(running: Mapping[str, Engine], given: torch.Tensor, hints: int, repeat: int) -> dict[str, float]:
    """CPU milliseconds of each engine."""
    known = torch.zeros((len(given), hints, *given.shape[1:3])) if hints else None
    spent: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(repeat + 2):
        for name, engine in running.items():
            began = time.process_time()
            engine(given, known)
            spent[name].append(1e3 * (time.process_time() - began))
    return {name: statistics.median(each[2:]) for name, each in spent.items()}  # the first ones compile


def table(model: str, repeat: int) -> Table:
    """Measure a model on all engines."""
    network, header = modelfile.load(modelfile.locate(model))
    cases = {}
    if (side := header.size) is not None:
        cases = {f"{n} of {side}x{side}": pictures(n, side, side) for n in (8, 16)}
    cases["720p"] = pictures(1, network.fitting(720), network.fitting(1280))
    running = engines(network, header.size)
    costs = [
        cost(running, given, network.inputs - 3, max(3, repeat // (4 if name == "720p" else 1)))
        for name, given in cases.items()
    ]
    made = Table(*(model, *cases, "dB apart", "dB alike"), box=None)
    for name, engine in running.items():
        apart, alike = disagreement(engine, copy.deepcopy(network), header.size)
        made.add_row(name, *(f"{each[name]:.1f}" for each in costs), f"{apart:.4f}", f"{alike:.1f}")
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure restorers' networks on each engine.")
    parser.add_argument("models", nargs="*", default=["bundled"])
    parser.add_argument("--repeat", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    console = Console(width=None if sys.stdout.isatty() else 120)
    for model in given.models:
        console.print(table(model, given.repeat), "")


if __name__ == "__main__":
    try:
        main()
    except StreamerError as error:
        sys.exit(str(error))
