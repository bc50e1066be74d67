"""Runs the jobs of a plan side by side.

One thread decides and writes: the main one, where signals arrive too. It alone has the plan, the money, the
pace, the journal and what is told. Workers take what they are given, load inputs or make a call, and post
what this thread is to do about it to a queue. There it waits: for news, for the pace to let more go, or for
the next moment to tell how far it is.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from queue import Empty, SimpleQueue
from typing import Callable, Dict, List, Optional, Tuple

from ..api.request import ImageRequest
from ..base.errors import (
    AuthenticationError,
    ConfigError,
    GptImage2Error,
    InterruptedCall,
    OutputError,
    QuotaError,
)
from ..base.events import Event, HeadersReceived, ImageSaved, RateLimit
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import replace
from ..calls.client import Client
from ..ledger.budget import OVER_MAX_COST, Budget, Hold
from ..outputs.files import NO_SPACE
from .forecast import Forecast
from .job import read_job
from .journal import Journal
from .options import BatchRunCommand
from .pacer import Pacer
from .plan import OVER_BUDGET, PlannedJob
from .planning import OpenJobs
from .refused import RefusedJobs
from .running_job import RunningJob
from .summary import INTERRUPTED, MAX_FAILURES, TICK_S, Progress, Tally

_UNAUTHORIZED = 401


class Scheduler:
    """One run of the jobs of a plan."""

    def __init__(
        self,
        jobs: OpenJobs,
        journal: Journal,
        client: Client,
        command: BatchRunCommand,
        progress: Progress,
        stop: StopSwitch,
    ) -> None:
        self._jobs = jobs
        self._plan = jobs.plan
        self._journal = journal
        self._client = client
        self._command = command
        self._progress = progress
        self._stop = stop
        self._pacer = Pacer(command.images_per_minute)
        self._forecast = Forecast(command.concurrency, time.monotonic())
        self._budget = Budget(command.max_cost_usd, jobs.spent_usd)
        self._tally = Tally()
        self._failures = 0
        self._stopped = ""
        self._waiting: List[PlannedJob] = []  # taken from the plan; money or the server keeps them back
        self._refused = RefusedJobs()
        self._under_way: Dict[int, RunningJob] = {}
        self._ready: List[RunningJob] = []  # to be sent when the journal says so
        self._ended: List[RunningJob] = []  # to be told when the journal says so
        self._workers = 0
        # Safe also for a signal handler that interrupts this thread in the midst of one of them.
        self._tasks: SimpleQueue[Optional[Callable[[], None]]] = SimpleQueue()  # for workers
        self._news: SimpleQueue[Callable[[], None]] = SimpleQueue()  # from workers

    def run(self) -> Tally:
        """Runs until nothing is left, or nothing more is to be started and all that was has ended. A defect
        of the program is raised when what was paid for has ended."""
        defect: Optional[Exception] = None
        with self._stop:
            self._stop.drain_first(partial(self._stop_starting, INTERRUPTED))
            is_running = True
            while is_running:
                try:
                    is_running = self._step()
                except InterruptedCall:  # the user has had enough of waiting
                    raise
                except Exception as error:  # what is under way still ends, for it is paid for
                    defect = defect or error
                    self._stop_starting(type(error).__name__)
                    self._take_back_ready()
                    self._ended.clear()
            self._stop.drain_first(None)
        for _ in range(self._workers):
            self._tasks.put(None)
        if defect is not None:
            raise defect
        return self._tally_now()

    def _step(self) -> bool:
        """Starts what may start, waits for what happens next, and tells of it; False when all is over."""
        wait_s = self._start_jobs()
        self._commit()
        if not self._under_way and (self._is_stopping() or wait_s is None):
            return False
        self._hear(TICK_S if wait_s is None else min(TICK_S, wait_s))
        self._progress.show(self._tally_now())
        return True

    def _hear(self, wait_s: float) -> None:
        try:
            self._news.get(timeout=wait_s)()
            while True:
                self._news.get_nowait()()
        except Empty:
            return

    # Starting

    def _start_jobs(self) -> Optional[float]:
        """Starts what may start now; in how many seconds more may, None where only news can tell."""
        while not self._is_stopping() and len(self._under_way) < self._command.concurrency:
            now_s = time.monotonic()
            affordable = self._next_affordable(now_s)
            if affordable is None:
                return self._leave_out_unaffordable(now_s)
            planned, hold = affordable
            wait_s = self._pacer.wait_s(len(planned.missing), now_s)
            if wait_s:
                self._budget.release(hold)
                self._waiting.insert(0, planned)
                return wait_s
            self._start(planned, hold, now_s)
        return None

    def _next_affordable(self, now_s: float) -> Optional[Tuple[PlannedJob, Hold]]:
        """The first job that may go, that there is money for, and the money. One that waits for its own takes
        a place, and so do those that were refused, as far as the pacer says."""
        refused = 0
        for place, planned in enumerate(self._waiting):
            if self._refused.due_s(planned.number) > now_s:
                refused += 1
                continue
            hold = self._budget.take(planned.high_usd or 0.0)
            if hold is not None:
                del self._waiting[place]
                return planned, hold
        places = self._command.concurrency
        refused_out = refused - self._pacer.places_taken(refused, places)
        while len(self._under_way) + len(self._waiting) - refused_out < places:
            taken = self._plan.take()
            if taken is None:
                return None
            hold = self._budget.take(taken.high_usd or 0.0)
            if hold is not None:
                return taken, hold
            self._waiting.append(taken)
        return None

    def _leave_out_unaffordable(self, now_s: float) -> Optional[float]:
        """Gives up on jobs that wait for money when nothing is under way that may leave some. Where a refused
        one waits for its time instead: in how many seconds it may go."""
        waits_s = [self._refused.due_s(planned.number) - now_s for planned in self._waiting]
        wait_s = min((each for each in waits_s if each > 0), default=None)
        if wait_s is not None:
            return wait_s
        if self._under_way or not self._waiting:
            return None
        for planned in self._waiting:
            self._plan.end(planned.number, OVER_BUDGET, {})
        self._waiting.clear()
        self._tally = replace(self._tally, is_over_budget=True)
        return 0.0

    def _start(self, planned: PlannedJob, hold: Hold, now_s: float) -> None:
        if self._workers == len(self._under_way):
            threading.Thread(target=self._work, daemon=True).start()
            self._workers += 1
        job, _ = read_job(self._jobs.jobs_file.text_at(planned.offset), self._jobs.defaults)
        departure = self._pacer.start(len(planned.missing), now_s)
        running = RunningJob(planned, job, hold, departure, now_s)
        self._under_way[planned.number] = running
        if job.sources or job.wishes is not None:
            self._tasks.put(partial(self._load, running))
        else:
            self._make_ready(running, job.request)

    def _make_ready(self, running: RunningJob, request: ImageRequest) -> None:
        """A job's inputs are there: it is sent with the next lines of the journal."""
        if self._is_stopping():
            self._leave(running)
            return
        is_anothers = partial(self._plan.is_anothers, job=running.planned)
        try:
            cap_usd = self._command.max_cost_usd
            running.prepare(self._client, request, self._jobs.folder, is_anothers, cap_usd)
        except Exception as error:
            self._end(running, None, error)
        else:
            self._ready.append(running)

    def _commit(self) -> None:
        """Puts on disk, by one flush, which jobs have ended and which are sent; only then sends these, and
        tells of those."""
        folder = self._jobs.folder
        noted = [running for running in self._ended if running.is_noted]
        lines = [running.end_entry(folder) for running in noted]
        lines += [running.sent_entry(folder) for running in self._ready]
        try:
            self._journal.extend(lines)
        except OutputError as failed:
            self._stop_starting(failed.code)
            self._ended += self._take_back_ready()
            for running in self._ended:
                running.ending = replace(running.ending, error=running.ending.error or failed)
        for running in self._ready:
            running.send(time.monotonic())
            self._tasks.put(partial(self._call, running))
        self._ready.clear()
        ended, self._ended = self._ended, []
        for running in ended:
            self._book(running)

    def _take_back_ready(self) -> List[RunningJob]:
        ready, self._ready = self._ready, []
        for running in ready:
            self._leave(running)
        return ready

    # In a worker: nothing is decided here

    def _work(self) -> None:
        task = self._tasks.get()
        while task is not None:
            task()
            task = self._tasks.get()

    def _load(self, running: RunningJob) -> None:
        try:
            request = running.load(self._client)
        except Exception as error:
            self._news.put(partial(self._end, running, None, error))
        else:
            self._news.put(partial(self._make_ready, running, request))

    def _call(self, running: RunningJob) -> None:
        result: Optional[Result] = None
        error: Optional[Exception] = None
        try:
            with running.inputs:
                result = running.run(self._client, partial(self._post, running))
        except GptImage2Error as failed:
            result, error = failed.result, failed
        except Exception as defect:  # one job's, however it comes, must not end the others
            error = defect
        self._news.put(partial(self._end, running, result, error))

    def _post(self, running: RunningJob, event: Event) -> None:
        if isinstance(event, ImageSaved):
            self._news.put(partial(self._hold_image, running, event.image))
        elif isinstance(event, HeadersReceived) and event.limits:
            self._news.put(partial(self._learn, running, event.limits))

    # Hearing

    def _learn(self, running: RunningJob, limits: Tuple[RateLimit, ...]) -> None:
        self._pacer.learn(limits, running.departure)

    def _hold_image(self, running: RunningJob, image: SavedImage) -> None:
        self._plan.hold_name(self._jobs.folder.name_of(image.path), running.planned)
        self._progress.saved(image)

    def _end(self, running: RunningJob, result: Optional[Result], error: Optional[Exception]) -> None:
        """A job has ended: what others may do follows at once, what is told of it when it is on disk."""
        if result is not None and result.sandbox:
            self._journal.is_sandbox = True
        try:
            running.end(result, error, self._client.settings.secrets)
        finally:
            self._leave(running)
        failed = running.ending.error
        if failed is not None and not running.is_unsent:
            if self._goes_again(running, failed):
                self._waiting.insert(0, running.planned)
            else:
                self._failures += 1
                self._stop_after(failed)
        self._ended.append(running)

    def _leave(self, running: RunningJob) -> None:
        """Gives back a job's place, and what is left of its money."""
        del self._under_way[running.planned.number]
        self._pacer.end(running.departure)
        self._budget.release(running.hold)
        running.inputs.close()

    def _goes_again(self, running: RunningJob, error: GptImage2Error) -> bool:
        """Whether a job may simply go again later: the server has refused it for the time being."""
        if not error.retry_safe or error.billed is not Billed.NO or error.http_status is None:
            return False
        now_s, number = time.monotonic(), running.planned.number
        self._pacer.refuse(running.departure, error.retry_after_s, error.message, now_s)
        has_other_gone = self._pacer.has_got_through(self._refused.heard_s(number))
        running.goes_again = self._refused.add(number, error.retry_after_s, has_other_gone, now_s)
        return running.goes_again

    def _book(self, running: RunningJob) -> None:
        """Notes in the plan how a job has ended, and tells of it."""
        if running.goes_again or running.is_unsent:
            return
        planned, ending, tally = running.planned, running.ending, self._tally
        self._refused.forget(planned.number)
        if running.result is not None:
            self._forecast.end(running.result.elapsed_s, time.monotonic())
        self._tally = replace(
            tally,
            done=tally.done + (ending.error is None),
            failed=tally.failed + (ending.error is not None),
            images=tally.images + (len(running.result.images) if running.result else 0),
            spent_usd=tally.spent_usd + (ending.cost_usd or 0.0),
            unpriced=tally.unpriced + ending.is_unpriced,
        )
        row = running.row()
        self._plan.end(planned.number, ending.state, row)
        self._progress.ended(planned, ending.state, row)

    def _tally_now(self) -> Tally:
        now_s, tally = time.monotonic(), self._tally
        started_s = [running.started_s for running in self._under_way.values()]
        pacing = self._pacer.pacing(now_s)
        unsent = self._progress.jobs - tally.done - tally.failed - len(started_s)
        images_each = tally.images / tally.done if tally.done else 1.0
        newest_s = now_s - max(started_s, default=now_s)
        return replace(
            tally,
            in_flight=len(started_s),
            oldest_s=now_s - min(started_s, default=now_s),
            refused=sum(planned.number in self._refused for planned in self._waiting),
            pacing=pacing,
            rest_s=self._forecast.rest_s(unsent, images_each, newest_s, pacing, now_s),
            stopped=self._stopped or (OVER_MAX_COST if tally.is_over_budget else ""),
        )

    # Stopping

    def _stop_after(self, error: GptImage2Error) -> None:
        """Starts nothing more where no other job can fare better, or too many have failed."""
        is_refused = isinstance(error, AuthenticationError) and error.http_status == _UNAUTHORIZED
        most = 1 if self._command.fail_fast else self._command.max_failures
        if is_refused or isinstance(error, (QuotaError, ConfigError)) or error.code == NO_SPACE:
            self._stop_starting(error.code)
        elif most is not None and self._failures >= most:
            self._stop_starting(MAX_FAILURES)

    def _stop_starting(self, reason: str) -> None:
        """Nothing more is started. A signal handler calls it, so it takes no lock."""
        self._stopped = self._stopped or reason

    def _is_stopping(self) -> bool:
        return bool(self._stopped) or self._stop.is_set
