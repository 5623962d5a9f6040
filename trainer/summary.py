"""What pictures' measures come to: by clip, and over clips with an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

from trainer.bootstrap import interval
from trainer.evaluate import IDENTITY, Row
from trainer.measures import chief_measure

SHARES = {"colourfulness_ratio": "colourfulness", "flicker": "chroma_change"}
"""What is reported as a share of the original's own, and of which measure."""


@dataclass(frozen=True, slots=True)
class Value:
    """A clip's."""

    value: float
    weight: float = 1.0
    """How much it counts in the mean over clips: the original's own, where it is a share of that, so that
    pictures with hardly any colour do not decide."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over clips."""

    mean: float
    bounds: tuple[float, float] | None
    """The interval; None where there is one clip."""

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        low, high = (None, None) if self.bounds is None else self.bounds
        return {"mean": self.mean, "low": low, "high": high}

    def text(self) -> str:
        """Return it with three decimals, the interval behind it."""
        bounds = "" if self.bounds is None else f" ({self.bounds[0]:.3f} to {self.bounds[1]:.3f})"
        return f"{self.mean:.3f}{bounds}"


@dataclass(frozen=True, slots=True)
class Clip:
    """What a clip's pictures come to."""

    frames: int
    regions: int
    systems: Mapping[str, Mapping[str, Value]]
    """By system, ``IDENTITY`` first, and by measure: the mean over frames. ``gain_db`` is the PSNR's over the
    identity, inside the regions where something is hidden, and ``worse`` the share of regions that are
    further from the original than before."""


@dataclass(frozen=True)
class Table:
    """All pictures under one condition."""

    title: str
    """What it has in common with other tables."""
    rows: Sequence[Row]
    case: str = ""
    """What tells it from them, such as the strength of the noise."""

    @cached_property
    def systems(self) -> list[str]:
        """The names of its rows, ``IDENTITY`` first."""
        return list(self.rows[0].measures)

    @cached_property
    def hides(self) -> bool:
        """Whether something is hidden, so that regions count besides the whole picture."""
        return self.rows[0].hides

    @cached_property
    def stills(self) -> bool:
        """Whether every clip is a single picture, so that naming them all says little."""
        return len(self.clips) > 1 and all(clip.frames == 1 for clip in self.clips.values())

    @cached_property
    def clips(self) -> dict[str, Clip]:
        """By name, sorted."""
        members: dict[str, list[Row]] = {}
        for row in self.rows:
            members.setdefault(row.picture.clip, []).append(row)
        return {clip: _clip(members[clip], self.systems, hides=self.hides) for clip in sorted(members)}

    @cached_property
    def means(self) -> dict[str, dict[str, Estimate]]:
        """By system and measure over all clips that have it: a long clip counts no more than a short one."""
        found: dict[str, dict[str, Estimate]] = {}
        for system in self.systems:
            names = {name: None for clip in self.clips.values() for name in clip.systems[system]}
            found[system] = {}
            for name in names:
                values = [c.systems[system][name] for c in self.clips.values() if name in c.systems[system]]
                if estimate := _estimate(values):
                    found[system][name] = estimate
        return found

    def facts(self, *, pictures: bool = True) -> dict[str, Any]:
        """Return it as plain data, for JSON.

        Args:
            pictures: with each picture's measures, or only what they come to.
        """
        facts: dict[str, Any] = {
            "title": self.title,
            "case": self.case,
            "hides": self.hides,
            "frames": len(self.rows),
            "regions": sum(row.regions for row in self.rows),
            "mean_over_clips": {
                system: {name: estimate.facts() for name, estimate in measures.items()}
                for system, measures in self.means.items()
            },
        }
        if not pictures:
            return facts
        facts["clips"] = {
            name: {
                "frames": clip.frames,
                "regions": clip.regions,
                **{
                    system: {key: value.value for key, value in values.items()}
                    for system, values in clip.systems.items()
                },
            }
            for name, clip in self.clips.items()
        }
        facts["pictures"] = [
            {
                "picture": row.picture.name,
                "clip": row.picture.clip,
                "regions": row.regions,
                **({"original": dict(row.original)} if row.original else {}),
                **{
                    system: {
                        **measures,
                        **({"worsened": row.worsened[system]} if system in row.worsened else {}),
                    }
                    for system, measures in row.measures.items()
                },
            }
            for row in self.rows
        ]
        return facts


def _clip(rows: Sequence[Row], systems: Sequence[str], *, hides: bool) -> Clip:
    regions = sum(row.regions for row in rows)
    found: dict[str, dict[str, Value]] = {}
    for system in systems:
        measures = [row.measures[system] for row in rows]
        values: dict[str, Value] = {}
        for name in dict.fromkeys(name for found_in_one in measures for name in found_in_one):
            if name not in SHARES.values():
                values[name] = Value(fmean(each[name] for each in measures if name in each))
        for name, measure in SHARES.items():
            if (value := _share(rows, system, measure)) is not None:
                values[name] = value
        if system != IDENTITY:
            chief = chief_measure(hides=hides)
            values["gain_db"] = Value(values[chief].value - found[IDENTITY][chief].value)
            values["worse"] = Value(sum(row.worsened[system] for row in rows) / regions)
        found[system] = values
    return Clip(len(rows), regions, found)


def _share(rows: Sequence[Row], system: str, measure: str) -> Value | None:
    pairs = [(r.measures[system][measure], r.original[measure]) for r in rows if measure in r.original]
    if not pairs or not (own := fmean(original for _, original in pairs)):
        return None  # one frame does not flicker, and there is no share of nothing
    return Value(fmean(value for value, _ in pairs) / own, own)


def _estimate(values: Sequence[Value]) -> Estimate | None:
    if not (total := sum(value.weight for value in values)):
        return None
    numbers, weights = [value.value for value in values], [value.weight for value in values]
    mean = sum(n * w for n, w in zip(numbers, weights, strict=True)) / total
    return Estimate(mean, interval(numbers, weights))
