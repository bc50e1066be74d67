"""Runs the jobs of one shard side by side: this thread hands them out and tells of them, others do them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue

from gpt_image2.core.base.interrupt import StopSwitch
from gpt_image2.core.base.outcome import Billed
from gpt_image2.core.base.record import replace
from gpt_image2.core.batch.forecast import Forecast
from gpt_image2.core.batch.pacer import Pacing
from gpt_image2.core.batch.summary import (
    INTERRUPTED,
    MAX_FAILURES,
    TICK_S,
    Progress,
    Tally,
    job_row,
    say_ended,
)
from gpt_image2.core.ledger.budget import OVER_MAX_COST
from gpt_image2.core.telling.in_words import saved_line
from gpt_image2.core.telling.output import Output

from ..jobs.job import ClusterJob
from ..jobs.planning import PlannedJobs
from ..jobs.results import ACCEPTED, DONE, ELSEWHERE, FAILED, NOT_STARTED, SAVED, Row
from ..jobs.table import TableJob
from .waiting import LaterJobs
from .worker import Halt, JobWorker


@dataclass(frozen=True)
class RunRules:
    """How a shard runs: so many jobs at once, how many may fail, and for how long one waits for a job that
    another worker has."""

    concurrency: int
    max_failures: int | None
    patience_s: float


class ShardRun:
    """One run of a process, on one table of jobs."""

    def __init__(
        self,
        planned: PlannedJobs,
        worker: JobWorker,
        pacing: Callable[[], Pacing],
        halt: Halt,
        rules: RunRules,
        output: Output,
        progress: Progress,
    ) -> None:
        self._planned = planned
        self._worker = worker
        self._pacing = pacing
        self._halt = halt
        self._rules = rules
        self._output = output
        self._progress = progress
        self._tally = Tally()
        self._forecast = Forecast(rules.concurrency, time.monotonic())
        self._failures = self._threads = 0
        self._under_way: dict[int, float] = {}
        self._later = LaterJobs(rules.patience_s)
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._news: SimpleQueue[tuple[TableJob, Row]] = SimpleQueue()

    def run(self, parts: Iterator[Iterator[TableJob]], stop: StopSwitch) -> Tally:
        """Does the jobs of one part after another; each is asked for when the one before has no more."""
        with stop:
            stop.drain_first(partial(self._halt.stop, INTERRUPTED))
            try:
                for part in parts:
                    self._do(part, stop)
                    if self._halt.is_set:
                        break
            except BaseException:  # of this thread: what others are at is paid for
                self._halt.stop(FAILED)
                while self._under_way:
                    self._under_way.pop(self._news.get()[0].number)
                raise
            stop.drain_first(None)
        for _ in range(self._threads):
            self._tasks.put(None)
        return self._tally_now()

    def _do(self, part: Iterator[TableJob], stop: StopSwitch) -> None:
        is_more = True
        while True:
            if stop.is_set:
                self._halt.stop(INTERRUPTED)
            while is_more and not self._halt.is_set and len(self._under_way) < self._rules.concurrency:
                planned = self._next(part)
                if planned is None:
                    break
                self._start(planned)
            is_more = not self._halt.is_set
            if not self._under_way and (self._halt.is_set or not self._later):
                return
            self._hear()
            self._progress.show(self._tally_now())

    def _next(self, part: Iterator[TableJob]) -> TableJob | None:
        return next(part, None) or self._later.take(time.monotonic())

    def _start(self, planned: TableJob) -> None:
        if self._threads == len(self._under_way):
            threading.Thread(target=self._work, daemon=True).start()
            self._threads += 1
        self._under_way[planned.number] = time.monotonic()
        job, has_seen = self._planned.job_of(planned), self._later.has_seen(planned)
        self._tasks.put(partial(self._run_one, planned, job, has_seen))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()

    def _run_one(self, planned: TableJob, job: ClusterJob, is_known: bool) -> None:
        self._news.put((planned, self._worker.run(job, is_known)))

    def _hear(self) -> None:
        is_room = not self._halt.is_set and len(self._under_way) < self._rules.concurrency
        due_s = self._later.wait_s(time.monotonic()) if is_room else None
        try:
            self._end(*self._news.get(timeout=TICK_S if due_s is None else min(due_s, TICK_S)))
            while True:
                self._end(*self._news.get_nowait())
        except Empty:
            return

    def _end(self, planned: TableJob, row: Row) -> None:
        started_s = self._under_way.pop(planned.number)
        if self._is_for_later(planned, row):
            return
        if row.status == NOT_STARTED:
            self._tally = replace(self._tally, is_over_budget=self._halt.reason == OVER_MAX_COST)
            return
        self._planned.table.end(planned.number, row.status, row.json())
        is_failure = row.status not in (DONE, ELSEWHERE, ACCEPTED)
        tally = self._tally
        if not row.resumed:
            if row.elapsed_s:
                self._forecast.end(time.monotonic() - started_s, time.monotonic())
            tally = replace(tally, images=tally.images + (len(row.images) if row.status != SAVED else 0))
            for image in row.images if row.status != SAVED else ():
                self._output.result(saved_line(image.path, image.size_bytes))
        if row.was_sent:  # else an earlier run has counted it
            is_unpriced = row.billed is not Billed.NO and row.cost_usd is None
            tally = replace(
                tally,
                spent_usd=tally.spent_usd + (row.cost_usd or 0.0),
                unpriced=tally.unpriced + is_unpriced,
            )
        self._tally = replace(tally, done=tally.done + (row.status == DONE), failed=tally.failed + is_failure)
        shown = {
            "job": planned.number,
            "line": planned.line,
            "id": planned.id,
            "status": row.status,
            **row.json(),
        }
        say_ended(self._output, job_row(shown))
        self._failures += is_failure
        if row.stops:
            self._halt.stop(row.stops)
        elif self._rules.max_failures is not None and self._failures >= self._rules.max_failures:
            self._halt.stop(MAX_FAILURES)

    def _is_for_later(self, planned: TableJob, row: Row) -> bool:
        """Whether a job is looked at again: another worker has it, and ends it or dies."""
        if row.status == ELSEWHERE and not self._halt.is_set and self._later.put(planned, time.monotonic()):
            return True
        self._later.forget(planned)
        return False

    def _tally_now(self) -> Tally:
        now_s, tally = time.monotonic(), self._tally
        started, sent_s = self._under_way.values(), self._worker.sent_s
        pacing = self._pacing()
        unsent = self._progress.jobs - tally.done - tally.failed - len(started)
        images_each = tally.images / tally.done if tally.done else 1.0
        newest_s = now_s - max(started, default=now_s)
        return replace(
            tally,
            in_flight=len(sent_s),
            oldest_s=now_s - min(sent_s, default=now_s),
            pacing=pacing,
            rest_s=self._forecast.rest_s(max(0, unsent), max(1.0, images_each), newest_s, pacing, now_s),
            stopped=self._halt.reason,
        )
