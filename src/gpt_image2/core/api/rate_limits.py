"""What a server tells of its limits a minute: by `x-ratelimit-*` headers, or by words. Pure."""

from __future__ import annotations

import re
from typing import List, Mapping, Optional, Tuple

from ..base.events import RateLimit

#: What is counted. Images come first: where a server tells of them, they are what runs out.
LIMIT_KINDS = ("images", "requests", "tokens")

_STEPS = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|h|m|s)?)+")
_STEP = re.compile(r"(\d+(?:\.\d+)?) ?(ms|h|m|s)?", re.I)
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_IN_WORDS = re.compile(r"\b(images|requests) per min\w*\b.{0,20}?\bLimit:? ?(\d{1,9})\b", re.I | re.DOTALL)


def read_rate_limits(headers: Mapping[str, str]) -> Tuple[RateLimit, ...]:
    """The limits that the headers of an answer tell of; header names are in lower case."""
    found: List[RateLimit] = []
    for kind in LIMIT_KINDS:
        limit = headers.get(f"x-ratelimit-limit-{kind}", "")
        remaining = headers.get(f"x-ratelimit-remaining-{kind}", "")
        if limit.isdigit() and remaining.isdigit() and int(limit) > 0:
            reset = headers.get(f"x-ratelimit-reset-{kind}", "").replace(" ", "")
            reset_s = duration_s(reset) if _STEPS.fullmatch(reset) else 0.0
            found.append(RateLimit(kind, int(limit), int(remaining), reset_s))
    return tuple(found)


def limit_in_words(message: str) -> Optional[Tuple[str, int]]:
    """Kind and number of a limit a minute as a refusal words it ("on images per min: Limit 5"), or None."""
    match = _IN_WORDS.search(message)
    return (match.group(1).lower(), int(match.group(2))) if match and int(match.group(2)) else None


def duration_s(text: str) -> float:
    """Seconds of a duration such as `6m0s`, `240ms` or `1.5`; what is no step of one is passed over."""
    return sum(float(number) * _UNIT_S[unit.lower()] for number, unit in _STEP.findall(text))
