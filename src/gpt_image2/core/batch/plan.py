"""All jobs of a run, in a scratch database on disk, so that a million of them fill no memory.

It knows where each job stands in the jobs file, how it is named, and what has become of it. Touches nothing
but its own database, which goes with its folder.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..api.models import CostEstimate
from ..base.outcome import SavedImage
from ..base.record import Record
from ..base.redact import show
from .jobs_file import Line
from .journal import Entry, entry_json, read_entry

#: The states of a job besides those that the journal knows: not ended yet, and how else it can end.
PENDING, AMBIGUOUS, INVALID, OVER_BUDGET = "pending", "ambiguous", "invalid", "over_budget"


class PlannedJob(Record):
    """One job as planned. `named` tells that the user chose the name, `replaces` that files are there by it,
    which the job may replace; `missing` are the numbers of the images that are still to be made, from 1, and
    `there` those that are. The estimate is in USD, None where a price is unknown."""

    number: int
    line: int
    offset: int
    id: Optional[str]
    key: str
    copy: int
    name: str
    named: bool
    replaces: bool
    images: int
    quality: str
    low_usd: Optional[float]
    high_usd: Optional[float]
    missing: Tuple[int, ...]
    there: Tuple[Tuple[int, SavedImage], ...] = ()


_FIELDS = PlannedJob.__match_args__
_COLUMNS = ", ".join(_FIELDS)
_SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE jobs (number INTEGER PRIMARY KEY, {", ".join(_FIELDS[1:])}, state, outcome);
CREATE INDEX by_state ON jobs (state, number);
CREATE TABLE outputs (name TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
CREATE TABLE folders (name TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
CREATE TABLE ids (name TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
CREATE TABLE holders (name TEXT PRIMARY KEY, key TEXT, copy INTEGER) WITHOUT ROWID;
CREATE TABLE past (key TEXT, copy INTEGER, entry TEXT, PRIMARY KEY (key, copy)) WITHOUT ROWID;
"""


class Share(Record):
    """Jobs, images and cost of one quality; the cost is None where a price is unknown."""

    quality: str
    jobs: int
    images: int
    cost: Optional[CostEstimate]


