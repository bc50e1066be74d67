"""All jobs of a run, in a scratch database on disk, so that a million of them fill no memory.

It knows where each job stands in the jobs file, how it is named, and what has become of it. Touches nothing
but its own database, which goes with its folder.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from ..api.cost import CostEstimate
from ..base.errors import GptImage2Error
from ..base.outcome import Billed, SavedImage
from ..base.record import Record, replace
from ..base.redact import show
from ..calls.task import TASK_PENDING
from ..telling.as_json import failure_json, image_json
from .jobs_file import Line
from .journal import (
    ACCEPTED,
    DONE,
    FAILED,
    Entry,
    LastEntries,
    image_fields,
    image_of_fields,
    read_entry,
    scratch_database,
)
from .output_folder import OutputFolder, canonical

#: The states of a job besides those that the journal knows: not ended yet, and how else it can end.
PENDING, AMBIGUOUS, INVALID, OVER_BUDGET = "pending", "ambiguous", "invalid", "over_budget"


class PlannedJob(Record):
    """One job as planned: its number and its line in the jobs file, the user's own id, its key and copy in
    the journal, and the name of its output. `named` tells that the user chose that, `replaces` that files are
    there by it, which the job may replace; `own_name` is what its id would have it called. `missing` are the
    numbers of the images that are still to be made, from 1, and `there` those that are. The estimate is in
    USD, None where a price is unknown; `typical_s` is how long such a call takes."""

    number: int
    line: int
    id: Optional[str]
    key: str
    copy: int
    name: str
    named: bool
    missing: Tuple[int, ...]
    high_usd: Optional[float]
    there: Tuple[SavedImage, ...] = ()
    low_usd: Optional[float] = None
    quality: str = ""
    offset: int = 0
    replaces: bool = False
    own_name: str = ""
    typical_s: float = 0.0

    def entry(self, event: str, **fields: Any) -> Entry:
        return Entry(event=event, key=self.key, copy=self.copy, name=self.name, **fields)


_FIELDS = PlannedJob.__match_args__
_COLUMNS = ", ".join(_FIELDS)
_SCHEMA = f"""
CREATE TABLE jobs (number INTEGER PRIMARY KEY, {", ".join(_FIELDS[1:])}, images, state, outcome);
CREATE INDEX by_state ON jobs (state, number);
CREATE TABLE outputs (name TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
CREATE TABLE folders (name TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
CREATE TABLE ids (name TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
CREATE TABLE elsewhere (key TEXT, copy INTEGER, PRIMARY KEY (key, copy)) WITHOUT ROWID;
CREATE TABLE holders (name TEXT PRIMARY KEY, key TEXT, copy INTEGER) WITHOUT ROWID;
"""


class Share(Record):
    """Jobs, images and cost of one quality, and how long its calls take one by one; the cost is None where a
    price is unknown."""

    quality: str
    jobs: int
    images: int
    cost_usd: Optional[CostEstimate]
    one_by_one_s: float


class Plan:
    """The jobs of one run, by their number from 1. For one thread alone."""

    def __init__(self, scratch: Path) -> None:
        self._db = scratch_database(scratch / "plan.sqlite3")
        for statement in _SCHEMA.split(";"):
            self._db.execute(statement)
        self._past = LastEntries(self._db)
        self._last_taken = 0

    def close(self) -> None:
        self._db.close()

    def add(self, job: PlannedJob, names: Sequence[str]) -> str:
        """Takes a job and claims its file names; empty, or why not: an earlier job has its id or a name."""
        names = [canonical(name) for name in names]
        clash = self._claim("id", [job.id] if job.id is not None else [], job.number)
        clash = clash or self._claim("output", names, job.number) or self._claim_folders(names, job.number)
        if not clash:
            values = {**vars(job), "missing": json.dumps(job.missing), "there": "[]"}
            marks = ", ".join("?" * (len(_FIELDS) + 2))
            self._db.execute(
                f"INSERT INTO jobs ({_COLUMNS}, images, state) VALUES ({marks})",  # noqa: S608
                (*values.values(), len(job.missing), PENDING),
            )
        return clash

    def refuse(self, number: int, line: Line, outcome: Mapping[str, object]) -> None:
        self._db.execute(
            "INSERT INTO jobs (number, line, offset, images, state, outcome) VALUES (?,?,?,0,?,?)",
            (number, line.number, line.offset, INVALID, json.dumps(outcome)),
        )

    def name_by_ids(self) -> None:
        """Calls the outputs of jobs by their ids, where no other job's output is called so."""
        query = "SELECT number, own_name, images FROM jobs WHERE own_name != '' AND state = ? ORDER BY number"
        for number, name, images in self._db.execute(query, (PENDING,)):  # none of what it walks changes
            stem, dot, suffix = name.rpartition(".")
            names = [f"{stem}-{each}{dot}{suffix}" for each in range(1, images + 1)] if images > 1 else [name]
            names = list(map(canonical, names))
            if not self._claim("output", names, number) and not self._claim_folders(names, number):
                self._db.execute("UPDATE jobs SET name = ? WHERE number = ?", (name, number))

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
        self._past.add(entry)
        for image in entry.images:
            self.hold_name(image.path, entry)

    def forget(self, entry: Entry) -> None:
        self._past.forget(entry)

    def remember_elsewhere(self, entry: Entry) -> None:
        """Takes a line of the journal that is of another kind of host: no result, but its files are there."""
        if entry.images:
            self._db.execute("INSERT OR IGNORE INTO elsewhere VALUES (?,?)", (entry.key, entry.copy))
        for image in entry.images:
            self.hold_name(image.path, replace(entry, key=""))

    def count_elsewhere(self) -> int:
        """How many jobs are to be made that another kind of host has made before."""
        query = "SELECT count(*) FROM jobs JOIN elsewhere USING (key, copy) WHERE state = ?"
        return int(self._db.execute(query, (PENDING,)).fetchone()[0])

    def hold_name(self, name: str, job: Union[PlannedJob, Entry]) -> None:
        values = (canonical(name), job.key, job.copy)
        self._db.execute("INSERT OR REPLACE INTO holders VALUES (?,?,?)", values)

    def is_anothers(self, name: str, job: PlannedJob) -> bool:
        """Whether a file below the folder is an image of another job, of this run or an earlier one."""
        row = self._db.execute("SELECT key, copy FROM holders WHERE name = ?", (canonical(name),)).fetchone()
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

    def leave(self, number: int, missing: Sequence[int], there: Sequence[SavedImage]) -> None:
        """Of a job only some images are still to be made, for their part of the estimate."""
        part = "low_usd = low_usd * :left / images, high_usd = high_usd * :left / images, images = :left"
        values = {
            "missing": json.dumps(list(missing)),
            "there": json.dumps([image_fields(image) for image in there]),
            "left": len(missing),
            "number": number,
        }
        query = f"UPDATE jobs SET missing = :missing, there = :there, {part} WHERE number = :number"  # noqa: S608
        self._db.execute(query, values)

    def end(self, number: int, state: str, outcome: Mapping[str, object]) -> None:
        values = (state, json.dumps(outcome), number)
        self._db.execute("UPDATE jobs SET state = ?, outcome = ? WHERE number = ?", values)

    def count(self) -> Dict[str, int]:
        return dict(self._db.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())

    def shares(self) -> List[Share]:
        query = (
            "SELECT quality, count(*), sum(images), sum(low_usd), sum(high_usd), count(high_usd),"
            " sum(typical_s) FROM jobs WHERE state = ? GROUP BY quality ORDER BY quality"
        )
        return [
            Share(quality, jobs, images, CostEstimate(low, high, "") if priced == jobs else None, seconds)
            for quality, jobs, images, low, high, priced, seconds in self._db.execute(query, (PENDING,))
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
    there = tuple(map(image_of_fields, json.loads(values["there"])))
    values.update(missing=tuple(json.loads(values["missing"])), there=there, named=bool(values["named"]))
    return PlannedJob(**values)


class JobEnding(Record):
    """What has come of a job. `images` are all that it has by now, those of earlier runs too; without an
    error all are there. `cost_usd` is None where that is unknown or nothing was paid; `unpriced` is what it
    lacks, in words."""

    images: Tuple[SavedImage, ...] = ()
    error: Optional[GptImage2Error] = None
    billed: Billed = Billed.NO
    cost_usd: Optional[float] = None
    warnings: Tuple[str, ...] = ()
    unpriced: str = ""

    @property
    def is_unpriced(self) -> bool:
        """Whether it may have cost what is not in `cost_usd`."""
        return self.billed is not Billed.NO and (self.cost_usd is None or bool(self.unpriced))

    @property
    def state(self) -> str:
        if self.error is None:
            return DONE
        return ACCEPTED if self.error.code == TASK_PENDING else FAILED

    def entry(self, job: PlannedJob, folder: OutputFolder, batch_id: str = "") -> Entry:
        error = self.error
        return job.entry(
            self.state,
            images=folder.below(self.images),
            billed=self.billed,
            cost_usd=self.cost_usd,
            code=error.code if error else "",
            message=error.message if error else "",
            batch_id=batch_id,
            settled=error is not None and error.code == "fewer_images",
        )

    def row(self) -> Dict[str, object]:
        return {
            "images": [image_json(image) for image in self.images],
            "billed": self.billed.value,
            "cost_usd": None if self.cost_usd is None else round(self.cost_usd, 6),
            **({"unpriced": self.unpriced} if self.unpriced else {}),
            "warnings": list(self.warnings),
            "error": failure_json(self.error),
        }
