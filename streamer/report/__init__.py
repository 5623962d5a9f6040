"""`streamer report`: a run, or one of its cameras, as a page that needs nothing but itself."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from streamer.errors import ConfigError
from streamer.report.compose import page_of
from streamer.report.gather import folders, gather
from streamer.report.page import is_page
from streamer.sink.replace import replace

logger = logging.getLogger(__name__)

NAME = "report.html"
"""Of the page, in the folder that it is about, where nothing else is said."""


def write(directory: Path, output: Path | None = None) -> Path:
    """Write the page.

    Args:
        directory: a run's folder of outputs, or a camera's.
        output: the file; None puts ``NAME`` into the folder. An earlier page is replaced, any other file
            is kept.

    Returns:
        The file.

    Raises:
        ConfigError: there are no outputs, a file is wrong, or the file to write is there and is no such page.
        SinkError: it cannot be written.
    """
    target = directory / NAME if output is None else output
    if target.is_dir() or (target.exists() and not is_page(target)):
        raise ConfigError(f"{target} is there already and is no report: name another file (--output)")
    cameras = [gather(folder) for folder in folders(directory)]
    content = page_of(directory.resolve().name, cameras, datetime.now().astimezone())
    replace(target, content)
    logger.info("%s: %d camera(s), %d kB", target, len(cameras), len(content) // 1024)
    return target
