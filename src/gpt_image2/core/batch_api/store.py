"""What this machine remembers of batches: their rows in the ledger, and the lines of their jobs in a journal.

A batch is fetched hours or days later, by another process, maybe without its jobs file: all that is needed
for that is in the ledger before the batch is made on the server.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, cast

from ..api.request import ImageRequest
from ..base.outcome import Billed
from ..base.record import Record, replace
from ..base.redact import mask_secrets
from ..batch.journal import SUBMITTED, Entry, JournalImage, entry_json, read_entry, read_journal
from ..ledger.database import Database, stored
from ..ledger.entries import InputFile, input_file_of, other_fields, request_from_fields, utc_text
from .api import ServerBatch

#: What a batch is where the server has not said: nobody knows whether it was made; and the user waits for it
#: no longer.
UNKNOWN, GIVEN_UP = "unknown", "given_up"
#: A job whose result has not been fetched; `done` and `failed` are the others.
WAITING = "submitted"

_LOCAL = "local-"
_KEY_CHARS = 40  # of 64: a name in a batch may not be longer than that
_PAGE = 500

_INSERT_BATCH = (
    "INSERT INTO batches (token, base_url, created_at, status, endpoint, model, input_file_id, out_dir,"
    " total, completed, failed, high_usd, history)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?, 0, 0, ?, ?)"
)
#: What answers of the server change of a batch: names of columns and of fields.
_CHANGING = ("id", "status", "created_at", "output_file_id", "error_file_id", "total", "completed", "failed")
_UPDATE_BATCH = f"UPDATE batches SET {' = ?, '.join(_CHANGING)} = ? WHERE number = ?"  # noqa: S608


class Batch(Record):
    """A batch by its server and by the ledger. `number` is the ledger's own, 0 for one that is not in it;
    `out_dir` is empty where it is not known; `history` tells whether its requests are to stay in the
    history."""

    base_url: str
    server: ServerBatch
    number: int = 0
    out_dir: str = ""
    high_usd: Optional[float] = None
    history: bool = False
    fetched_at: Optional[str] = None

    @property
    def label(self) -> str:
        """What it is called: its id, or a name of its own while it has none."""
        return self.server.id or self.local_name

    @property
    def local_name(self) -> str:
        return f"{_LOCAL}{self.number}"

    @property
    def is_open(self) -> bool:
        """Whether something may still come of it."""
        return not self.server.has_ended and self.server.status != GIVEN_UP

    @property
    def is_unconfirmed(self) -> bool:
        """Whether nobody knows that the server has it."""
        return self.server.id is None

    def as_shown_by(self, server: ServerBatch) -> Batch:
        """The batch with what the server says of it now; what the submission said of itself stays."""
        known = self.server
        server = replace(
            server,
            created_at=server.created_at or known.created_at,
            endpoint=known.endpoint or server.endpoint,
            model=known.model or server.model,
            input_file_id=known.input_file_id or server.input_file_id,
            total=max(known.total, server.total),
            mark=known.mark or server.mark,
        )
        return replace(self, server=server)


class JobIdentity(Record):
    """Which job it is: its number and line in the jobs file, the user's own id, its key and copy in the
    journal, and the name of its output; `named` tells that the user chose that."""

    number: int
    line: int
    id: Optional[str]
    key: str
    copy: int
    name: str
    named: bool

    @property
    def custom_id(self) -> str:
        """Its name in a batch."""
        return custom_id_of(self.key, self.copy)


class JobRequest(Record):
    """What was asked for: the request as it stands in the jobs file, the numbers of those of its images that
    are to be made, and the input files."""

    request: ImageRequest
    numbers: Tuple[int, ...]
    inputs: Tuple[InputFile, ...] = ()
    mask: Optional[InputFile] = None


class BatchJob(Record):
    """A job of a batch. `there` are the images that it had before; `outcome` is what its row shows."""

    identity: JobIdentity
    asked: JobRequest
    there: Tuple[JournalImage, ...]
    high_usd: Optional[float]
    state: str = WAITING
    outcome: Optional[Mapping[str, Any]] = None

    def entry(self, event: str, **fields: object) -> Entry:
        """A line of the journal on it."""
        who = self.identity
        entry = Entry(event=event, key=who.key, copy=who.copy, name=who.name, images=self.there)
        return replace(entry, **fields)


class BatchStore:
    """The batches of one ledger. `secrets` are masked wherever they turn up."""

    def __init__(self, database: Database, secrets: Tuple[str, ...]) -> None:
        self.database = database
        self._secrets = secrets

    def url(self, base_url: str) -> str:
        """A base URL as it is kept here."""
        return mask_secrets(base_url, self._secrets)

    def add(self, batch: Batch, jobs: Iterable[BatchJob]) -> Batch:
        """Takes a batch that is about to be made, and its jobs: all of it, or nothing."""
        server = batch.server
        values = (
            server.mark,
            self.url(batch.base_url),
            server.created_at,
            server.status,
            server.endpoint,
            server.model,
            server.input_file_id,
            stored(batch.out_dir),
            server.total,
            batch.high_usd,
            int(batch.history),
        )
        with self.database.transaction():
            number = self.database.insert(_INSERT_BATCH, values)
            for job in jobs:
                row = (
                    number,
                    job.identity.number,
                    job.identity.custom_id,
                    json.dumps(self._masked_job(job)),
                    job.state,
                    json.dumps(job.outcome),
                )
                self.database.change("INSERT INTO batch_jobs VALUES (?, ?, ?, ?, ?, ?)", row)
        return replace(batch, number=number)

    def update(self, batch: Batch) -> None:
        """Writes down what the server says of a batch."""
        values = (getattr(batch.server, name) for name in _CHANGING)
        self.database.change(_UPDATE_BATCH, (*values, batch.number))

    def mark_fetched(self, batch: Batch) -> Batch:
        """All results of a batch are here."""
        now = utc_text(time.time())
        self.database.change("UPDATE batches SET fetched_at = ? WHERE number = ?", (now, batch.number))
        return replace(batch, fetched_at=now)

    def forget(self, batch: Batch) -> None:
        """Lets a batch go that the server does not have."""
        with self.database.transaction():
            self.forget_jobs(batch)
            self.database.change("DELETE FROM batches WHERE number = ?", (batch.number,))

    def forget_jobs(self, batch: Batch) -> None:
        """Leaves only the bare row of a batch."""
        self.database.change("DELETE FROM batch_jobs WHERE batch = ?", (batch.number,))

    def batches(self) -> List[Batch]:
        """All batches, oldest first."""
        return [_batch_of(row) for row in self.database.rows("SELECT * FROM batches ORDER BY number")]

    def batch(self, label: str) -> Optional[Batch]:
        """The batch with an id, or a name of its own."""
        found = [batch for batch in self.batches() if label in (batch.server.id, batch.local_name)]
        return found[-1] if found else None

    def jobs(self, batch: Batch) -> Iterator[BatchJob]:
        """The jobs of a batch in the order of their jobs file."""
        query = "SELECT * FROM batch_jobs WHERE batch = ? AND number > ? ORDER BY number LIMIT ?"
        last = 0
        while True:
            page = self.database.rows(query, (batch.number, last, _PAGE))
            if not page:
                return
            for row in page:
                yield _stored_job(row, batch)
            last = page[-1]["number"]

    def jobs_of_folder(self, out_dir: str) -> Iterator[Tuple[Batch, BatchJob]]:
        """All jobs of a folder, each with the last batch that it was in."""
        batches = [batch for batch in self.batches() if batch.out_dir == out_dir]
        for place, batch in enumerate(batches):
            for job in self.jobs(batch):
                if not any(self.job(later, job.identity.custom_id) for later in batches[place + 1 :]):
                    yield batch, job

    def job(self, batch: Batch, custom_id: str) -> Optional[BatchJob]:
        """One job of a batch."""
        query = "SELECT * FROM batch_jobs WHERE batch = ? AND custom_id = ?"
        rows = self.database.rows(query, (batch.number, custom_id))
        return _stored_job(rows[0], batch) if rows else None

    def count(self, batch: Batch) -> Dict[str, int]:
        """How many jobs of a batch are in each state."""
        query = "SELECT state, COUNT(*) AS jobs FROM batch_jobs WHERE batch = ? GROUP BY state"
        return {row["state"]: row["jobs"] for row in self.database.rows(query, (batch.number,))}

    def _masked_job(self, job: BatchJob) -> Mapping[str, object]:
        fields = job_json(job)
        words = {name: _without(fields[name], self._secrets) for name in ("prompt", "inputs", "mask")}
        request = cast(Dict[str, object], fields["fields"])
        names = {self.url(name): _without(value, self._secrets) for name, value in request.items()}
        return {**fields, **words, "fields": names}


class LastEntries:
    """The last line of each job in the journal of a folder, in a scratch database. A context manager."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        import sqlite3

        self._db = sqlite3.connect(str(scratch / "past.sqlite3"), isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE past (id TEXT PRIMARY KEY, entry TEXT) WITHOUT ROWID")
        self._db.execute("BEGIN")
        for entry in read_journal(folder):
            self.add(entry)

    def __enter__(self) -> LastEntries:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, entry: Entry) -> None:
        values = custom_id_of(entry.key, entry.copy), json.dumps(entry_json(entry))
        self._db.execute("INSERT OR REPLACE INTO past VALUES (?, ?)", values)

    def of(self, job: BatchJob) -> Optional[Entry]:
        """The last line of a job; None where there is none."""
        row = self._db.execute("SELECT entry FROM past WHERE id = ?", (job.identity.custom_id,)).fetchone()
        return None if row is None else read_entry(json.loads(row[0]))

    def count(self) -> int:
        """How many jobs the folder has."""
        return int(self._db.execute("SELECT COUNT(*) FROM past").fetchone()[0])


