"""Sizes, and what requests would cost, as people and programs are told them. Pure."""

from __future__ import annotations

from typing import Dict, Optional

from ..api.cost import CostEstimate


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


def estimate_json(estimate: Optional[CostEstimate]) -> Optional[Dict[str, float]]:
    if estimate is None:
        return None
    return {"low": round(estimate.low_usd, 6), "high": round(estimate.high_usd, 6)}
