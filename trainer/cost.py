"""What a network costs, on the machine that it is measured on."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from streamer.boxes import Boxes, whole
from streamer.restore import Restorer
from trainer.system import System

SIZES = {"128x128": (128, 128), "256x256": (256, 256), "720p": (1280, 720), "1080p": (1920, 1080)}
"""Width and height by name."""

REGIONS = 8
"""In the frame that stands for an ordinary one."""

ENOUGH = 0.5
"""Seconds after which a size is not run again."""

MOST = 20
"""Runs of a size."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one kind of picture."""

    name: str
    ms: float
    """The median over runs after a first one: CPU time of all threads, or on a GPU what the clock says."""

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {"name": self.name, "ms": round(self.ms, 3)}


@dataclass(frozen=True, slots=True)
class Machine:
    """What costs were measured on."""

    processor: str
    threads: int
    engine: str
    clock: str
    """What was read: ``CPU time``, or ``time`` on a GPU."""

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return asdict(self)


def machine(system: System, device: torch.device) -> Machine:
    """Describe what networks run on."""
    if device.type == "cuda":
        return Machine(torch.cuda.get_device_name(device), torch.get_num_threads(), system.engine, "time")
    return Machine(_processor(), torch.get_num_threads(), system.engine, "CPU time")


def costs(system: System, device: torch.device) -> list[Cost]:
    """Measure what a restorer takes for pictures of several sizes.

    Whole pictures go through at their own resolution, but for networks that only know their own size; one
    that is applied per region is measured on a 720p frame with ``REGIONS`` of them too.
    """
    header = system.header
    if system.mode == "regions":
        header = replace(header, size=None)
    restorer = Restorer(system.network, header, device, "frame")
    random = np.random.default_rng(0)

    def picture(width: int, height: int) -> torch.Tensor:
        return torch.from_numpy(random.integers(0, 256, (height, width, 3), np.uint8)).to(device)

    found = []
    for name, (width, height) in SIZES.items():
        image, everything = picture(width, height), whole(width, height)
        ms = _ms(lambda: restorer.restore([image], [everything]), device)  # noqa: B023, run at once
        found.append(Cost(name, ms))
    if system.mode == "regions":
        width, height = SIZES["720p"]
        image, regions = picture(width, height), _regions(width, height)
        applied = Restorer(system.network, system.header, device, "regions")
        ms = _ms(lambda: applied.restore([image], [regions]), device)
        found.append(Cost(f"720p, {REGIONS} regions", ms))
    return found


def _regions(width: int, height: int) -> Boxes:
    """Return regions as large as vehicles often are: a tenth of the width, a seventh of the height."""
    across, down = width // 10, height // 7
    corners = [(width * (i % 4) // 4, height * (i // 4) // 2) for i in range(REGIONS)]
    return np.array([[x, y, x + across, y + down] for x, y in corners], np.int32)


def _ms(run: Callable[[], object], device: torch.device) -> float:
    def once() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
            start = time.perf_counter()
            run()
            torch.cuda.synchronize(device)
            return time.perf_counter() - start
        start = time.process_time()
        run()
        return time.process_time() - start

    once()  # memory is taken and kernels are chosen on the way
    taken: list[float] = []
    started = time.perf_counter()
    while not taken or (len(taken) < MOST and time.perf_counter() - started < ENOUGH):
        taken.append(once())
    return 1000 * median(taken)


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
