"""Files that a run writes line by line, read back as far as they are whole."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from streamer.errors import ConfigError

logger = logging.getLogger(__name__)


def read(file: Path) -> Iterator[tuple[int, str]]:
    """Yield each line's number, from 1, and its text; a last one that was cut off is left out and told of.

    Raises:
        ConfigError: the file cannot be read, or a line is no text.
    """
    try:
        with file.open("rb") as content:
            for number, line in enumerate(content, 1):
                if not line.endswith(b"\n"):  # a run that was killed while it wrote, or is writing
                    logger.warning("%s: the last line was cut off and is left out", file)
                    return
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError:
                    raise ConfigError(f"{file}, line {number}: not text in UTF-8") from None
                yield number, text.rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
