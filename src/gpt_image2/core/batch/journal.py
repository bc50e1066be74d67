"""The memory of an output folder: an append-only file in it, on disk before a job is sent and after it ended.

Each line is a JSON object: what happened to which job. A job goes by its key (see `job_key`) and by its copy:
how many jobs with the same key stand before it in the file. While a journal is open nobody else can open it.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Mapping, Optional, Tuple, cast

from ..base.errors import OutputError, UsageError
from ..base.outcome import Billed, SavedImage
from ..base.record import Record, replace
from ..outputs.lines import close_or_take_away, end_line, is_at, lock_file, open_to_append
from ..telling.as_json import image_json

JOURNAL_NAME = "journal.jsonl"

SENT, DONE, FAILED, SUBMITTED, ACCEPTED = "sent", "done", "failed", "submitted", "accepted"
_MOST = 1e9  # jobs or dollars
_OPENINGS = 10
_KEY = re.compile(r"[0-9a-f]{64}")
_EVENTS = frozenset({SENT, DONE, FAILED, SUBMITTED, ACCEPTED})
#: The fields of an entry but for its images, and what makes each of its value in JSON.
_ENTRY_KINDS = {
    "event": str,
    "key": str,
    "copy": int,
    "name": str,
    "existed": bool,
    "billed": Billed,
    "cost_usd": float,
    "high_usd": float,
    "code": str,
    "message": str,
    "batch_id": str,
    "settled": bool,
    "sandbox": bool,
}


class Entry(Record):
    """One line. `images` are all that the job has by now, with paths below the folder; `name` is where the
    first was to go, and `existed` whether something was there. `high_usd` is the most that a sent job may
    cost. A job is `accepted` while the host works on it as a task. `batch_id` is the provider's for a
    submitted job. `settled` tells that nothing of a failed job is still on its way. `sandbox` tells that the
    sandbox did it: no result, and no money."""

    event: str
    key: str
    copy: int
    name: str = ""
    existed: bool = False
    images: Tuple[SavedImage, ...] = ()
    billed: Billed = Billed.NO
    cost_usd: Optional[float] = None
    high_usd: float = 0.0
    code: str = ""
    message: str = ""
    batch_id: str = ""
    settled: bool = False
    sandbox: bool = False


class Journal:
    """An open journal. A context manager; for one thread alone.

    `is_sandbox` tells whether the host of this run is the sandbox, as far as that is known: it goes on every
    line.
    """

    is_sandbox = False

    def __init__(self, folder: Path) -> None:
        """Opens the journal of a folder, which is made where it is missing; a `UsageError` where another
        process has it."""
        self.path = folder / JOURNAL_NAME
        for _ in range(_OPENINGS):
            try:
                self._descriptor = open_to_append(self.path)
            except FileNotFoundError:
                continue  # another batch, which came to nothing, took the folder away that it had made
            except OSError as error:
                raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from None
            if not lock_file(self._descriptor):
                os.close(self._descriptor)
                raise UsageError(
                    f"another batch is at work in {folder}",
                    hint="wait for it, or choose another --out-dir; nothing was sent",
                    code="batch_running",
                )
            if is_at(self._descriptor, self.path):
                break
            os.close(self._descriptor)  # another batch took it away, which was empty, before it was locked
        else:
            raise OutputError(f"cannot write {self.path}: it was taken away each time that it was made")
        end_line(self._descriptor)  # a line that a crash has torn must not swallow the next one

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the journal; one without a line goes."""
        close_or_take_away(self._descriptor, self.path)

    def extend(self, entries: Iterable[Entry]) -> None:
        """Writes lines and returns when all are on the disk, by one flush; an `OutputError` where the disk
        does not take them."""
        has_written = False
        try:
            for entry in entries:
                has_written = True
                line = replace(entry, sandbox=entry.sandbox or self.is_sandbox)
                text = json.dumps(entry_json(line), ensure_ascii=False) + "\n"
                view = memoryview(text.encode("utf-8", "surrogateescape"))
                while view:
                    view = view[os.write(self._descriptor, view) :]
            if has_written:
                os.fsync(self._descriptor)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from None


