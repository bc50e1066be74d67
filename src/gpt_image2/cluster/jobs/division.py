"""Which jobs go now, and which by the Batch API at half the price: the first ones now, as many as a deadline
and a sum allow. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gpt_image2.core.api.cost import BATCH_DISCOUNT, CostEstimate
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.calls.budget import unknown_cost

from .table import TableJob

_ROUNDING_USD = 1e-9
_MINUTE_S = 60.0
#: The Batch API answers within a day.
SUBMITTED_WITHIN_S = 86400.0


@dataclass(frozen=True)
class Pace:
    """How fast jobs go: calls at once, images a minute, and the seconds of a call by its quality."""

    concurrency: int
    images_per_minute: float | None
    seconds: Mapping[str, float]
    unknown_s: float

    def seconds_of(self, jobs: Sequence[TableJob]) -> float:
        """How long jobs take."""
        return self.time(sum(self.call_s(job) for job in jobs), sum(job.images for job in jobs))

    def call_s(self, job: TableJob) -> float:
        """How long a job's call takes."""
        return self.seconds.get(job.quality, self.unknown_s)

    def time(self, one_by_one_s: float, images: int) -> float:
        """How long calls take that would take so long one by one."""
        seconds = one_by_one_s / self.concurrency
        if self.images_per_minute:
            seconds = max(seconds, images / self.images_per_minute * _MINUTE_S)
        return seconds


@dataclass(frozen=True)
class Division:
    """The jobs of the two ways, what they cost in USD (None where a price is unknown), and how long those
    take that go now."""

    run: Sequence[TableJob]
    submit: Sequence[TableJob]
    run_usd: CostEstimate | None
    submit_usd: CostEstimate | None
    run_s: float

    @property
    def run_jobs(self) -> int:
        """How many go now."""
        return len(self.run)

    @property
    def submit_jobs(self) -> int:
        """How many go by the Batch API."""
        return len(self.submit)


def divide(
    jobs: Sequence[TableJob], pace: Pace, deadline_s: float | None, max_cost_usd: float | None
) -> Division:
    """Divides jobs. A deadline a day away or later needs nothing now.

    Raises:
        UsageError: the sum is too small even for the Batch API, or a price is not known while there is one.
    """
    now = len(jobs)
    if deadline_s is not None:
        now = 0 if deadline_s >= SUBMITTED_WITHIN_S else _most_by(jobs, pace, deadline_s)
    if max_cost_usd is not None:
        now = min(now, _most_for(jobs, max_cost_usd))
    run, submit = jobs[:now], jobs[now:]
    submitted = _cost(submit)
    return Division(
        run,
        submit,
        _cost(run),
        None if submitted is None else submitted.at(BATCH_DISCOUNT),
        pace.seconds_of(run),
    )


def _most_by(jobs: Sequence[TableJob], pace: Pace, deadline_s: float) -> int:
    """How many of the first jobs can be there by then."""
    one_by_one_s, images = 0.0, 0
    for place, job in enumerate(jobs):
        one_by_one_s, images = one_by_one_s + pace.call_s(job), images + job.images
        if max(pace.time(one_by_one_s, images), pace.call_s(job)) > deadline_s:
            return place
    return len(jobs)


def _most_for(jobs: Sequence[TableJob], max_cost_usd: float) -> int:
    """How many of the first jobs can go now, so that with the others at half the price the sum is kept."""
    if any(job.high_usd is None for job in jobs):
        raise unknown_cost("some jobs")
    costs_usd = [job.high_usd or 0.0 for job in jobs]
    total_usd = sum(costs_usd) * BATCH_DISCOUNT
    if total_usd > max_cost_usd + _ROUNDING_USD:
        raise UsageError(
            f"these jobs may cost ${total_usd:.4f} by the Batch API, more than `max_cost_usd` "
            f"${max_cost_usd:.4f}",
            hint="choose a lower quality, a smaller size, or fewer jobs; nothing was sent",
            code="over_max_cost",
        )
    for place, cost_usd in enumerate(costs_usd):
        total_usd += cost_usd * (1 - BATCH_DISCOUNT)
        if total_usd > max_cost_usd + _ROUNDING_USD:
            return place
    return len(jobs)


def _cost(jobs: Sequence[TableJob]) -> CostEstimate | None:
    if any(job.high_usd is None or job.low_usd is None for job in jobs):
        return None
    return CostEstimate(sum(job.low_usd or 0.0 for job in jobs), sum(job.high_usd or 0.0 for job in jobs), "")
