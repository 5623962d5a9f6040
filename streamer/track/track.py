"""One object over time: when and where it was seen, and so where it is in the other frames."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from itertools import islice

from streamer.classes import GROUPS
from streamer.track.motion import Box, Motion, between

NEAR_FAINT = 0.4
"""How far a faint detection may lie from where its object should be, in widths and heights."""

REACH = 2.0
"""By how many standard deviations of where the object is that grows."""

LIKE = 2.5
"""Most ratio of the sizes of what is taken for one object."""

MARGIN = 0.25
"""By how many standard deviations a box grows where its object is not seen."""

SLACK = 0.02
"""How far, in sizes, a box that was seen may fall short of where its track has it."""

SURE = 3
"""Sightings from which on an object is surely one, and was somewhere before the first of them."""

REMEMBERED = 8
"""Sightings after the first one that say whence an object came."""


class Track:
    """One object: the sightings of it that still matter, and how it moves."""

    __slots__ = (
        "_backwards", "_backwards_of", "_previous", "before", "born_at", "confirmed", "group", "label",
        "missed_at", "motion", "number", "recalled", "sightings",
    )  # fmt: skip

    def __init__(self, number: int, label: str, time: float, box: Box, before: float) -> None:
        self.number = number
        self.born_at = time
        """Time of the first sighting that was not faint."""
        self.label = label
        self.group = group(label)
        self.sightings: deque[tuple[float, Box]] = deque([(time, box)])
        """Time and box, in order; none but the last of those before the frame that leaves next."""
        self.recalled: set[float] = set()
        """Times of sightings that were faint, and found to belong to it only afterwards."""
        self.motion = Motion(time, box)
        self.confirmed = False
        """Whether it was seen a second time: what was seen once may be nothing."""
        self.before = before
        """Time of the last look at which it was not there yet."""
        self.missed_at: float | None = None
        """Time of the first look since the last sighting, if it was not seen there."""
        self._previous: tuple[float, Box] | None = None
        self._backwards: Motion | None = None
        self._backwards_of = (0.0, 0)

    def see(self, time: float, box: Box, label: str) -> None:
        """Take in another sighting."""
        self.motion.see(time, box)
        self.sightings.append((time, box))
        self.label, self.confirmed, self.missed_at = label, True, None

    def recall(self, looks: Iterable[tuple[float, list[Box]]], hold: float) -> None:
        """Find it among faint detections of looks before its first sighting, the latest look first."""
        for time, faint in looks:
            first = self.sightings[0][0]
            if time >= first:
                continue
            if first - time > hold:
                return
            there, deviation = self._origin().at(time)
            close = [(far, box) for box in faint if (far := apart(there, deviation, box)) < NEAR_FAINT]
            if close:
                _, box = min(close)
                faint.remove(box)
                self.sightings.appendleft((time, box))
                self.recalled.add(time)

    def reach(self, hold: float) -> float:
        """Return for how many seconds beyond its sightings it is hidden: no longer than it was seen."""
        return min(hold, self.seen_at() - self.born_at) if self.confirmed else 0.0

    def seen_at(self) -> float:
        """Return the time of the last sighting."""
        return self.sightings[-1][0]

    def carried(self, time: float, hold: float, known: float) -> Box | None:
        """Return where to hide it at a time when it was not seen; None where it was, or is not there.

        Args:
            time: seconds; never less than in the call before.
            hold: seconds for which an object that is no longer seen stays hidden.
            known: time of the last look: not having been seen until then counts.
        """
        sightings = self.sightings
        while len(sightings) > 1 and sightings[1][0] <= time:
            self._previous = sightings.popleft()
            self.recalled.discard(self._previous[0])
        nearest, box = sightings[0]
        if nearest == time:
            if time in self.recalled:
                return box
            smooth = self._smooth(time) if hold > 0 else None
            return None if smooth is None or smooth.within(box.grown(SLACK * box.size)) else smooth
        if nearest < time:
            if len(sightings) > 1:
                return between(time, nearest, box, *sightings[1])
            unseen = self.missed_at is not None and time >= self.missed_at
            given_up = max(known, time) - nearest > self.reach(hold)
            motion = self.motion
        else:
            unseen = time <= self.before
            given_up = nearest - time > (hold if len(self.sightings) >= SURE else self.reach(hold))
            motion = self._origin()
        if unseen and given_up:
            return None
        there, deviation = motion.at(time)
        return there.grown(MARGIN * min(deviation, there.size))

    def _smooth(self, time: float) -> Box | None:
        """Return where it should be by the sightings around the one at ``time``, which may be cut short."""
        if self._previous is None:
            return None
        if len(self.sightings) == 1:
            return self.motion.at(time)[0]
        return between(time, *self._previous, *self.sightings[1], swerve=0.0)

    def _origin(self) -> Motion:
        """Return its motion against the sense of time, from the first sightings."""
        count = min(len(self.sightings), REMEMBERED)
        of = self.sightings[0][0], count
        if self._backwards is None or of != self._backwards_of:
            last, *rest = reversed(list(islice(self.sightings, count)))
            self._backwards = Motion(*last)
            self._backwards_of = of
            for sighting in rest:
                self._backwards.see(*sighting)
        return self._backwards


def apart(there: Box, deviation: float, here: Box) -> float:
    """Return how far a box lies from where an object should be, in widths and heights; inf if too unlike."""
    if abs(math.log(there.size / here.size)) >= math.log(LIKE):
        return math.inf
    return math.hypot(
        (there.x - here.x) / ((there.width + here.width) / 2 + REACH * deviation + 1e-6),
        (there.y - here.y) / ((there.height + here.height) / 2 + REACH * deviation + 1e-6),
    )


def group(label: str) -> str:
    """What a detector may take an object for from frame to frame: ``vehicle`` for any, else the label."""
    return "vehicle" if label in GROUPS["vehicle"] else label
