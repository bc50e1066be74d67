"""What a run says of itself: before it begins, while it lasts, and at its end."""

from __future__ import annotations

import time
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set

from ..api.cost import CostEstimate
from ..api.models import TYPICAL_SECONDS
from ..base.errors import PartialError
from ..base.outcome import Billed, ExitCode, SavedImage
from ..base.record import Record
from ..base.redact import show
from ..ledger.budget import OVER_MAX_COST
from ..telling.amounts import estimate_json
from ..telling.in_words import saved_line
from ..telling.output import Output
from .journal import ACCEPTED, DONE, FAILED, SUBMITTED
from .pacer import MINUTE_S, Pacing
from .plan import AMBIGUOUS, INVALID, OVER_BUDGET, PENDING, Plan, PlannedJob, Share
from .planning import OpenJobs

#: Why nothing more is started, besides the code of an error.
INTERRUPTED, MAX_FAILURES = "interrupted", "max_failures"
_STATUS = {PENDING: "not_started", OVER_BUDGET: "not_started"}
_SIGNAL_EXIT = 128
TICK_S = 0.25
_LINE_EVERY_S = 60.0
_MAX_JOB_WARNINGS = 20


class Tally(Record):
    """How far a run is. `stopped` says why nothing more is started, empty while more is. Of what is in
    flight, `oldest_s` is how long the longest call has run; `refused` jobs wait to go again; `rest_s` is how
    long the rest will take, None while that is unknown. Times in seconds."""

    done: int = 0
    failed: int = 0
    images: int = 0
    in_flight: int = 0
    oldest_s: float = 0.0
    refused: int = 0
    pacing: Pacing = Pacing()
    rest_s: Optional[float] = None
    spent_usd: float = 0.0
    unpriced: int = 0
    is_over_budget: bool = False
    stopped: str = ""


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
    states = plan.count()
    found = {name: states.get(name, 0) for name in (DONE, FAILED, AMBIGUOUS, ACCEPTED, SUBMITTED, INVALID)}
    found["not_started"] = sum(states.get(name, 0) for name in _STATUS)
    return {"jobs": sum(states.values()), **found}


def exit_code(found: Dict[str, int], tally: Tally, signum: Optional[int]) -> int:
    if found[DONE] == found["jobs"]:
        return int(ExitCode.OK)
    if signum is not None:
        return _SIGNAL_EXIT + signum
    return int(ExitCode.INTERRUPTED if tally.stopped == INTERRUPTED else ExitCode.PARTIAL)


def in_words(found: Dict[str, int]) -> str:
    parts = [f"{found[DONE]} of {found['jobs']} jobs done"]
    parts += [
        f"{found[name]} {words}"
        for name, words in (
            (FAILED, "failed"),
            (AMBIGUOUS, "in doubt (billed: maybe)"),
            (ACCEPTED, "under way at the host"),
            (SUBMITTED, "with the Batch API"),
            (INVALID, "invalid"),
            ("not_started", "not started"),
        )
        if found[name]
    ]
    return ", ".join(parts)


def what_remains(found: Dict[str, int], tally: Tally) -> Optional[PartialError]:
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
    if found[ACCEPTED]:
        hint += "; it waits for what is under way at the host"
    if found[AMBIGUOUS]:
        hint += "; it leaves alone what is in doubt: check your usage"
    return PartialError(in_words(found), hint=hint, code=tally.stopped)


def sum_of_shares(shares: Sequence[Share]) -> Share:
    costs = [share.cost_usd for share in shares if share.cost_usd is not None]
    cost: Optional[CostEstimate] = None
    if len(costs) == len(shares):
        cost = CostEstimate(sum(each.low_usd for each in costs), sum(each.high_usd for each in costs), "")
    jobs, images = sum(share.jobs for share in shares), sum(share.images for share in shares)
    return Share("all", jobs, images, cost, sum(share.one_by_one_s for share in shares))


def share_json(share: Share) -> Dict[str, object]:
    """Jobs, images and cost of one quality as JSON."""
    cost_usd = estimate_json(share.cost_usd)
    return {"quality": share.quality, "jobs": share.jobs, "images": share.images, "cost_usd": cost_usd}


def estimated_s(shares: Sequence[Share], concurrency: int, images_per_minute: Optional[float]) -> float:
    """How many seconds a run would take."""
    total = sum_of_shares(shares)
    seconds = total.one_by_one_s / concurrency
    if images_per_minute:
        seconds = max(seconds, total.images / images_per_minute * MINUTE_S)
    return seconds


