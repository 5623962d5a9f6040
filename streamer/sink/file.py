"""A file whose failure leaves what was whole."""

from __future__ import annotations

import os
from pathlib import Path


class OutputFile:
    """A file for FFmpeg to write to, by PyAV's protocol for file objects.

    An error is kept instead of raised, and nothing is written after it: closing an MP4 rewrites its
    beginning, which on a full disk would make unreadable what could be played before.
    """

    def __init__(self, path: Path) -> None:
        """Create the file, empty.

        Raises:
            OSError: it cannot be created.
        """
        self._file = path.open("wb", buffering=0)
        self.whole = 0
        """Length up to the last ``mark``, in bytes."""
        self.name = str(path)
        """What messages call it."""
        self.error: OSError | None = None
        """Why writing ended; None as long as it goes on."""

    def mark(self) -> None:
        """Note that what is written so far is whole: a failure cuts the file back to here."""
        if self.error is None:
            self.whole = self._file.tell()

    def write(self, data: bytes) -> int:
        """Write all of ``data``, unless writing has failed before."""
        left = memoryview(data)
        try:
            while left and self.error is None:
                left = left[self._file.write(left) :]
        except OSError as error:
            self.error = error
            if self._file.tell() >= self.whole:
                self._file.truncate(self.whole)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the file."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:  # some network file systems only say now that they could not write
            self.error = self.error or error
