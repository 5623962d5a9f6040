"""What an evaluation found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from trainer import present
from trainer.bootstrap import CONFIDENCE, RESAMPLINGS
from trainer.cost import Cost, Machine
from trainer.report import Sample
from trainer.summary import Table


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found."""

    name: str
    """Of the model."""
    task: str
    tables: Sequence[Table]
    """The first one is what the model is chosen by."""
    test: Mapping[str, Any]
    """Which pictures, and how they were degraded: what two evaluations must share to be compared."""
    unseen: bool
    """Whether training saw none of these clips."""
    reference: str
    """Where the reference recipe's row is from, or why there is none."""
    samples: Sequence[Sample]
    worst: Sequence[Sample]
    """Of the least gain, the least first."""
    best: Sequence[Sample]
    """Of the most gain, the most first."""
    costs: Sequence[Cost]
    machine: Machine

    def facts(self, *, pictures: bool = True) -> dict[str, Any]:
        """Return it as plain data, for JSON.

        Args:
            pictures: with all clips and pictures, and with costs; otherwise what fits a model file's header.
        """
        facts: dict[str, Any] = {
            "version": 1,
            "model": self.name,
            "task": self.task,
            "unseen": self.unseen,
            "reference": self.reference,
            "test": dict(self.test),
            "intervals": {"confidence": CONFIDENCE, "resamplings": RESAMPLINGS, "over": "clips"},
            "tables": [table.facts(pictures=pictures) for table in self.tables],
        }
        if pictures:
            costs = [cost.facts() for cost in self.costs]
            facts["cost"] = {"machine": self.machine.facts(), "ms_per_frame": costs}
        return facts

    def show(self, console: Console) -> None:
        """Print it; as ``present.show``."""
        present.show(self, console)

    def write(self, folder: Path, curves: bytes | None = None) -> None:
        """Write it to files; as ``present.write``."""
        present.write(self, folder, curves)
