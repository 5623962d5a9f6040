"""What runs an ONNX file: the part of ``onnxruntime.InferenceSession`` that is used here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray


class Session(Protocol):
    """Runs a network."""

    def get_inputs(self) -> Sequence[Any]:
        """Return the inputs, each with a name, a shape and a type."""

    def get_outputs(self) -> Sequence[Any]:
        """Return the outputs, likewise."""

    def run(self, names: Sequence[str] | None, feeds: dict[str, NDArray[Any]]) -> Sequence[Any]:
        """Return the outputs for the inputs given by name."""


def described(session: Session) -> str:
    """Say what a network takes and gives, for messages."""
    takes = ", ".join(f"{i.name} {i.type} {list(i.shape)}" for i in session.get_inputs())
    gives = ", ".join(f"{o.name} {list(o.shape)}" for o in session.get_outputs())
    return f"it takes {takes} and gives {gives}"
