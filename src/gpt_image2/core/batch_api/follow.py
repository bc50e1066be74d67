"""`batch status`, `list`, `wait` and `cancel`: how the batches are that were handed to the server."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Sequence, Set

from ..base.errors import ApiError, GptImage2Error, InterruptedCall, NetworkError, RateLimitError
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, ExitCode
from ..base.record import replace
from ..batch.journal import FAILED, SUBMITTED, Entry
from ..outputs.files import temporary_folder
from ..telling.as_json import failure_json
from ..telling.output import Output
from .api import COMPLETED, ServerBatch
from .commands import (
    FIRST_POLL_S,
    SLOWEST_POLL_S,
    BatchesArguments,
    Session,
    batch_in_words,
    batch_json,
    batches_session,
)
from .store import GIVEN_UP, Batch, KnownJournal

_GROWTH = 1.5
_MAX_LISTED = 2000


def run_status(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    with batches_session("status", rest, output, stop) as (session, arguments):
        return _each(session, "status", _under_way(session, arguments), session.refreshed)


def run_list_batches(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    with batches_session("list", rest, output, stop) as (session, arguments):
        batches = session.store.batches()
        if arguments.remote:
            known = {batch.server.id: batch for batch in batches}
            remote = islice(session.api.batches(), _MAX_LISTED)
            batches = [known.get(server.id) or Batch(session.base_url, server) for server in remote]
    if not batches:
        output.say("no batches")
    return _tell(output, "list", batches, {}, True)


def run_cancel(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    with batches_session("cancel", rest, output, stop) as (session, arguments):
        batches = session.chosen(arguments.ids, lambda _: False)
        return _each(session, "cancel", batches, lambda batch: _cancelled(session, batch))


def run_wait(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    with batches_session("wait", rest, output, stop) as (session, arguments), stop, output.heartbeat():
        batches = _Watch(session, arguments).run()
    if stop.is_set:
        for batch in batches:
            output.result(batch_in_words(batch))
        raise InterruptedCall(
            "interrupted; the batches run on", signum=stop.signum or 2, hint="batch wait goes on waiting"
        )
    is_good = all(batch.server.status == COMPLETED and not batch.server.failed for batch in batches)
    if any(batch.is_open for batch in batches):
        output.complain("not all have ended in that time; they run on, and batch wait goes on waiting")
    return _tell(output, "wait", batches, {}, is_good)


class _Watch:
    """One `batch wait`."""

    def __init__(self, session: Session, arguments: BatchesArguments) -> None:
        self._session = session
        self._batches = _under_way(session, arguments)
        self._poll_s = arguments.poll
        self._until_s = None if arguments.timeout is None else time.monotonic() + arguments.timeout
        self._not_shown: Set[int] = set()  # what the server's list is without: looked for once

    def run(self) -> List[Batch]:
        """Asks until all have ended, time is up or the user stops it; how they are then."""
        wait_s = FIRST_POLL_S
        while True:
            asked_s = self._look()
            if not any(map(self._is_awaited, self._batches)):
                return self._batches
            pause_s = max(asked_s, wait_s if self._poll_s is None else self._poll_s)
            if self._until_s is not None:
                pause_s = min(pause_s, self._until_s - time.monotonic())
            if pause_s <= 0 or self._session.stop.wait(pause_s):
                return self._batches
            wait_s = min(wait_s * _GROWTH, SLOWEST_POLL_S)

    def _is_awaited(self, batch: Batch) -> bool:
        return batch.is_open and batch.number not in self._not_shown

    def _look(self) -> float:
        """Asks for each that is awaited; for how many seconds the server wants to be left alone."""
        asked_s = 0.0
        for place, batch in enumerate(self._batches):
            if not self._is_awaited(batch) or self._session.stop.is_set:
                continue
            try:
                now = self._batches[place] = self._session.refreshed(batch)
            except InterruptedCall:
                break
            except (NetworkError, RateLimitError, ApiError) as error:
                if not error.retry_safe:
                    raise
                asked_s = max(asked_s, error.retry_after_s or 0.0)
                self._session.output.say(f"{batch.label}: {error.message}; asking again")
                continue
            if now.is_unconfirmed:
                self._not_shown.add(now.number)
            self._say_changes(batch.server, now)
        return asked_s

    def _say_changes(self, before: ServerBatch, now: Batch) -> None:
        then = before.status, before.completed, before.failed
        if then != (now.server.status, now.server.completed, now.server.failed):
            self._session.output.say(batch_in_words(now))
            self._session.output.event({"event": "batch_changed", "batch": batch_json(now)})


def _under_way(session: Session, arguments: BatchesArguments) -> List[Batch]:
    batches = session.chosen(arguments.ids, lambda batch: batch.is_open)
    if not batches:
        session.output.say("no batch is under way")
        ended = session.chosen((), lambda batch: batch.is_unfetched)
        if ended:
            session.output.say(f"results to be had by batch fetch: {', '.join(each.label for each in ended)}")
    return batches


def _each(session: Session, action: str, batches: Sequence[Batch], work: Callable[[Batch], Batch]) -> int:
    """Does something for each batch and says how each is now; what fails for one is told in its row."""
    output = session.output
    now: List[Batch] = []
    errors: Dict[str, GptImage2Error] = {}
    for batch in batches:
        try:
            batch = work(batch)
        except InterruptedCall:
            raise
        except GptImage2Error as error:
            errors[batch.label] = error
        now.append(batch)
    if errors and len(errors) == len(now):
        raise next(iter(errors.values()))
    return _tell(output, action, now, errors, not errors)


def _tell(
    output: Output,
    action: str,
    batches: Sequence[Batch],
    errors: Mapping[str, GptImage2Error],
    is_good: bool,
) -> int:
    """Says how batches are, and by their labels what failed for them; the exit code."""
    for batch in batches:
        output.result(batch_in_words(batch))
        if batch.label in errors:
            output.complain(f"{batch.label}: {errors[batch.label].message}")
    rows = [{**batch_json(batch), "error": failure_json(errors.get(batch.label))} for batch in batches]
    output.finish({"ok": is_good, "command": f"batch {action}", "batches": rows})
    return int(ExitCode.OK if is_good else ExitCode.PARTIAL)


def _cancelled(session: Session, batch: Batch) -> Batch:
    """A batch after its cancellation. One that the whole list of the server is without is given up."""
    if batch.is_unconfirmed:
        batch = session.refreshed(batch)
        if batch.is_unconfirmed:
            return _given_up(session, batch)
    return session.update(batch, session.api.cancel(batch.server.id or ""))


def _given_up(session: Session, batch: Batch) -> Batch:
    """Gives up a batch that the server may have: its jobs may be sent again if the user says so once more."""
    folder = Path(batch.out_dir)
    if folder.is_dir():
        with temporary_folder() as scratch, KnownJournal(folder, scratch) as journal:
            journal.is_sandbox = session.api.is_sandbox
            journal.extend(_given_up_entries(session, batch, journal))
    batch = replace(batch, server=replace(batch.server, status=GIVEN_UP))
    session.store.update(batch)
    session.output.warn(
        f"{batch.label} is given up: its jobs may have been billed, so they are not run again by themselves"
    )
    return batch


def _given_up_entries(session: Session, batch: Batch, journal: KnownJournal) -> Iterator[Entry]:
    for job in session.store.jobs(batch):
        last = journal.last.of(job.planned.key, job.planned.copy)
        if last is not None and last.event == SUBMITTED and last.batch_id == batch.label:
            yield job.entry(
                FAILED,
                billed=Billed.MAYBE,
                code="batch_given_up",
                message="nobody knows whether its batch was made",
            )
