"""From verdicts to one event: so many seconds of the last few, so that nothing that passes raises one."""

from __future__ import annotations

from collections import Counter, deque
from itertools import islice
from typing import NamedTuple

from streamer.event import TAMPER_KINDS, TamperKind
from streamer.watch.memory import Tree, number_of
from streamer.watch.verdict import Verdict
from streamer.watch.watcher import Change

CERTAIN = 3.5
"""How many times the time of a look counts that is certain; that of one at 0.5 counts once."""

LOOKS = 3
"""Looks that it takes at least, of a camera with few frames."""

GAP = 1.0
"""Most seconds that one look stands for, where they are not meant to be further apart."""

FIRST = 5
"""Looks that say what kind it is: how it began tells more than how it looks in the end."""


class _Heard(NamedTuple):
    time_s: float
    seconds: float
    verdict: Verdict
    counts: bool


class Alarm:
    """Raised when ``seconds`` of the last ``window`` count, over when as many do not."""

    def __init__(self, seconds: float, window: float, every: float) -> None:
        """Make one that is not raised.

        Args:
            seconds: that count.
            window: seconds that are looked back, no fewer.
            every: seconds from one look to the next, where frames come as often.
        """
        self.raised = False
        self.kind: TamperKind = "covered"
        """Of what is raised, or was last."""
        self.since = 0.0
        """When that began, in seconds of presentation time."""
        self.until = 0.0
        """When it was over."""
        self.score = 0.0
        """Its highest score."""
        self._seconds, self._window, self._gap = seconds, window, max(GAP, every)
        self._heard: deque[_Heard] = deque()
        self._last: float | None = None

    def hear(self, time_s: float, verdict: Verdict, *, counts: bool) -> Change | None:
        """Take in a verdict and say what it changes.

        Args:
            time_s: of the look, in seconds of presentation time.
            verdict: about it.
            counts: whether it counts, for tamper or against it; the kind is remembered all the same.
        """
        passed = 0.0 if self._last is None else min(self._gap, max(0.0, time_s - self._last))
        self._last = time_s
        self._heard.append(_Heard(time_s, passed, verdict, counts))
        # by what they stand for, not by their times: of looks far apart too few would be left to end anything
        while (
            len(self._heard) > LOOKS
            and sum(each.seconds for each in islice(self._heard, 1, None)) >= self._window
        ):
            self._heard.popleft()
        wrong = [each for each in self._heard if each.verdict.kind is not None]
        if self.raised:
            self.score = max(self.score, verdict.score if verdict.kind is not None else 0.0)
            return self._end()
        counted = [each for each in wrong if each.counts]
        weight = sum(each.seconds * _weight(each.verdict.score) for each in counted)
        if weight < self._seconds or len(counted) < LOOKS or verdict.kind is None:
            return None
        self.raised = True
        self.since = wrong[0].time_s
        self.score = max(each.verdict.score for each in counted)
        kinds = Counter(each.verdict.kind for each in wrong[:FIRST] if each.verdict.kind is not None)
        self.kind = kinds.most_common(1)[0][0]
        self._heard.clear()  # what went well before does not end it
        return "start"

    def kept(self) -> Tree:
        """Return what is raised, for ``resume``."""
        return {"raised": self.raised, "kind": self.kind, "since": self.since, "score": self.score}

    def resume(self, kept: Tree, shift: float) -> None:
        """Go on with what an earlier run had raised.

        Args:
            kept: as ``kept`` gave it.
            shift: seconds by which its time is moved.

        Raises:
            KeyError, TypeError, ValueError: it did not give that.
        """
        if kept["kind"] not in TAMPER_KINDS:
            raise ValueError(f"no such kind: {kept['kind']}")
        since, score = number_of(kept["since"]) + shift, number_of(kept["score"])
        self.raised, self.kind, self.since, self.score = bool(kept["raised"]), kept["kind"], since, score

    def _end(self) -> Change | None:
        well = [each for each in self._heard if each.verdict.kind is None and each.counts]
        if sum(each.seconds for each in well) < self._seconds or len(well) < LOOKS:
            return None
        self.raised = False
        self.until = well[0].time_s
        self._heard.clear()
        return "end"


def _weight(score: float) -> float:
    return 1.0 + (CERTAIN - 1.0) * max(0.0, 2.0 * score - 1.0)
