"""What this machine remembers of batches: their rows in the ledger, and the lines of their jobs in a journal.

A batch is fetched hours or days later, by another process, maybe without its jobs file: all that is needed
for that is in the ledger before the batch is made on the server.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, cast

from ..api.read_fields import request_from_fields
from ..api.request import ImageRequest
from ..base.record import Record, replace
from ..base.redact import mask_secrets
from ..batch.journal import (
    Entry,
    Journal,
    LastEntries,
    image_fields,
    image_of_fields,
    read_journal,
    scratch_database,
)
from ..batch.plan import PlannedJob
from ..ledger.database import Database, stored
from ..ledger.entries import InputFile, input_file_of, other_fields, utc_text
from .api import ServerBatch

#: What a batch is where the server has not said: nobody knows whether it was made; and the user waits for it
#: no longer.
UNKNOWN, GIVEN_UP = "unknown", "given_up"
#: A job whose result has not been fetched; `done` and `failed` are the others.
WAITING = "submitted"

_LOCAL = "local-"
_KEY_CHARS = 40  # of 64: a name in a batch may not be longer than that
_PAGE = 500
#: Fields of a planned job that the ledger keeps by their own names.
_KEPT = ("number", "line", "id", "key", "copy", "name", "named", "high_usd")

#: What is known of a batch before it is made, but for its marks: names of columns and of fields.
_FROM_SUBMISSION = (
    "created_at",
    "status",
    "endpoint",
    "model",
    "input_file_id",
    "total",
    "completed",
    "failed",
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
    def is_unfetched(self) -> bool:
        """Whether its results, now or later, are still to be fetched."""
        return self.fetched_at is None and self.server.status != GIVEN_UP

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


class BatchJob(Record):
    """A job of a batch: as it was planned, by what it costs there and with paths below the folder; the
    request as it stands in the jobs file, and the input files. `outcome` is what its row shows."""

    planned: PlannedJob
    request: ImageRequest
    inputs: Tuple[InputFile, ...] = ()
    mask: Optional[InputFile] = None
    state: str = WAITING
    outcome: Optional[Mapping[str, Any]] = None

    @property
    def custom_id(self) -> str:
        """Its name in a batch: it leads back to the job in the journal."""
        return f"{self.planned.key[:_KEY_CHARS]}-{self.planned.copy}"

    def entry(self, event: str, **fields: Any) -> Entry:
        """A line of the journal on it, as long as nothing has come of it."""
        return self.planned.entry(event, images=self.planned.there, **fields)


class BatchStore:
    """The batches of one ledger. `secrets` are masked wherever they turn up."""

    def __init__(self, database: Database, secrets: Tuple[str, ...]) -> None:
        self.database = database
        self._secrets = secrets

    def url(self, base_url: str) -> str:
        return mask_secrets(base_url, self._secrets)

    def add(self, batch: Batch, jobs: Iterable[BatchJob]) -> Batch:
        """Takes a batch that is about to be made, and its jobs: all of it, or nothing."""
        server = batch.server
        row = {
            **{name: getattr(server, name) for name in _FROM_SUBMISSION},
            "token": server.mark,
            "base_url": self.url(batch.base_url),
            "high_usd": batch.high_usd,
            "history": int(batch.history),
            "out_dir": stored(batch.out_dir),
        }
        marks = ", ".join("?" * (len(row) - 1))
        insert = f"INSERT INTO batches ({', '.join(row)}) VALUES ({marks}, CAST(? AS TEXT))"  # noqa: S608
        with self.database.transaction():
            number = self.database.insert(insert, (*row.values(),))
            for job in jobs:
                values = (
                    number,
                    job.planned.number,
                    job.custom_id,
                    json.dumps(self._masked_job(job)),
                    job.state,
                    json.dumps(job.outcome),
                )
                self.database.change("INSERT INTO batch_jobs VALUES (?, ?, ?, ?, ?, ?)", values)
        return replace(batch, number=number)

    def update(self, batch: Batch) -> None:
        values = (getattr(batch.server, name) for name in _CHANGING)
        self.database.change(_UPDATE_BATCH, (*values, batch.number))

    def mark_fetched(self, batch: Batch) -> Batch:
        now = utc_text(time.time())
        self.database.change("UPDATE batches SET fetched_at = ? WHERE number = ?", (now, batch.number))
        return replace(batch, fetched_at=now)

    def forget(self, batch: Batch) -> None:
        with self.database.transaction():
            self.forget_jobs(batch)
            self.database.change("DELETE FROM batches WHERE number = ?", (batch.number,))

    def forget_jobs(self, batch: Batch) -> None:
        """Leaves only the bare row of a batch."""
        self.database.change("DELETE FROM batch_jobs WHERE batch = ?", (batch.number,))

    def batches(self) -> List[Batch]:
        return [_batch_of(row) for row in self.database.rows("SELECT * FROM batches ORDER BY number")]

    def batch(self, label: str) -> Optional[Batch]:
        found = [batch for batch in self.batches() if label in (batch.server.id, batch.local_name)]
        return found[-1] if found else None

    def jobs(self, batch: Batch) -> Iterator[BatchJob]:
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
                if not any(self.job(later, job.custom_id) for later in batches[place + 1 :]):
                    yield batch, job

    def job(self, batch: Batch, custom_id: str) -> Optional[BatchJob]:
        query = "SELECT * FROM batch_jobs WHERE batch = ? AND custom_id = ?"
        rows = self.database.rows(query, (batch.number, custom_id))
        return _stored_job(rows[0], batch) if rows else None

    def count(self, batch: Batch) -> Dict[str, int]:
        query = "SELECT state, COUNT(*) AS jobs FROM batch_jobs WHERE batch = ? GROUP BY state"
        return {row["state"]: row["jobs"] for row in self.database.rows(query, (batch.number,))}

    def _masked_job(self, job: BatchJob) -> Mapping[str, object]:
        fields = job_json(job)
        words = {name: _without(fields[name], self._secrets) for name in ("prompt", "inputs", "mask")}
        request = cast(Dict[str, object], fields["fields"])
        names = {self.url(name): _without(value, self._secrets) for name, value in request.items()}
        return {**fields, **words, "fields": names}


class KnownJournal(Journal):
    """An open journal, and the last line of each job in it."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        super().__init__(folder)
        self._database = scratch_database(scratch / "past.sqlite3")
        self.last = LastEntries(self._database)
        for entry in read_journal(folder):
            self.last.add(entry)

    def __enter__(self) -> KnownJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        super().__exit__()


