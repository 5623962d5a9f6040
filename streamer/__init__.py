"""Reads CCTV cameras and footage, hides vehicles and people, writes blurred and restored streams.

::

    import streamer

    with streamer.open("cam.yaml") as run:
        for result in run:
            print(result.camera, result.time_s, result.metrics.psnr_blurred)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from streamer.pipeline import Run

__version__ = "0.1.0"


def open(
    config: str | PathLike[str] | Mapping[str, Any],
    footage: Sequence[str | PathLike[str]] = (),
    *,
    device: str | None = None,
    overwrite: bool = False,
    duration: float | None = None,
    detections: str | PathLike[str] | None = None,
    tracks: Literal["recompute", "keep"] = "recompute",
    directory: str | PathLike[str] | None = None,
) -> Run:
    """Prepare a run; entering it as a context manager starts it, iterating yields a result per frame.

    Args:
        config: path of a YAML file, or what would stand in it as a mapping.
        footage: files and folders that replace the cameras, each named by its stem.
        device: instead of the configuration's: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        overwrite: replace existing outputs instead of refusing.
        duration: seconds after which the run ends by itself.
        detections: what an earlier run has found, instead of a detector: its folder of outputs, a camera's
            ``detections.jsonl``, or a COCO JSON file.
        tracks: of ``detections``: ``recompute`` follows objects anew, ``keep`` hides what was hidden.
        directory: instead of the configuration's ``output.directory``, of all cameras.

    Returns:
        The run, with everything loaded and nothing started. Each ``streamer.frame.Result`` in it has the
        blurred and the restored image, detections, metrics and time.

    Raises:
        streamer.errors.ConfigError: the configuration or a model is wrong, a source is not there, outputs
            exist already, or ``detections`` cannot be those of the sources.
    """
    from streamer.config import into, load, parse
    from streamer.pipeline import Run
    from streamer.recordings import Recordings, Tracks
    from streamer.source import expand

    sources = {name: str(path) for name, path in expand([Path(item) for item in footage]).items()}
    if isinstance(config, Mapping):
        settings = parse(config, sources=sources, device=device)
    else:
        settings = load(Path(config), sources=sources, device=device)
    if directory is not None:
        settings = into(settings, str(directory))
    recordings = None if detections is None else Recordings.open(Path(detections), Tracks(tracks), settings)
    return Run(settings, overwrite=overwrite, duration=duration, recordings=recordings)
