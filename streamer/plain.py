"""Values as JSON has them: which of them can be meant, and how they are named in an error."""

from __future__ import annotations

import json
import math
from typing import Any, TypeGuard


def real(value: object) -> TypeGuard[float]:
    """Whether a value is a number that calculations can go on with."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def short(value: Any) -> str:
    """Return a value as JSON has it, cut where it is long."""
    try:
        text = json.dumps(value)
    except RecursionError:
        return "lists in lists, too deep"
    return text if len(text) <= 60 else f"{text[:57]}..."
