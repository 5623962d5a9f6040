"""Presentation times that only rise, whatever a source's own stamps do."""

from __future__ import annotations

from fractions import Fraction

BACKWARD = Fraction(1, 2)
"""Seconds by which a stamp may lie behind without being taken for a new timeline."""
FORWARD = Fraction(5)
"""Seconds by which a live stamp may run ahead of the clock on the wall without being taken for a jump."""


class Timeline:
    """Puts stamps on one line of time: as they are wherever they rise, continued where they do not.

    A recording's stamps are kept exactly, gaps included. A live source's are shifted so that its first frame
    is at 0, and checked against the time that really passed, since cameras restart at 0, leave out the first
    stamp, or jump by hours when their clock is set. The offset found is what its audio needs too.
    """

    def __init__(self, unit: Fraction, step: Fraction, first: Fraction | None = None) -> None:
        """Start with nothing placed.

        Args:
            unit: seconds per tick of the times given out.
            step: seconds between frames as declared; a recording's stamps tell better as they come.
            first: where the first frame goes; None keeps its own stamp.
        """
        self.unit = unit
        self.offset: Fraction | None = None
        """Seconds added to the source's stamps; None while there is nothing to tell it from."""
        self.repaired = 0
        """How many stamps were missing, ran backwards or jumped."""
        self._step = step
        self._first = first
        self._last: int | None = None

    def restart(self, step: Fraction | None = None) -> None:
        """Expect stamps that bear no relation to those before: a reconnect, or the next file.

        Args:
            step: seconds between frames of what follows, where that is known.
        """
        self.offset = None
        if step is not None:
            self._step = step

    def place(self, stamp: Fraction | None, elapsed: Fraction | None = None) -> int:
        """Time of the next frame, in ticks of ``unit``; always more than the one before.

        Args:
            stamp: the frame's own time in seconds; None where it has none.
            elapsed: seconds on the wall since the previous frame; None for a recording, whose frames
                come as fast as they can be read.
        """
        if self._last is None:
            start = self._first if self._first is not None else stamp or Fraction(0)
            return self._settle(start, stamp, known=stamp is not None)
        last = self._last * self.unit
        if stamp is None:
            return self._settle(last + (self._step if elapsed is None else elapsed), None, known=False)
        # frames that were buffered while connecting come in one burst, so a step is the least
        expected = last + (self._step if elapsed is None else max(elapsed, self._step))
        if self.offset is None:
            return self._settle(expected, stamp, known=True)
        time = stamp + self.offset
        jumped = elapsed is not None and time - expected > FORWARD
        if jumped or last - time > BACKWARD:
            return self._settle(expected, stamp, known=False)
        ticks = round(time / self.unit)
        if ticks > self._last:
            if elapsed is None:
                self._step = time - last
            self._last = ticks
            return ticks
        # stamped like its predecessor, or a little before: the offset stays, or the audio would lose step
        self.repaired += 1
        self._last += 1
        return self._last

    def _settle(self, time: Fraction, stamp: Fraction | None, *, known: bool) -> int:
        """Put a frame at ``time`` and take the offset from it."""
        ticks = round(time / self.unit)
        if self._last is not None and ticks <= self._last:
            ticks = self._last + 1
            time = ticks * self.unit
        self.repaired += not known
        if stamp is not None:
            self.offset = time - stamp
        self._last = ticks
        return ticks


class BestStamp:
    """Chooses the more trustworthy of a frame's two stamps.

    The presentation stamp is right where there is one, but AVI has none, and some files' are muddled; then
    the decoding stamp of the packet that made the frame come out is a good guess. The method is that of
    FFmpeg's ``best_effort_timestamp`` (``guess_correct_pts`` in libavcodec/decode.c): whichever of the two
    failed to rise less often so far.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._faults = {"pts": 0, "dts": 0}

    def choose(self, pts: int | None, dts: int | None) -> int | None:
        """The stamp to take, of the presentation and the decoding stamp; None where there is neither."""
        for kind, stamp in (("pts", pts), ("dts", dts)):
            if stamp is not None:
                self._faults[kind] += kind in self._last and stamp <= self._last[kind]
                self._last[kind] = stamp
        if pts is not None and (dts is None or self._faults["pts"] <= self._faults["dts"]):
            return pts
        return dts
