"""The rows of jobs that have no result: failed, somebody else's, or in doubt. Pure."""

from __future__ import annotations

from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.base.outcome import Billed
from gpt_image2.core.calls.task import TASK_PENDING

from ..store.claims import Claim, State, Verdict
from .job import ClusterJob
from .results import ACCEPTED, DOUBT, ELSEWHERE, FAILED, SAVED, Row

#: Codes of rows: how far another worker is with the job.
CLAIMED, IN_FLIGHT = "claimed_elsewhere", "in_flight"


def failed_row(job: ClusterJob, error: GptImage2Error) -> Row:
    """The row of a job that ended with an error and without an image."""
    status = FAILED if error.billed is Billed.NO else ACCEPTED if error.code == TASK_PENDING else DOUBT
    return Row(
        job.job,
        status,
        job.id,
        billed=error.billed,
        error_code=error.code,
        error_message=error.message,
        error_hint=error.hint,
    )


def elsewhere_row(job: ClusterJob, code: str) -> Row:
    """The row of a job that another worker has: `CLAIMED` or `IN_FLIGHT`."""
    said = {
        CLAIMED: "another worker has claimed it, and has not sent it yet",
        IN_FLIGHT: "it was sent by another worker, and its answer may still come",
    }
    return Row(
        job.job,
        ELSEWHERE,
        job.id,
        billed=Billed.MAYBE if code == IN_FLIGHT else Billed.NO,
        error_code=code,
        error_message=said[code],
        error_hint="the same command later says what has come of it",
    )


def accepted_row(job: ClusterJob, last: Claim) -> Row:
    """The row of a job that the host still works at, or another process here finishes."""
    return Row(
        job.job,
        ACCEPTED,
        job.id,
        billed=Billed.MAYBE,
        error_code=TASK_PENDING,
        error_message=last.message or "an earlier call of this machine has not been finished",
        error_hint="the same command on this machine goes on with it; it is not sent again",
        attempts=last.attempts,
    )


def standing_row(job: ClusterJob, last: Claim, found: Verdict, is_alive: bool) -> Row:
    """The row of a job that stands by its claim."""
    if found is Verdict.WAIT:
        return elsewhere_row(job, CLAIMED)
    if found is Verdict.BUSY and is_alive:
        return elsewhere_row(job, IN_FLIGHT)
    if found is Verdict.SAVED:
        where = ", ".join(image.path for image in last.images)
        return Row(
            job.job,
            SAVED,
            job.id,
            billed=Billed.YES,
            cost_usd=last.cost_usd,
            error_code="upload_failed",
            error_message=f"its image is paid for and saved on {last.host} as {where}",
            error_hint="the same command there brings it to the store, without a new call",
        )
    return Row(
        job.job,
        DOUBT,
        job.id,
        billed=last.billed if last.state is State.DOUBT else Billed.MAYBE,
        error_code=last.code or IN_FLIGHT,
        error_message=last.message or "it was in flight when its worker ended",
        error_hint="it may have been billed; check your usage: it is not sent again",
        attempts=last.attempts,
    )
