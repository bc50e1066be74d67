"""Lines that several commands say to people. Pure."""

from __future__ import annotations

from typing import Optional

from ..api.models import CostEstimate
from ..base.outcome import Result


def saved_line(path: str, size_bytes: int) -> str:
    """The line that callers look for; the size is in whole units of 1024 bytes, at least 1."""
    return f"Saved: {path} ({max(1, round(size_bytes / 1024))} KB)"


def size_in_words(size_bytes: int) -> str:
    """A size as people say it: in MB of a million bytes, small ones to the byte."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 100_000 else f"{size_bytes:,} bytes"


def cost_in_words(estimate: Optional[CostEstimate]) -> str:
    if estimate is None:
        return "unknown for this model or quality"
    text = f"${estimate.low_usd:.4f}"
    if estimate.high_usd > estimate.low_usd:
        text += f" to ${estimate.high_usd:.4f}"
    return f"{text} ({estimate.note})" if estimate.note else text


def ending_in_words(result: Result) -> str:
    status = f"HTTP {result.http_status}" if result.http_status else "no answer"
    cost = f", ${result.cost_usd:.4f}" if result.cost_usd is not None else ""
    tokens = f" ({result.usage.total_tokens:,} tokens)" if result.usage else ""
    return f"{status} in {result.elapsed_s:.1f} s{cost}{tokens}"
