"""Plain shapes in words: places in pixels, percent or fractions of a picture as it is seen. Pure.

A place is a number of pixels (`120`, `120px`), a percentage (`25%`) or a fraction (`0.25`). A number is a
fraction where it has a decimal point and is at most 1; 0 and 1 beside it then too.
"""

from __future__ import annotations

import math
import re
from typing import Sequence, Tuple

from ..base.errors import UsageError
from ..base.record import Record
from ..base.redact import show

PLACES = "pixels (120), percent (25%) or fractions (0.25)"
_LENGTH = r"\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*(px|%|)\s*"


class Length(Record):
    """A length or place: `unit` is `px`, `%` (of a hundred) or `fraction` (of one)."""

    value: float
    unit: str

    def pixels(self, whole: int) -> float:
        """In pixels, where the whole has so many."""
        return self.value * {"px": 1.0, "%": whole / 100, "fraction": float(whole)}[self.unit]

    def __str__(self) -> str:
        text = f"{self.value:.10g}"
        if self.unit == "fraction":
            return text if "." in text else f"{text}.0"
        return text + self.unit


NO_LENGTH = Length(0, "px")


def parse_box_places(text: str, kind: str) -> Tuple[Length, ...]:
    """`X,Y,W,H` of a `rect` or an `ellipse`; a `UsageError` for anything else."""
    places = parse_lengths(text.split(","), kind)
    if len(places) != 4:
        raise UsageError(f"{kind} needs X,Y,W,H, found {show(text)!r}", hint=f"each in {PLACES}")
    if min(places[2].value, places[3].value) <= 0:
        raise UsageError(f"{kind} {show(text)} has no area", hint="its width and height must be above 0")
    return places


def parse_lengths(words: Sequence[str], what: str) -> Tuple[Length, ...]:
    """Lengths such as `12`, `12px`, `-3%` or `0.05`; a `UsageError` for anything else."""
    matches = [re.fullmatch(_LENGTH, word) for word in words]
    found = [(match[1], float(match[1]), match[2]) for match in matches if match]
    if len(found) < len(words) or not all(math.isfinite(value) for _, value, _ in found):
        raise UsageError(f"{what} {show(','.join(words))} is not understood", hint=f"give {PLACES}")
    bare = [(text, value) for text, value, unit in found if not unit]
    pointed = any("." in text and abs(value) <= 1 for text, value in bare)
    all_small = pointed and all(abs(value) <= 1 for _, value in bare)
    return tuple(
        Length(value, unit or ("fraction" if all_small or ("." in text and abs(value) <= 1) else "px"))
        for text, value, unit in found
    )
