"""What a server tells of its limits a minute: by `x-ratelimit-*` headers, or by words. Pure."""

from __future__ import annotations

import math
import re
from typing import List, Mapping, Optional, Tuple

from ..base.events import RateLimit
from ..base.untrusted import duration_s, whole_number

#: What is counted. Images come first: where a server tells of them, they are what runs out.
LIMIT_KINDS = ("images", "requests", "tokens")

#: More is no limit a minute, and a limit that is whole again after more than a day is none of a minute.
_MOST_A_MINUTE = 10**9
_MOST_RESET_S = 86_400.0
_IN_WORDS = re.compile(
    r"\b(images|requests) per min[a-z]{0,9}\b.{0,20}?\bLimit:? ?([0-9]{1,9})\b", re.I | re.DOTALL
)


def read_rate_limits(headers: Mapping[str, str]) -> Tuple[RateLimit, ...]:
    """The limits that the headers of an answer tell of; header names are in lower case."""
    found: List[RateLimit] = []
    for kind in LIMIT_KINDS:
        limit = whole_number(headers.get(f"x-ratelimit-limit-{kind}", ""), _MOST_A_MINUTE)
        remaining = whole_number(headers.get(f"x-ratelimit-remaining-{kind}", ""), _MOST_A_MINUTE)
        if limit and remaining is not None:
            reset = headers.get(f"x-ratelimit-reset-{kind}", "").replace(" ", "")
            reset_s = duration_s(reset, math.inf) or 0.0
            is_known = reset_s <= _MOST_RESET_S
            found.append(RateLimit(kind, limit, min(remaining, limit), reset_s if is_known else 0.0))
    return tuple(found)


def limit_in_words(message: str) -> Optional[Tuple[str, int]]:
    """Kind and number of a limit a minute as a refusal words it ("on images per min: Limit 5"), or None."""
    match = _IN_WORDS.search(message)
    return (match.group(1).lower(), int(match.group(2))) if match and int(match.group(2)) else None
