"""Brings a ledger that an earlier version of this program has made up to date."""

from __future__ import annotations

import json
from typing import Callable, Tuple, Union

from .database import Database

#: A statement, or what cannot be said by one.
_Step = Union[str, Callable[[Database], None]]

#: A job of a batch is one JSON object in place of a column a field, and is found by its number. What was only
#: being prepared was never sent.
_VERSION_2: Tuple[_Step, ...] = (
    "DELETE FROM batch_jobs WHERE batch IN (SELECT number FROM batches WHERE status = 'preparing')",
    "DELETE FROM batches WHERE status = 'preparing'",
    "ALTER TABLE batch_jobs RENAME TO batch_jobs_1",
    """
    CREATE TABLE batch_jobs (
        batch INTEGER NOT NULL,
        number INTEGER NOT NULL,
        custom_id TEXT NOT NULL,
        job TEXT NOT NULL,
        state TEXT NOT NULL,
        outcome TEXT,
        PRIMARY KEY (batch, number)
    ) WITHOUT ROWID
    """,
    "CREATE UNIQUE INDEX batch_jobs_custom_id ON batch_jobs (batch, custom_id)",
    lambda database: _move_jobs(database),
    "DROP TABLE batch_jobs_1",
)
#: Hosts answer with tasks, which are asked after by their ids.
_VERSION_3: Tuple[_Step, ...] = ("ALTER TABLE requests ADD COLUMN task_id TEXT",)
#: What was made from images, with or without a request; `sources` is a list of paths and SHA-256.
_VERSION_4: Tuple[_Step, ...] = (
    """
    CREATE TABLE derived (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        request INTEGER,
        made_at TEXT NOT NULL,
        path TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        format TEXT NOT NULL,
        width INTEGER,
        height INTEGER,
        method TEXT NOT NULL,
        sources TEXT NOT NULL
    )
    """,
    "CREATE INDEX derived_sha256 ON derived (sha256)",
    "CREATE INDEX derived_request ON derived (request)",
)
#: Which of the user's servers it was, by the name of its profile.
_VERSION_5: Tuple[_Step, ...] = ("ALTER TABLE requests ADD COLUMN profile TEXT",)
#: What was wished for around the call, to be done again.
_VERSION_6: Tuple[_Step, ...] = ("ALTER TABLE requests ADD COLUMN wishes TEXT",)
#: What leads from each version of the schema to the next.
_UPGRADES: Tuple[Tuple[_Step, ...], ...] = (_VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5, _VERSION_6)


def upgrade(database: Database, version: int) -> None:
    """Changes the schema from that of a version to that of now, within a transaction."""
    for step in (step for steps in _UPGRADES[version - 1 :] for step in steps):
        if isinstance(step, str):
            database.change(step)
        else:
            step(database)


def _move_jobs(database: Database) -> None:
    """Fills the table of jobs from that of version 1; in Python, since not every SQLite knows JSON."""
    last = -1, ""
    query = (
        "SELECT * FROM batch_jobs_1 WHERE batch > ? OR (batch = ? AND custom_id > ?)"
        " ORDER BY batch, custom_id LIMIT 500"
    )
    while True:
        page = database.rows(query, (last[0], *last))
        if not page:
            return
        for row in page:
            job = {name: row[name] for name in ("line", "id", "key", "copy", "name", "high_usd", "prompt")}
            job.update(number=row["job"], named=bool(row["named"]))
            for name in ("numbers", "there", "fields", "inputs", "mask"):
                job[name] = None if row[name] is None else json.loads(row[name])
            values = row["batch"], row["job"], row["custom_id"], json.dumps(job), row["state"], row["outcome"]
            database.change("INSERT INTO batch_jobs VALUES (?, ?, ?, ?, ?, ?)", values)
        last = page[-1]["batch"], page[-1]["custom_id"]
