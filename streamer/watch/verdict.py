"""What a single look says: how likely the camera is tampered with, and how.

The constants are from normal and synthetic looks at the Kaggle clips that are not held out and at public
footage. Normal looks lose 5% of the edges (median; 20% at most where the camera stands still) and soften by
0.2 at most; a Gaussian of 2 pixels in 720p softens by 1.2 to 3.2, and a cover of 70% of the picture loses
47% of the edges or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from streamer.event import TamperKind
from streamer.watch.align import shift
from streamer.watch.look import Look
from streamer.watch.reference import Difference, Reference

LOST = 0.4
"""Share of the edges whose loss is as likely tamper as not; ``LOST_STEEP`` says how quickly that turns."""
LOST_STEEP = 15.0

SOFTENED = 0.9
"""Softening that is as likely tamper as not, where sharpness stays; ``RESTLESS`` times its stray more."""
SOFTENED_STEEP = 6.0
RESTLESS = 4.0

WHITE = 0.5
"""Share of pixels that saturate and did not before, which is as likely glare as not."""
WHITE_STEEP = 20.0

WASHED = 0.2
"""The same, from which on edges that are gone are so because of it."""

BLACK = 0.9
"""Share of dark pixels from which on a picture without its edges is black."""

VISIBLE = 0.25
"""Share of the edges that must be clear of objects to say anything: cars that fill the view are no tamper."""

SHAKE = 0.02
"""Shift, as a share of the width or height, up to which a camera only shakes."""

FOUND = 0.55
"""Share of the edges that may be missing where a shift is to have put them."""

ALIKE = 0.5
"""Correlation of what is of middle size from which on the scene is still there."""

FLATTER = 0.5
"""How much a loss of detail beyond that of contrast counts, to one of sharpness: a strong blur takes both."""

SCENE = 0.6
"""How varied a picture's detail is, to the reference's, where it shows a scene; a wall is alike all over."""

BUSY = 0.3
"""Share of the cells with outlines from which on a picture shows a scene; a sheet has none."""

UNHARMED = 0.15
"""Share of unharmed cells from which on something is in front of the scene, which itself did not move."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look says."""

    score: float
    """0 to 1; 0.5 is as likely tamper as not."""
    kind: TamperKind | None
    """The likeliest kind; None where nothing is wrong."""
    difference: Difference
    shifted: float = 0.0
    """How far the view has moved, as a share of the picture; 0 where it has not or nobody looked."""
    new_scene: bool = False
    """Whether the picture shows a scene, sharp and not this one."""


def judge(seen: Look, reference: Reference) -> Verdict:
    """Compare a look with a reference that is usable."""
    difference = reference.differs(seen)
    if difference.visible < VISIBLE:
        return Verdict(0.0, None, difference)
    lost, moved_by = difference.lost, 0.0
    if lost > LOST / 2:
        by = shift(reference.grey, seen.grey)
        left = reference.lost_after(by, seen)
        if left < min(FOUND, lost):
            moved_by = by.share
            if moved_by <= SHAKE:
                lost, moved_by = left, 0.0
    gone = _logistic(LOST_STEEP * (lost - LOST))
    softened = max(difference.softened, FLATTER * difference.flatter)
    soft = _logistic(SOFTENED_STEEP * (softened - SOFTENED - RESTLESS * reference.spread))
    glare = _logistic(WHITE_STEEP * (seen.white - reference.white - WHITE))
    score = max(gone, soft, glare)
    new_scene = _is_scene(difference)
    if score < 0.5:
        return Verdict(score, None, difference)
    kind: TamperKind
    if seen.black >= BLACK and lost >= LOST:
        kind = "black"
    elif seen.white - reference.white >= WASHED:
        kind = "glare"
    elif gone < 0.5:
        kind = "defocused"
    elif moved_by > 0.0:
        kind = "moved"
    elif soft >= 0.5 and reference.resembles(seen) >= ALIKE:
        kind = "defocused"
    elif new_scene:
        kind = "moved"
    else:
        kind = "covered"
    return Verdict(score, kind, difference, moved_by, new_scene and moved_by == 0.0)


def _is_scene(difference: Difference) -> bool:
    sharp = abs(difference.flatter) < 2.0 and difference.busy >= BUSY
    return sharp and difference.intact < UNHARMED and difference.varied >= SCENE


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + exp(-max(-50.0, min(50.0, value))))
