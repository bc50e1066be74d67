"""Runs the jobs of a plan side by side.

One thread decides and writes: the main one, where signals arrive too. It alone has the plan, the money, the
pace, the journal and what is told. Workers take what they are given, load inputs or make a call, and post
what they meet to a queue, on which this thread waits: for news, for the pace to let more go, or for the next
moment to tell how far it is.
"""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import Callable, Dict, List, Optional, Tuple

from ..base.errors import (
    AuthenticationError,
    ConfigError,
    GptImage2Error,
    InterruptedCall,
    OutputError,
    QuotaError,
)
from ..base.events import HeadersReceived, ImageSaved
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed
from ..base.record import replace
from ..calls.budget import OVER_MAX_COST, Budget, Hold
from ..calls.client import Client
from .jobs import read_job
from .journal import DONE, FAILED, Journal
from .options import BatchRunCommand
from .pacer import Pacer
from .plan import OVER_BUDGET, PlannedJob
from .planning import OpenJobs
from .progress import TICK_S, Progress
from .running_job import CallEnded, InputsLoaded, News, RunningJob
from .summary import INTERRUPTED, MAX_FAILURES, Tally

_MOST_REFUSALS = 20  # of one job, by a rate limit
_UNAUTHORIZED, _TOO_MANY_REQUESTS = 401, 429


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
        self._pacer = Pacer(command.images_per_minute, time.monotonic())
        self._budget = Budget(command.max_cost_usd, jobs.spent_usd)
        self._tally = Tally()
        self._failures = 0
        self._stopped = ""
        self._waiting: List[PlannedJob] = []  # taken from the plan; money or the server keeps them back
        self._refusals: Dict[int, int] = {}
        self._under_way: Dict[int, RunningJob] = {}
        self._ready: List[RunningJob] = []  # to be sent when the journal says so
        self._ended: List[RunningJob] = []  # to be told when the journal says so
        # Both are safe for signal handlers, which may come while this thread is in them.
        self._news: SimpleQueue[Tuple[RunningJob, News]] = SimpleQueue()
        self._tasks: SimpleQueue[Optional[Callable[[], None]]] = SimpleQueue()
        self._workers = 0

    def run(self) -> Tally:
        """Runs until nothing is left, or nothing more is to be started and all that was has ended.

        Raises:
            Exception: a defect of the program; what was paid for has ended by then.
        """
        defect: Optional[Exception] = None
        with self._stop:
            self._stop.drain_first(lambda: self._stop_starting(INTERRUPTED))
            is_running = True
            while is_running:
                try:
                    is_running = self._step()
                except InterruptedCall:  # the user has had enough of waiting
                    raise
                except Exception as error:
                    defect = defect or error
                    self._stop_after_defect(error)
            self._stop.drain_first(None)
        for _ in range(self._workers):
            self._tasks.put(None)
        if defect is not None:
            raise defect
        return self._progress_now()

    def _step(self) -> bool:
        """Starts what may start, waits for what happens next, and tells of it; False when all is over."""
        wait_s = self._start_jobs()
        self._commit()
        if not self._under_way and (self._is_stopping() or wait_s is None):
            return False
        self._hear(TICK_S if wait_s is None else min(TICK_S, wait_s))
        self._progress.show(self._progress_now())
        return True

    # Starting

    def _start_jobs(self) -> Optional[float]:
        """Starts what may start now; in how many seconds more may, None where that is not known."""
        while not self._is_stopping() and len(self._under_way) < self._command.concurrency:
            affordable = self._next_affordable()
            if affordable is None:
                return self._give_up_on_money()
            planned, hold = affordable
            now_s = time.monotonic()
            wait_s = self._pacer.wait_s(len(planned.missing), now_s)
            if wait_s:
                self._budget.release(hold)
                self._waiting.insert(0, planned)
                return wait_s
            self._start(planned, hold, now_s)
        return None

    def _next_affordable(self) -> Optional[Tuple[PlannedJob, Hold]]:
        """The first job for which there is money by now, with that money. One that has to wait for its money
        takes up a place meanwhile."""
        for place, planned in enumerate(self._waiting):
            hold = self._budget.take(planned.high_usd or 0.0)
            if hold is not None:
                del self._waiting[place]
                return planned, hold
        while len(self._under_way) + len(self._waiting) < self._command.concurrency:
            taken = self._plan.take()
            if taken is None:
                break
            hold = self._budget.take(taken.high_usd or 0.0)
            if hold is not None:
                return taken, hold
            self._waiting.append(taken)
        return None

    def _give_up_on_money(self) -> Optional[float]:
        """Leaves out jobs that wait for money, where nothing is under way that may leave some."""
        if self._under_way or not self._waiting:
            return None
        for planned in self._waiting:
            self._plan.end(planned.number, OVER_BUDGET, {})
        self._tally = replace(self._tally, over_budget=self._tally.over_budget + len(self._waiting))
        self._waiting.clear()
        return 0.0

    def _start(self, planned: PlannedJob, hold: Hold, now_s: float) -> None:
        self._pacer.start(len(planned.missing), now_s)
        job, _ = read_job(self._jobs.jobs_file.text_at(planned.offset), self._jobs.defaults)
        running = RunningJob(planned, job, hold, self._client, self._jobs.folder, self._post, now_s)
        if self._workers == len(self._under_way):
            threading.Thread(target=self._work, daemon=True).start()
            self._workers += 1
        self._under_way[planned.number] = running
        if job.sources:
            self._tasks.put(running.load)
        else:
            self._make_ready(running, InputsLoaded(job.request))

    def _make_ready(self, running: RunningJob, loaded: InputsLoaded) -> None:
        if self._is_stopping():
            self._leave(running)
            running.drop()
            return
        planned = running.planned
        try:
            running.prepare(loaded.request, lambda name: self._plan.is_anothers(name, planned))
        except Exception as error:
            self._end(running, CallEnded(None, error))
        else:
            self._ready.append(running)

    def _commit(self) -> None:
        """Puts on disk, by one flush, that jobs have ended and that others are sent; only then sends these,
        and tells of those."""
        noted = [running for running in self._ended if running.is_noted]
        lines = [running.ended_entry() for running in noted]
        lines += [running.sent_entry() for running in self._ready]
        try:
            self._journal.extend(lines)
        except OutputError as failed:
            self._stop_starting(failed.code)
            for running in noted:
                running.error = failed
            for running in self._take_back_ready():
                running.end(CallEnded(None, failed))
                self._ended.append(running)
        for running in self._ready:
            running.send()
            self._tasks.put(running.call)
        self._ready.clear()
        ended, self._ended = self._ended, []
        for running in ended:
            self._book(running)

    def _take_back_ready(self) -> List[RunningJob]:
        """The attempts that were ready to be sent, and are not under way any more."""
        ready, self._ready = self._ready, []
        for running in ready:
            self._leave(running)
        return ready

    # In a worker

    def _work(self) -> None:
        task = self._tasks.get()
        while task is not None:
            task()
            task = self._tasks.get()

    def _post(self, running: RunningJob, news: News) -> None:
        self._news.put((running, news))

    # Hearing

    def _hear(self, wait_s: float) -> None:
        """Takes in what the workers have posted; waits where that is nothing."""
        try:
            running, news = self._news.get(timeout=wait_s)
            while True:
                self._take_in(running, news)
                running, news = self._news.get_nowait()
        except Empty:
            return

    def _take_in(self, running: RunningJob, news: News) -> None:
        if isinstance(news, HeadersReceived):
            self._pacer.learn(news.limits, len(running.planned.missing))
        elif isinstance(news, ImageSaved):
            self._plan.hold_name(self._jobs.folder.name_of(news.image.path), running.planned)
            self._progress.saved(news.image)
        elif isinstance(news, InputsLoaded):
            self._make_ready(running, news)
        else:
            self._end(running, news)

    def _end(self, running: RunningJob, ended: CallEnded) -> None:
        """A job is not under way any more."""
        try:
            running.end(ended)
        finally:
            self._leave(running)
        if self._goes_again(running):
            self._waiting.insert(0, running.planned)
        elif running.error is not None and not running.is_unsent:
            self._failures += 1
            self._stop_after(running.error)
        self._ended.append(running)

    def _leave(self, running: RunningJob) -> None:
        """Gives back its place and what is left of its money."""
        del self._under_way[running.planned.number]
        self._pacer.end(len(running.planned.missing))
        self._budget.release(running.hold)

    def _goes_again(self, running: RunningJob) -> bool:
        """Whether the job may simply go again later; then everybody is told to wait."""
        error, number = running.error, running.planned.number
        if error is None or not error.retry_safe or error.billed is not Billed.NO:
            return False
        now_s = time.monotonic()
        if error.http_status == _TOO_MANY_REQUESTS:
            self._pacer.refuse(len(running.planned.missing), error.retry_after_s, error.message, now_s)
        elif error.retry_after_s is not None:
            self._pacer.pause(error.retry_after_s, now_s)
        else:
            return False
        self._refusals[number] = self._refusals.get(number, 0) + 1
        running.goes_again = self._refusals[number] <= _MOST_REFUSALS
        return running.goes_again

    def _book(self, running: RunningJob) -> None:
        """Notes in the plan how a job has ended, and tells of it."""
        if running.goes_again or running.is_unsent:
            return
        planned, error, cost_usd = running.planned, running.error, running.cost_usd
        self._refusals.pop(planned.number, None)
        state, outcome = DONE if error is None else FAILED, running.outcome()
        self._plan.end(planned.number, state, outcome)
        tally = self._tally
        self._tally = replace(
            tally,
            done=tally.done + (error is None),
            failed=tally.failed + (error is not None),
            images=tally.images + running.images_saved,
            spent_usd=tally.spent_usd + (cost_usd or 0.0),
            unpriced=tally.unpriced + (cost_usd is None and running.billed is not Billed.NO),
        )
        self._progress.ended(planned, state, outcome)

    # Stopping

    def _stop_after(self, error: GptImage2Error) -> None:
        """Starts nothing more where no other job can fare better, or too many have failed."""
        is_refused = isinstance(error, AuthenticationError) and error.http_status == _UNAUTHORIZED
        most = self._command.failures_allowed
        if is_refused or isinstance(error, (QuotaError, ConfigError)):
            self._stop_starting(error.code)
        elif most is not None and self._failures >= most:
            self._stop_starting(MAX_FAILURES)

    def _stop_after_defect(self, defect: Exception) -> None:
        """What is under way still ends, for it is paid for; what is not sent by now never is."""
        self._stop_starting(type(defect).__name__)
        self._ended.clear()
        for running in self._take_back_ready():
            running.drop()

    def _stop_starting(self, reason: str) -> None:
        """Nothing more is started. A signal handler calls it, so it takes no lock."""
        self._stopped = self._stopped or reason

    def _is_stopping(self) -> bool:
        return bool(self._stopped) or self._stop.is_set

    def _progress_now(self) -> Tally:
        now_s = time.monotonic()
        started_s = [running.started_s for running in self._under_way.values()]
        return replace(
            self._tally,
            in_flight=len(started_s),
            oldest_s=now_s - min(started_s, default=now_s),
            paused_s=self._pacer.paused_s(now_s),
            stopped=self._stopped or (OVER_MAX_COST if self._tally.over_budget else ""),
        )
