"""The command line: arguments → configuration → training or evaluation; the only place that exits."""

from __future__ import annotations

import json
import signal
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from streamer.cli import exits
from streamer.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    name="trainer",
    help="Trains the networks that streamer uses, and measures them.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Runs = Annotated[Path, typer.Option(help="Folder of all runs; each gets a folder of its name in it.")]
Device = Annotated[
    str | None, typer.Option(help="auto, cpu, cuda or cuda:N, instead of the configuration's.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the table as JSON on standard output.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more, with tracebacks.")]
RunConfig = Annotated[Path, typer.Argument(help="The YAML file of `streamer run`, with watch.zeroshot.")]
Label = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=CLASS",
        help="What a name of a folder means, such as 'Calm=normal'; may be repeated.",
        show_default=False,
    ),
]
Clips = Annotated[
    Literal["name", "folder"],
    typer.Option(help="What tells an image's clip: its name up to the last _NUMBER, or its folder."),
]
Group = Annotated[
    list[str] | None,
    typer.Option(metavar="CLIP,CLIP", help="Clips that show one scene; may be repeated.", show_default=False),
]


@app.command()
def fit(
    config: Annotated[Path, typer.Argument(help="The YAML file.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run.")] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many steps, to try things out.")
    ] = None,
    runs: Runs = Path("runs"),
    device: Device = None,
    quiet: Quiet = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Train a network; writes runs/STEM-OF-CONFIG/."""
    with exits("trainer", quiet=quiet, verbose=verbose), _terminable():
        _check_extra()
        from rich.console import Console

        import trainer.accident.config
        import trainer.config
        import trainer.detector.config
        from trainer import run
        from trainer.accident import run as accident
        from trainer.detector import run as detector

        console = Console(stderr=True, quiet=quiet)
        given = {"device": device} if device is not None else {}
        how: Any = {"resume": resume, "overwrite": overwrite, "steps": steps, "console": console}
        task = trainer.config.task_of(config)
        if task == "detect":
            wanted = trainer.detector.config.load(config).model_copy(update=given)
            trained = detector.train(wanted, runs / config.stem, **how)
            _show(trained.facts, trained.show, quiet=quiet, as_json=as_json)
            return
        if task == "accident":
            judging = trainer.accident.config.load(config).model_copy(update=given)
            judged = accident.train(judging, runs / config.stem, **how)
            _show(judged.facts, judged.show, quiet=quiet, as_json=as_json)
            return
        loaded = trainer.config.load(config).model_copy(update=given)
        found = run.train(loaded, runs / config.stem, **how)
        _show(found.facts, found.show, quiet=quiet, as_json=as_json)
        if not quiet and not as_json:
            print(f"Look at {runs / config.stem / 'report.html'}")  # noqa: T201


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A model file, `bundled`, or `bundled:NAME`.")],
    config: Annotated[
        Path | None,
        typer.Argument(help="Data, split, detector and blur; default: the model's own.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for report.html, metrics.json and samples.png.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="The reference recipe's model file; default: that of runs/reference, if any."),
    ] = None,
    runs: Runs = Path("runs"),
    device: Device = None,
    quiet: Quiet = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Print what a model is worth on the test clips, beside doing nothing.

    With a detector's configuration, MODEL is any detector, as `detect.model` names one; with one of
    `task: accident`, it is the path of such a model.
    """
    with exits("trainer", quiet=quiet, verbose=verbose), _terminable():
        _check_extra()
        from rich.console import Console

        import trainer.accident.config
        import trainer.config
        import trainer.detector.config
        from trainer import report, run
        from trainer.accident import run as accident
        from trainer.detector import run as detector

        console = Console(stderr=True, quiet=quiet)
        if output is not None:
            report.reserve(output / "metrics.json")
        task = None if config is None else trainer.config.task_of(config)
        if config is not None and task == "detect":
            labels = trainer.detector.config.load(config)
            measured = detector.evaluate_model(model, labels, output, device, console)
            _show(measured.facts, measured.show, quiet=quiet, as_json=as_json)
            return
        if config is not None and task == "accident":
            judging = trainer.accident.config.load(config)
            judged = accident.evaluate_model(model, judging, output, device, console)
            _show(judged.facts, judged.show, quiet=quiet, as_json=as_json)
            return
        loaded = None if config is None else trainer.config.load(config)
        found = run.evaluate_model(model, loaded, output, reference, runs, device, console)
        _show(found.facts, found.show, quiet=quiet, as_json=as_json)


@app.command()
def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONFIG|MODEL|NAME",
            help="Training configurations, model files, `bundled:NAME`, or names of networks; default: all.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="What is timed: cpu, cuda or cuda:N.")] = "cpu",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Print what networks cost: weights, multiply-adds, time."""
    with exits("trainer", quiet=False, verbose=verbose), _terminable():
        from rich.console import Console
        from rich.progress import track

        from streamer.device import resolve
        from trainer import models

        resolved = resolve(device)
        chosen = [models.choose(name) for name in names] if names else models.everything()
        shown = Console(stderr=True)
        measured = [
            models.cost(choice, resolved)
            for choice in track(
                chosen, "timing", console=shown, transient=True, disable=not shown.is_terminal
            )
        ]
        if as_json:
            print(json.dumps(models.facts(chosen, measured, resolved), indent=2))  # noqa: T201
        else:
            Console().print(models.table(chosen, measured, resolved))


