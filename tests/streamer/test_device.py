import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from streamer import device
from streamer.errors import DeviceError

Pretend = Callable[..., None]


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Have torch answer as on a machine with these GPUs."""

    def machine(
        *gpus: str, driver: bool = True, init: Exception | None = None, use: Exception | None = None
    ) -> None:
        def start() -> None:
            if init:
                raise init

        real = torch.zeros

        def zeros(*size: int, device: torch.device | None = None) -> torch.Tensor:
            if use and device is not None:
                raise use
            return real(*size)

        monkeypatch.setattr(torch.cuda, "init", start)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(gpus))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: gpus[index])
        monkeypatch.setattr(torch, "zeros", zeros)
        monkeypatch.setattr(device, "_gpu_is_present", lambda: driver)

    return machine


NO_DRIVER = RuntimeError("Found no NVIDIA driver on your system. Please check that you have\nan NVIDIA GPU.")
NO_CUDA = AssertionError("Torch not compiled with CUDA enabled")
NO_KERNEL = RuntimeError(
    "CUDA error: no kernel image is available for execution on the device\nCompile with …"
)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in caplog.records]


def test_auto_takes_the_first_gpu_and_says_so(pretend: Pretend, caplog: pytest.LogCaptureFixture) -> None:
    pretend("H200", "A400")
    with caplog.at_level(logging.INFO):
        assert device.resolve("auto") == torch.device("cuda", 0)
    assert said(caplog) == [(logging.INFO, "device cuda:0 (H200), because it is there")]


def test_auto_without_a_gpu_takes_the_cpu_and_says_why(
    pretend: Pretend, caplog: pytest.LogCaptureFixture
) -> None:
    pretend(driver=False, init=NO_DRIVER)
    with caplog.at_level(logging.INFO):
        assert device.resolve("auto") == torch.device("cpu")
    assert said(caplog) == [
        (logging.INFO, "device cpu, because there is no GPU: Found no NVIDIA driver on your system")
    ]


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        ({"init": NO_CUDA}, "Torch not compiled with CUDA enabled"),
        ({"use": NO_KERNEL}, "CUDA error: no kernel image is available for execution on the device"),
    ],
)
def test_complaint_22_a_gpu_that_is_present_but_unused_is_said_aloud_and_why(
    trouble: dict[str, Exception], why: str, pretend: Pretend, caplog: pytest.LogCaptureFixture
) -> None:
    pretend("H200", **trouble)
    assert device.resolve("auto") == torch.device("cpu")
    assert said(caplog) == [(logging.WARNING, f"a GPU is present and not used: {why}; working on the CPU")]


def test_a_gpu_left_unused_by_the_configuration_is_said_aloud(
    pretend: Pretend, caplog: pytest.LogCaptureFixture
) -> None:
    pretend("H200")
    assert device.resolve("cpu") == torch.device("cpu")
    assert said(caplog) == [(logging.WARNING, "a GPU is present and not used, because device is set to cpu")]


def test_a_cpu_that_was_asked_for_where_there_is_no_gpu_is_not_worth_a_word(
    pretend: Pretend, caplog: pytest.LogCaptureFixture
) -> None:
    pretend(driver=False, init=NO_DRIVER)
    with caplog.at_level(logging.INFO):
        assert device.resolve("cpu") == torch.device("cpu")
    assert said(caplog) == []


def test_a_gpu_is_known_by_the_driver_or_else_by_the_bus(tmp_path: Path) -> None:
    def machine(name: str, **files: str) -> Path:
        for path, text in files.items():
            file = tmp_path / name / path.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="ascii")
        return tmp_path / name

    def slot(vendor: str, kind: str) -> dict[str, str]:
        return {"sys__bus__pci__devices__1__vendor": vendor, "sys__bus__pci__devices__1__class": kind}

    assert device._gpu_is_present(machine("driver", proc__driver__nvidia__gpus__0__information="H200"))
    assert device._gpu_is_present(machine("node", dev__nvidia0=""))
    # as in a container that was started without it
    assert device._gpu_is_present(machine("bus", **slot("0x10de\n", "0x030200\n")))
    assert not device._gpu_is_present(machine("other maker", **slot("0x8086\n", "0x030000\n")))
    assert not device._gpu_is_present(machine("its sound", **slot("0x10de\n", "0x040300\n")))
    assert not device._gpu_is_present(machine("control alone", dev__nvidiactl=""))
    assert not device._gpu_is_present(tmp_path / "nothing")


@pytest.mark.parametrize(("name", "index"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_a_gpu_is_taken_by_its_number(name: str, index: int, pretend: Pretend) -> None:
    pretend("H200", "A400")
    assert device.resolve(name) == torch.device("cuda", index)


def test_a_gpu_that_is_not_there_is_an_error_that_says_what_is(pretend: Pretend) -> None:
    pretend("H200", "A400")
    with pytest.raises(DeviceError) as raised:
        device.resolve("cuda:2")
    assert str(raised.value) == (
        "device: cuda:2 cannot be used: there is cuda:0 (H200), cuda:1 (A400); "
        "`device: auto` takes what is there"
    )


@pytest.mark.parametrize("trouble", [{"init": NO_DRIVER}, {"init": NO_CUDA}, {"use": NO_KERNEL}])
def test_a_gpu_that_was_asked_for_and_does_not_work_is_an_error_of_one_line(
    trouble: dict[str, Exception], pretend: Pretend
) -> None:
    pretend("H200", **trouble)
    with pytest.raises(
        DeviceError, match=r"device: cuda cannot be used: \w.*; `device: auto` takes"
    ) as raised:
        device.resolve("cuda")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1000000000000", "mps", ""])
def test_any_other_word_is_an_error(name: str) -> None:
    with pytest.raises(DeviceError, match="expected auto, cpu, cuda or cuda:N, found"):
        device.resolve(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_without_a_gpu_the_real_torch_gives_the_cpu_or_an_error() -> None:
    assert device.resolve("auto") == torch.device("cpu")
    with pytest.raises(DeviceError):
        device.resolve("cuda")


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({}, False), ({"avx512_f": True, "avx512_vnni": False}, False)]
    + [({name: True}, True) for name in ("avx512_vnni", "avx_vnni", "amx_int8")],
)
def test_whether_the_cpu_multiplies_bytes(
    capabilities: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert device.multiplies_bytes() is expected


def test_a_torch_that_does_not_know_the_cpu_has_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not device.multiplies_bytes()
    assert device.precision(torch.device("cpu")) == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_with_a_gpu_the_real_torch_works_on_it() -> None:
    assert device.resolve("auto") == torch.device("cuda", 0)
    with pytest.raises(DeviceError, match=r"there is cuda:0 \("):
        device.resolve("cuda:99")