def end_job(database: Database, batch: Batch, job: BatchJob) -> None:
    """Writes down what has become of a job."""
    database.change(
        "UPDATE batch_jobs SET state = ?, outcome = ? WHERE batch = ? AND number = ?",
        (job.state, json.dumps(job.outcome), batch.number, job.identity.number),
    )


def custom_id_of(key: str, copy: int) -> str:
    """The name of a job in a batch: it leads back to the job in the journal."""
    return f"{key[:_KEY_CHARS]}-{copy}"


def submitted_entries(jobs: Iterable[BatchJob], label: str) -> Iterator[Entry]:
    """The lines of the journal for jobs that may be paid for from now on."""
    for job in jobs:
        yield job.entry(SUBMITTED, billed=Billed.MAYBE, high_usd=job.high_usd or 0.0, batch_id=label)


def job_json(job: BatchJob) -> Dict[str, object]:
    """A job as JSON, but for its state; the column `job` of the ledger holds this."""
    asked = job.asked
    return {
        **vars(job.identity),
        "numbers": asked.numbers,
        "there": [dict(vars(image)) for image in job.there],
        "high_usd": job.high_usd,
        "prompt": asked.request.prompt,
        "fields": other_fields(asked.request),
        "inputs": [file.json() for file in asked.inputs],
        "mask": None if asked.mask is None else asked.mask.json(),
    }


