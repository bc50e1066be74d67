"""Runs the jobs of a plan side by side: each by way of budget, gate and journal, and then as any call."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Dict, List, Optional

from ..budget import Budget, Hold
from ..client import Client, PreparedCall
from ..errors import (
    AuthenticationError,
    ConfigError,
    GptImage2Error,
    InterruptedCall,
    OutputError,
    QuotaError,
)
from ..events import Event, HeadersReceived, ImageSaved
from ..interrupt import StopSwitch
from ..outcome import Billed, Result, SavedImage
from ..record import Record, replace
from ..report import image_json
from .jobs import Job, read_job
from .jobs_file import JobsFile
from .journal import DONE, FAILED, SENT, Entry, Journal, journal_images
from .pacer import Pacer
from .plan import OVER_BUDGET, Plan, PlannedJob
from .planner import Folder

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


class Workplace(Record):
    """What the workers of a run share."""

    plan: Plan
    jobs_file: JobsFile
    journal: Journal
    folder: Folder
    client: Client
    defaults: Job
    pacer: Pacer
    budget: Budget
    stop: StopSwitch


class Sending:
    """A job sent once: prepared, noted in the journal, sent, and noted again."""

    def __init__(
        self, place: Workplace, job: PlannedJob, hold: Hold, on_saved: Callable[[SavedImage], None]
    ) -> None:
        self._place = place
        self._job = job
        self._hold = hold
        self._on_saved = on_saved
        self._result: Optional[Result] = None
        self._images: Dict[int, SavedImage] = {}
        self._is_sent = False
        self.billed = Billed.NO
        #: The journal does not take lines any more: nothing further may be sent.
        self.journal_failed = False

    def run(self) -> Optional[GptImage2Error]:
        """Sends the job; the error that it ended with, None when all its images are saved."""
        try:
            with ExitStack() as stack:
                prepared = self._prepared(stack)
                self._note(SENT, prepared)
                self._hold.sent()
                self._is_sent = True
                error = self._call(prepared)
        except GptImage2Error as before:  # nothing was sent
            return before
        except Exception as defect:  # one job's, however it comes, must not end the others
            return self._broken(defect)
        try:
            self._note(DONE if error is None else FAILED, prepared, error)
        except OutputError as failed:
            return failed
        return error

    @property
    def cost_usd(self) -> Optional[float]:
        """What it cost, None where that is unknown or nothing was paid."""
        return self._result.cost_usd if self._result else None

    @property
    def images_saved(self) -> int:
        """How many images this sending has saved."""
        return len(self._images)

    def outcome(self, error: Optional[GptImage2Error]) -> Dict[str, object]:
        """What became of the job, as its row tells it."""
        result = self._result
        failure = None
        if error is not None:
            failure = {
                "code": error.code,
                "message": error.message,
                "hint": error.hint,
                "http_status": error.http_status,
                "request_id": error.request_id,
            }
        return {
            "images": [image_json(image) for _, image in sorted(self._all_images().items())],
            "billed": self.billed.value,
            "cost_usd": None if self.cost_usd is None else round(self.cost_usd, 6),
            "attempts": result.attempts if result else 0,
            "elapsed_s": round(result.elapsed_s, 3) if result else 0.0,
            "warnings": list(result.warnings) if result else [],
            "error": failure,
        }

    def _all_images(self) -> Dict[int, SavedImage]:
        """The images of the job by their numbers, those of earlier runs too."""
        return {**dict(self._job.there), **self._images}

    def _prepared(self, stack: ExitStack) -> PreparedCall:
        """The call of this job, for those of its images that are still missing."""
        place, planned = self._place, self._job
        job, _ = read_job(place.jobs_file.text_at(planned.offset), place.defaults)
        request = job.request
        if job.sources:
            request = stack.enter_context(place.client.with_inputs(request, job.sources, job.mask))
        output = place.folder.path / planned.name
        prepared = place.client.prepare(request, output, no_clobber=not planned.named)
        if any(self._is_anothers(prepared.plan.path(number)) for number in planned.missing):
            prepared = replace(prepared, plan=replace(prepared.plan, no_clobber=True))
        if len(planned.missing) == prepared.request.count:
            return prepared
        rest = replace(prepared.request, n=len(planned.missing))
        return replace(prepared, request=rest, numbers=planned.missing)

    def _call(self, prepared: PreparedCall) -> Optional[GptImage2Error]:
        error: Optional[GptImage2Error] = None
        try:
            self._result = self._place.client.run(prepared, observer=self._hear)
            self.billed = self._result.billed
        except GptImage2Error as failed:
            error, self._result, self.billed = failed, failed.result, failed.billed
        self._hold.settle(self.billed, self.cost_usd)
        self._number_images(prepared)
        return error

    def _broken(self, defect: Exception) -> GptImage2Error:
        """A defect of the program met by this job. What was sent by then stays in doubt in the journal."""
        self.billed = Billed.MAYBE if self._is_sent else Billed.NO
        return GptImage2Error(f"internal error: {type(defect).__name__}: {defect}", billed=self.billed)

    def _hear(self, event: Event) -> None:
        if isinstance(event, HeadersReceived):
            self._place.pacer.heard(event.limits, len(self._job.missing))
        elif isinstance(event, ImageSaved):
            self._place.plan.hold_name(self._name_of(event.image.path), self._job)
            self._on_saved(event.image)

    def _is_anothers(self, path: Path) -> bool:
        """Whether an output is not ours to replace: what was not there yet may be another job's by then."""
        return not os.path.lexists(str(path)) or self._place.plan.is_anothers(
            self._name_of(str(path)), self._job
        )

    def _name_of(self, path: str) -> str:
        return os.path.relpath(path, str(self._place.folder.path))

    def _number_images(self, prepared: PreparedCall) -> None:
        """Gives each saved image its number in the job: by its name, else the next that is free."""
        free = {str(prepared.plan.path(number)): number for number in self._job.missing}
        strangers: List[SavedImage] = []
        for image in self._result.images if self._result else ():
            number = free.pop(image.path, None)
            if number is None:
                strangers.append(image)
            else:
                self._images[number] = image
        rest = iter(sorted(free.values()))
        further = max(self._job.missing) + 1
        for offset, image in enumerate(strangers):
            self._images[next(rest, further + offset)] = image

    def _note(self, event: str, prepared: PreparedCall, error: Optional[GptImage2Error] = None) -> None:
        """A line in the journal.

        Raises:
            OutputError: the disk does not take it.
        """
        job = self._job
        entry = Entry(
            event=event,
            key=job.key,
            copy=job.copy,
            name=job.name,
            existed=any(os.path.lexists(str(prepared.plan.path(number))) for number in job.missing),
            images=journal_images(self._all_images(), self._place.folder.path),
            billed=self.billed if event != SENT else Billed.MAYBE,
            cost_usd=self.cost_usd if event != SENT else None,
            high_usd=self._hold.high_usd if event == SENT else 0.0,
            code=error.code if error else "",
            message=error.message if error else "",
            settled=error is not None and error.code == "fewer_images",
        )
        try:
            self._place.journal.append(entry)
        except OutputError:
            self.journal_failed = True
            raise


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
        self._started: Dict[int, float] = {}
        self._problem: Optional[BaseException] = None

    def run(self, tick: Callable[[], None], tick_s: float) -> Tally:
        """Runs until nothing is left, or nothing more is to be started; calls `tick` from time to time.

        Raises:
            Exception: a defect of the program; what was under way has ended.
        """
        count = min(self._concurrency, self._place.plan.count().get("todo", 0))
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
                self._started.pop(job.number, None)
                self._place.budget.release(hold)
                self._changed.notify_all()
        return True

    def _afford(self, job: PlannedJob) -> Optional[Hold]:
        """The money for a job; None when it would pass the cap even after all that is under way has ended."""
        with self._changed:
            while True:
                hold = self._place.budget.take(job.high_usd or 0.0)
                if hold is not None or not self._started or self._is_stopping():
                    if hold is not None:
                        self._started[job.number] = time.monotonic()
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