class LastEntries:
    """The last line of each job in a journal, in a scratch database."""

    def __init__(self, database: Any) -> None:
        self._db = database
        self._db.execute(
            "CREATE TABLE past (key TEXT, copy INTEGER, entry TEXT, PRIMARY KEY (key, copy)) WITHOUT ROWID"
        )

    def add(self, entry: Entry) -> None:
        values = (entry.key, entry.copy, json.dumps(entry_json(entry)))
        self._db.execute("INSERT OR REPLACE INTO past VALUES (?, ?, ?)", values)

    def forget(self, entry: Entry) -> None:
        """Forgets the last line of the job that this one is of."""
        self._db.execute("DELETE FROM past WHERE key = ? AND copy = ?", (entry.key, entry.copy))

    def of(self, key: str, copy: int) -> Optional[Entry]:
        query = "SELECT entry FROM past WHERE key = ? AND copy = ?"
        row = self._db.execute(query, (key, copy)).fetchone()
        return None if row is None else read_entry(json.loads(row[0]))

    def count(self) -> int:
        return int(self._db.execute("SELECT COUNT(*) FROM past").fetchone()[0])


def scratch_database(path: Path) -> Any:
    """A new SQLite database that need not outlive the process: for what would fill the memory."""
    import sqlite3  # not every Python has it, and only batches and the ledger need it

    database = sqlite3.connect(str(path), isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("BEGIN")
    return database


def read_journal(folder: Path) -> Iterator[Entry]:
    """The entries of a folder's journal in order; a line that is torn or strange is passed over."""
    path = folder / JOURNAL_NAME
    if not path.exists():
        return
    with open(str(path), encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            try:
                content: Any = json.loads(line)
                entry = read_entry(cast(Dict[str, Any], content))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                continue
            if entry.event in _EVENTS:
                yield entry


def entry_json(entry: Entry) -> Dict[str, object]:
    """An entry as the object on its line; what has its default is left out."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line: Dict[str, object] = {"event": entry.event, "time": moment, "key": entry.key, "copy": entry.copy}
    line.update((name, value) for name, value in vars(entry).items() if value)
    line["billed"] = entry.billed.value
    if entry.cost_usd is not None:
        line["cost_usd"] = round(entry.cost_usd, 6)
    if entry.images:
        line["images"] = [image_fields(image) for image in entry.images]
    return line


def read_entry(line: Dict[str, Any]) -> Entry:
    """The entry on a line; a `KeyError`, `TypeError` or `ValueError` where it is none."""
    known: Dict[str, Any] = {
        name: kind(line[name]) for name, kind in _ENTRY_KINDS.items() if line.get(name) is not None
    }
    known["images"] = tuple(map(image_of_fields, line.get("images", [])))
    entry = Entry(**known)
    if not _KEY.fullmatch(entry.key) or "billed" not in known:
        raise ValueError("no key of a job, or nothing on its bill")
    if not all(0 <= number < _MOST for number in (entry.copy, entry.high_usd, entry.cost_usd or 0.0)):
        raise ValueError("no copy of a job, or no sum of money")
    return entry


def image_fields(image: SavedImage) -> Dict[str, object]:
    return {"number": image.number, **image_json(image)}


def image_of_fields(fields: Mapping[str, Any]) -> SavedImage:
    """The image that `image_fields` made an object of; earlier releases kept no format and dimensions."""
    return SavedImage(
        path=str(fields["path"]),
        size_bytes=int(fields["bytes"]),
        format=str(fields.get("format", "")),
        width=fields.get("width"),
        height=fields.get("height"),
        sha256=str(fields["sha256"]),
        number=int(fields["number"]),
    )
