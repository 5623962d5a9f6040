"""The file with what a camera's watchers know; that it cannot be written stops nothing."""

from __future__ import annotations

import logging
from pathlib import Path

from streamer.errors import one_line
from streamer.sink.replace import replace
from streamer.watch.memory import NAME, Memory

logger = logging.getLogger(__name__)


class MemorySink:
    """Replaces the file each time, whole or not at all."""

    def __init__(self, directory: Path) -> None:
        """Touch nothing yet; what an earlier run has left stays until there is something newer.

        Args:
            directory: the camera's folder.
        """
        self.open: frozenset[str] = frozenset()
        """Identities of the events that are open in what was written last: the next run ends them."""
        self._path = directory / NAME
        self._failed = False

    def write(self, memory: Memory) -> None:
        """Write what is known now; a failure is said once, and what was there stays."""
        try:
            replace(self._path, memory.encoded())
        except Exception as error:  # whatever it is, frames go on
            if not self._failed:
                logger.warning("%s; a restart will not know of the last minutes", one_line(error))
            self._failed = True
        else:
            events = (each.event for each in memory.known.values())
            self.open = frozenset(event.id for event in events if event is not None)
