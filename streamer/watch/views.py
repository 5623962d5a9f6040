"""The views of one camera: that of now, and those that it had before, such as a PTZ camera's presets."""

from __future__ import annotations

from streamer.watch.look import Look
from streamer.watch.memory import Tree
from streamer.watch.reference import Reference
from streamer.watch.verdict import Verdict, judge

MOST = 8
"""Views that are remembered."""

UNLIKE = 0.4
"""Correlation of mean levels below which a scene that was cut to is another one."""

UNSTEADY = 0.3
"""Share of the edges that are gone from which on a camera that is learned is still being turned."""


class Views:
    """References, of which one is current."""

    def __init__(self) -> None:
        self.current = Reference()
        self._others: list[Reference] = []

    def judge(self, seen: Look, *, cut: bool) -> Verdict | None:
        """Compare a look with the views, and go over to the one that it shows.

        Args:
            seen: the look.
            cut: whether it does not continue the looks before: another scene is then another view.

        Returns:
            None where the view is too new to say anything.
        """
        if not self.current.usable:
            if cut:  # what little was seen before is of something else
                self.begin()
            return None
        verdict = judge(seen, self.current)
        if verdict.kind is None:
            return verdict
        for place, other in enumerate(self._others):
            again = judge(seen, other)
            # an object may hide all that would speak against it
            if again.kind is None and again.difference.visible > 0.5:
                self._others[place], self.current = self.current, other
                return again
        if cut and verdict.new_scene and verdict.difference.likeness < UNLIKE:
            self.begin()
            return None
        return verdict

    def learn(self, seen: Look) -> None:
        """Take in a look at a view that is too new to say anything; one that is not steady begins anew."""
        if self.current.begun and self.current.differs(seen).lost > UNSTEADY:
            self.current = Reference()
        self.current.learn(seen)

    def kept(self) -> Tree | None:
        """Return them for ``resumed``; None where there is nothing to go on with."""
        current = self.current.kept()
        others = [kept for other in self._others if (kept := other.kept()) is not None]
        return None if current is None else [current, *others]

    @classmethod
    def resumed(cls, kept: Tree, shift: float) -> Views:
        """Make them anew, their times moved by so many seconds; errors as of ``Reference.resumed``."""
        made = cls()
        made.current, *made._others = (Reference.resumed(each, shift) for each in kept[:MOST])
        return made

    def begin(self) -> None:
        """Learn a new view from the next look on."""
        if self.current.usable:
            self._others = [self.current, *self._others][: MOST - 1]
        self.current = Reference()
