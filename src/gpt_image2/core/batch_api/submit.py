"""`batch submit`: what is still to do of a jobs file goes to the Batch API, in files up to its limits.

A file is written and uploaded first. Then its batch and its jobs go into the ledger, then the journal says
that they are submitted, and only then the request goes out that makes the batch. After a crash at any point,
or an answer that nobody understands, the jobs count as submitted, or were never offered to the server.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from ..api.checks import checked
from ..api.cost import BATCH_DISCOUNT, CostEstimate
from ..base.errors import ApiError, GptImage2Error, InterruptedCall, LedgerError
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, ExitCode
from ..base.record import replace
from ..batch.job import read_job
from ..batch.journal import FAILED, SUBMITTED, Journal
from ..batch.plan import PlannedJob
from ..batch.planning import OpenJobs, open_jobs
from ..batch.summary import counts, in_words, job_rows, show_dry_run, sum_of_shares
from ..calls.client import Client
from ..commands.package_extras import use_sandbox
from ..history.estimates import batch_warnings
from ..ledger.budget import Budget
from ..ledger.entries import utc_text
from ..outputs.files import temporary_folder
from ..telling.amounts import cost_in_words, estimate_json
from ..telling.as_json import failure_json, image_json
from ..telling.output import Output
from .api import ServerBatch
from .bundle import BYTES_PER_MB, BatchLine, Bundle, Group, LineInputs, batch_line
from .commands import Session, SubmitCommand, batch_in_words, batch_json, open_session, read_submit
from .store import UNKNOWN, Batch, BatchJob

_GENERATIONS, _EDITS = "/v1/images/generations", "/v1/images/edits"


def run_submit(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    jobs = read_submit(rest)
    ended: List[int] = []
    try:
        with ExitStack() as stack:
            if jobs.sandbox:
                use_sandbox(jobs, stack, keeps=True)
            client = Client(
                config=jobs.config,
                profile=jobs.profile,
                base_url=jobs.base_url,
                api_key=jobs.api_key,
                history=jobs.history,
                stop=stop,
            )
            ended.append(_submitted(jobs, client, output, stop, stack))
    except Exception as defect:
        if not ended:
            raise
        output.warn(f"something went wrong when all was done: {defect}")
    return ended[0]


def _submitted(
    jobs: SubmitCommand, client: Client, output: Output, stop: StopSwitch, stack: ExitStack
) -> int:
    for warning in batch_warnings(client.settings.base_url):
        output.warn(warning)
    folder = open_jobs(jobs, client, output, stack)
    estimate = sum_of_shares(folder.plan.shares()).cost_usd
    estimate = None if estimate is None else estimate.at(BATCH_DISCOUNT)
    if folder.journal is None:
        lines = [f"Estimated cost: {cost_in_words(estimate)} by the Batch API"]
        return show_dry_run(output, "batch submit", folder, lines, {"cost_usd": estimate_json(estimate)})
    Budget(jobs.max_cost_usd, folder.spent_usd).check(estimate, "these jobs, by the Batch API,")
    client.check_way()
    session = stack.enter_context(open_session(client.settings, output, stop))
    submission = _Submission(session, folder, folder.journal, jobs, client.ledger is not None)
    try:
        with stop:
            submission.run()
            return submission.finish(estimate)
    except Exception as defect:
        raise submission.settled(defect) from defect


class _Submission:
    """One `batch submit`, all of whose jobs may be paid for."""

    def __init__(
        self, session: Session, folder: OpenJobs, journal: Journal, command: SubmitCommand, is_recorded: bool
    ) -> None:
        self._session = session
        self._folder = folder
        self._plan = folder.plan
        self._journal = journal
        self._max_lines = command.max_lines
        self._max_bytes = int(command.max_mb * BYTES_PER_MB)
        self._is_recorded = is_recorded
        self._output = session.output
        self._inputs = LineInputs(session.api)
        self._bundles: Dict[Group, Bundle] = {}
        #: The batches that were made, or may have been, by their numbers.
        self._submitted: Dict[int, Batch] = {}
        self._error: Optional[GptImage2Error] = None
        self._was_stopped = False
        self._has_warned = False

    def run(self) -> None:
        """Hands over batch after batch, until nothing is left or one of them could not be."""
        stop = self._session.stop
        stop.drain_first(self._stop_starting)
        try:
            with temporary_folder() as scratch:
                self._fill_bundles(scratch)
                for bundle in list(self._bundles.values()):
                    if not self._is_stopping():
                        self._send(bundle)
        except Exception as defect:
            self._error = self._error or self.settled(defect)
        finally:
            stop.drain_first(None)

    def settled(self, defect: Exception) -> GptImage2Error:
        """What a defect is told as: jobs that were handed over by now may be billed, whatever broke."""
        return self._session.settled(defect, Billed.MAYBE if self._submitted else Billed.NO)

    def _fill_bundles(self, scratch: Path) -> None:
        while not self._is_stopping():
            planned = self._plan.take()
            if planned is None:
                return
            group, line, job = self._line_of(planned)
            bundle = self._bundles.get(group)
            if bundle is not None and not bundle.takes(line):
                self._send(bundle)
                bundle = None
                if self._is_stopping():
                    return
            if bundle is None:
                bundle = self._bundles[group] = Bundle(scratch, group, self._max_lines, self._max_bytes)
            bundle.add(line, job)

    def _line_of(self, planned: PlannedJob) -> Tuple[Group, BatchLine, BatchJob]:
        """A job's line, and what is remembered of it; uploads what does not go within the line."""
        job, _ = read_job(self._folder.jobs_file.text_at(planned.offset), self._folder.defaults)
        request, _ = checked(job.request)
        if request.stream:
            if not self._has_warned:
                self._output.warn("the Batch API does not stream: stream and partial_images are left out")
            self._has_warned = True
            request = request.without_stream()
        inputs, mask = self._inputs.of(job)
        group = Group(request.model, _EDITS if job.sources else _GENERATIONS)
        count = len(planned.missing)
        sent = request if count == request.count else replace(request, n=count)
        fields = sent.wire_fields(self._session.settings.format_field)
        remembered = BatchJob(
            planned=replace(
                planned,
                there=self._folder.folder.below(planned.there),
                high_usd=None if planned.high_usd is None else planned.high_usd * BATCH_DISCOUNT,
            ),
            request=request,
            inputs=tuple(each.file for each in inputs),
            mask=None if mask is None else mask.file,
            outcome={"images": [image_json(image) for image in planned.there]},
        )
        return group, batch_line(remembered.custom_id, group.endpoint, fields, inputs, mask), remembered

    def _send(self, bundle: Bundle) -> None:
        del self._bundles[bundle.group]
        self._output.say(f"handing over {bundle.lines:,} jobs: {bundle.group.model}, {bundle.group.endpoint}")
        batch = self._hand_over(bundle)
        if batch is not None:
            self._output.result(batch_in_words(batch, "Submitted: "))
            self._output.event({"event": "batch_submitted", "batch": batch_json(batch)})
        bundle.discard()

    def _hand_over(self, bundle: Bundle) -> Optional[Batch]:
        """The batch that a bundle was made into, None where the server clearly refused it; `_error` is what
        went wrong. A batch and an error: nobody knows whether it was made, or its id could not be noted.
        Raises where it was not offered to the server."""
        store, api = self._session.store, self._session.api
        bundle.close()
        file_id = api.upload(bundle.path, f"gpt-image2-{bundle.mark}.jsonl", "batch", "application/jsonl")
        batch = store.add(self._unmade_batch(bundle, file_id), bundle.jobs())
        self._note(bundle, batch)
        self._end_jobs(bundle, SUBMITTED, batch)
        self._submitted[batch.number] = batch
        try:
            made = api.create(file_id, bundle.group.endpoint, bundle.mark)
        except Exception as defect:
            is_stop = isinstance(defect, InterruptedCall)
            if isinstance(defect, GptImage2Error) and not is_stop and defect.billed is Billed.NO:
                self._error = defect
                self._refused(bundle, batch, defect)
                return None
            self._error = self.settled(defect)
            found: Optional[ServerBatch] = None
            with suppress(Exception):  # `batch status` and the others will look again
                found = api.find(bundle.mark, file_id)
            if found is None:
                self._error = _nobody_knows(self._error, batch.label)
                self._end_jobs(bundle, SUBMITTED, batch, self._error)
                return batch
            self._output.say(f"{self._error.message}; but the server shows the batch")
            made, self._error = found, None
        batch = self._submitted[batch.number] = batch.as_shown_by(made)
        try:
            store.update(batch)
            self._note(bundle, batch)
            self._end_jobs(bundle, SUBMITTED, batch)
        except Exception as defect:  # the batch runs, whatever becomes of the notes
            self._error = self.settled(defect)
        return batch

    def _end_jobs(
        self,
        bundle: Bundle,
        state: str,
        batch: Optional[Batch] = None,
        error: Optional[GptImage2Error] = None,
    ) -> None:
        """How the jobs of a bundle stand, for the rows that are told at the end."""
        billed = Billed.NO if state == FAILED else Billed.MAYBE
        outcome: Dict[str, object] = {"billed": billed.value, "error": failure_json(error)}
        if batch is not None:
            outcome["batch_id"] = batch.label
        for job in bundle.jobs():
            self._plan.end(job.planned.number, state, {**(job.outcome or {}), **outcome})

    def _note(self, bundle: Bundle, batch: Batch) -> None:
        """Writes to the journal that the jobs may be paid for from now on."""
        self._journal.is_sandbox = self._session.api.is_sandbox
        self._journal.extend(
            job.entry(
                SUBMITTED, billed=Billed.MAYBE, high_usd=job.planned.high_usd or 0.0, batch_id=batch.label
            )
            for job in bundle.jobs()
        )

    def _unmade_batch(self, bundle: Bundle, file_id: str) -> Batch:
        return Batch(
            base_url=self._session.base_url,
            server=ServerBatch(
                id=None,
                status=UNKNOWN,
                created_at=utc_text(time.time()),
                endpoint=bundle.group.endpoint,
                model=bundle.group.model,
                input_file_id=file_id,
                total=bundle.lines,
                mark=bundle.mark,
            ),
            out_dir=str(self._folder.folder.path),
            high_usd=bundle.high_usd,
            history=self._is_recorded,
        )

    def _refused(self, bundle: Bundle, batch: Batch, error: GptImage2Error) -> None:
        self._journal.is_sandbox = self._session.api.is_sandbox
        self._journal.extend(
            job.entry(FAILED, billed=error.billed, code=error.code, message=error.message)
            for job in bundle.jobs()
        )
        self._end_jobs(bundle, FAILED, error=error)
        with suppress(LedgerError):  # it stays there as one that the server does not show
            self._session.store.forget(batch)
        del self._submitted[batch.number]

    def _stop_starting(self) -> None:
        self._was_stopped = True

    def _is_stopping(self) -> bool:
        return self._was_stopped or self._session.stop.is_set or self._error is not None

    def finish(self, estimate: Optional[CostEstimate]) -> int:
        error, stop = self._error, self._session.stop
        if self._was_stopped or stop.is_set:
            error = InterruptedCall(
                "interrupted; batches that were handed over run on",
                signum=stop.signum or 2,
                billed=Billed.MAYBE if self._submitted else Billed.NO,
            )
        if error is not None and not self._submitted:
            raise error
        found = counts(self._plan)
        self._output.say(f"{in_words(found)}; {cost_in_words(estimate)} at half price")
        if error is None:
            self._output.say("results come within 24 hours: batch wait, then batch fetch")
        else:
            self._output.complain(f"{error.message}; {error.hint or 'the same command goes on'}")
        outcome: Dict[str, object] = {
            "ok": error is None,
            "command": "batch submit",
            **found,
            "batches": [batch_json(batch) for batch in self._submitted.values()],
            "cost_usd": estimate_json(estimate),
            "out_dir": str(self._folder.folder.path),
            "error": failure_json(error),
        }
        self._output.finish(outcome, job_rows(self._plan))
        if isinstance(error, InterruptedCall):
            return 128 + error.signum
        return int(ExitCode.OK if error is None else ExitCode.PARTIAL)


def _nobody_knows(error: GptImage2Error, label: str) -> GptImage2Error:
    return ApiError(
        f"nobody knows whether the server has taken a batch: {error.message}",
        hint=f"its jobs are not sent again; ask later with batch status {label}, or give it up with "
        f"batch cancel {label}",
        code="batch_outcome_unknown",
        billed=Billed.MAYBE,
        http_status=error.http_status,
        request_id=error.request_id,
    )
