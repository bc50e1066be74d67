"""All jobs of a run, in a scratch database on disk, so that a million of them fill no memory. For one thread.

It checks that no two have one id or one name, numbers those that are alike, and knows what became of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gpt_image2.core.api.cost import CostEstimate
from gpt_image2.core.base.redact import show
from gpt_image2.core.batch.journal import scratch_database
from gpt_image2.core.batch.plan import INVALID, PENDING, Share

from .job import claim_name
from .results import PARTIAL

_SCHEMA = (
    "CREATE TABLE jobs (number INTEGER PRIMARY KEY, line, offset, id, key, copy, job, name, quality, images,"
    " low_usd, high_usd, typical_s, part INTEGER DEFAULT 0, state, outcome)",
    "CREATE TABLE ids (name TEXT PRIMARY KEY, number) WITHOUT ROWID",
    "CREATE TABLE names (name TEXT PRIMARY KEY, number) WITHOUT ROWID",
    "CREATE TABLE folders (name TEXT PRIMARY KEY, number) WITHOUT ROWID",
)
_SAID = {"ids": "id", "names": "output"}
_AT_ONCE = 500
_BEYOND = 1 << 62


@dataclass(frozen=True)
class TableJob:
    """One line: its place among the jobs, its number and offset in the file, the user's id, the key of its
    request, and the name of its image where the line names one. `typical_s` is how long such a call takes,
    `part` the shard it falls to, from 0."""

    number: int
    line: int
    offset: int
    id: str | None
    key: str
    name: str
    quality: str
    images: int
    low_usd: float | None
    high_usd: float | None
    typical_s: float
    job: str = ""
    part: int = 0


_FIELDS = tuple(TableJob.__dataclass_fields__)


class JobTable:
    """The jobs by their number from 1, of `shards` that share them."""

    def __init__(self, scratch: Path, shards: int) -> None:
        self._db = scratch_database(scratch / "jobs.sqlite3")
        for statement in _SCHEMA:
            self._db.execute(statement)
        self._shards = shards

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def add(self, job: TableJob) -> str:
        """Takes a job; empty, or why not: an earlier one has its id or its name, or one of the two names is a
        folder of the other, which a store that is a folder does not take."""
        own = [("ids", job.id)] if job.id is not None else []
        own += [("names", job.name)] if job.name else []
        folders = [str(each) for each in PurePosixPath(job.name).parents[:-1]] if job.name else []
        clashes = [(table, name, f"has the same {_SAID[table]}") for table, name in own]
        clashes += [("folders", job.name, "has a folder of that name")] if job.name else []
        clashes += [("names", name, "has an image of that name") for name in folders]
        for table, name, said in clashes:
            query = f"SELECT line FROM {table} JOIN jobs USING (number) WHERE {table}.name = ?"  # noqa: S608
            known = self._db.execute(query, (name,)).fetchone()
            if known:
                return f"line {known[0]} {said}: {show(name)}"
        for table, name in [*own, *(("folders", each) for each in folders)]:
            self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES (?,?)", (name, job.number))  # noqa: S608
        names = [name for name in _FIELDS if name not in ("job", "part")]
        values = [getattr(job, name) for name in names]
        marks = ", ".join("?" * (len(values) + 1))
        self._db.execute(f"INSERT INTO jobs ({', '.join(names)}, state) VALUES ({marks})", (*values, PENDING))  # noqa: S608
        return ""

    def refuse(self, number: int, line: int, offset: int, outcome: Mapping[str, object]) -> None:
        """A line that is no job."""
        query = "INSERT INTO jobs (number, line, offset, images, state, outcome) VALUES (?,?,?,0,?,?)"
        self._db.execute(query, (number, line, offset, INVALID, json.dumps(outcome)))

    def name_claims(self) -> None:
        """Names the claim of each, and says which shard it falls to."""
        self._db.execute("CREATE INDEX by_key ON jobs (key, number)")
        previous, copies = None, 0
        rows = self._db.execute("SELECT number, key, id FROM jobs WHERE key IS NOT NULL ORDER BY key, number")
        for number, key, job_id in rows:
            copies, previous = (copies if key == previous else 0), key
            copy = copies
            copies += job_id is None  # one with an id goes by that, wherever it stands
            job = claim_name(key, job_id, copy)
            values = (copy, job, part_of(job, self._shards), number)
            self._db.execute("UPDATE jobs SET copy = ?, job = ?, part = ? WHERE number = ?", values)
        self._db.execute("CREATE UNIQUE INDEX by_job ON jobs (job)")
        self._db.execute("CREATE INDEX by_state ON jobs (state, part, number)")

    def number_of(self, job: str) -> int | None:
        """The job that a claim is of."""
        row = self._db.execute("SELECT number FROM jobs WHERE job = ?", (job,)).fetchone()
        return None if row is None else int(row[0])

    def pending(self, part: int, from_end: bool = False) -> Iterator[TableJob]:
        """The jobs of a shard that have not ended, each once; what ends meanwhile is left out."""
        last = _BEYOND if from_end else 0
        order = "number < ? ORDER BY number DESC" if from_end else "number > ? ORDER BY number"
        query = f"SELECT {', '.join(_FIELDS)} FROM jobs WHERE state = ? AND part = ? AND {order} LIMIT 1"  # noqa: S608
        while (row := self._db.execute(query, (PENDING, part, last)).fetchone()) is not None:
            last = row[0]
            yield TableJob(*row)

    def all_pending(self) -> Iterator[TableJob]:
        """The jobs of all shards that have not ended, in their order; for who ends none meanwhile."""
        query = f"SELECT {', '.join(_FIELDS)} FROM jobs WHERE state = ? ORDER BY number"  # noqa: S608
        yield from (TableJob(*row) for row in self._db.execute(query, (PENDING,)))

    def end(self, number: int, state: str, outcome: Mapping[str, object]) -> None:
        """How a job stands."""
        values = (state, json.dumps(outcome), number)
        self._db.execute("UPDATE jobs SET state = ?, outcome = ? WHERE number = ?", values)

    def find(self, number: int, state: str, outcome: Mapping[str, object]) -> None:
        """How a job stands by its result; where that is known by now, more is known of it."""
        (known,) = self._db.execute("SELECT state FROM jobs WHERE number = ?", (number,)).fetchone()
        if known not in (state, PARTIAL):
            self.end(number, state, outcome)

    def count(self, part: int | None) -> dict[str, int]:
        """How many jobs there are by their state, of one shard or of all; a line that is no job is all's."""
        query = "SELECT state, count(*) FROM jobs WHERE ? IS NULL OR part = ? GROUP BY state"
        return dict(self._db.execute(query, (part, part)).fetchall())

    def shares(self, part: int | None) -> list[Share]:
        """Jobs, images and cost of what has not ended, by quality."""
        query = (
            "SELECT quality, count(*), sum(images), sum(low_usd), sum(high_usd), count(high_usd),"
            " sum(typical_s) FROM jobs WHERE state = ? AND (? IS NULL OR part = ?)"
            " GROUP BY quality ORDER BY quality"
        )
        rows = self._db.execute(query, (PENDING, part, part))
        return [
            Share(quality, jobs, images, CostEstimate(low, high, "") if priced == jobs else None, seconds)
            for quality, jobs, images, low, high, priced, seconds in rows
        ]

    def rows(self, part: int | None = None, state: str | None = None) -> Iterator[dict[str, Any]]:
        """What there is to say of every job, in their order, of one shard or of all."""
        last = 0
        query = (
            "SELECT number, line, id, state, outcome FROM jobs WHERE number > ?"
            " AND (? IS NULL OR part = ?) AND (? IS NULL OR state = ?) ORDER BY number LIMIT ?"
        )
        while page := self._db.execute(query, (last, part, part, state, state, _AT_ONCE)).fetchall():
            for number, line, job_id, status, outcome in page:
                last = number
                known: dict[str, Any] = json.loads(outcome) if outcome else {}
                yield {"job": number, "line": line, "id": job_id, "status": status, **known}


def part_of(job: str, shards: int) -> int:
    """The shard, from 0, that a job falls to: by the name of its claim alone."""
    return int(job[:12], 16) % shards
