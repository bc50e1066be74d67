"""One job, from its claim to its result: what a shard, a Ray actor and a Daft function all do.

Nothing is raised for a job: how it ended is its row. The call is core's `Client`'s, with its ledger and its
notes on what is under way; its images come to a folder of this machine first, and go up from there.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gpt_image2.core.base.errors import (
    AuthenticationError,
    ConfigError,
    GptImage2Error,
    InterruptedCall,
    QuotaError,
)
from gpt_image2.core.base.events import Event, HeadersReceived
from gpt_image2.core.base.outcome import Billed, Result
from gpt_image2.core.base.record import replace as replaced
from gpt_image2.core.base.redact import mask_secrets
from gpt_image2.core.batch.refused import RefusedJobs
from gpt_image2.core.calls.client import Client
from gpt_image2.core.calls.under_way import PreparedCall
from gpt_image2.core.ledger.budget import unknown_cost
from gpt_image2.core.outputs.files import NO_SPACE

from ..jobs.job import ClusterJob
from ..jobs.results import ELSEWHERE, NOT_STARTED, Row
from ..jobs.rows import CLAIMED, IN_FLIGHT, accepted_row, elsewhere_row, failed_row, standing_row
from ..store.claims import Claim, Claims, State, Verdict, verdict
from ..store.found import StoreError
from ..store.inputs import fetched
from ..store.objects import Objects
from ..store.presence import Presence
from .admission import Gate
from .publishing import Publisher
from .waiting import waits

_UNAUTHORIZED = 401


class Halt:
    """Whether anything more is to be started. Safe for threads and for signal handlers."""

    def __init__(self) -> None:
        self.reason = ""
        self._event = threading.Event()

    def stop(self, reason: str) -> None:
        """Nothing more is started."""
        self.reason = self.reason or reason
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether it is so."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Waits so long, or until it is so; whether it is."""
        return self._event.wait(max(0.0, seconds))


@dataclass(frozen=True)
class Place:
    """Where a worker works: the store, the folder of this machine for images on their way, and how long a
    call may take."""

    objects: Objects
    claims: Claims
    presence: Presence
    staging: Path
    timeout_s: float
    retry_ambiguous: bool = False
    #: Whether there is a sum: what has no known price is not sent then.
    is_capped: bool = False


