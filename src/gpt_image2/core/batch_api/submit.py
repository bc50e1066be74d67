"""`batch submit`: what is still to do of a jobs file goes to the Batch API, in files up to its limits."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from ..api.models import BATCH_DISCOUNT, CostEstimate
from ..api.request import checked
from ..base.errors import GptImage2Error, InterruptedCall, LedgerError, UsageError
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, ExitCode
from ..base.record import replace
from ..batch.jobs import read_job
from ..batch.journal import FAILED, SUBMITTED, Journal, journal_images
from ..batch.opening import OpenBatch, open_batch
from ..batch.plan import Plan, PlannedJob
from ..batch.summary import counts, forecast, in_words, job_rows
from ..calls.budget import OVER_MAX_COST, Budget
from ..calls.client import Client
from ..ledger.entries import other_fields
from ..outputs.files import temporary_folder
from ..telling.output import Output
from ..telling.report import cost_in_words, estimate_json, failure_json, image_json
from ..wire.curl import find_curl
from .api import BatchServer, told
from .bundle import Bundle
from .handover import Handover
from .lines import BatchLine, batch_line, custom_id_of
from .parsers import SubmitCommand, read_submit
from .store import Book, RememberedBatch, RememberedJob, open_book
from .uploads import Uploads
from .wording import batch_in_words, batch_json

_GENERATIONS, _EDITS = "/v1/images/generations", "/v1/images/edits"
_TOKEN_BYTES = 12
#: What one batch may hold only one of: a model, and an endpoint.
_Group = Tuple[str, str]


def run_submit(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    """Runs `batch submit`; its exit code.

    Raises:
        GptImage2Error: nothing was handed over.
    """
    command = read_submit(rest)
    jobs = command.jobs
    client = Client(
        config=jobs.config, base_url=jobs.base_url, api_key=jobs.api_key, history=jobs.history, stop=stop
    )
    with ExitStack() as stack:
        batch = open_batch(jobs, client, output, stack)
        estimate = _half_price(batch.plan)
        if batch.journal is None:
            return _show_batch_dry_run(batch, estimate, output)
        _check_budget(batch, estimate, jobs.max_cost_usd)
        client.settings.require_key()
        server = BatchServer(client.settings, os.environ, stop, told(output))
        find_curl()
        book = open_book(os.environ, client.settings.secrets)
        stack.callback(book.database.close)
        with stop:
            return _Submission(command, batch, batch.journal, client, book, server, output, stop).run(
                estimate
            )


class _Submission:
    """One `batch submit`, all of whose jobs may be paid for."""

    def __init__(
        self,
        command: SubmitCommand,
        batch: OpenBatch,
        journal: Journal,
        client: Client,
        book: Book,
        server: BatchServer,
        output: Output,
        stop: StopSwitch,
    ) -> None:
        self._limits = command.limits
        self._batch = batch
        self._plan = batch.plan
        self._client = client
        self._book = book
        self._output = output
        self._stop = stop
        self._uploads = Uploads(server)
        self._handover = Handover(book, journal, server)
        self._bundles: Dict[_Group, Bundle] = {}
        self._tokens: Dict[int, str] = {}
        self._handed: List[RememberedBatch] = []
        self._error: Optional[GptImage2Error] = None
        self._was_stopped = False
        self._has_warned = False

    def run(self, estimate: Optional[CostEstimate]) -> int:
        """Hands over batch after batch, until nothing is left or one of them could not be; the exit code.

        Raises:
            GptImage2Error: nothing was handed over.
        """
        self._book.forget_unsent(str(self._batch.folder.path))
        self._stop.drain_first(self._stop_starting)
        try:
            with temporary_folder() as scratch:
                self._fill_bundles(scratch)
                for group in list(self._bundles):
                    if not self._is_stopping():
                        self._send(group)
        except GptImage2Error as error:
            self._error = self._error or error
        finally:
            self._stop.drain_first(None)
            with suppress(LedgerError):  # the next submission does it
                self._book.forget_unsent(str(self._batch.folder.path))
        return self._finish(estimate)

    def _fill_bundles(self, scratch: Path) -> None:
        while not self._is_stopping():
            planned = self._plan.take()
            if planned is None:
                return
            group, line, job = self._line_of(planned)
            bundle = self._bundles.get(group)
            if bundle is not None and not bundle.takes(line):
                self._send(group)
                bundle = None
                if self._is_stopping():
                    return
            if bundle is None:
                bundle = self._bundles[group] = self._new_bundle(scratch, group)
            bundle.add(line, job)

    def _new_bundle(self, scratch: Path, group: _Group) -> Bundle:
        model, endpoint = group
        token = os.urandom(_TOKEN_BYTES).hex()
        base_url, out_dir = self._client.settings.base_url.value, str(self._batch.folder.path)
        is_recorded = self._client.ledger is not None
        number = self._book.prepare(token, base_url, endpoint, model, out_dir, is_recorded)
        self._tokens[number] = token
        return Bundle(scratch / f"{token}.jsonl", self._book, number, self._limits)

    def _line_of(self, planned: PlannedJob) -> Tuple[_Group, BatchLine, RememberedJob]:
        """A job's line and what is remembered of it; uploads what does not go within the line."""
        job, _ = read_job(self._batch.jobs_file.text_at(planned.offset), self._batch.defaults)
        request, _ = checked(job.request)
        if request.stream:
            self._warn_of_stream()
            request = request.without_stream()
        inputs = self._uploads.inputs_of(job)
        endpoint = _EDITS if job.sources else _GENERATIONS
        count = len(planned.missing)
        sent = request if count == request.count else replace(request, n=count)
        custom_id = custom_id_of(planned.key, planned.copy)
        fields = sent.wire_fields(self._client.settings.format_field.value)
        line = batch_line(custom_id, endpoint, fields, inputs.sources, inputs.mask)
        remembered = RememberedJob(
            custom_id=custom_id,
            job=planned.number,
            line=planned.line,
            id=planned.id,
            key=planned.key,
            copy=planned.copy,
            name=planned.name,
            named=planned.named,
            numbers=planned.missing,
            there=journal_images(dict(planned.there), self._batch.folder.path),
            high_usd=None if planned.high_usd is None else planned.high_usd * BATCH_DISCOUNT,
            prompt=request.prompt,
            fields=other_fields(request),
            inputs=[file.json() for file in inputs.files],
            mask=None if inputs.mask_file is None else inputs.mask_file.json(),
            outcome={"images": [image_json(image) for _, image in planned.there]},
        )
        return (request.model, endpoint), line, remembered

    def _warn_of_stream(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            self._output.warn("the Batch API does not stream: stream and partial_images are left out")

    def _send(self, group: _Group) -> None:
        """Hands a group's bundle over; a failure ends the submission."""
        bundle = self._bundles[group]
        self._output.say(f"handing over {bundle.lines:,} jobs: {group[0]}, {group[1]}")
        handed = self._handover.hand_over(bundle, self._tokens[bundle.number], group[1])
        del self._bundles[group]
        bundle.discard()
        self._error = handed.error
        state = FAILED if handed.batch is None else SUBMITTED
        outcome: Dict[str, object] = {"billed": Billed.MAYBE.value, "error": failure_json(handed.error)}
        if handed.batch is None:
            outcome["billed"] = Billed.NO.value
        else:
            outcome["batch_id"] = handed.batch.label
            self._handed.append(handed.batch)
            self._output.result(f"Submitted: {batch_in_words(handed.batch)}")
            self._output.event({"event": "batch_submitted", "batch": batch_json(handed.batch)})
        for job in self._book.jobs(bundle.number):
            self._plan.end(job.job, state, {**(job.outcome or {}), **outcome})
        if handed.batch is None:
            self._book.forget(bundle.number)

    def _stop_starting(self) -> None:
        self._was_stopped = True

    def _is_stopping(self) -> bool:
        return self._was_stopped or self._stop.is_set or self._error is not None

    def _finish(self, estimate: Optional[CostEstimate]) -> int:
        error = self._error
        if self._was_stopped or self._stop.is_set:
            error = InterruptedCall(
                "interrupted; batches that were handed over run on", signum=self._stop.signum or 2
            )
        if error is not None and not self._handed:
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
            "batches": [batch_json(batch) for batch in self._handed],
            "cost_usd": estimate_json(estimate),
            "out_dir": str(self._batch.folder.path),
            "error": failure_json(error),
        }
        self._output.finish(outcome, job_rows(self._plan))
        if isinstance(error, InterruptedCall):
            return 128 + error.signum
        return int(ExitCode.OK if error is None else ExitCode.PARTIAL)


