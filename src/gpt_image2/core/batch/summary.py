"""What a run says of itself before it begins and at its end: rows, sums and words. Reads only the plan."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Optional, Tuple

from ..api.models import TYPICAL_SECONDS, CostEstimate
from ..base.errors import PartialError
from ..base.outcome import ExitCode
from ..base.record import Record
from ..calls.budget import OVER_MAX_COST
from ..telling.as_json import estimate_json
from .journal import DONE, FAILED, SUBMITTED
from .pacer import MINUTE_S
from .plan import AMBIGUOUS, INVALID, OVER_BUDGET, PENDING, Plan, Share

#: Why nothing more is started, besides the code of an error.
INTERRUPTED, MAX_FAILURES = "interrupted", "max_failures"
_STATUS = {PENDING: "not_started", OVER_BUDGET: "not_started"}
_UNKNOWN_QUALITY_S = TYPICAL_SECONDS["auto"]
_SIGNAL_EXIT = 128


class Tally(Record):
    """How far a run is. `stopped` says why nothing more is started, empty while more is. Of what is in
    flight, `oldest_s` is how long the longest call has run; `paused_s` is for how long more the server has
    asked to wait, in seconds."""

    done: int = 0
    failed: int = 0
    images: int = 0
    in_flight: int = 0
    oldest_s: float = 0.0
    paused_s: float = 0.0
    spent_usd: float = 0.0
    unpriced: int = 0
    is_over_budget: bool = False
    stopped: str = ""


class Forecast(Record):
    """What a run would take: its parts by quality, their sum, and seconds."""

    by_quality: Tuple[Share, ...]
    total: Share
    estimated_s: float


def job_rows(plan: Plan) -> Iterator[Dict[str, Any]]:
    """A row a job as `--json` and `--events` print it."""
    for row in plan.rows():
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


def exit_code(found: Dict[str, int], tally: Tally, signum: Optional[int]) -> int:
    """How the command ends: well, by a signal, or with jobs that are not done."""
    if found[DONE] == found["jobs"]:
        return int(ExitCode.OK)
    if signum is not None:
        return _SIGNAL_EXIT + signum
    return int(ExitCode.INTERRUPTED if tally.stopped == INTERRUPTED else ExitCode.PARTIAL)


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


def what_remains(found: Dict[str, int], tally: Tally) -> Optional[PartialError]:
    """The error of a run whose jobs are not all done; None when they are."""
    if found[DONE] == found["jobs"]:
        return None
    hints = {
        INTERRUPTED: "the same command goes on with what is missing",
        MAX_FAILURES: "look at the failures; the same command goes on with what is missing",
        OVER_MAX_COST: "raise --max-cost; the same command goes on with what is missing",
    }
    hint = hints.get(tally.stopped, "the same command runs again what failed without being billed")
    if found[SUBMITTED]:
        hint += "; what is with the Batch API comes by batch wait and batch fetch"
    if found[AMBIGUOUS]:
        hint += "; jobs in doubt run again only with --retry-ambiguous"
    return PartialError(in_words(found), hint=hint, code=tally.stopped)


def forecast(plan: Plan, concurrency: int, images_per_minute: Optional[float]) -> Forecast:
    """What the jobs that are to be run would take, at a pace."""
    shares = tuple(plan.shares())
    costs = [share.cost for share in shares if share.cost is not None]
    cost: Optional[CostEstimate] = None
    if len(costs) == len(shares):
        cost = CostEstimate(sum(each.low_usd for each in costs), sum(each.high_usd for each in costs), "")
    images = sum(share.images for share in shares)
    one_by_one_s = [share.jobs * TYPICAL_SECONDS.get(share.quality, _UNKNOWN_QUALITY_S) for share in shares]
    estimated_s = sum(one_by_one_s) / concurrency
    if images_per_minute:
        estimated_s = max(estimated_s, images / images_per_minute * MINUTE_S)
    return Forecast(shares, Share("all", sum(share.jobs for share in shares), images, cost), estimated_s)


def forecast_json(sums: Forecast) -> Dict[str, object]:
    """A forecast as `--json` prints it."""
    return {
        "images": sums.total.images,
        "cost_usd": estimate_json(sums.total.cost),
        "by_quality": [
            {
                "quality": share.quality,
                "jobs": share.jobs,
                "images": share.images,
                "cost_usd": estimate_json(share.cost),
            }
            for share in sums.by_quality
        ],
        "estimated_s": round(sums.estimated_s, 1),
    }
