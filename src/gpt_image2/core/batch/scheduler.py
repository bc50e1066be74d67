"""Runs the jobs of a plan side by side: each by way of budget, gate and journal, and then as any call."""

from __future__ import annotations

import threading
import time
from typing import Callable, Dict, Optional

from ..base.errors import (
    AuthenticationError,
    ConfigError,
    GptImage2Error,
    InterruptedCall,
    OutputError,
    QuotaError,
)
from ..base.outcome import Billed, SavedImage
from ..base.record import Record, replace
from ..calls.budget import Hold
from .attempt import Sending, Workplace
from .journal import DONE, FAILED
from .plan import OVER_BUDGET, PENDING, PlannedJob

_MOST_REFUSALS = 20  # of one job, by a rate limit
_UNAUTHORIZED = 401
INTERRUPTED, MAX_FAILURES, MAX_COST = "interrupted", "max_failures", "max_cost"


class Tally(Record):
    """How far a run is. `stopped` says why nothing more is started, empty while more is; `oldest_s` is how
    many seconds the longest call under way has run."""

    done: int = 0
    failed: int = 0
    images: int = 0
    in_flight: int = 0
    oldest_s: float = 0.0
    spent_usd: float = 0.0
    unpriced: int = 0
    over_budget: int = 0
    stopped: str = ""


class Runner:
    """One run. `on_saved` hears of each image, `on_end` of each job, its state and its outcome, in turn."""

    def __init__(
        self,
        place: Workplace,
        concurrency: int,
        max_failures: Optional[int],
        on_saved: Callable[[SavedImage], None],
        on_end: Callable[[PlannedJob, str, Dict[str, object]], None],
    ) -> None:
        self._place = place
        self._concurrency = concurrency
        self._max_failures = max_failures
        self._on_saved = on_saved
        self._on_end = on_end
        self._voice = threading.Lock()
        self._changed = threading.Condition()
        self._tally = Tally()
        self._stopped = ""
        self._afforded = 0  # jobs whose money is set aside
        self._started: Dict[int, float] = {}  # those that are out, and since when
        self._problem: Optional[BaseException] = None

    def run(self, tick: Callable[[], None], tick_s: float) -> Tally:
        """Runs until nothing is left, or nothing more is to be started; calls `tick` from time to time.

        Raises:
            Exception: a defect of the program; what was under way has ended.
        """
        count = min(self._concurrency, self._place.plan.count().get(PENDING, 0))
        threads = [threading.Thread(target=self._work_safely, daemon=True) for _ in range(count)]
        with self._place.stop:
            self._place.stop.drain_first(lambda: self._stop_starting(INTERRUPTED))
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(tick_s)
                    tick()
            self._place.stop.drain_first(None)
        if self._problem is not None:
            raise self._problem
        return self.tally()

    def tally(self) -> Tally:
        """How far it is."""
        with self._changed:
            now = time.monotonic()
            oldest_s = max((now - started for started in self._started.values()), default=0.0)
            return replace(
                self._tally, in_flight=len(self._started), oldest_s=oldest_s, stopped=self._stopped
            )

    def _work_safely(self) -> None:
        try:
            while self._work():
                pass
        except BaseException as error:
            self._problem = self._problem or error
            self._stop_starting(type(error).__name__)

    def _work(self) -> bool:
        """Takes one job and sees it to its end; False when nothing more is to be done."""
        if self._is_stopping():
            return False
        job = self._place.plan.take()
        if job is None:
            return False
        hold = self._afford(job)
        if hold is None:
            if self._is_stopping():
                self._place.plan.put_back(job.number)
                return False
            self._place.plan.end(job.number, OVER_BUDGET, {})
            self._count(over_budget=1)
            return True
        try:
            self._see_through(job, hold)
        finally:
            with self._changed:
                self._afforded -= 1
                self._place.budget.release(hold)
                self._changed.notify_all()
        return True

    def _afford(self, job: PlannedJob) -> Optional[Hold]:
        """The money for a job; None when it would pass the cap even after all that is under way has ended."""
        with self._changed:
            while True:
                hold = self._place.budget.take(job.high_usd or 0.0)
                if hold is not None:
                    self._afforded += 1
                if hold is not None or not self._afforded or self._is_stopping():
                    return hold
                self._changed.wait(1.0)

    def _see_through(self, job: PlannedJob, hold: Hold) -> None:
        """Sends a job until it has ended in a way that sending it again would not change."""
        refusals = 0
        while True:
            sending = Sending(self._place, job, hold, self._saved)
            if not self._place.pacer.enter(len(job.missing), self._is_stopping):
                self._place.plan.put_back(job.number)
                return
            with self._changed:
                self._started[job.number] = time.monotonic()
            try:
                error = sending.run()
            finally:
                self._place.pacer.leave(len(job.missing))
                with self._changed:
                    del self._started[job.number]
            if error is None or not self._must_wait(error, len(job.missing)) or refusals >= _MOST_REFUSALS:
                break
            refusals += 1
        if isinstance(error, InterruptedCall) and error.billed is Billed.NO:
            self._place.plan.put_back(job.number)
            return
        self._book(job, sending, error)

    def _must_wait(self, error: GptImage2Error, images: int) -> bool:
        """Whether the job may simply go again later; then everybody is told to wait."""
        if not error.retry_safe or error.billed is not Billed.NO:
            return False
        if error.http_status == 429:
            self._place.pacer.refused(images, error.retry_after_s, error.message)
            return True
        if error.retry_after_s is not None:
            self._place.pacer.pause(error.retry_after_s)
            return True
        return False

    def _book(self, job: PlannedJob, sending: Sending, error: Optional[GptImage2Error]) -> None:
        state = DONE if error is None else FAILED
        outcome = sending.outcome(error)
        self._place.plan.end(job.number, state, outcome)
        cost = sending.cost_usd
        self._count(
            done=int(error is None),
            failed=int(error is not None),
            images=sending.images_saved,
            spent_usd=cost or 0.0,
            unpriced=int(cost is None and sending.billed is not Billed.NO),
        )
        with self._voice:
            self._on_end(job, state, outcome)
        if error is None:
            return
        if isinstance(error, (QuotaError, ConfigError)) or (
            isinstance(error, AuthenticationError) and error.http_status == _UNAUTHORIZED
        ):
            self._stop_starting(error.code)  # no other job can fare better
        elif isinstance(error, OutputError) and sending.journal_failed:
            self._stop_starting(error.code)
        elif self._max_failures is not None and self.tally().failed >= self._max_failures:
            self._stop_starting(MAX_FAILURES)

    def _saved(self, image: SavedImage) -> None:
        with self._voice:
            self._on_saved(image)

    def _count(self, **more: float) -> None:
        with self._changed:
            values = {name: getattr(self._tally, name) + value for name, value in more.items()}
            self._tally = replace(self._tally, **values)

    def _is_stopping(self) -> bool:
        return bool(self._stopped) or self._place.stop.is_set

    def _stop_starting(self, reason: str) -> None:
        """Nothing more is started. Called from a signal handler too, so it takes no lock."""
        self._stopped = self._stopped or reason
