"""One camera's objects over time: which sightings belong together, and where each object is unseen.

Made so that nothing is missed, rather than so that identities are kept: what is detected is hidden whatever a
track says, an object is looked for where it may have got to, faint detections go on with a track that
confident ones began (as in ByteTrack, Zhang et al. 2022, arXiv:2110.06864), and what follows a frame
counts as much as what went before.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.boxes import rounded
from streamer.detectors import FAINT
from streamer.frame import Detections
from streamer.track.motion import Box
from streamer.track.track import LIKE, NEAR_FAINT, REACH, Track, group

NEAR = 0.6
"""How far a detection may lie from where its object should be, in widths and heights."""


class Tracker:
    """All objects of one camera between two discontinuities."""

    def __init__(self, numbers: Iterator[int], hold: float, *, mirror: bool = False) -> None:
        """Begin with nothing known.

        Args:
            numbers: identities of tracks to come.
            hold: seconds for which an unseen object is followed.
            mirror: whether every other look is in a mirror. Then what was seen once may be missed by one look
                before it is seen again within ``hold``, since one kind of look may miss it always.
        """
        self._numbers = numbers
        self._hold = hold
        self._mirror = mirror
        self._tracks: list[Track] = []
        self._looked_at = float("-inf")
        self._faint: deque[tuple[float, list[Box]]] = deque()

    def look(self, time: float, found: Detections, least: NDArray[np.float32]) -> Detections:
        """Take in what was found in a frame.

        Args:
            time: of the frame, in seconds; always more than in the call before.
            found: in it, N faint detections included.
            least: float32 ``[N]``: the score with which each of them would begin a track; what is fainter,
                down to ``FAINT`` of that, goes on with one.

        Returns:
            All of ``found`` with their tracks; what is faint and without a track, -1, need not be hidden.
        """
        boxes = [
            Box((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0) for x0, y0, x1, y1 in found.boxes.tolist()
        ]
        strong = found.scores >= least
        faint = np.flatnonzero(~strong & (found.scores >= np.float32(FAINT) * least))
        owners: list[Track | None] = [None] * len(boxes)
        live = [track for track in self._tracks if self._is_followed(track, time)]
        left = self._match(time, live, np.flatnonzero(strong), boxes, found.labels, owners, NEAR)
        if self._hold > 0:
            known = [track for track in left if track.confirmed]
            self._match(time, known, faint, boxes, found.labels, owners, NEAR_FAINT)
            self._remember(time, [boxes[index] for index in faint if owners[index] is None])
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
        return Detections(found.boxes, found.scores, found.labels, numbers)

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
            rounded(np.array([box.edges() for _, box in said], np.float32).reshape(-1, 4)),
            np.zeros(len(said), np.float32),
            tuple(track.label for track, _ in said),
            np.array([track.number for track, _ in said], np.int64),
            np.ones(len(said), np.bool_),
        )

    def _is_followed(self, track: Track, time: float) -> bool:
        """Whether what is found at a time may still be this object."""
        return track.missed_at is None or self._may_come_back(track, time)

    def _matters(self, track: Track, time: float) -> bool:
        """Whether the track may still say something of a frame, or of one after it."""
        return (
            time <= track.seen_at()
            or track.missed_at is None
            or time < track.missed_at
            or self._may_come_back(track, time)
        )

    def _may_come_back(self, track: Track, time: float) -> bool:
        """Whether what was missed may be seen again; with a mirror even if seen once, after one look."""
        again = track.confirmed or (self._mirror and track.missed_at == self._looked_at)
        return again and time - track.seen_at() <= self._hold

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
