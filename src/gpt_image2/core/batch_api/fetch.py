"""`batch fetch`: the results of batches become files, each once, however often it is run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Sequence

from ..base.errors import GptImage2Error, InterruptedCall, PartialError
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, ExitCode
from ..base.redact import show
from ..batch.contact_sheet import write_sheet
from ..batch.journal import DONE, FAILED
from ..batch.output_folder import OutputFolder
from ..ledger.recording import Ledger
from ..outputs.files import prepare_folder, temporary_folder
from ..outputs.naming import OutputPlan, slug
from ..settings.places import state_folder
from ..telling.as_json import failure_json
from ..telling.in_words import SANDBOX_MADE_IT, saved_line
from ..telling.output import Output
from .commands import BatchesArguments, Session, batch_json, batches_session
from .results import ResultLine, ResultReader, error_without_line
from .saving import ResultSaver, job_row_of
from .store import WAITING, Batch, KnownJournal

_PART_NAME = "batch-result"
_TRIES_PER_FILE = 3
_WAITING_HINT = "batch wait waits for the rest, and batch fetch goes on with it"
_FAILED_HINT = "batch submit or batch run with the same jobs goes on with what was not billed"


def run_fetch(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    ended: List[int] = []
    try:
        with batches_session("fetch", rest, output, stop) as (session, arguments):
            ended.append(_fetched(session, arguments))
    except Exception as defect:
        if not ended:
            raise
        output.warn(f"something went wrong when all was done: {defect}")
    return ended[0]


def _fetched(session: Session, arguments: BatchesArguments) -> int:
    batches = session.chosen(arguments.ids, lambda batch: batch.is_unfetched)
    if not batches:
        session.output.say("nothing is left to fetch")
    fetching = _Fetching(session)
    try:
        with session.stop, session.output.heartbeat():
            fetching.run(batches)
        return fetching.finish()
    except Exception as defect:
        raise fetching.settled(defect) from defect


class _Fetching:
    """One `batch fetch`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._store = session.store
        self._output = session.output
        self._rescue_folder = state_folder(os.environ) / "rescued"
        self._ledger = Ledger(state_folder(os.environ), session.settings.secrets)
        self._batches: List[Batch] = []
        self._errors: List[GptImage2Error] = []
        self._problems: List[str] = []
        self._rescued: List[str] = []
        self._sheets: List[str] = []
        self._saved = 0

    def run(self, batches: Sequence[Batch]) -> None:
        by_folder: Dict[str, List[Batch]] = {}
        for batch in batches:
            try:
                batch = self._session.refreshed(batch)
            except GptImage2Error as error:
                self._failed(batch, error)
            self._batches.append(batch)
            if not batch.is_unconfirmed:
                by_folder.setdefault(batch.out_dir, []).append(batch)
        for out_dir, group in by_folder.items():
            if self._session.stop.is_set:
                return
            if out_dir:
                self._fetch_folder(Path(out_dir), group)
            else:
                for batch in group:
                    self._fetch_unknown(batch)

    def settled(self, defect: Exception) -> GptImage2Error:
        """What a defect is told as: batches may be billed, whatever breaks while they are fetched."""
        return self._session.settled(defect, Billed.YES if self._saved else Billed.MAYBE)

    def finish(self) -> int:
        stop = self._session.stop
        if stop.is_set:
            raise InterruptedCall(
                "interrupted; what was saved is saved",
                signum=stop.signum or 2,
                hint="batch fetch goes on with the rest",
            )
        found = self._counts()
        if self._errors and len(self._errors) >= len(self._batches) and not self._saved:
            raise self._errors[0]
        is_good = found[DONE] == found["jobs"] and not (self._errors or self._problems or self._rescued)
        words = (
            f"{found[DONE]} of {found['jobs']} jobs done, {found[FAILED]} failed, {found[WAITING]} waiting"
        )
        self._output.say(f"{words}; {self._saved} images saved")
        is_sandbox = self._saved > 0 and self._session.api.is_sandbox
        if is_sandbox:
            self._output.warn(SANDBOX_MADE_IT)
        error: Optional[PartialError] = None
        if not is_good:
            hint = "; ".join(self._problems) or (_WAITING_HINT if found[WAITING] else _FAILED_HINT)
            error = PartialError(words, hint=hint, code="not_ready" if found[WAITING] else "partial")
            self._output.complain(f"{words}; {hint}")
        costs = (row["cost_usd"] for row in self._rows())
        self._output.finish(
            {
                "ok": is_good,
                "command": "batch fetch",
                **found,
                "images": self._saved,
                "cost_usd": round(sum(cost for cost in costs if isinstance(cost, float)), 6),
                "batches": [batch_json(batch) for batch in self._batches],
                "contact_sheets": self._sheets,
                "rescued": self._rescued,
                "error": failure_json(error),
                **({"sandbox": True} if is_sandbox else {}),
            },
            self._rows(),
        )
        for batch in self._batches:
            if batch.number and batch.fetched_at and not batch.history:
                self._store.forget_jobs(batch)
        return int(ExitCode.OK if is_good else ExitCode.PARTIAL)

    def _fetch_folder(self, path: Path, batches: Sequence[Batch]) -> None:
        folder = OutputFolder(path, self._rescue_folder)
        saver: Optional[ResultSaver] = None
        try:
            prepare_folder(path, "see to it that it can be written; the server still has the results")
            with temporary_folder() as scratch, KnownJournal(path, scratch) as journal:
                saver = ResultSaver(self._session, self._ledger, folder, journal)
                for batch in batches:
                    if not self._was_fetched(batch):
                        self._fetch(batch, saver, path)
                self._problems += saver.failures
                self._write_contact_sheet(path, journal.last.count())
        except Exception as defect:
            error = self.settled(defect)
            for batch in batches:
                self._failed(batch, error)
        finally:
            self._saved += 0 if saver is None else saver.saved

    def _was_fetched(self, batch: Batch) -> bool:
        """Whether another process has fetched a batch since it was chosen; it may have forgotten its jobs."""
        now = self._store.batch(batch.label)
        if now is None or now.fetched_at == batch.fetched_at:
            return False
        self._output.say(f"{batch.label} was fetched by another process meanwhile")
        self._batches[self._batches.index(batch)] = now
        return True

    def _fetch(self, batch: Batch, saver: ResultSaver, path: Path) -> None:
        def take(line: ResultLine) -> None:
            job = self._store.job(batch, line.custom_id)
            if job is None:
                self._rescue(batch, line)
            else:
                saver.save(batch, job, line)

        if not self._read_files(batch, path, take) or not batch.server.has_ended or saver.failures:
            return
        # What still waits will never come: the batch has ended, and its files were read.
        error = error_without_line(self._session.api.batch(batch.server.id or ""))
        for job in self._store.jobs(batch):
            if job.state == WAITING:
                saver.fail(batch, job, error)
        if not self._store.count(batch).get(WAITING):
            self._batches[self._batches.index(batch)] = self._store.mark_fetched(batch)

    def _fetch_unknown(self, batch: Batch) -> None:
        self._output.warn(f"{batch.label} is not known here: its images go to {self._rescue_folder}")
        self._rescue_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._read_files(batch, self._rescue_folder, lambda line: self._rescue(batch, line))

    def _rescue(self, batch: Batch, line: ResultLine) -> None:
        places: List[str] = []
        for number, writer in enumerate(line.writers, 1):
            places.append(writer.keep(f"{slug(line.custom_id) or 'result'}-{number}.png"))
            self._output.result(saved_line(places[-1], writer.size_bytes))
        self._rescued += places
        name = show(line.custom_id, limit=100)
        where = f"; saved as {', '.join(places)}" if places else " and holds no image"
        self._output.warn(f"{batch.label} has a result for {name!r}, which is not known here{where}")

    def _read_files(self, batch: Batch, path: Path, take: Callable[[ResultLine], None]) -> bool:
        """Reads the output file and the error file; whether both came whole."""
        plan = OutputPlan(path, _PART_NAME, "", False, True, self._rescue_folder)
        is_whole = True
        for file_id in (batch.server.output_file_id, batch.server.error_file_id):
            if file_id is None:
                continue
            try:
                self._read_file(file_id, plan, take)
            except GptImage2Error as error:
                is_whole = False
                self._failed(batch, error)
        return is_whole

    def _read_file(self, file_id: str, plan: OutputPlan, take: Callable[[ResultLine], None]) -> None:
        """Reads one file to its end; one that is cut is read again, what was saved of it is passed over."""
        for number in range(_TRIES_PER_FILE):
            reader = ResultReader(plan, take)
            try:
                self._session.api.download(file_id, reader.feed)
                return
            except GptImage2Error as error:
                if number == _TRIES_PER_FILE - 1 or not error.retry_safe or self._session.stop.wait(number):
                    raise
                self._output.say(f"{error.message}; reading it again")
            finally:
                reader.close()

    def _failed(self, batch: Batch, error: GptImage2Error) -> None:
        self._errors.append(error)
        self._problems.append(f"{batch.label}: {error.message}")

    def _write_contact_sheet(self, path: Path, known: int) -> None:
        """Writes the contact sheet anew where all jobs of the folder are remembered here."""
        out_dir = str(path)
        if sum(1 for _ in self._store.jobs_of_folder(out_dir)) != known:
            return
        rows = (job_row_of(batch, job) for batch, job in self._store.jobs_of_folder(out_dir))
        requests = (job.request for _, job in self._store.jobs_of_folder(out_dir))
        sheet = write_sheet(path, path.name, "", rows, requests, self._output)
        self._sheets += [sheet] if sheet else []

    def _counts(self) -> Dict[str, int]:
        found = {DONE: 0, FAILED: 0, WAITING: 0}
        for batch in self._batches:
            for state, jobs in self._store.count(batch).items():
                found[state] += jobs
        return {"jobs": sum(found.values()), **found}

    def _rows(self) -> Iterator[Dict[str, object]]:
        for batch in self._batches:
            for job in self._store.jobs(batch):
                yield job_row_of(batch, job)
