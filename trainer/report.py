"""What is shown of a run: tables, curves and samples."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from streamer.errors import SinkError
from streamer.restore import surroundings
from streamer.sink.replace import replace
from trainer.evaluate import Evaluation, Score, Scored

IDENTITY = "identity"
"""The first row of every table."""


def write(path: Path, content: bytes) -> None:
    """Write a file, and its folder where that is not there, whole or not at all.

    Raises:
        SinkError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror or error}") from error
    replace(path, content)


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Write plain data as JSON; errors as in ``write``."""
    write(path, (json.dumps(facts, indent=2) + "\n").encode())


def write_yaml(path: Path, facts: Mapping[str, Any]) -> None:
    """Write plain data as YAML; errors as in ``write``."""
    write(path, yaml.safe_dump(dict(facts), sort_keys=False).encode())


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the first row's keys as columns; errors as in ``write``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write(path, text.getvalue().encode())


def table(evaluation: Evaluation, name: str, title: str) -> Table:
    """Return the table of all clips and the mean over them; in each, doing nothing comes before the model.

    Args:
        evaluation: what was measured.
        name: of the model.
        title: says at which size.
    """
    made = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    made.add_column("clip")
    made.add_column("picture")
    for column in ("frames", "regions", "frame dB", "hidden dB", "gain dB", "worse"):
        made.add_column(column, justify="right", no_wrap=True)
    for clip, summary in [*evaluation.clips.items(), ("mean", evaluation.mean)]:
        made.add_section()
        counts = str(summary.frames), str(summary.regions)
        made.add_row(clip, IDENTITY, *counts, *_decibels(summary.identity))
        gain, worse = f"{summary.gain:+.2f}", f"{summary.worsened:.1%}"
        made.add_row("", name, "", "", *_decibels(summary.model), gain, worse)
    made.caption = (
        "PSNR of whole frames and of what is hidden in them, mean over frames, then over clips; "
        f"{IDENTITY}: the blurred input; worse: regions further from the original than it"
    )
    made.caption_justify = "left"
    return made


def _decibels(score: Score) -> tuple[str, str]:
    return f"{score.frame:.2f}", f"{score.regions:.2f}"


def curves(path: Path, rows: Sequence[Mapping[str, Any]], identity: Mapping[str, float]) -> None:
    """Draw loss and PSNR per epoch.

    Args:
        path: of the PNG.
        rows: one per epoch, with ``epoch``, ``train_loss``, ``validation_loss``, ``psnr_db`` and
            ``psnr_hidden_db``.
        identity: the same of the blurred input, drawn as level lines.

    Raises:
        SinkError: it cannot be written.
    """
    # imported here: it takes a second, which `trainer --help` need not
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    for axes, columns, unit in (
        (left, ("train_loss", "validation_loss"), "loss"),
        (right, ("psnr_db", "psnr_hidden_db"), "PSNR of validation, dB"),
    ):
        for column in columns:
            (line,) = axes.plot(epochs, [row[column] for row in rows], marker=".", label=column)
            if column in identity:
                axes.axhline(
                    identity[column], color=line.get_color(), linestyle=":", label=f"{column} of the input"
                )
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        axes.grid(alpha=0.3)
        axes.legend()
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_yscale("log")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    write(path, content.getvalue())


def samples(path: Path, frames: Sequence[Scored], *, whole_frames: bool) -> None:
    """Draw hidden, original and restored pictures side by side.

    Args:
        path: of the PNG.
        frames: a row each.
        whole_frames: show them whole; otherwise the largest hidden region of each, with its surroundings.

    Raises:
        SinkError: it cannot be written.
    """
    rows = [_heading()]
    for frame in frames:
        x0, y0, x1, y1 = 0, 0, frame.original.shape[1], frame.original.shape[0]
        if not whole_frames:
            sides = frame.regions[:, 2:] - frame.regions[:, :2]
            largest = frame.regions[int(np.argmax(sides.prod(axis=1)))].tolist()
            x0, y0, x1, y1 = surroundings(largest, 0.25, x1, y1)
        pictures = [
            _tile(image[y0:y1, x0:x1], caption)
            for image, caption in (
                (frame.blurred, f"{frame.row.identity.regions:.1f} dB"),
                (frame.original, frame.row.clip),
                (frame.restored, f"{frame.row.model.regions:.1f} dB"),
            )
        ]
        rows.append(np.hstack(pictures))
    encoded, content = cv2.imencode(".png", np.vstack(rows)[..., ::-1])
    if not encoded:
        raise SinkError(f"{path}: cannot be encoded as PNG")
    write(path, content.tobytes())


_TILE = (320, 200)
"""Width and height in pixels of one picture among the samples."""


def _heading() -> NDArray[np.uint8]:
    strip = np.full((28, 3 * _TILE[0], 3), 255, np.uint8)
    for column, text in enumerate(("blurred", "original", "restored")):
        _write_text(strip, text, column * _TILE[0] + 8, 20, (0, 0, 0))
    return strip


def _tile(image: torch.Tensor, caption: str) -> NDArray[np.uint8]:
    """Fit a picture into a tile, keeping its aspect ratio, with a caption in its corner."""
    tile = np.full((_TILE[1], _TILE[0], 3), 32, np.uint8)
    height, width = image.shape[:2]
    scale = min(_TILE[0] / width, _TILE[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shrinks = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    left, top = (_TILE[0] - size[0]) // 2, (_TILE[1] - size[1]) // 2
    tile[top : top + size[1], left : left + size[0]] = cv2.resize(image.numpy(), size, interpolation=shrinks)
    _write_text(tile, caption, 6, _TILE[1] - 8, (0, 0, 0), thickness=3)
    _write_text(tile, caption, 6, _TILE[1] - 8, (255, 255, 255))
    return tile


def _write_text(
    image: NDArray[np.uint8], text: str, x: int, y: int, colour: tuple[int, int, int], thickness: int = 1
) -> None:
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness, cv2.LINE_AA)
