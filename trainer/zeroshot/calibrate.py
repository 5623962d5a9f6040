"""Zero-shot alerts calibrated on labelled clips: the file that ``watch.zeroshot.calibration`` names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from streamer.errors import ConfigError
from streamer.watch.calibration import Calibrated, Calibration, write
from trainer.zeroshot import calibration
from trainer.zeroshot.calibration import Windows
from trainer.zeroshot.judged import CHANCE, SPREAD, Judged, judge
from trainer.zeroshot.labelled import Part


@dataclass(frozen=True, slots=True)
class Result:
    """What was found."""

    calibrated: Mapping[str, Calibrated]
    """By class."""
    judged: Mapping[str, Judged]
    """What each is worth on scenes that it was not calibrated on."""
    scorer: Mapping[str, str]
    """Fingerprint of what scored the clips."""
    footage: Mapping[str, Any]
    """What they were, as JSON can hold it."""

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        judged = {name: judged.facts() for name, judged in self.judged.items()}
        return {
            "classes": {name: found._asdict() | judged[name] for name, found in self.calibrated.items()},
            "chance": {"auroc": CHANCE, "balanced_accuracy": CHANCE},
            "scorer": dict(self.scorer),
            "footage": dict(self.footage),
        }

    def save(self, path: Path) -> None:
        """Write the calibration file, whole or not at all.

        Raises:
            SinkError: it cannot be written.
        """
        found = {name: judged.facts() for name, judged in self.judged.items()}
        write(path, Calibration(self.calibrated, self.scorer, {"found": found, "footage": self.footage}))

    def show(self, console: Console) -> None:
        """Print it as a table."""
        if not console.is_terminal:
            console.width = 120
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        made.add_column("class")
        measures = ("AUROC", "balanced accuracy", "offset", "temperature", "threshold")
        for heading in ("clips", "normal", *measures):
            made.add_column(heading, justify="right")
        made.add_row("chance", "", "", f"{CHANCE:.3f}", f"{CHANCE:.3f}")
        for name, found in self.calibrated.items():
            judged = self.judged[name]
            made.add_row(
                name, str(judged.clips), str(judged.normal), judged.auroc.text(), judged.accuracy.text(),
                f"{found.offset:.4f}", f"{found.temperature:.4f}", f"{found.threshold:.3f}",
            )  # fmt: skip
        console.print(made)
        console.print(SPREAD, highlight=False)
        for judged in self.judged.values():
            console.print(judged.note(), highlight=False, soft_wrap=True)
            if judged.by_chance:
                console.print(judged.warning(), highlight=False, soft_wrap=True)


def calibrate(
    windows: Mapping[str, Windows],
    normal: str,
    parts: Sequence[Part],
    scorer: Mapping[str, str],
    footage: Mapping[str, Any],
) -> Result:
    """Calibrate each class on all of its clips, and measure that on scenes that were left out.

    Args:
        windows: by class.
        normal: what normal footage is called.
        parts: that the windows are of.
        scorer: fingerprint of what scored them.
        footage: what they are, to be kept with the numbers.

    Raises:
        ConfigError: a class has too few clips, or its clips are no nearer to it than normal ones.
    """
    judged = {name: judge(name, normal, found, parts) for name, found in windows.items()}
    calibrated = {}
    for name, found in windows.items():
        margin, (temperature, offset) = calibration.cut(found), calibration.fit(found)
        if not np.isfinite(margin) or temperature > 0.999 * calibration.MOST:
            raise ConfigError(
                f"{name}: on the whole normal clips are as near to its descriptions as clips of it, AUROC "
                f"{judged[name].auroc.text()}; describe it in other words, or take another model"
            )
        threshold = calibration.threshold(margin, temperature, offset)
        calibrated[name] = Calibrated(temperature, threshold, offset)
    return Result(calibrated, judged, scorer, footage)
