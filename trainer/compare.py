"""Runs side by side, as far as they were measured on the same pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from streamer import modelfile
from streamer.errors import ConfigError
from trainer import report
from trainer.evaluate import IDENTITY
from trainer.reference import REFERENCE
from trainer.report import Grid, Page, Section, page
from trainer.report.grid import lines_of, present
from trainer.summary import Estimate

MEASURED = "`trainer evaluate MODEL CONFIG --output FOLDER` measures it"


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured of a model."""

    name: str
    facts: Mapping[str, Any]
    """As ``metrics.json`` has them, or the header of a model file."""

    @property
    def tables(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        """By title and case."""
        return {(table["title"], table["case"]): table for table in self.facts["tables"]}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs in the order in which they were given."""

    runs: Sequence[Run]

    def facts(self) -> dict[str, Any]:
        """Return it as plain data, for JSON: identity first, then the reference where one has it."""
        return {
            "test": self.runs[0].facts["test"],
            "runs": {
                run.name: {"model": run.facts["model"], "unseen": run.facts["unseen"]} for run in self.runs
            },
            "tables": [
                {"title": title, "case": case, "mean_over_clips": self._rows(title, case)}
                for title, case in self._shared()
            ],
        }

    def grids(self) -> list[Grid]:
        """Return the tables that every run has."""
        grids: dict[str, list[tuple[str, str, dict[str, dict[str, Estimate]]]]] = {}
        for title, case in self._shared():
            means = {
                system: {name: _estimate(facts) for name, facts in measures.items()}
                for system, measures in self._rows(title, case).items()
            }
            table = self.runs[0].tables[title, case]
            counts = f"{table['frames']} frames"
            if table["hides"]:
                counts += f", {table['regions']} regions"
            grids.setdefault(title, []).append((case or "mean", counts, means))
        made = []
        for title, sections in grids.items():
            measures = present(measured for _, _, means in sections for measured in means.values())
            laid = [Section(case, counts, lines_of(means, measures)) for case, counts, means in sections]
            made.append(Grid(title, "", measures, laid))
        return made

    def show(self, console: Console) -> None:
        """Print it."""
        for grid in self.grids():
            report.show(grid, console)
        for line in self._remarks():
            console.print(line, highlight=False)

    def html(self) -> bytes:
        """Return a page with it."""
        names = ", ".join(run.name for run in self.runs)
        count = self.runs[0].facts["test"]["count"]
        made = Page("Runs side by side", f"{names}; all measured on the same {count} pictures.")
        for remark in self._remarks():
            made.warning(remark)
        grids = self.grids()
        for grid in grids:
            made.section(grid.title, page.table(grid, self.runs[-1].name))
        costs = [(run, run.facts["cost"]) for run in self.runs if "cost" in run.facts]
        if costs:
            made.section("Cost", *(_cost(run.name, cost) for run, cost in costs))
        names_of_all = list(dict.fromkeys(name for grid in grids for name in grid.measures))
        made.section("What the columns mean", page.definitions(names_of_all))
        return made.encoded()

    def _shared(self) -> list[tuple[str, str]]:
        return [key for key in self.runs[0].tables if all(key in run.tables for run in self.runs)]

    def _rows(self, title: str, case: str) -> dict[str, Mapping[str, Any]]:
        """Return the means of a table by row."""
        means = [(run, run.tables[title, case]["mean_over_clips"]) for run in self.runs]
        rows = {IDENTITY: means[0][1][IDENTITY]}
        for _, mean in means:
            if REFERENCE in mean:
                rows[REFERENCE] = mean[REFERENCE]
                break
        return rows | {run.name: mean[run.facts["model"]] for run, mean in means}

    def _remarks(self) -> list[str]:
        return [
            f"{run.name}: training saw clips that it is measured on"
            for run in self.runs
            if not run.facts["unseen"]
        ]


def compare(given: Sequence[str]) -> Comparison:
    """Put what was measured side by side.

    Args:
        given: run folders, model files, ``bundled:NAME`` or ``metrics.json`` files, two or more.

    Raises:
        ConfigError: there are fewer than two, one was not measured or is damaged, or two were measured on
            other pictures, or on pictures that were degraded in another way; says which and what to do.
    """
    if len(given) < 2:
        raise ConfigError(f"compare: expected two runs or more, found {len(given)}")
    runs: list[Run] = []
    for each in given:
        run = _read(each)
        names = [other.name for other in runs]
        count = names.count(run.name)
        if count or run.name in (IDENTITY, REFERENCE):
            run = Run(each, run.facts)  # two runs may have one name, but not one path
        if run.name in names:
            raise ConfigError(f"compare: {each} is given twice")
        runs.append(run)
    first = runs[0]
    for run in runs[1:]:
        _same(first, run)
    found = Comparison(runs)
    if not found.facts()["tables"]:
        raise ConfigError(f"compare: {', '.join(run.name for run in runs)} have no table in common")
    return found


def _same(one: Run, other: Run) -> None:
    """Refuse runs that were measured differently."""
    a, b = one.facts["test"], other.facts["test"]
    again = "measure both with the same configuration: `trainer evaluate MODEL CONFIG --output FOLDER`"
    if a["pictures"] != b["pictures"]:
        raise ConfigError(
            f"compare: {one.name} was measured on {a['count']} pictures and {other.name} on {b['count']}, "
            f"which are not the same ones; {again}"
        )
    for key in sorted(a["degraded"].keys() | b["degraded"].keys()):
        if a["degraded"].get(key) != b["degraded"].get(key):
            raise ConfigError(
                f"compare: pictures were degraded with another {key} for {one.name} than for {other.name}; "
                f"{again}"
            )


def _read(given: str) -> Run:
    """Read what was measured."""
    path = Path(given)
    name = path.name
    if path.is_dir():
        path = path / "metrics.json"
        if not path.exists():
            raise ConfigError(f"compare: {given}: there is no metrics.json in it; {MEASURED}")
    elif path.suffix != ".json":
        located = modelfile.locate(given)
        _, header = modelfile.load(located)
        name = given
        if not given.startswith("bundled"):
            name = located.parent.name if located.name == "model.safetensors" else located.stem
        return Run(name, _checked(given, header.metrics))
    else:
        name = path.parent.name if path.name == "metrics.json" else path.stem
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"compare: {path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigError(f"compare: {path}: no JSON, or damaged ({error}); {MEASURED} again") from None
    return Run(name or given, _checked(str(path), facts))


def _checked(path: str, facts: object) -> Mapping[str, Any]:
    """Refuse what ``Evaluation.facts`` did not make."""
    needed = {"version", "model", "unseen", "test", "tables"}
    if not isinstance(facts, dict) or not needed <= facts.keys() or facts["version"] != 1:
        raise ConfigError(f"compare: {path}: holds no restorer's evaluation by this version; {MEASURED}")
    return facts


def _estimate(facts: Mapping[str, Any]) -> Estimate:
    bounds = None if facts["low"] is None else (facts["low"], facts["high"])
    return Estimate(facts["mean"], bounds)


def _cost(name: str, cost: Mapping[str, Any]) -> str:
    machine = cost["machine"]
    rows = [[each["name"], f"{each['ms']:.1f}"] for each in cost["ms_per_frame"]]
    on = f"{machine['processor']}, {machine['threads']} threads, {machine['engine']}"
    return page.paragraph(f"{name}, on {on}") + page.plain_table(["picture", "ms per frame"], rows)
