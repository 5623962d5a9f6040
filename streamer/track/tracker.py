"""One camera's objects over time: which sightings belong together, and where each object is unseen.

Made so that nothing is missed, rather than so that identities are kept: what is detected is hidden whatever a
track says, an object is looked for where it may have got to, faint detections go on with a track that
confident ones began (as in ByteTrack, Zhang et al. 2022, arXiv:2110.06864), and what follows a frame
counts as much as what went before.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from streamer.config import GROUPS
from streamer.frame import Detections
from streamer.track.motion import Box, Motion, between

NEAR = 0.6
"""How far a detection may lie from where its object should be, in widths and heights."""

NEAR_FAINT = 0.4
"""The same for a faint detection."""

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


class Tracker:
    """All objects of one camera between two discontinuities."""

    def __init__(self, numbers: Iterator[int], hides_from: float, hold: float) -> None:
        """Begin with nothing known.

        Args:
            numbers: identities of tracks to come.
            hides_from: least score with which a track begins; fainter detections only go on with one.
            hold: seconds for which an unseen object is followed.
        """
        self._numbers = numbers
        self._hides_from = hides_from
        self._hold = hold
        self._tracks: list[Track] = []
        self._looked_at = float("-inf")
        self._faint: deque[tuple[float, list[Box]]] = deque()

    def look(self, time: float, found: Detections) -> Detections:
        """Take in what was found in a frame.

        Args:
            time: of the frame, in seconds; always more than in the call before.
            found: in it, faint detections included.

        Returns:
            Those of ``found`` that must be hidden, each with its track: all but faint ones without a track.
        """
        boxes = [
            Box((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0) for x0, y0, x1, y1 in found.boxes.tolist()
        ]
        strong = found.scores >= self._hides_from
        owners: list[Track | None] = [None] * len(boxes)
        live = [track for track in self._tracks if self._is_followed(track, time)]
        left = self._match(time, live, np.flatnonzero(strong), boxes, found.labels, owners, NEAR)
        if self._hold > 0:
            known = [track for track in left if track.confirmed]
            self._match(time, known, np.flatnonzero(~strong), boxes, found.labels, owners, NEAR_FAINT)
            self._remember(time, [boxes[index] for index in np.flatnonzero(~strong) if owners[index] is None])
        for index, (box, owner) in enumerate(zip(boxes, owners, strict=True)):
            if owner is not None:
                first_again = not owner.confirmed
                owner.see(time, box, found.labels[index])
                if first_again and self._hold > 0:
                    owner.recall(reversed(self._faint), self._hold)
            elif strong[index]:
                track = Track(next(self._numbers), found.labels[index], time, box, self._looked_at)
                owners[index] = track
                self._tracks.append(track)
        for track in live:
            if track.missed_at is None and track.seen_at() < time:
                track.missed_at = time
        self._looked_at = time
        numbers = np.array([-1 if owner is None else owner.number for owner in owners], np.int64)
        tracked = Detections(found.boxes, found.scores, found.labels, numbers)
        return tracked.keep(numbers >= 0)

    def carried(self, time: float) -> Detections:
        """Return the objects that are not seen in a frame and must be hidden there.

        Args:
            time: of the frame, in seconds; always more than in the call before.
        """
        self._tracks = [track for track in self._tracks if self._matters(track, time)]
        said = [
            (track, box)
            for track in self._tracks
            if (box := track.carried(time, self._hold, self._looked_at))
        ]
        return Detections(
            np.array([box.edges() for _, box in said], np.float32).reshape(-1, 4),
            np.zeros(len(said), np.float32),
            tuple(track.label for track, _ in said),
            np.array([track.number for track, _ in said], np.int64),
            np.ones(len(said), np.bool_),
        )

    def _is_followed(self, track: Track, time: float) -> bool:
        """Whether what is found at a time may still be this object."""
        return track.missed_at is None or (track.confirmed and time - track.seen_at() <= self._hold)

    def _matters(self, track: Track, time: float) -> bool:
        """Whether the track may still say something of a frame, or of one after it."""
        last = track.seen_at()
        return (
            time <= last
            or track.missed_at is None
            or time < track.missed_at
            or (track.confirmed and time - last <= self._hold)
        )

    def _remember(self, time: float, faint: list[Box]) -> None:
        """Keep faint detections without a track for as long as an object is followed."""
        while self._faint and time - self._faint[0][0] > self._hold:
            self._faint.popleft()
        self._faint.append((time, faint))

    def _match(
        self,
        time: float,
        tracks: Sequence[Track],
        chosen: NDArray[np.intp],
        boxes: Sequence[Box],
        labels: Sequence[str],
        owners: list[Track | None],
        near: float,
    ) -> list[Track]:
        """Give the chosen detections to the tracks that they are nearest to; returns the tracks left over."""
        if not tracks or len(chosen) == 0:
            return list(tracks)
        expected = [track.motion.at(time) for track in tracks]
        there = np.array([(*box, box.size, deviation) for box, deviation in expected]).T[:, :, None]
        here = np.array([(*boxes[index], boxes[index].size) for index in chosen]).T[:, None]
        reach = (there[2:4] + here[2:4]) / 2 + REACH * there[5] + 1e-6
        far = np.hypot(*((there[:2] - here[:2]) / reach))
        unlike = np.abs(np.log(there[4] / here[4]))
        kinds = np.array([group(labels[index]) for index in chosen])
        same = np.array([track.group for track in tracks])[:, None] == kinds
        possible = same & (far < near) & (unlike < math.log(LIKE))
        cost = np.where(possible, far + unlike, np.inf)
        taken: set[int] = set()
        for flat in np.argsort(cost, axis=None, kind="stable")[: np.count_nonzero(possible)].tolist():
            row, column = divmod(flat, len(chosen))
            index = int(chosen[column])
            if row not in taken and owners[index] is None:
                taken.add(row)
                owners[index] = tracks[row]
        return [track for row, track in enumerate(tracks) if row not in taken]


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
