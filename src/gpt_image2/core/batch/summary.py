"""What a batch says at its end, and before it begins: rows, sums and words. Pure but for reading the plan."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Optional, Tuple

from ..models import TYPICAL_SECONDS
from ..outcome import ExitCode
from ..record import Record
from .journal import DONE, FAILED, SUBMITTED
from .pacer import MINUTE_S
from .plan import AMBIGUOUS, INVALID, OVER_BUDGET, RUNNING, TODO, Estimate, Plan
from .runner import INTERRUPTED, MAX_COST, MAX_FAILURES, Tally

_STATUS = {TODO: "not_started", RUNNING: "not_started", OVER_BUDGET: "not_started"}
_UNKNOWN_QUALITY_S = TYPICAL_SECONDS["auto"]
_SIGNAL_EXIT = 128


class Forecast(Record):
    """What a batch would take: its parts by quality, their sum, and seconds."""

    by_quality: Tuple[Estimate, ...]
    total: Estimate
    estimated_s: float


def job_rows(plan: Plan, status: Optional[str] = None) -> Iterator[Dict[str, Any]]:
    """A row a job as `--json` and `--events` print it."""
    for row in plan.rows(status):
        del row["offset"]
        yield job_row(row)


def job_row(row: Dict[str, Any]) -> Dict[str, Any]:
    """A row with every field that rows have."""
    blank: Dict[str, Any] = {"images": [], "billed": "no", "cost_usd": None, "error": None, "warnings": []}
    return {**blank, **row, "status": _STATUS.get(row["status"], row["status"])}


def counts(plan: Plan) -> Dict[str, int]:
    """How many jobs ended in each way."""
    states = plan.count()
    found = {name: states.get(name, 0) for name in (DONE, FAILED, AMBIGUOUS, SUBMITTED, INVALID)}
    found["not_started"] = sum(states.get(name, 0) for name in _STATUS)
    return {"jobs": sum(states.values()), **found}


def exit_code(plan: Plan, tally: Tally, signum: Optional[int]) -> int:
    """How the command ends: well, by a signal, or with jobs that are not done."""
    if signum is not None:
        return _SIGNAL_EXIT + signum
    if tally.stopped == INTERRUPTED:
        return int(ExitCode.INTERRUPTED)
    found = counts(plan)
    return int(ExitCode.OK if found[DONE] == found["jobs"] else ExitCode.PARTIAL)


def in_words(found: Dict[str, int]) -> str:
    """How many jobs ended in which way, for a person."""
    parts = [f"{found[DONE]} of {found['jobs']} jobs done"]
    parts += [
        f"{found[name]} {words}"
        for name, words in (
            (FAILED, "failed"),
            (AMBIGUOUS, "in doubt (billed: maybe)"),
            (SUBMITTED, "with the Batch API"),
            (INVALID, "invalid"),
            ("not_started", "not started"),
        )
        if found[name]
    ]
    return ", ".join(parts)


def what_remains(plan: Plan, tally: Tally) -> Optional[Dict[str, object]]:
    """The error of a batch whose jobs are not all done, as an object; None when they are."""
    found = counts(plan)
    if found[DONE] == found["jobs"]:
        return None
    hints = {
        INTERRUPTED: "the same command goes on with what is missing",
        MAX_FAILURES: "look at the failures; the same command goes on with what is missing",
        MAX_COST: "raise --max-cost; the same command goes on with what is missing",
    }
    hint = hints.get(tally.stopped, "the same command runs again what failed without being billed")
    if found[AMBIGUOUS]:
        hint += "; jobs in doubt run again only with --retry-ambiguous"
    code = tally.stopped or "partial"
    return {"code": code, "message": in_words(found), "hint": hint, "http_status": None, "request_id": None}


def forecast(plan: Plan, concurrency: int, images_per_minute: Optional[float]) -> Forecast:
    """What the jobs that are to be run would take, at a pace."""
    parts = tuple(plan.estimates())
    priced = all(part.high_usd is not None for part in parts)
    total = Estimate(
        quality="all",
        jobs=sum(part.jobs for part in parts),
        images=sum(part.images for part in parts),
        low_usd=sum(part.low_usd or 0.0 for part in parts) if priced else None,
        high_usd=sum(part.high_usd or 0.0 for part in parts) if priced else None,
    )
    one_by_one_s = sum(
        part.jobs * TYPICAL_SECONDS.get(part.quality, TYPICAL_SECONDS["auto"]) for part in parts
    )
    estimated_s = one_by_one_s / concurrency
    if images_per_minute:
        estimated_s = max(estimated_s, total.images / images_per_minute * MINUTE_S)
    return Forecast(parts, total, estimated_s)


def forecast_json(sums: Forecast) -> Dict[str, object]:
    """A forecast as `--json` prints it."""
    return {
        "images": sums.total.images,
        "cost_usd": _cost_json(sums.total),
        "by_quality": [
            {"quality": part.quality, "jobs": part.jobs, "images": part.images, "cost_usd": _cost_json(part)}
            for part in sums.by_quality
        ],
        "estimated_s": round(sums.estimated_s, 1),
    }


def cost_in_words(estimate: Estimate) -> str:
    """From the lowest to the highest cost, for a person."""
    if estimate.low_usd is None or estimate.high_usd is None:
        return "unknown for this model or quality"
    low, high = f"${estimate.low_usd:.4f}", f"${estimate.high_usd:.4f}"
    return low if low == high else f"{low} to {high}"


def _cost_json(estimate: Estimate) -> Optional[Dict[str, float]]:
    if estimate.low_usd is None or estimate.high_usd is None:
        return None
    return {"low": round(estimate.low_usd, 6), "high": round(estimate.high_usd, 6)}