def end_job(database: Database, batch: Batch, job: BatchJob) -> None:
    database.change(
        "UPDATE batch_jobs SET state = ?, outcome = ? WHERE batch = ? AND number = ?",
        (job.state, json.dumps(job.outcome), batch.number, job.planned.number),
    )


def job_json(job: BatchJob) -> Dict[str, object]:
    """A job as JSON, but for its state; the column `job` of the ledger holds this."""
    planned = job.planned
    return {
        **{name: getattr(planned, name) for name in _KEPT},
        "numbers": planned.missing,
        "there": [image_fields(image) for image in planned.there],
        "prompt": job.request.prompt,
        "fields": other_fields(job.request),
        "inputs": [file.json() for file in job.inputs],
        "mask": None if job.mask is None else job.mask.json(),
    }


def job_from_json(
    fields: Mapping[str, Any], model: str, state: str = WAITING, outcome: Optional[Mapping[str, Any]] = None
) -> BatchJob:
    kept = {name: fields[name] for name in _KEPT}
    there = tuple(map(image_of_fields, fields["there"]))
    return BatchJob(
        planned=PlannedJob(missing=tuple(fields["numbers"]), there=there, **kept),
        request=request_from_fields(fields["prompt"], model, fields["fields"]),
        inputs=tuple(map(input_file_of, fields["inputs"])),
        mask=None if fields["mask"] is None else input_file_of(fields["mask"]),
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
