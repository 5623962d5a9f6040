"""Zero-shot alerts on labelled clips: from a run's configuration to what its network makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from streamer import config
from streamer.device import resolve
from streamer.errors import ConfigError
from streamer.watch.zeroshot import Scorer
from trainer.config import DataConfig
from trainer.data import download
from trainer.zeroshot import calibrate, labelled, protocols
from trainer.zeroshot.calibration import Windows
from trainer.zeroshot.embedded import Embedded, embed, windows_of
from trainer.zeroshot.labelled import ClipsBy, Naming

SCENES = (("test8", "test9"), ("test14", "test23"), ("test10", "test27"))
"""Clips of the Kaggle dataset that show one place."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says of labelled footage."""

    footage: Sequence[Path] = ()
    """Folders and lists; empty: the Kaggle dataset."""
    labels: Sequence[str] = ()
    """As ``labelled.Naming`` takes them."""
    clips: ClipsBy = "name"
    groups: Sequence[str] = ()
    """Clips of one scene each, as ``"test8,test9"``."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Labelled footage, and what the network makes of it."""

    scorer: Scorer
    normal: str
    embedded: Embedded
    windows: Mapping[str, Windows]
    """By class, of those that are labelled."""
    footage: Mapping[str, Any]
    """What it is, as JSON can hold it."""

    def calibrate(self) -> calibrate.Result:
        """Find temperatures and thresholds; errors as ``trainer.calibrate.calibrate``."""
        parts = self.embedded.parts
        return calibrate.calibrate(self.windows, self.normal, parts, self.scorer.fingerprint, self.footage)

    def evaluate(self, seed: int) -> protocols.Report:
        """Measure by both protocols; errors as ``trainer.protocols.evaluate``."""
        return protocols.evaluate(
            self.embedded, self.scorer, self.windows, self.normal, self.footage, seed=seed
        )


def look(path: Path, wanted: Wanted, device: str | None, console: Console) -> Seen:
    """Show labelled footage to the network of a run's configuration.

    Args:
        path: of the configuration; its cameras are not opened.
        wanted: the footage.
        device: instead of the configuration's.
        console: where progress goes.

    Raises:
        ConfigError: something of it is wrong, or no clip is of a class that is raised, or none is normal.
        ModelError: the network cannot be had.
        SourceError: the footage cannot be read.
    """
    # what a camera's address needs, such as a password in the environment, is not needed here
    whole = config.load(path, sources={"labelled": "labelled"}, device=device)
    (camera,) = whole.cameras.values()
    section = camera.watch.zeroshot
    if section is None:
        raise ConfigError(
            f"{path}: watch.zeroshot: is off at the top level; write `watch: {{zeroshot: {{}}}}`"
        )
    naming = Naming(section.normal, section.alerts, wanted.labels)
    groups = [[clip.strip() for clip in group.split(",")] for group in wanted.groups]
    if wanted.footage:
        found = labelled.read(wanted.footage, naming, wanted.clips, groups)
    else:
        folder = download(DataConfig().kaggle, "name folders with labelled clips")
        found = labelled.read([folder], naming, wanted.clips, [*SCENES, *groups])
    found.require(groups)
    there = {part.label for part in found.parts}
    alerts = [name for name in section.alerts if name in there]
    if not alerts or section.normal not in there:
        missing = section.normal if alerts else " or ".join(section.alerts)
        raise ConfigError(
            f"there are no labelled clips of {missing}, only of {', '.join(sorted(there))}; "
            "what is raised is told from what is normal, so that both are needed"
        )
    scorer = Scorer(section, resolve(whole.device))
    embedded = embed(found.parts, scorer, section.every, section.window, console)
    margins = scorer.margins(embedded.embeddings)
    windows = {name: windows_of(embedded, margins[name], name, section.normal) for name in alerts}
    footage = {
        "clips": {part.name: part.scene for part in found.parts},
        "frames": len(embedded.of),
        "left_out": {**found.counts, "unreadable": embedded.failed},
        "every_s": section.every,
        "window_s": section.window,
    }
    return Seen(scorer, section.normal, embedded, windows, footage)
