"""ONNX Runtime and OpenVINO as they are used here: on the CPU, each in the thread that calls it.

Threads of their own take more than they give where every core has other stages to run: on two cores a second
one turned 8.0 CPU ms of YOLOX-nano into 11.3, and a 720p frame of wall time from 8.0 into 7.6.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

ERRORS_ONLY = 3
"""ONNX Runtime's log severity."""


def one_thread() -> Any:
    """Return the options of an ONNX Runtime session: no thread of its own, and a word on failures only."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def compile_openvino(graph: Any, precision: str) -> Any:
    """Compile a graph that OpenVINO has read.

    Args:
        graph: of ``openvino()[0].read_model``.
        precision: ``f32`` or ``bf16``.
    """
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": 1,
        "ENABLE_CPU_PINNING": False,  # two runs would share the one core that both are pinned to
        "INFERENCE_PRECISION_HINT": precision,
    }
    return openvino()[0].compile_model(graph, "CPU", settings)


@functools.cache
def openvino() -> tuple[Any, str]:
    """Return OpenVINO's core, for as long as the process lives, and its version.

    Its CPU plugin gives the thread that loads it another stack for signals, and frees that in whichever
    thread lets go of it last: the next signal to the first, such as Ctrl-C, would then crash the process.
    """
    # importing it sends its makers a message, from a thread; without this part of it it does not
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # Python's way to say so
    import openvino as package

    return package.Core(), package.__version__.partition("-")[0]