def _half_price(plan: Plan) -> Optional[CostEstimate]:
    """What the jobs that are to be submitted would cost, None where a price is unknown."""
    total = forecast(plan, 1, None).total.cost
    return None if total is None else total.at(BATCH_DISCOUNT)


def _check_budget(batch: OpenBatch, estimate: Optional[CostEstimate], max_cost_usd: Optional[float]) -> None:
    """Raises where the jobs might pass the cap: a batch cannot be stopped at a sum, so none is handed over.

    Raises:
        UsageError: they might.
    """
    high_usd = estimate.high_usd if estimate else 0.0
    if Budget(max_cost_usd, batch.spent_usd).take(high_usd) is not None:
        return
    raise UsageError(
        f"the jobs may cost up to ${high_usd:.4f} by the Batch API, and earlier runs in this folder may have "
        f"cost ${batch.spent_usd:.4f}: more than --max-cost ${max_cost_usd or 0.0:.4f}",
        hint="choose a lower quality or fewer jobs, or raise --max-cost; nothing was sent",
        code=OVER_MAX_COST,
    )


def _show_batch_dry_run(batch: OpenBatch, estimate: Optional[CostEstimate], output: Output) -> int:
    found = counts(batch.plan)
    images = batch.plan.images_to_make()
    output.result(f"{in_words(found)}; {images:,} images to make")
    output.result(f"Estimated cost: {cost_in_words(estimate)} by the Batch API")
    if batch.spent_usd:
        output.result(f"Earlier runs in this folder: ${batch.spent_usd:.4f}")
    output.result("Nothing was sent.")
    output.finish(
        {
            "ok": True,
            "command": "batch submit",
            "dry_run": True,
            **found,
            "images": images,
            "cost_usd": estimate_json(estimate),
            "spent_usd": round(batch.spent_usd, 6),
            "out_dir": str(batch.folder.path),
            "billed": Billed.NO.value,
        }
    )
    return int(ExitCode.OK)
