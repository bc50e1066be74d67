"""Which jobs go now, and which by the Batch API at half the price: the first ones now, as many as a deadline
and a sum allow. Pure; reads the jobs one after another, so that a million of them fill no memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gpt_image2.core.api.cost import BATCH_DISCOUNT, CostEstimate
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.ledger.budget import unknown_cost

from .table import TableJob

_ROUNDING_USD = 1e-9
_MINUTE_S = 60.0
#: The Batch API answers within a day.
SUBMITTED_WITHIN_S = 86400.0


@dataclass(frozen=True)
class Pace:
    """How fast jobs go: calls at once, images a minute, and the seconds that calls were seen to take by their
    quality."""

    concurrency: int
    images_per_minute: float | None
    seconds: Mapping[str, float]

    def call_s(self, job: TableJob) -> float:
        """How long a job's call takes."""
        return self.seconds.get(job.quality, job.typical_s)

    def seconds_of(self, jobs: Jobs) -> float:
        """How long jobs take."""
        seconds = jobs.one_by_one_s / self.concurrency
        if self.images_per_minute:
            seconds = max(seconds, jobs.images / self.images_per_minute * _MINUTE_S)
        return seconds


@dataclass(frozen=True)
class Jobs:
    """Some jobs: how many, their images, the seconds that their calls take one by one, and what they cost in
    USD; `unpriced` are those of an unknown price."""

    jobs: int = 0
    images: int = 0
    one_by_one_s: float = 0.0
    low_usd: float = 0.0
    high_usd: float = 0.0
    unpriced: int = 0

    def with_one(self, job: TableJob, call_s: float) -> Jobs:
        """These and one more."""
        is_unpriced = job.high_usd is None or job.low_usd is None
        return Jobs(
            self.jobs + 1,
            self.images + job.images,
            self.one_by_one_s + call_s,
            self.low_usd + (job.low_usd or 0.0),
            self.high_usd + (job.high_usd or 0.0),
            self.unpriced + is_unpriced,
        )

    @property
    def cost_usd(self) -> CostEstimate | None:
        """What they cost now; None where a price is unknown."""
        return None if self.unpriced else CostEstimate(self.low_usd, self.high_usd, "")

    @property
    def submitted_usd(self) -> CostEstimate | None:
        """What they cost by the Batch API; None where a price is unknown."""
        cost_usd = self.cost_usd
        return None if cost_usd is None else cost_usd.at(BATCH_DISCOUNT)


@dataclass(frozen=True)
class Division:
    """The first jobs, which go now, and the others, which go by the Batch API."""

    run: Jobs
    submit: Jobs


def sum_of(jobs: Iterable[TableJob], pace: Pace) -> Jobs:
    """All jobs together."""
    total = Jobs()
    for job in jobs:
        total = total.with_one(job, pace.call_s(job))
    return total


def divide(
    jobs: Iterable[TableJob], total: Jobs, pace: Pace, deadline_s: float | None, max_cost_usd: float | None
) -> Division:
    """Divides jobs, whose sum is known. A deadline a day away or later needs nothing now.

    Raises:
        UsageError: the sum is too small even for the Batch API, or a price is not known while there is one.
    """
    left_usd = _left_for(total, max_cost_usd)

    def fits(run: Jobs, last: TableJob) -> bool:
        if run.high_usd * (1 - BATCH_DISCOUNT) > left_usd:
            return False
        if deadline_s is None:
            return True
        return deadline_s < SUBMITTED_WITHIN_S and max(pace.seconds_of(run), pace.call_s(last)) <= deadline_s

    run, submit, is_full = Jobs(), Jobs(), False
    for job in jobs:
        more = run.with_one(job, pace.call_s(job))
        is_full = is_full or not fits(more, job)
        if is_full:
            submit = submit.with_one(job, pace.call_s(job))
        else:
            run = more
    return Division(run, submit)


def _left_for(total: Jobs, max_cost_usd: float | None) -> float:
    """What a sum leaves to jobs that go now, beside what all cost by the Batch API."""
    if max_cost_usd is None:
        return math.inf
    if total.unpriced:
        raise unknown_cost("some jobs")
    half_usd = total.high_usd * BATCH_DISCOUNT
    if half_usd > max_cost_usd + _ROUNDING_USD:
        raise UsageError(
            f"these jobs may cost ${half_usd:.4f} by the Batch API, more than `max_cost_usd` "
            f"${max_cost_usd:.4f}",
            hint="choose a lower quality, a smaller size, or fewer jobs; nothing was sent",
            code="over_max_cost",
        )
    return max_cost_usd - half_usd + _ROUNDING_USD
