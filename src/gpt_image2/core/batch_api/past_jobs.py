"""What the journal of a folder says of its jobs by now, in a scratch database: the last line of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Optional

from ..batch.journal import Entry, entry_json, read_entry, read_journal
from .lines import custom_id_of


class PastJobs:
    """The last line of each job of a folder, by the job's name in a batch. A context manager."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        import sqlite3

        self._db = sqlite3.connect(str(scratch / "past.sqlite3"), isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE past (id TEXT PRIMARY KEY, entry TEXT) WITHOUT ROWID")
        self._db.execute("BEGIN")
        for entry in read_journal(folder):
            self.remember(entry)

    def __enter__(self) -> PastJobs:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def remember(self, entry: Entry) -> None:
        """Takes one more line."""
        self._db.execute(
            "INSERT OR REPLACE INTO past VALUES (?, ?)",
            (custom_id_of(entry.key, entry.copy), json.dumps(entry_json(entry))),
        )

    def last(self, custom_id: str) -> Optional[Entry]:
        """The last line of a job; None where there is none."""
        row = self._db.execute("SELECT entry FROM past WHERE id = ?", (custom_id,)).fetchone()
        return None if row is None else read_entry(json.loads(row[0]))

    def count(self) -> int:
        """How many jobs the folder has."""
        return int(self._db.execute("SELECT COUNT(*) FROM past").fetchone()[0])