class Plan:
    """The jobs of one run, by their number from 1. For one thread alone."""

    def __init__(self, scratch: Path) -> None:
        import sqlite3  # not every Python has it, and only batches and the ledger need it

        self._db = sqlite3.connect(str(scratch / "plan.sqlite3"), isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")
        self._last_taken = 0

    def close(self) -> None:
        self._db.close()

    def add(self, job: PlannedJob, names: Sequence[str]) -> str:
        """Takes a job and claims its file names; empty, or why not: an earlier job has its id or a name."""
        clash = self._claim("id", [job.id] if job.id is not None else [], job.number)
        clash = clash or self._claim("output", names, job.number) or self._claim_folders(names, job.number)
        if not clash:
            values = [getattr(job, name) for name in _FIELDS[:-2]]
            marks = ", ".join("?" * (len(_FIELDS) + 1))
            self._db.execute(
                f"INSERT INTO jobs ({_COLUMNS}, state) VALUES ({marks})",  # noqa: S608
                (*values, json.dumps(job.missing), "[]", PENDING),
            )
        return clash

    def refuse(self, number: int, line: Line, outcome: Mapping[str, object]) -> None:
        """Takes a line that is no job, and what is wrong with it."""
        self._db.execute(
            "INSERT INTO jobs (number, line, offset, images, state, outcome) VALUES (?,?,?,0,?,?)",
            (number, line.number, line.offset, INVALID, json.dumps(outcome)),
        )

    def number_copies(self) -> None:
        """Tells jobs with the same key apart by how many stand before each."""
        self._db.execute("CREATE INDEX by_key ON jobs (key, number)")
        previous, copy = None, 0
        rows = self._db.execute("SELECT number, key FROM jobs WHERE key IS NOT NULL ORDER BY key, number")
        for number, key in rows:
            copy, previous = (copy + 1 if key == previous else 0), key
            if copy:  # no part of the index that is being walked
                self._db.execute("UPDATE jobs SET copy = ? WHERE number = ?", (copy, number))

    def remember(self, entry: Entry) -> None:
        """Takes a line of the journal; the last one of a job counts."""
        values = (entry.key, entry.copy, json.dumps(entry_json(entry)))
        self._db.execute("INSERT OR REPLACE INTO past VALUES (?,?,?)", values)
        for image in entry.images:
            held = (image.path, entry.key, entry.copy)
            self._db.execute("INSERT OR REPLACE INTO holders VALUES (?,?,?)", held)

    def hold_name(self, name: str, job: PlannedJob) -> None:
        """A file below the folder is an image of this job."""
        self._db.execute("INSERT OR REPLACE INTO holders VALUES (?,?,?)", (name, job.key, job.copy))

    def is_anothers(self, name: str, job: PlannedJob) -> bool:
        """Whether a file below the folder is an image of another job, of this run or an earlier one."""
        row = self._db.execute("SELECT key, copy FROM holders WHERE name = ?", (name,)).fetchone()
        return row is not None and row != (job.key, job.copy)

    def remembered(self) -> Iterator[Tuple[PlannedJob, Entry]]:
        """The jobs that the journal knows, each with its last line there."""
        columns = ", ".join(f"jobs.{name}" for name in _FIELDS)
        query = f"SELECT {columns}, past.entry FROM jobs JOIN past USING (key, copy) ORDER BY number"  # noqa: S608
        for row in self._db.execute(query):
            yield _planned(row[:-1]), read_entry(json.loads(row[-1]))

    def take(self) -> Optional[PlannedJob]:
        """The next job that is to be run, each once; None when there is none."""
        query = f"SELECT {_COLUMNS} FROM jobs WHERE state = ? AND number > ? ORDER BY number LIMIT 1"  # noqa: S608
        row = self._db.execute(query, (PENDING, self._last_taken)).fetchone()
        if row is None:
            return None
        self._last_taken = row[0]
        return _planned(row)

    def leave(self, number: int, missing: Sequence[int], there: Mapping[int, SavedImage]) -> None:
        """Of a job only some images are still to be made, for their part of the estimate."""
        part = "low_usd = low_usd * :left / images, high_usd = high_usd * :left / images, images = :left"
        values = {
            "missing": json.dumps(list(missing)),
            "there": json.dumps([(each, dict(vars(image))) for each, image in sorted(there.items())]),
            "left": len(missing),
            "number": number,
        }
        query = f"UPDATE jobs SET missing = :missing, there = :there, {part} WHERE number = :number"  # noqa: S608
        self._db.execute(query, values)

    def end(self, number: int, state: str, outcome: Mapping[str, object]) -> None:
        """What has become of a job."""
        values = (state, json.dumps(outcome), number)
        self._db.execute("UPDATE jobs SET state = ?, outcome = ? WHERE number = ?", values)

    def count(self) -> Dict[str, int]:
        """How many jobs are in each state."""
        return dict(self._db.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())

    def images_to_make(self) -> int:
        """How many images the jobs ask for that are to be run."""
        query = "SELECT coalesce(sum(images), 0) FROM jobs WHERE state = ?"
        return int(self._db.execute(query, (PENDING,)).fetchone()[0])

    def shares(self) -> List[Share]:
        """The jobs that are to be run, by quality."""
        query = (
            "SELECT quality, count(*), sum(images), sum(low_usd), sum(high_usd), count(high_usd) FROM jobs"
            " WHERE state = ? GROUP BY quality ORDER BY quality"
        )
        return [
            Share(quality, jobs, images, CostEstimate(low, high, "") if priced == jobs else None)
            for quality, jobs, images, low, high, priced in self._db.execute(query, (PENDING,))
        ]

    def rows(self, state: Optional[str] = None) -> Iterator[Dict[str, Any]]:
        """What there is to say of every job, in their order, or of those in one state."""
        last = 0
        query = (
            "SELECT number, line, offset, id, state, outcome FROM jobs"
            " WHERE number > ? AND (? IS NULL OR state = ?) ORDER BY number LIMIT 500"
        )
        while True:
            page = self._db.execute(query, (last, state, state)).fetchall()
            if not page:
                return
            for number, line, offset, job_id, status, outcome in page:
                last = number
                known: Dict[str, Any] = json.loads(outcome) if outcome else {}
                yield {"job": number, "line": line, "offset": offset, "id": job_id, "status": status, **known}

    def _claim_folders(self, names: Sequence[str], number: int) -> str:
        """No output may be a folder that another one lies in."""
        deep = [Path(name) for name in names if os.sep in name]
        folders = {str(parent) for path in deep for parent in path.parents} - {"."}
        for folder in folders:
            self._db.execute("INSERT OR IGNORE INTO folders VALUES (?,?)", (folder, number))
        for what, wanted in (("outputs", folders), ("folders", names)):
            for name in wanted:
                if self._db.execute(f"SELECT 1 FROM {what} WHERE name = ?", (name,)).fetchone():  # noqa: S608
                    return f"another job has an output in or as {show(name)}"
        return ""

    def _claim(self, what: str, names: Sequence[str], number: int) -> str:
        """Takes names for a job; why not, where an earlier one has them."""
        import sqlite3

        for name in names:
            try:
                self._db.execute(f"INSERT INTO {what}s VALUES (?,?)", (name, number))  # noqa: S608
            except sqlite3.IntegrityError:
                query = f"SELECT line FROM {what}s JOIN jobs USING (number) WHERE {what}s.name = ?"  # noqa: S608
                row = self._db.execute(query, (name,)).fetchone()
                return f"line {row[0] if row else '?'} has the same {what}: {show(name)}"
        return ""


def _planned(row: Sequence[Any]) -> PlannedJob:
    values: Dict[str, Any] = dict(zip(_FIELDS, row))
    there = tuple((int(number), SavedImage(**image)) for number, image in json.loads(values["there"]))
    values.update(missing=tuple(json.loads(values["missing"])), there=there)
    return PlannedJob(**values)
