"""Runs batches from their input file to their output files, each in a task of its own.

A request is drawn when its simulated time has come, one after the other and from the last line to the first,
so that nobody comes to rely on the order of an output file. Lives on one event loop; drawing and files are
work for threads.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..api.errors import Refused
from ..clock import SimulatedClock
from ..request_log import BatchRequest, RequestLog
from ..threads import Threads
from .batch import Batch, BatchOrder, Status
from .file_store import FileStore
from .input_file import Checked, LineError, check_input, line_at
from .keeping import Keeper
from .output_lines import ENDPOINTS, Ran, run_request, unrun_line

#: How long checking an input file and writing the output files take, in simulated seconds, unless a whole
#: request takes less.
_PAPERWORK_S = 1.0
_BATCH_OUTPUT = "batch_output"
_EXPIRED = ("batch_expired", "This request could not be executed before the completion window expired.")
_CANCELLED = ("batch_cancelled", "This request was not executed because the batch was cancelled.")


@dataclass(frozen=True)
class _Outputs:
    """Where the lines of a batch are written."""

    done: Path
    failed: Path

    def add(self, ran: Ran) -> None:
        _append(self.done if ran.status < 400 else self.failed, ran.line)

    def discard(self) -> None:
        for path in (self.done, self.failed):
            path.unlink(missing_ok=True)


class BatchRunner:
    """The batches of one sandbox."""

    def __init__(
        self,
        clock: SimulatedClock,
        files: FileStore,
        log: RequestLog,
        threads: Threads,
        job_s: float,
        keeper: Keeper,
    ) -> None:
        self._clock = clock
        self._files = files
        self._log = log
        self._threads = threads
        self._job_s = job_s
        self._paperwork_s = min(_PAPERWORK_S, job_s)
        self._keeper = keeper
        self._batches = {batch.id: batch for batch in keeper.batches()}
        self._unstarted = [batch for batch in self._batches.values() if batch.status == "validating"]
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, order: BatchOrder) -> Batch:
        """Take an order whose input file exists."""
        batch = Batch(order, self._clock.now_s)
        self._batches[batch.id] = batch
        self._keeper.keep_batch(batch)
        self._begin(batch)
        return batch

    def _begin(self, batch: Batch) -> None:
        task = asyncio.ensure_future(self._work(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin_kept(self) -> None:
        """Begin the batches that an earlier sandbox left; only now is there an event loop."""
        while self._unstarted:
            self._begin(self._unstarted.pop(0))

    def get(self, batch_id: str) -> Batch:
        self._begin_kept()
        if batch_id not in self._batches:
            raise Refused(404, f"No batch found with id '{batch_id}'.")
        return self._batches[batch_id]

    def all(self) -> Sequence[Batch]:
        self._begin_kept()
        return list(self._batches.values())

    def cancel(self, batch_id: str) -> Batch:
        """Call a batch off; what was done by now is kept."""
        batch = self.get(batch_id)
        if batch.status in ("completed", "failed", "expired"):
            raise Refused(409, f"Cannot cancel a batch with status '{batch.status}'.")
        if not batch.is_cancelling():
            batch.enter("cancelling", self._clock.now_s)
            self._keeper.keep_batch(batch)
            self._clock.stir()
        return batch

    async def _work(self, batch: Batch) -> None:
        try:
            file = self._files.find(batch.order.input_file_id)
            if file is None:
                raise FileNotFoundError
            source = file.path
            checked = await self._threads.run(lambda: check_input(source, batch.order.endpoint))
            await self._run(batch, source, checked)
            self._keeper.keep_batch(batch)
        except FileNotFoundError:
            message = f"Cannot find file {batch.order.input_file_id}: it was deleted."
            self._fail(batch, (LineError("invalid_request", message, "file_id"),))
        except Exception as error:
            traceback.print_exception(error, file=sys.stderr)
            self._fail(batch, (LineError("sandbox_error", f"The sandbox itself failed: {error!r}"),))

    async def _run(self, batch: Batch, source: Path, checked: Checked) -> None:
        started_s = batch.created_at_s + self._paperwork_s
        await self._clock.until(started_s, unless=batch.is_cancelling)
        batch.model = checked.model
        if checked.errors:
            self._fail(batch, checked.errors)
            return
        batch.total = len(checked.offsets)
        batch.enter("in_progress", started_s)
        outputs = _Outputs(self._files.new_path(), self._files.new_path())
        waiting = checked.offsets[::-1]
        try:
            ran, ended_s = await self._run_requests(batch, source, waiting, outputs, started_s)
        except asyncio.CancelledError:  # the sandbox ends; the next one begins the batch anew
            outputs.discard()
            raise
        end: Status = "expired"
        if ran == len(waiting):
            batch.enter("finalizing", ended_s)
            ended_s += self._paperwork_s
            await self._clock.until(ended_s, unless=batch.is_cancelling)
            end = "completed"
        if batch.is_cancelling():
            end, ended_s = "cancelled", self._clock.now_s
        reason = _CANCELLED if end == "cancelled" else _EXPIRED
        await self._threads.run(lambda: _write_unrun(source, waiting[ran:], outputs.failed, reason))
        batch.output_file_id = self._published(batch, outputs.done, "output", ended_s)
        batch.error_file_id = self._published(batch, outputs.failed, "error", ended_s)
        batch.enter(end, ended_s)

    async def _run_requests(
        self, batch: Batch, source: Path, offsets: Sequence[int], outputs: _Outputs, started_s: float
    ) -> tuple[int, float]:
        """Run what can be run in time; how many that was, and when it was over."""
        for number, offset in enumerate(offsets):
            due_s = started_s + (number + 1) * self._job_s
            await self._clock.until(min(due_s, batch.expires_at_s), unless=batch.is_cancelling)
            if due_s > batch.last_moment_s:
                return number, batch.last_moment_s

            def run(offset: int = offset, due_s: float = due_s) -> Ran:
                request = line_at(source, offset)
                ran = run_request(request, self._files.as_upload, int(due_s))
                outputs.add(ran)
                return ran

            ran = await self._threads.run(run)
            batch.count(ran.status, ran.usage)
            endpoint = ENDPOINTS[batch.order.endpoint]
            self._log.add(BatchRequest(batch.id, ran.custom_id, endpoint, ran.prompt, ran.status))
        return len(offsets), started_s + len(offsets) * self._job_s

    def _published(self, batch: Batch, path: Path, kind: str, moment_s: float) -> str | None:
        if not path.exists():
            return None
        name, lives_s = f"{batch.id}_{kind}.jsonl", batch.order.outputs_live_s
        return self._files.add(path, name, _BATCH_OUTPUT, lives_s, created_at_s=moment_s).id

    def _fail(self, batch: Batch, errors: tuple[LineError, ...]) -> None:
        batch.errors = errors
        batch.enter("failed", self._clock.now_s)
        self._keeper.keep_batch(batch)


def _write_unrun(source: Path, offsets: Sequence[int], path: Path, reason: tuple[str, str]) -> None:
    for offset in offsets:
        _append(path, unrun_line(line_at(source, offset)["custom_id"], *reason))


def _append(path: Path, line: bytes) -> None:
    with path.open("ab") as out:
        out.write(line)
