"""What the decisions of an alert are worth, each by a threshold that was found on other scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamer.errors import ConfigError
from trainer.summary import Estimate
from trainer.zeroshot import calibration
from trainer.zeroshot.calibration import Windows
from trainer.zeroshot.labelled import Part

CHANCE = 0.5
"""AUROC and balanced accuracy of what knows nothing."""

SPREAD = "95% intervals, by a bootstrap over scenes"
"""What stands beside each measure."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Of one class."""

    name: str
    clips: int
    """Parts of clips that show it."""
    normal: int
    """Parts of clips that are normal."""
    scenes: int
    windows: int
    auroc: Estimate
    """Of margins, which no threshold is needed for."""
    accuracy: Estimate
    """Balanced."""
    raised: Mapping[str, Mapping[str, float]]
    """By clip and by what its part shows: the share of windows that would raise an alert."""

    @property
    def by_chance(self) -> bool:
        """Whether the clips do not show that it is told from what is normal."""
        return self.auroc.bounds is None or self.auroc.bounds[0] <= CHANCE

    def warning(self) -> str:
        """Say so, and what to do."""
        return (
            f"{self.name}: these clips do not show that it is told from normal better than by chance: alerts "
            "may mean nothing; describe it in other words, take another model, or label more clips"
        )

    def note(self) -> str:
        """Say how it was measured."""
        return (
            f"{self.name}: {self.windows} windows of {self.scenes} scenes, each judged by a threshold found "
            "on other scenes; a clip counts the same however long it is"
        )

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {
            "clips": self.clips,
            "normal_clips": self.normal,
            "scenes": self.scenes,
            "windows": self.windows,
            "auroc": self.auroc.facts(),
            "balanced_accuracy": self.accuracy.facts(),
            "raised": {clip: dict(shares) for clip, shares in self.raised.items()},
        }


def judge(name: str, normal: str, windows: Windows, parts: Sequence[Part]) -> Judged:
    """Measure a class. A clip counts the same however long it is; intervals are by a bootstrap over scenes.

    Args:
        name: of the class.
        normal: what normal footage is called.
        windows: of both.
        parts: that ``windows.parts`` counts.

    Raises:
        ConfigError: either has clips of fewer than two scenes.
    """
    for side, alert in ((name, True), (normal, False)):
        scenes = len(windows.scenes_of(alert=alert))
        if scenes < 2:
            raise ConfigError(
                f"{name}: the labelled clips of {side} show {scenes} of the 2 scenes that it takes at least: "
                "label more; `--clips folder` where each folder of images is a clip"
            )
    decided = calibration.judge(windows)
    right, sides = decided == windows.alert, windows.alert.astype(np.intp)
    # the first row is what was measured, the others are what the scenes drawn anew come to
    weights = windows.weights * np.vstack([np.ones(len(right)), calibration.draw(windows.scenes)])
    auroc = calibration.auroc(windows.margins, windows.alert, weights)
    accuracy = calibration.mean_of_sides(right, sides, weights)
    raised: dict[str, dict[str, float]] = {}
    for part in np.unique(windows.parts):
        shares = raised.setdefault(parts[part].clip, {})
        shares[parts[part].label] = float(decided[windows.parts == part].mean())
    return Judged(
        name,
        windows.count(alert=True),
        windows.count(alert=False),
        len(set(windows.scenes)),
        len(right),
        Estimate(float(auroc[0]), calibration.bounds(auroc[1:])),
        Estimate(float(accuracy[0]), calibration.bounds(accuracy[1:])),
        raised,
    )
