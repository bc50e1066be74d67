"""Lines that several commands say to people. Pure."""

from __future__ import annotations

from typing import Tuple

from ..base.outcome import Result
from ..base.redact import show

#: What there is to say of what the sandbox made.
SANDBOX_MADE_IT = "the sandbox made this: placeholders, at no cost; the sums are what pictures would cost"


def saved_line(path: str, size_bytes: int) -> str:
    """The line that callers look for; the size is in whole units of 1024 bytes, at least 1."""
    return f"Saved: {path} ({max(1, round(size_bytes / 1024))} KB)"


def paid_in_words(result: Result) -> str:
    """What a result cost, and what of that is not known; empty where nothing is."""
    cost = "" if result.cost_usd is None else f"${result.cost_usd:.4f}"
    if not result.unpriced:
        return cost
    return f"{cost or 'cost not known'} plus {show(result.unpriced, limit=None)}, unknown"


def cost_warnings(result: Result) -> Tuple[str, ...]:
    """What there is to say where a part of the cost is not known."""
    if not result.unpriced:
        return ()
    what = f"the cost lacks {result.unpriced}, at a price that is not known: give the config's prices its "
    return (show(f"{what}text_in and text_out", limit=None),)


def ending_in_words(result: Result) -> str:
    status = f"HTTP {result.http_status}" if result.http_status else "no answer"
    paid = paid_in_words(result)
    cost = f", {paid}" if paid else ""
    tokens = f" ({result.usage.total_tokens:,} tokens)" if result.usage else ""
    return f"{status} in {result.elapsed_s:.1f} s{cost}{tokens}"