def show_dry_run(
    output: Output, command: str, jobs: OpenJobs, lines: Sequence[str], facts: Mapping[str, object]
) -> int:
    """Says what the jobs of a file would take, in `lines` for people and in `facts` for programs."""
    found = counts(jobs.plan)
    images = sum_of_shares(jobs.plan.shares()).images
    spent = [f"Earlier runs in this folder: ${jobs.spent_usd:.4f}"] if jobs.spent_usd else []
    for line in (f"{in_words(found)}; {images:,} images to make", *lines, *spent, "Nothing was sent."):
        output.result(line)
    output.finish(
        {
            "ok": True,
            "command": command,
            "dry_run": True,
            **found,
            "images": images,
            **facts,
            "spent_usd": round(jobs.spent_usd, 6),
            "out_dir": str(jobs.folder.path),
            "billed": Billed.NO.value,
        }
    )
    return int(ExitCode.OK)


class Progress:
    """The voice of one run. `jobs` is how many are to be run."""

    def __init__(self, output: Output, jobs: int, max_cost_usd: Optional[float]) -> None:
        self._output = output
        self.jobs = jobs
        self._max_cost_usd = max_cost_usd
        self._started_s = time.monotonic()
        self._every_s = TICK_S if output.is_live else _LINE_EVERY_S
        self._next_s = self._started_s + self._every_s
        self._has_said_goodbye = False
        #: What was warned of already: what is wrong with many jobs is said once.
        self._warnings: Set[str] = set()

    def saved(self, image: SavedImage) -> None:
        self._output.result(saved_line(image.path, image.size_bytes))

    def ended(self, job: PlannedJob, state: str, outcome: Mapping[str, Any]) -> None:
        row = {"job": job.number, "line": job.line, "id": job.id, "status": state, **outcome}
        say_ended(self._output, job_row(row))
        for warning in outcome.get("warnings", ()):
            if len(self._warnings) < _MAX_JOB_WARNINGS and warning not in self._warnings:
                self._warnings.add(warning)
                self._output.warn(f"job {job.number} (line {job.line}): {show(warning, limit=None)}")

    def show(self, tally: Tally) -> None:
        """Tells how far the run is, where it is time to; may be called at any time."""
        if tally.stopped == INTERRUPTED and not self._has_said_goodbye:
            self._has_said_goodbye = True
            self._output.say(_farewell(tally))
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            if self._output.is_live:
                ended = (tally.done + tally.failed) / max(1, self.jobs)
                self._output.live(self._parts(tally), ended)
            else:
                self._output.say(", ".join(self._parts(tally)))

    @property
    def elapsed_s(self) -> float:
        return max(0.001, time.monotonic() - self._started_s)

    def images_per_minute(self, tally: Tally) -> float:
        return tally.images * MINUTE_S / self.elapsed_s

    def _parts(self, tally: Tally) -> List[str]:
        """How far the run is; what a narrow terminal has no room for stands last."""
        parts = [
            f"{tally.done}/{self.jobs} done",
            f"{tally.failed} failed",
            f"{tally.in_flight} in flight",
            *what_it_waits_for(tally),
            f"${tally.spent_usd:.4f} spent",
        ]
        if tally.rest_s is not None:
            parts.append(f"about {duration(tally.rest_s)} to go")
        if self._max_cost_usd is not None:
            parts.append(f"${max(0.0, self._max_cost_usd - tally.spent_usd):.4f} left")
        return [*parts, f"{self.images_per_minute(tally):.1f} images/min"]


def what_it_waits_for(tally: Tally) -> List[str]:
    """Why not more is in flight; nothing where all that may go has gone."""
    pacing = tally.pacing
    parts: List[str] = []
    if pacing.wait_s:
        reason = "the server asks" if pacing.is_asked else "the server refuses all"
        parts.append(f"waiting {duration(max(1.0, pacing.wait_s))}: {reason}")
    elif tally.refused:
        parts.append(f"{tally.refused} refused and to go again")
    if pacing.per_minute is not None:
        parts.append(f"paced at {pacing.per_minute:.3g} a minute ({pacing.source})")
    return parts


def say_ended(output: Output, row: Mapping[str, Any]) -> None:
    output.event({"event": "job_finished", **row})
    if row["error"]:
        message = show(row["error"]["message"], limit=None)
        output.complain(f"job {row['job']} (line {row['line']}): {message} (billed: {row['billed']})")


def duration(seconds: float) -> str:
    """A duration in words, to two units."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def _farewell(tally: Tally) -> str:
    if not tally.in_flight:
        return "nothing more is started"
    requests = "1 request that is" if tally.in_flight == 1 else f"{tally.in_flight} requests that are"
    ends = "it" if tally.in_flight == 1 else "them"
    longest_s = max(TYPICAL_SECONDS.values())
    return (
        f"nothing more is started; waiting for {requests} paid for "
        f"(the oldest is {duration(tally.oldest_s)} old; one may take {duration(longest_s)}). "
        f"Another Ctrl-C or SIGTERM ends {ends}"
    )
