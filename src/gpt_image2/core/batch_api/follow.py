"""`batch status`, `list`, `wait` and `cancel`: what the server makes of the batches that it was handed."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Sequence

from ..base.errors import ApiError, GptImage2Error, InterruptedCall, NetworkError, RateLimitError
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, ExitCode
from ..base.record import replace
from ..batch.journal import FAILED, SUBMITTED, Entry, Journal
from ..outputs.files import temporary_folder
from ..telling.output import Output
from ..telling.report import failure_json
from .desk import Desk, is_lost, open_desk
from .handover import entry_of
from .parsers import (
    FIRST_POLL_S,
    SLOWEST_POLL_S,
    BatchesCommand,
    cancel_parser,
    list_parser,
    read_batches_command,
    status_parser,
    wait_parser,
)
from .past_jobs import PastJobs
from .remote import COMPLETED
from .store import RememberedBatch
from .wording import batch_in_words, batch_json, stranger

_GROWTH = 1.5


def run_status(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    """Runs `batch status`; its exit code.

    Raises:
        GptImage2Error: the server says nothing of any batch.
    """
    command = read_batches_command(status_parser(), rest)
    with ExitStack() as stack:
        desk = open_desk(command, output, stop, stack)
        return _each(desk, "status", _meant(desk, command), desk.refreshed)


def run_list(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    """Runs `batch list`; its exit code.

    Raises:
        GptImage2Error: the ledger cannot be read, or the server does not answer.
    """
    command = read_batches_command(list_parser(), rest)
    with ExitStack() as stack:
        desk = open_desk(command, output, stop, stack)
        batches = desk.book.batches()
        if command.remote:
            known = {batch.id: batch for batch in batches}
            batches = [
                known.get(remote.id) or stranger(remote, desk.base_url) for remote in desk.server.batches()
            ]
    for batch in batches:
        output.result(batch_in_words(batch))
    if not batches:
        output.say("no batches")
    return _finish_batches(output, "list", batches, {}, int(ExitCode.OK))


def run_cancel(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    """Runs `batch cancel`; its exit code.

    Raises:
        GptImage2Error: no batch could be cancelled.
    """
    command = read_batches_command(cancel_parser(), rest)
    with ExitStack() as stack:
        desk = open_desk(command, output, stop, stack)
        return _each(
            desk, "cancel", desk.chosen(command.ids, lambda _: False), lambda batch: _cancelled(desk, batch)
        )


def run_wait(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    """Runs `batch wait`; its exit code.

    Raises:
        GptImage2Error: the server refuses to say, or the user stops waiting.
    """
    command = read_batches_command(wait_parser(), rest)
    with ExitStack() as stack:
        desk = open_desk(command, output, stop, stack)
        with stop, output.heartbeat():
            batches = _Watch(desk, command).run()
    for batch in batches:
        output.result(batch_in_words(batch))
    if stop.is_set:
        raise InterruptedCall(
            "interrupted; the batches run on", signum=stop.signum or 2, hint="batch wait goes on waiting"
        )
    is_good = all(batch.status == COMPLETED and not batch.failed for batch in batches)
    if any(batch.is_open for batch in batches):
        output.complain("not all have ended in that time; they run on, and batch wait goes on waiting")
    return _finish_batches(output, "wait", batches, {}, int(ExitCode.OK if is_good else ExitCode.PARTIAL))


class _Watch:
    """One `batch wait`."""

    def __init__(self, desk: Desk, command: BatchesCommand) -> None:
        self._desk = desk
        self._batches = _meant(desk, command)
        self._poll_s = command.poll_s
        self._has_looked = False
        self._until_s = None if command.timeout_s is None else time.monotonic() + command.timeout_s

    def run(self) -> List[RememberedBatch]:
        """Asks until all have ended, time is up or the user stops it; how they are then. One that the server
        does not show is looked for once."""
        wait_s = FIRST_POLL_S
        while True:
            asked_s = self._look()
            if not any(batch.is_open and not is_lost(batch) for batch in self._batches):
                return self._batches
            pause_s = max(asked_s, wait_s if self._poll_s is None else self._poll_s)
            if self._until_s is not None:
                pause_s = min(pause_s, self._until_s - time.monotonic())
            if pause_s <= 0 or self._desk.stop.wait(pause_s):
                return self._batches
            wait_s = min(wait_s * _GROWTH, SLOWEST_POLL_S)

    def _look(self) -> float:
        """Asks for each that has not ended; for how many seconds the server wants to be left alone."""
        asked_s = 0.0
        for place, batch in enumerate(self._batches):
            if not batch.is_open or self._desk.stop.is_set or (is_lost(batch) and self._has_looked):
                continue
            try:
                self._batches[place] = self._desk.refreshed(batch)
            except InterruptedCall:
                break
            except (NetworkError, RateLimitError, ApiError) as error:
                if not error.retry_safe:
                    raise
                asked_s = max(asked_s, error.retry_after_s or 0.0)
                self._desk.output.say(f"{batch.label}: {error.message}; asking again")
            self._tell(batch, self._batches[place])
        self._has_looked = True
        return asked_s

    def _tell(self, before: RememberedBatch, now: RememberedBatch) -> None:
        if (before.status, before.completed, before.failed) != (now.status, now.completed, now.failed):
            self._desk.output.say(batch_in_words(now))
            self._desk.output.event({"event": "batch_changed", "batch": batch_json(now)})


def _meant(desk: Desk, command: BatchesCommand) -> List[RememberedBatch]:
    batches = desk.chosen(command.ids, lambda batch: batch.is_open)
    if not batches:
        desk.output.say("no batch is under way")
    return batches


def _each(
    desk: Desk,
    action: str,
    batches: Sequence[RememberedBatch],
    work: Callable[[RememberedBatch], RememberedBatch],
) -> int:
    """Does something for each batch and says how each is now; what fails for one is told in its row.

    Raises:
        GptImage2Error: it failed for all.
    """
    now: List[RememberedBatch] = []
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
    for batch in now:
        desk.output.result(batch_in_words(batch))
        if batch.label in errors:
            desk.output.complain(f"{batch.label}: {errors[batch.label].message}")
    return _finish_batches(desk.output, action, now, errors, int(ExitCode.PARTIAL if errors else ExitCode.OK))


def _finish_batches(
    output: Output,
    action: str,
    batches: Sequence[RememberedBatch],
    errors: Mapping[str, GptImage2Error],
    code: int,
) -> int:
    rows = [{**batch_json(batch), "error": failure_json(errors.get(batch.label))} for batch in batches]
    output.finish({"ok": code == 0, "command": f"batch {action}", "batches": rows})
    return code


def _cancelled(desk: Desk, batch: RememberedBatch) -> RememberedBatch:
    """A batch after its cancellation. One that the server does not show is given up."""
    if is_lost(batch):
        batch = desk.refreshed(batch)
        if is_lost(batch):
            return _given_up(desk, batch)
    remote = desk.server.cancel(batch.id or "")
    if not batch.number:
        return stranger(remote, desk.base_url)
    desk.book.update(batch.number, remote)
    return desk.book.batch_number(batch.number)


def _given_up(desk: Desk, batch: RememberedBatch) -> RememberedBatch:
    """Gives up a batch that the server may have: its jobs may be sent again if the user says so once more."""
    folder = Path(batch.out_dir)
    if folder.is_dir():
        with temporary_folder() as scratch, Journal(folder) as journal, PastJobs(folder, scratch) as past:
            journal.extend(_given_up_entries(desk, batch, past))
    desk.book.give_up(batch.number)
    desk.output.warn(
        f"{batch.label} is given up: its jobs may have been billed, and run again only with --retry-ambiguous"
    )
    return desk.book.batch_number(batch.number)


def _given_up_entries(desk: Desk, batch: RememberedBatch, past: PastJobs) -> List[Entry]:
    entries: List[Entry] = []
    for job in desk.book.jobs(batch.number):
        last: Optional[Entry] = past.last(job.custom_id)
        if last is not None and last.event == SUBMITTED and last.batch_id == batch.label:
            entries.append(
                replace(
                    entry_of(job),
                    event=FAILED,
                    billed=Billed.MAYBE,
                    code="batch_given_up",
                    message="nobody knows whether its batch was made",
                )
            )
    return entries
