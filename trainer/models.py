"""What restorers cost: size, arithmetic and time of their networks."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

import trainer.config
from streamer import modelfile, nets
from streamer.device import one_torch_thread, precision
from streamer.errors import ConfigError
from streamer.nets import Network

SIDE = 960
"""Least side in pixels of the pictures that are counted and timed: a square of a 720p frame's area."""

RUNS = 3
"""How often a network is timed, after a run that is not; the fastest counts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """A network to look at."""

    name: str
    """A network's, or what the file was called by whom asked."""
    network: str
    """One of ``streamer.nets.NAMES``."""
    options: dict[str, Any]
    """All, defaults included."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What a network costs; sizes and counts are exact."""

    parameters: int
    megabytes: float
    """Of its weights at half precision, as a model file has them."""
    multiply_adds_per_pixel: float
    """Of its convolutions, which is nearly all."""
    ms_per_megapixel: float
    """On a CPU: time of one thread."""
    stride: int


def everything() -> list[Choice]:
    """Return every network with its default options, and the bundled models."""
    folder = modelfile.locate("bundled").parent
    bundled = [f"bundled:{path.stem}" for path in sorted(folder.glob("*.safetensors"))]
    return [choose(name) for name in (*nets.NAMES, *bundled)]


def choose(name: str) -> Choice:
    """Find the network that is meant.

    Args:
        name: of a network, ``bundled:NAME``, or the path of a model file or of a training configuration.

    Raises:
        ConfigError: there is nothing of that name, or it is no restorer.
    """
    path = Path(name)
    if name in nets.NAMES:
        network, options = name, {}
    elif path.suffix.lower() in (".yaml", ".yml"):
        if trainer.config.task_of(path) == "detect":
            raise ConfigError(
                f"{path}: configures a detector; expected a restorer, as configs/deblur.yaml does"
            )
        configured = trainer.config.load(path).network
        network, options = configured.name, configured.options
    else:
        header = modelfile.load(modelfile.locate(name))[1]
        network, options = header.network, header.config
    return Choice(name, network, nets.options(network, options).model_dump(mode="json"))


def cost(choice: Choice, device: torch.device) -> Cost:
    """Build a network with fresh weights, count and time it."""
    network = nets.build(choice.network, choice.options).eval()
    side = network.fitting(SIDE)
    weights = network.state_dict().values()
    return Cost(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        megabytes=sum(w.numel() * (2 if w.is_floating_point() else w.element_size()) for w in weights) / 1e6,
        multiply_adds_per_pixel=_multiply_adds(choice, side) / side**2,
        ms_per_megapixel=1e3 * _seconds(network.to(device), side, device) / (side**2 / 1e6),
        stride=network.stride,
    )


def table(choices: Sequence[Choice], costs: Sequence[Cost], device: torch.device) -> Table:
    """Return a row for each network."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    made.add_column("model", overflow="fold")
    made.add_column("options", overflow="fold")
    for column in ("parameters", "MB", "MAC/pixel", "ms/MP", "stride"):
        made.add_column(column, justify="right", no_wrap=True)
    for choice, found in zip(choices, costs, strict=True):
        options = ", ".join(f"{key} {_short(value)}" for key, value in choice.options.items())
        made.add_row(
            choice.name,
            options if choice.name == choice.network else f"{choice.network}: {options}",
            f"{found.parameters:,}",
            f"{found.megabytes:.2f}",
            f"{found.multiply_adds_per_pixel:,.0f}",
            f"{found.ms_per_megapixel:,.0f}",
            str(found.stride),
        )
    arithmetic = str(precision(device)).removeprefix("torch.")
    where = "CPU time of one thread" if device.type == "cpu" else torch.cuda.get_device_name(device)
    made.caption = (
        f"MB: weights in 16 bits; MAC: multiply-adds, of pictures of {SIDE}x{SIDE}\n"
        f"ms/MP: time for a million pixels, {where}, torch in {arithmetic}"
    )
    made.caption_justify = "left"
    return made


def facts(choices: Sequence[Choice], costs: Sequence[Cost], device: torch.device) -> dict[str, Any]:
    """Return what the table says as plain data."""
    return {
        "device": str(device),
        "machine": platform.machine(),
        "precision": str(precision(device)).removeprefix("torch."),
        "models": [
            dataclasses.asdict(choice) | dataclasses.asdict(found)
            for choice, found in zip(choices, costs, strict=True)
        ],
    }


def _multiply_adds(choice: Choice, side: int) -> int:
    with torch.device("meta"):  # shapes are enough to count
        network = nets.build(choice.network, choice.options).eval()
        images = torch.zeros(1, network.inputs, side, side)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(images)
    return int(counter.get_total_flops()) // 2  # which counts a multiply-add as two


def _seconds(network: Network, side: int, device: torch.device) -> float:
    """Time one picture in the form and precision that streamer has it in where torch runs it."""
    images = torch.rand(1, network.inputs, side, side, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    network = network.to(memory_format=torch.channels_last)
    kind = precision(device)
    taken = []
    autocast = torch.autocast(device.type, kind, enabled=kind != torch.float32)
    with one_torch_thread(), torch.inference_mode(), autocast:
        for _ in range(1 + RUNS):
            start = _now(device)
            network(images)
            taken.append(_now(device) - start)
    return min(taken[1:])


def _now(device: torch.device) -> float:
    if device.type == "cpu":
        return time.thread_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def _short(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