def job_from_json(
    fields: Mapping[str, Any], model: str, state: str = WAITING, outcome: Optional[Mapping[str, Any]] = None
) -> BatchJob:
    """The job of which `job_json` made an object."""
    return BatchJob(
        identity=JobIdentity(**{name: fields[name] for name in JobIdentity.__match_args__}),
        asked=JobRequest(
            request=request_from_fields(fields["prompt"], model, fields["fields"]),
            numbers=tuple(fields["numbers"]),
            inputs=tuple(map(input_file_of, fields["inputs"])),
            mask=None if fields["mask"] is None else input_file_of(fields["mask"]),
        ),
        there=tuple(JournalImage(**image) for image in fields["there"]),
        high_usd=fields["high_usd"],
        state=state,
        outcome=outcome,
    )


def _stored_job(row: Mapping[str, Any], batch: Batch) -> BatchJob:
    outcome = None if row["outcome"] is None else json.loads(row["outcome"])
    return job_from_json(json.loads(row["job"]), batch.server.model, row["state"], outcome)


def _batch_of(row: Mapping[str, Any]) -> Batch:
    fields: Dict[str, Any] = {**row, "mark": row["token"], "history": bool(row["history"])}
    server = ServerBatch(**{name: fields[name] for name in ServerBatch.__match_args__ if name in fields})
    own = {name: fields[name] for name in Batch.__match_args__ if name in fields}
    return Batch(server=server, **own)


def _without(value: object, secrets: Tuple[str, ...]) -> object:
    """A JSON value with secrets masked in all of its texts; the names in it stay."""
    if isinstance(value, str):
        return mask_secrets(value, secrets)
    if isinstance(value, list):
        return [_without(each, secrets) for each in cast(List[object], value)]
    if isinstance(value, dict):
        return {name: _without(each, secrets) for name, each in cast(Dict[str, object], value).items()}
    return value
