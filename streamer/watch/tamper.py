"""Camera tamper: one camera's looks, compared with what it learned of its views, raise and end events."""

from __future__ import annotations

from math import isfinite

import numpy as np
from numpy.typing import NDArray

from streamer.config import TamperConfig
from streamer.event import TamperKind
from streamer.frame import Detections, Image
from streamer.watch.alarm import Alarm
from streamer.watch.look import Look, look
from streamer.watch.memory import Tree, number_of
from streamer.watch.reference import Reference
from streamer.watch.still import Stillness
from streamer.watch.verdict import VISIBLE, Verdict
from streamer.watch.views import Views
from streamer.watch.watcher import Alert, Change

MOVING = 0.6
"""Share of a look's edges that are gone in the next one from which on the camera is in motion."""

TEXTURE = 0.02
"""Least mean square of a look's edges to tell that by."""

ACCEPT = 900.0
"""Seconds after which a camera that was moved and stays so has a new view."""


class Tamper:
    """Watches one camera; handed its frames, it looks at some of them."""

    def __init__(self, config: TamperConfig) -> None:
        self._config = config
        self._views = Views()
        self._still = Stillness()
        self._alarm = Alarm(config.seconds, config.window, config.every)
        self._before: Look | None = None
        self._cut = False
        self._accept_at = 0.0
        self._away_since: float | None = None

    @property
    def reference(self) -> Reference:
        """What it compares with."""
        return self._views.current

    @property
    def open(self) -> TamperKind | None:
        """The kind of what is going on; None where nothing is."""
        return self._alarm.kind if self._alarm.raised else None

    def cut(self) -> None:
        """Say that the next frame does not continue the one before: a cut, a reconnect, the next file."""
        self._cut = True
        self._still.cut()

    def kept(self) -> Tree | None:
        """Return what was learned and what is raised, for ``resume``; None where there is too little."""
        views, before = self._views.kept(), self._before
        if views is None or before is None:
            return None
        accept_in = self._accept_at - before.time_s
        return {
            "views": views, "still": self._still.kept(), "alarm": self._alarm.kept(),
            "accept_in": accept_in if isfinite(accept_in) else None,
        }  # fmt: skip

    def resume(self, kept: Tree, time_s: float, shift: float, pause: float) -> None:
        """Go on with what an earlier run knew; what it learned is as old as it was then.

        Args:
            kept: as ``kept`` gave it.
            time_s: of the first frame, in seconds of presentation time.
            shift: seconds by which times of the earlier run are moved for it to go on without a pause.
            pause: seconds that really passed between the runs: what is open began as long ago.

        Raises:
            KeyError, TypeError, ValueError: it did not give that; nothing has changed.
        """
        views, still = Views.resumed(kept["views"], shift), Stillness.resumed(kept["still"], shift - pause)
        accept_in = None if kept["accept_in"] is None else number_of(kept["accept_in"])
        self._alarm.resume(kept["alarm"], shift - pause)
        self._views, self._still = views, still
        self._accept_at = float("inf") if accept_in is None else time_s + accept_in

    def see(
        self,
        image: Image,
        detections: Detections,
        time_s: float,
        hidden: NDArray[np.float32] | None = None,
    ) -> Alert | None:
        """Take in a frame, and look at it where it is time to.

        Args:
            image: the original, uint8 ``[H, W, 3]``, RGB.
            detections: what stands in front of the scene.
            time_s: presentation time in seconds.
            hidden: float32 ``[R, 4]``, in pixels: of what nothing may be kept; None where nothing is kept.

        Returns:
            What begins or ends with it; None nearly always.
        """
        before = self._before
        # frames of 25 a second do not fall on whole fifths
        if before is not None and 0.0 <= time_s - before.time_s < self._config.every - 0.005:
            return None
        seen = look(image, detections.boxes, time_s, hidden)
        self._before = seen
        self._still.see(seen.fine, time_s)
        verdict = self._views.judge(seen, cut=self._cut)
        self._cut = False
        if verdict is None:
            self._views.learn(seen)
            return None
        steady = before is None or not _moving(before, seen)
        well = verdict.score < self._views.current.takes(time_s) and not self._alarm.raised
        if well and steady and self._still.seconds == 0.0:
            self._views.current.learn(seen, verdict.difference)
        if self._still.frozen and verdict.kind is None:
            verdict = Verdict(1.0, "frozen", verdict.difference)
        if verdict.kind is not None and verdict.kind not in self._config.kinds:
            if verdict.kind == "moved" and steady:
                self._away(time_s)
            verdict = Verdict(0.0, None, verdict.difference)
        elif verdict.kind is None and verdict.difference.visible >= VISIBLE:
            self._away_since = None
        # a camera that turns may be on its way to a view that it knows
        change = self._alarm.hear(time_s, verdict, counts=steady or verdict.kind != "moved")
        if change == "start":
            self._accept_at = time_s + ACCEPT
            if self._alarm.kind == "frozen":
                self._alarm.since = self._still.since
        elif self._alarm.raised and self._alarm.kind == "moved" and steady and time_s >= self._accept_at:
            self._views.begin()
            self._accept_at = float("inf")
        return None if change is None else self._alert(change, seen, verdict)

    def _away(self, time_s: float) -> None:
        """Take in a look at another view that nobody is told of: the camera gets used to it all the same."""
        if self._away_since is None:
            self._away_since = time_s
        elif time_s - self._away_since >= ACCEPT:
            self._views.begin()
            self._away_since = None

    def _alert(self, change: Change, seen: Look, verdict: Verdict) -> Alert:
        alarm, difference = self._alarm, verdict.difference
        evidence = {
            "edges_lost": difference.lost,
            "softened": difference.softened,
            "flatter": difference.flatter,
            "likeness": difference.likeness,
            "shifted": verdict.shifted,
            "white": seen.white,
            "black": seen.black,
            "still_s": self._still.seconds,
        }
        end_s = None if change == "start" else alarm.until
        return Alert(change, alarm.kind, alarm.since, end_s, alarm.score, evidence)


def _moving(before: Look, after: Look) -> bool:
    """Whether the camera turns: nothing is where it was a look ago, though there is something to see."""
    steady = float((before.across * before.across + before.down * before.down).sum())
    if steady < TEXTURE * before.across.size:
        return False
    kept = float(np.sum(before.across * after.across + before.down * after.down))
    return kept < (1.0 - MOVING) * steady
