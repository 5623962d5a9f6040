"""Which device a run works on, and why."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from streamer.errors import DeviceError

logger = logging.getLogger(__name__)


def resolve(device: str) -> torch.device:
    """Return the device that the configuration names.

    What was taken for ``auto``, and why, is logged; a GPU that is present and not used is a warning.

    Args:
        device: ``auto`` (the first GPU, else the CPU), ``cpu``, ``cuda`` (the first GPU) or ``cuda:N``.

    Raises:
        DeviceError: there is no such device, or it does not work; says what is there.
    """
    if device == "cpu":
        if _gpu_is_present():
            logger.warning("a GPU is present and not used, because device is set to cpu")
        return torch.device("cpu")
    if device == "auto":
        return _best()
    if not re.fullmatch(r"cuda(:\d{1,3})?", device):
        raise DeviceError(f"device: expected auto, cpu, cuda or cuda:N, found {device!r}")
    index = int(device.partition(":")[2] or 0)
    if problem := _problem(index):
        raise DeviceError(f"device: {device} cannot be used: {problem}; `device: auto` takes what is there")
    return torch.device("cuda", index)


def precision(device: torch.device) -> torch.dtype:
    """Return what convolutions are computed in: 16 bits where the device has them in hardware.

    On a CPU with bfloat16 that nearly halves the time of the bundled networks.
    """
    if device.type == "cuda":
        return torch.float16
    capabilities = _capabilities()
    in_hardware = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if in_hardware else torch.float32


def multiplies_bytes() -> bool:
    """Whether the CPU multiplies and adds up bytes in one instruction: VNNI or AMX on x86."""
    capabilities = _capabilities()
    return any(capabilities.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch work in the thread that calls it for as long as the block takes.

    More of them wait for each other, by spinning, where something else keeps a core busy.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _capabilities() -> Mapping[str, object]:
    tell = getattr(torch.cpu, "get_capabilities", None)  # older versions of torch cannot
    return tell() if tell else {}


def _best() -> torch.device:
    problem = _problem(0)
    if problem is None:
        logger.info("device cuda:0 (%s), because it is there", torch.cuda.get_device_name(0))
        return torch.device("cuda", 0)
    if _gpu_is_present():
        logger.warning("a GPU is present and not used: %s; working on the CPU", problem)
    else:
        logger.info("device cpu, because there is no GPU: %s", problem)
    return torch.device("cpu")


def _problem(index: int) -> str | None:
    """Return why the GPU of that number cannot be used, in a few words; None when it can."""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]  # torch's own omission
        count = torch.cuda.device_count()
        if index >= count:
            there = ", ".join(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(count))
            return f"there is {there or 'no GPU'}"
        # a GPU that this build of torch has no code for shows only in use
        torch.zeros(1, device=torch.device("cuda", index)).add_(1).item()
    except (RuntimeError, AssertionError) as error:  # the latter where torch is built without CUDA
        first = str(error).splitlines()[0]
        return first.partition(". ")[0].rstrip(".")
    return None


def _gpu_is_present(root: Path = Path("/")) -> bool:
    """Return whether NVIDIA's driver shows a GPU, or else the PCI bus does, whatever torch makes of it.

    The driver may be missing, or the container may have been started without it.

    Args:
        root: of the file system.
    """
    if any(root.glob("proc/driver/nvidia/gpus/*")) or any(root.glob("dev/nvidia[0-9]*")):
        return True
    return any(_is_nvidia_gpu(device) for device in root.glob("sys/bus/pci/devices/*"))


def _is_nvidia_gpu(device: Path) -> bool:
    try:
        vendor, kind = (device / "vendor").read_text("ascii"), (device / "class").read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return False
    return vendor.strip() == "0x10de" and kind.startswith("0x03")
