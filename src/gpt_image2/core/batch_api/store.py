"""The ledger's memory of batches: which were handed over, and what their results need to become files.

A batch is fetched hours or days later, by another process, maybe without its jobs file: all that is needed
for that is kept here, from before the batch is made on the server.
"""

from __future__ import annotations

import json
import time
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..base.errors import LedgerError
from ..base.record import Record
from ..base.redact import mask_secrets
from ..batch.journal import JournalImage
from ..ledger.database import LEDGER_NAME, Database, open_database, stored
from ..ledger.entries import utc_text
from ..settings.config import state_folder
from .remote import ENDED, RemoteBatch

#: States of a batch that only this machine knows: its file is being made; nobody knows whether the server has
#: it; and the user has given up on that.
PREPARING, UNKNOWN, GIVEN_UP = "preparing", "unknown", "given_up"
#: A job whose result has not been fetched; `done` and `failed` are the others.
WAITING = "submitted"
_LOCAL = "local-"
_PAGE = 500

_JOB_FIELDS = (
    "custom_id, job, line, id, key, copy, name, named, numbers, there, high_usd, prompt, fields, inputs,"
    " mask, state, outcome"
)
_INSERT_JOB = (
    f"INSERT INTO batch_jobs (batch, {_JOB_FIELDS}) VALUES "  # noqa: S608
    "(?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class RememberedBatch(Record):
    """A batch as the ledger has it. `number` is the ledger's own, `id` the server's where that is known."""

    number: int
    id: Optional[str]
    token: str
    base_url: str
    created_at: str
    status: str
    endpoint: str
    model: str
    input_file_id: Optional[str]
    output_file_id: Optional[str]
    error_file_id: Optional[str]
    out_dir: str
    total: int
    completed: int
    failed: int
    high_usd: Optional[float]
    history: bool
    fetched_at: Optional[str]

    @property
    def label(self) -> str:
        """What it is called: its id, or a name of its own while it has none."""
        return self.id or f"{_LOCAL}{self.number}"

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes of it on the server."""
        return self.status in ENDED

    @property
    def is_open(self) -> bool:
        """Whether something may still come of it."""
        return not self.has_ended and self.status != GIVEN_UP


class RememberedJob(Record):
    """A job of a batch. `numbers` are those of the images asked for, `there` those that were there before, as
    the journal keeps them; `fields`, `inputs` and `mask` are JSON as the ledger keeps them of a request;
    `outcome` is what its row shows once it has ended."""

    custom_id: str
    job: int
    line: int
    id: Optional[str]
    key: str
    copy: int
    name: str
    named: bool
    numbers: Tuple[int, ...]
    there: Tuple[JournalImage, ...]
    high_usd: Optional[float]
    prompt: str
    fields: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]]
    mask: Optional[Mapping[str, Any]]
    state: str = WAITING
    outcome: Optional[Mapping[str, Any]] = None


class Book:
    """The batches of one ledger. `secrets` are masked wherever they turn up."""

    def __init__(self, database: Database, secrets: Tuple[str, ...]) -> None:
        self.database = database
        self._secrets = secrets

    def url(self, base_url: str) -> str:
        """A base URL as it is kept here."""
        return mask_secrets(base_url, self._secrets)

    def prepare(
        self, token: str, base_url: str, endpoint: str, model: str, out_dir: str, is_recorded: bool
    ) -> int:
        """Begins a batch whose input file is being made; its number."""
        return self.database.insert(
            "INSERT INTO batches (token, base_url, created_at, status, endpoint, model, out_dir, total,"
            " completed, failed, history) VALUES (?, ?, ?, ?, ?, ?, CAST(? AS TEXT), 0, 0, 0, ?)",
            (
                token,
                self.url(base_url),
                utc_text(time.time()),
                PREPARING,
                endpoint,
                model,
                stored(out_dir),
                int(is_recorded),
            ),
        )

    def add_jobs(self, number: int, jobs: Iterable[RememberedJob]) -> None:
        """Takes jobs of a batch that is being made."""
        with self.database.transaction():
            for job in jobs:
                self.database.change(_INSERT_JOB, (number, *self._job_values(job)))

    def hand_over(self, number: int, input_file_id: str, total: int, high_usd: Optional[float]) -> None:
        """From now on the server may have the batch."""
        self.database.change(
            "UPDATE batches SET status = ?, input_file_id = ?, total = ?, high_usd = ? WHERE number = ?",
            (UNKNOWN, input_file_id, total, high_usd, number),
        )

    def update(self, number: int, remote: RemoteBatch) -> None:
        """What the server says of a batch."""
        self.database.change(
            "UPDATE batches SET id = ?, status = ?, created_at = ?, output_file_id = ?, error_file_id = ?,"
            " total = MAX(total, ?), completed = ?, failed = ? WHERE number = ?",
            (
                remote.id,
                remote.status,
                remote.created_at or utc_text(time.time()),
                remote.output_file_id,
                remote.error_file_id,
                remote.total,
                remote.completed,
                remote.failed,
                number,
            ),
        )

    def give_up(self, number: int) -> None:
        """The user waits no longer for a batch that the server may have."""
        self.database.change("UPDATE batches SET status = ? WHERE number = ?", (GIVEN_UP, number))

    def forget(self, number: int) -> None:
        """Lets a batch go that the server does not have."""
        with self.database.transaction():
            self.database.change("DELETE FROM batch_jobs WHERE batch = ?", (number,))
            self.database.change("DELETE FROM batches WHERE number = ?", (number,))

    def forget_unsent(self, out_dir: str) -> None:
        """Lets go what a killed `batch submit` had prepared for a folder and not handed over."""
        unsent = "SELECT number FROM batches WHERE status = ? AND out_dir = CAST(? AS TEXT)"
        for row in self.database.rows(unsent, (PREPARING, stored(out_dir))):
            self.forget(row["number"])

    def fetched(self, number: int) -> None:
        """All results of a batch are here."""
        self.database.change(
            "UPDATE batches SET fetched_at = ? WHERE number = ?", (utc_text(time.time()), number)
        )

    def forget_jobs(self, number: int) -> None:
        """Leaves only the bare row of a batch."""
        self.database.change("DELETE FROM batch_jobs WHERE batch = ?", (number,))

    def batches(self) -> List[RememberedBatch]:
        """All batches that the server has or may have, oldest first."""
        rows = self.database.rows("SELECT * FROM batches WHERE status != ? ORDER BY number", (PREPARING,))
        return [_remembered_batch(row) for row in rows]

    def batch_number(self, number: int) -> RememberedBatch:
        """The batch with this number, which must exist."""
        rows = self.database.rows("SELECT * FROM batches WHERE number = ?", (number,))
        return _remembered_batch(rows[0])

    def batch(self, label: str) -> Optional[RememberedBatch]:
        """The batch with an id, or a name of its own."""
        batches = reversed(self.batches())
        return next((batch for batch in batches if label in (batch.id, f"{_LOCAL}{batch.number}")), None)

    def jobs(self, number: int) -> Iterator[RememberedJob]:
        """The jobs of a batch in the order of their jobs file."""
        last = -1, ""
        query = (
            "SELECT * FROM batch_jobs WHERE batch = ? AND (job > ? OR (job = ? AND custom_id > ?))"
            " ORDER BY job, custom_id LIMIT ?"
        )
        while True:
            page = self.database.rows(query, (number, last[0], *last, _PAGE))
            if not page:
                return
            for row in page:
                yield _remembered_job(row)
            last = page[-1]["job"], page[-1]["custom_id"]

    def jobs_of_folder(self, out_dir: str) -> Iterator[Tuple[RememberedBatch, RememberedJob]]:
        """All jobs of a folder, each with the last batch that it was in."""
        batches = [batch for batch in self.batches() if batch.out_dir == out_dir]
        later = "SELECT 1 FROM batch_jobs WHERE batch = ? AND custom_id = ?"
        for place, batch in enumerate(batches):
            for job in self.jobs(batch.number):
                following = batches[place + 1 :]
                if not any(self.database.rows(later, (one.number, job.custom_id)) for one in following):
                    yield batch, job

    def job(self, number: int, custom_id: str) -> Optional[RememberedJob]:
        """One job of a batch."""
        rows = self.database.rows(
            "SELECT * FROM batch_jobs WHERE batch = ? AND custom_id = ?", (number, custom_id)
        )
        return _remembered_job(rows[0]) if rows else None

    def count(self, number: int) -> Dict[str, int]:
        """How many jobs of a batch are in each state."""
        query = "SELECT state, COUNT(*) AS jobs FROM batch_jobs WHERE batch = ? GROUP BY state"
        return {row["state"]: row["jobs"] for row in self.database.rows(query, (number,))}

    def _job_values(self, job: RememberedJob) -> Tuple[object, ...]:
        return (
            job.custom_id,
            job.job,
            job.line,
            job.id,
            job.key,
            job.copy,
            stored(job.name),
            int(job.named),
            json.dumps(job.numbers),
            json.dumps([dict(vars(image)) for image in job.there]),
            job.high_usd,
            self._masked(job.prompt),
            self._masked(json.dumps(job.fields)),
            self._masked(json.dumps(job.inputs)),
            None if job.mask is None else self._masked(json.dumps(job.mask)),
            job.state,
            None if job.outcome is None else json.dumps(job.outcome),
        )

    def _masked(self, text: str) -> str:
        return mask_secrets(text, self._secrets)


def end_job(database: Database, number: int, job: RememberedJob) -> None:
    """Writes down what has become of a job."""
    database.change(
        "UPDATE batch_jobs SET state = ?, outcome = ? WHERE batch = ? AND custom_id = ?",
        (job.state, json.dumps(job.outcome), number, job.custom_id),
    )


def open_book(env: Mapping[str, str], secrets: Tuple[str, ...]) -> Book:
    """The memory of batches, made where it is missing.

    Raises:
        LedgerError: it cannot be used; without it no batch could be fetched.
    """
    path = state_folder(env) / LEDGER_NAME
    try:
        return Book(open_database(path), secrets)
    except LedgerError as error:
        raise LedgerError(
            f"{error.message}; batches cannot be remembered without it",
            hint=f"mend or move {path}, or name another place with XDG_STATE_HOME; nothing was sent",
            code=error.code,
        ) from None


def _remembered_batch(row: Mapping[str, Any]) -> RememberedBatch:
    values: Dict[str, Any] = {**row, "history": bool(row["history"])}
    return RememberedBatch(**values)


def _remembered_job(row: Mapping[str, Any]) -> RememberedJob:
    values: Dict[str, Any] = {name: value for name, value in row.items() if name != "batch"}
    values.update(
        named=bool(row["named"]),
        numbers=tuple(json.loads(row["numbers"])),
        there=tuple(JournalImage(**image) for image in json.loads(row["there"])),
        fields=json.loads(row["fields"]),
        inputs=json.loads(row["inputs"]),
        mask=None if row["mask"] is None else json.loads(row["mask"]),
        outcome=None if row["outcome"] is None else json.loads(row["outcome"]),
    )
    return RememberedJob(**values)