@app.command()
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN...", help="Run folders, model files, or metrics.json files.", show_default=False
        ),
    ],
    output: Annotated[Path | None, typer.Option(help="A page to write it to, such as compare.html.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Put restorers side by side that were measured on the same pictures."""
    with exits("trainer", quiet=quiet, verbose=verbose):
        _check_extra()
        from trainer import report
        from trainer.compare import compare as put

        found = put(runs)
        if output is not None:
            report.write(output, found.html())
        _show(found.facts, found.show, quiet=quiet, as_json=as_json)


@app.command("evaluate-tamper")
def evaluate_tamper(
    footage: Annotated[
        list[Path],
        typer.Argument(help="Clips of normal footage, and folders with frames of some.", show_default=False),
    ],
    clip: Annotated[
        list[str] | None, typer.Option(help="Only this clip; may be repeated.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is done to the pictures.")] = 0,
    output: Annotated[Path | None, typer.Option(help="Folder for tamper.json.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Print how well camera tamper is detected, by doing it to normal footage."""
    with exits("trainer", quiet=quiet, verbose=verbose), _terminable():
        _check_extra()
        from rich.console import Console

        from trainer import report, tamper

        console = Console(stderr=True, quiet=quiet)
        if output is not None:
            report.reserve(output / "tamper.json")
        found = tamper.evaluate(footage, clip or (), console, seed=seed)
        if output is not None:
            report.write_json(output / "tamper.json", found.facts())
        _show(found.facts, found.show, quiet=quiet, as_json=as_json)


@app.command()
def calibrate(
    config: RunConfig,
    labelled: Annotated[
        list[Path],
        typer.Argument(
            metavar="LABELLED...",
            help="Folders named by class, with clips or images of them; CSV files with path,class.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("calibration.json"),
    label: Label = None,
    clips: Clips = "name",
    group: Group = None,
    device: Device = None,
    quiet: Quiet = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Find temperatures and thresholds of zero-shot alerts on labelled clips; writes calibration.json."""
    with exits("trainer", quiet=quiet, verbose=verbose), _terminable():
        _check_extra()
        from rich.console import Console

        from trainer import report
        from trainer.zeroshot import run as zeroshot

        report.reserve(output)
        wanted = zeroshot.Wanted(labelled, label or (), clips, group or ())
        found = zeroshot.look(config, wanted, device, Console(stderr=True, quiet=quiet)).calibrate()
        found.save(output)
        _show(found.facts, found.show, quiet=quiet, as_json=as_json)
        if not quiet and not as_json:
            print(f"Write `calibration: {output}` below watch.zeroshot in {config}")  # noqa: T201


@app.command("evaluate-zeroshot")
def evaluate_zeroshot(
    config: RunConfig,
    labelled: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[LABELLED]...",
            help="As of `trainer calibrate`; default: the Kaggle dataset.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for zeroshot.html and zeroshot.json.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of which images are drawn.")] = 0,
    label: Label = None,
    clips: Clips = "name",
    group: Group = None,
    device: Device = None,
    quiet: Quiet = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Print what zero-shot alerts are worth: as the reference measures it, and as they are decided."""
    with exits("trainer", quiet=quiet, verbose=verbose), _terminable():
        _check_extra()
        from rich.console import Console

        from trainer import report
        from trainer.zeroshot import run as zeroshot

        if output is not None:
            report.reserve(output / "zeroshot.json")
        wanted = zeroshot.Wanted(labelled or (), label or (), clips, group or ())
        found = zeroshot.look(config, wanted, device, Console(stderr=True, quiet=quiet)).evaluate(seed)
        if output is not None:
            report.write_json(output / "zeroshot.json", found.facts())
            report.write(output / "zeroshot.html", found.html())
        _show(found.facts, found.show, quiet=quiet, as_json=as_json)


@app.command()
def label(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="[CONFIG] [FOOTAGE]...",
            help="A detector's YAML file, for its frames; images, clips, and folders with either.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for images and annotations.json; default: the file's, or labels."),
    ] = None,
    every: Annotated[
        float, typer.Option(min=0.0, help="Seconds from one frame of a clip to the next to label.")
    ] = 1.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Label anew, corrections included.")] = False,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Label frames as COCO JSON, by a strong pass of a detector; what is labelled already stays."""
    with exits("trainer", quiet=quiet, verbose=verbose), _terminable():
        _check_extra()
        from rich.console import Console

        from trainer.detector import run
        from trainer.detector.config import load

        files = [path for path in inputs if path.suffix.lower() in (".yaml", ".yml")]
        if len(files) > 1:
            raise ConfigError(f"label: expected one YAML file at most, found {len(files)}")
        loaded = load(files[0]) if files else None
        footage = [path for path in inputs if path not in files]
        console = Console(stderr=True, quiet=quiet)
        found = run.label_frames(
            loaded, footage, output, console, every=every, device=device, overwrite=overwrite
        )
        if not quiet:
            print(  # noqa: T201
                f"{found.added} images labelled with {found.objects} objects, {found.kept} labelled before, "
                f"{found.failed} unreadable: {found.path}"
            )


def main() -> None:
    """Run the command line."""
    app()


def _show(
    facts: Callable[[], dict[str, Any]], show: Callable[[Console], None], *, quiet: bool, as_json: bool
) -> None:
    from rich.console import Console

    if as_json:
        print(json.dumps(facts(), indent=2))  # noqa: T201
    elif not quiet:
        show(Console())


def _check_extra() -> None:
    """Say what to install where the training stack is missing, before anything is done."""
    missing = [
        name for name in ("kagglehub", "lightning", "matplotlib", "PIL", "tensorboard") if not find_spec(name)
    ]
    if missing:
        raise ConfigError(f"{', '.join(missing)} not installed: `pip install 'cctv-streamer[train]'`")


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that nothing half-written is left."""

    def leave(number: int, frame: types.FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
