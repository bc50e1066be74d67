"""Values that a server sends, as far as they can be true: bounded, finite, ASCII digits, or absent. Pure.

Nothing here raises, whatever it is given, and the time it takes grows no faster than what it is given.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Optional, cast

#: More is no number of anything that is counted here, and `int` takes no more than 4,300 from Python 3.11 on.
_MOST_DIGITS = 18
#: The last second of the year 9999: what a date can hold.
_LAST_MOMENT_S = 253_402_300_799.0
#: So much of a text is read for a length of time; a number is never longer.
_DURATION_CHARS = 100
_UNIT_S = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
_STEP = re.compile(
    r"([0-9]+(?:\.[0-9]+)?(?:e\+?[0-9]+)?)"
    r"(?: ?(ms|m|s|h|d|secs?|mins?|milliseconds?|seconds?|minutes?|hours?|days?)(?![a-z]))?(?:, ?| )?",
    re.I,
)

#: What a text in UTF-16 begins with, by the order of its bytes.
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def written_text(data: bytes) -> str:
    """What a file or a pipe of the user's says: UTF-8, or UTF-16 with its mark, as PowerShell writes it. A
    `UnicodeDecodeError` where it is neither."""
    return data.decode("utf-16" if data.startswith(UTF16_MARKS) else "utf-8-sig")


def whole_number(text: str, most: int) -> Optional[int]:
    """The number that ASCII digits write, None for anything else and for more than `most`."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        return None
    number = int(text)
    return number if number <= most else None


def count_of(value: object, most: int) -> Optional[int]:
    """A count out of parsed JSON, None where it is none, is negative, or is more than `most`."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= cast(float, value) <= most:
        return None
    number = int(cast(float, value))
    return number if number == value else None


def duration_s(text: str, most_s: float, whole: bool = True) -> Optional[float]:
    """Seconds of a duration such as `6m0s`, `240ms`, `1.5` or `2 minutes`, at most `most_s`; None for another
    text. With `whole` false, what follows the duration is passed over."""
    text = text[:_DURATION_CHARS]
    at, total_s = 0, 0.0
    step = _STEP.match(text)
    while step is not None:
        total_s += float(step.group(1)) * _UNIT_S[(step.group(2) or "").lower()]
        at = step.end()
        step = _STEP.match(text, at)
    is_none = at == 0 or (whole and at < len(text))
    return None if is_none else min(total_s, most_s)


def moment_s(value: object) -> Optional[float]:
    """Seconds since 1970 out of parsed JSON, None where no date can hold them."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= cast(float, value) <= _LAST_MOMENT_S:
        return None
    return float(cast(float, value))


def first_json(text: str) -> object:
    """The JSON value that a text begins with, None where it begins with none or nests too deep.

    What follows is passed over: gateways write there. A number that is none (NaN, infinite, of thousands of
    digits) is None.
    """
    decoder = json.JSONDecoder(
        strict=False, parse_int=_json_int, parse_float=_json_float, parse_constant=lambda _: None
    )
    try:
        return cast(object, decoder.raw_decode(text.lstrip())[0])
    except (ValueError, RecursionError):
        return None


def members(value: object) -> Dict[str, Any]:
    """The members of a parsed object; none for anything else."""
    return cast(Dict[str, Any], value) if isinstance(value, dict) else {}


def _json_int(text: str) -> Optional[int]:
    return int(text) if len(text) <= _MOST_DIGITS else None


def _json_float(text: str) -> Optional[float]:
    number = float(text)
    return number if abs(number) < float("inf") else None