class JobWorker:
    """Does one job after another, or many at once by threads."""

    def __init__(self, place: Place, client: Client, admission: Gate, halt: Halt) -> None:
        self._place = place
        self._objects = place.objects
        self._claims = place.claims
        self._publisher = Publisher(place.objects, place.claims, client, place.staging)
        self._client = client
        self._admission = admission
        self._halt = halt
        self._sent_s: dict[str, float] = {}  # by the names of claims
        self._under_way: set[str] = set()
        self._lock = threading.Lock()

    @property
    def sent_s(self) -> tuple[float, ...]:
        """When the jobs were sent that have not ended, by this machine's clock that never goes back."""
        return tuple(self._sent_s.copy().values())

    def run(self, job: ClusterJob, is_known: bool = False) -> Row:
        """Does a job, if it may be done; how it stands then. `is_known` where somebody has claimed it."""
        with self._lock:
            if job.job in self._under_way:  # two rows of a table may be one job
                return elsewhere_row(job, IN_FLIGHT if job.job in self._sent_s else CLAIMED)
            self._under_way.add(job.job)
        try:
            staged = self._publisher.is_staged(job)
            left = self._publisher.publish_staged(job, self._is_busy) if staged else None
            claim = left or self._claim(job, is_known)
            return claim if isinstance(claim, Row) else self._prepare(job, claim)
        except GptImage2Error as error:
            return failed_row(job, error)
        except Exception as defect:  # one job's, however it comes, must not end the others
            return failed_row(job, self._internal(defect, Billed.NO))
        finally:
            self._sent_s.pop(job.job, None)
            self._under_way.discard(job.job)

    def run_patiently(self, job: ClusterJob, patience_s: float) -> Row:
        """As `run`; a job that another worker has is looked at again, for so long: it ends it, or dies."""
        until_s = time.monotonic() + patience_s
        row = self.run(job)
        for wait_s in waits():
            if row.status != ELSEWHERE or time.monotonic() >= until_s or self._halt.wait(wait_s):
                break
            row = self.run(job, is_known=True)
        return row

    # Before anything is sent

    def _claim(self, job: ClusterJob, is_known: bool) -> Claim | Row:
        """The job's claim, which is ours; else the row of a job that is not."""
        claim = None if is_known else self._claims.take(job.job, None)
        if claim is not None:
            return claim
        before = self._publisher.done_before(job)
        if before is not None:
            return before
        last = self._claims.last(job.job)
        if last is None:
            return self._claims.take(job.job, None) or elsewhere_row(job, CLAIMED)
        # In this order: a worker that is done leaves when its results are written.
        presence = self._place.presence
        # Nor does this worker do a job twice at once: what it has claimed before it has given up.
        is_ours = last.worker == self._claims.worker
        is_alive = last.state is State.FREE or (not is_ours and presence.is_alive(last.worker))
        before = self._publisher.done_before(job)
        if before is not None:
            return before
        found = verdict(last, presence.now(), is_alive, self._place.retry_ambiguous)
        may_be_billed = last.state in (State.SENT, State.DOUBT)
        if may_be_billed and found is not Verdict.BUSY and self._publisher.is_under_way(job):
            return accepted_row(job, last)
        if found is not Verdict.TAKE:
            finished = None
            if found is Verdict.SAVED:
                finished = self._publisher.finish(job, last) or self._publisher.publish_staged(
                    job, self._is_busy
                )
            return finished or standing_row(job, last, found, is_alive)
        # Whoever had it may have ended it after all, just now.
        claim = self._claims.take(job.job, last)
        return (claim and self._publisher.done_before(job)) or claim or elsewhere_row(job, CLAIMED)

    def _prepare(self, job: ClusterJob, claim: Claim) -> Row:
        """Loads what the job needs, and sends it; a job that cannot be sent is free again."""
        with ExitStack() as stack:
            try:
                if self._place.is_capped and job.high_usd is None:
                    raise unknown_cost("this job")
                request = self._client.with_model(job.request)
                if job.sources:
                    sources, mask, markup = stack.enter_context(fetched(job.sources, job.mask, job.markup))
                    inputs = self._client.with_inputs(request, sources, mask, markup)
                    request = stack.enter_context(inputs)
                prepared = self._client.prepare(request, self._publisher.path_of(job))
            except Exception as error:
                known = error if isinstance(error, GptImage2Error) else self._internal(error, Billed.NO)
                self._let_go(claim, known)
                return failed_row(job, known)
            prepared = replaced(prepared, output=f"{self._objects.address}/{job.image_name(1)}")
            return self._send(job, claim, prepared)

    def _send(self, job: ClusterJob, claim: Claim, prepared: PreparedCall) -> Row:
        """Sends a job, again as long as the server asks for that, and saves what comes."""
        refused = RefusedJobs()
        while True:
            ticket = self._admitted(job, prepared.request.count, refused.due_s(0))
            if not ticket:
                self._let_go(claim, None)
                return Row(job.job, NOT_STARTED, job.id, stops=self._halt.reason)
            sent, self._sent_s[job.job] = None, time.monotonic()
            try:
                sent = self._claims.move(
                    claim,
                    State.SENT,
                    attempts=claim.attempts + 1,
                    timeout_s=self._place.timeout_s,
                    high_usd=job.high_usd,
                )
            except StoreError:
                self._take_back(job)
                raise
            finally:
                if sent is None:
                    self._admission.end(ticket, Billed.NO, None)
            if sent is None:
                return elsewhere_row(job, CLAIMED)
            result, error = self._call(prepared, ticket)
            if error is not None and _comes_again(error):
                self._admission.refuse(ticket, error.retry_after_s, error.message)
                has_other_gone = self._admission.has_got_through(refused.heard_s(0))
                if refused.add(0, error.retry_after_s, has_other_gone, time.monotonic()):
                    try:
                        freed = self._claims.move(sent, State.CLAIMED)
                    except StoreError:
                        self._take_back(job)
                        raise
                    if freed is None:
                        return elsewhere_row(job, CLAIMED)
                    claim = freed
                    self._sent_s.pop(job.job, None)
                    continue
            ending = error or result
            billed = ending.billed if ending is not None else Billed.MAYBE
            with suppress(Exception):  # the call has ended as it ended
                self._admission.end(ticket, billed, result.cost_usd if result else None)
            try:
                row = self._ended(job, sent, result, error)
            except Exception as defect:
                row = failed_row(job, self._internal(defect, billed))
            return replace(row, was_sent=True)

    def _admitted(self, job: ClusterJob, images: int, due_s: float) -> int:
        """Waits until the request may go; its ticket, 0 where nothing more is to be started."""
        if self._halt.wait(due_s - time.monotonic()):
            return 0
        while not self._halt.is_set:
            answer = self._admission.ask(images, job.high_usd or 0.0)
            if answer.ticket:
                return answer.ticket
            if answer.is_over:
                self._halt.stop(answer.is_over)
            self._halt.wait(answer.wait_s)
        return 0

    # The call and what comes of it

    def _call(self, prepared: PreparedCall, ticket: int) -> tuple[Result | None, GptImage2Error | None]:
        def observe(event: Event) -> None:
            if isinstance(event, HeadersReceived) and event.limits:
                self._admission.learn(ticket, event.limits)

        try:
            return self._client.run(prepared, observer=observe), None
        except GptImage2Error as error:
            return error.result, error
        except Exception as defect:
            return None, self._internal(defect, Billed.MAYBE)

    def _ended(
        self, job: ClusterJob, sent: Claim, result: Result | None, error: GptImage2Error | None
    ) -> Row:
        images = result.images if result else ()
        if images:
            return self._publisher.publish(job, sent, images, result, error)
        assert error is not None
        stops = ""
        if isinstance(error, InterruptedCall) and error.billed is Billed.NO:
            self._let_go(sent, None)
            return Row(job.job, NOT_STARTED, job.id, stops=self._halt.reason)
        if isinstance(error, (QuotaError, ConfigError)) or error.code == NO_SPACE:
            stops = error.code
        if isinstance(error, AuthenticationError) and error.http_status == _UNAUTHORIZED:
            stops = error.code
        if error.billed is Billed.NO:
            self._let_go(sent, error)
        else:
            said = {"code": error.code, "message": error.message, "hint": error.hint}
            with suppress(StoreError):  # as `sent` it is in doubt too
                self._claims.move(sent, State.DOUBT, billed=error.billed, **said)
        return replace(failed_row(job, error), attempts=sent.attempts, stops=stops)

    def _take_back(self, job: ClusterJob) -> None:
        """Frees a job that the store may hold for sent, or for claimed: its answer was lost, and no request
        is under way."""
        with suppress(StoreError):  # then it is in doubt
            last = self._claims.last(job.job)
            if last is not None and last.worker == self._claims.worker:
                self._let_go(last, None)

    def _let_go(self, claim: Claim, error: GptImage2Error | None) -> None:
        """The job is free for anybody: it cannot have been billed."""
        said = {"code": error.code, "message": error.message, "hint": error.hint} if error else {}
        with suppress(StoreError):  # a claim that was not sent may be taken over all the same
            self._claims.move(claim, State.FREE, **said)

    def _is_busy(self, claim: Claim) -> bool:
        """Whether another worker has sent a job, and is still there: what is on this machine may be of its
        call, which alone knows all of it."""
        is_other = claim.worker != self._claims.worker
        return (
            is_other
            and claim.state in (State.SENT, State.SAVED)
            and self._place.presence.is_alive(claim.worker)
        )

    def _internal(self, defect: Exception, billed: Billed) -> GptImage2Error:
        said = mask_secrets(str(defect), self._client.settings.secrets)
        return GptImage2Error(f"internal error: {type(defect).__name__}: {said}", billed=billed)


def _comes_again(error: GptImage2Error) -> bool:
    """Whether a job may simply go again later: the server has refused it for the time being."""
    return error.retry_safe and error.billed is Billed.NO and error.http_status is not None
