"""Dates and times as people write them (2026-11-25, 7d) and read them; UTC in the ledger. Pure."""

from __future__ import annotations

import re

from ..base.errors import UsageError
from ..ledger.entries import utc_text

_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_HINT = (
    "give `today`, a date (2026-11-25), a local date-time (2026-11-25T14:30), or a span back from now "
    "(7d, 12h, 30m)"
)


def read_moment(text: str, now_s: float) -> str:
    """The moment that a text names, as the ledger writes it; a date-time without a zone is local."""
    from datetime import datetime

    if text.strip().lower() == "today":
        text = datetime.fromtimestamp(now_s).strftime("%Y-%m-%d")
    span = _SPAN.fullmatch(text.strip().lower())
    try:
        if span:
            return utc_text(max(0.0, now_s - int(span.group(1)) * _SECONDS[span.group(2)]))
        return utc_text(datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip())).timestamp())
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{text!r} is no moment in time", hint=_HINT) from None


def local_time(moment: str) -> str:
    """A moment of the ledger in local time, to the minute."""
    from datetime import datetime

    try:
        utc = datetime.fromisoformat(moment.replace("Z", "+00:00"))
        return utc.astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return moment
