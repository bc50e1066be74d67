"""Opens the ledger's SQLite file: makes it, brings its schema up to date, and says in words what is wrong.

The file is private (0600, in a 0700 folder) and in WAL mode, so that many processes write to it side by side.
A new one is made whole under another name first: no process ever sees half a schema. `sqlite3` is imported
only here and only on use, since some builds of Python lack it. Whatever is wrong is a `LedgerError` with a
cure for its hint.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Dict, Generator, List, Optional, Sequence

from ..base.errors import LedgerError, UsageError
from ..outputs.files import finish_rename, open_part, private_folder, rename_if_free
from ..outputs.ours import NotOurs, check_ours

LEDGER_NAME = "ledger.sqlite3"
BUSY_TIMEOUT_S = 5.0
LOCKED = "ledger_locked"
_OFF_HINT = "or leave history off with --no-history"

#: The schema as it is now. A job of a batch is found by its number, and is one JSON object. `derived` has
#: what was made from images, with or without a request; its `sources` are a list of paths and SHA-256.
_TABLES = (
    """
    CREATE TABLE requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        started_at TEXT NOT NULL,
        elapsed_s REAL,
        base_url TEXT NOT NULL,
        host TEXT NOT NULL,
        command TEXT NOT NULL,
        model TEXT NOT NULL,
        prompt TEXT NOT NULL,
        fields TEXT NOT NULL,
        inputs TEXT NOT NULL,
        mask TEXT,
        output TEXT,
        status TEXT NOT NULL,
        error_code TEXT,
        error_message TEXT,
        http_status INTEGER,
        request_id TEXT,
        attempts INTEGER NOT NULL,
        billed TEXT NOT NULL,
        usage TEXT,
        estimate_low_usd REAL,
        estimate_high_usd REAL,
        cost_usd REAL,
        discount REAL NOT NULL,
        batch_id TEXT,
        task_id TEXT,
        profile TEXT,
        wishes TEXT
    )
    """,
    "CREATE INDEX requests_started_at ON requests (started_at)",
    """
    CREATE TABLE images (
        request INTEGER NOT NULL,
        number INTEGER NOT NULL,
        path TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        format TEXT NOT NULL,
        width INTEGER,
        height INTEGER,
        rescued INTEGER NOT NULL,
        PRIMARY KEY (request, number)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX images_sha256 ON images (sha256)",
    """
    CREATE TABLE batches (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT,
        token TEXT NOT NULL,
        base_url TEXT NOT NULL,
        created_at TEXT NOT NULL,
        status TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        model TEXT NOT NULL,
        input_file_id TEXT,
        output_file_id TEXT,
        error_file_id TEXT,
        out_dir TEXT NOT NULL,
        total INTEGER NOT NULL,
        completed INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        high_usd REAL,
        history INTEGER NOT NULL,
        fetched_at TEXT
    )
    """,
    "CREATE INDEX batches_id ON batches (id)",
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
#: `PRAGMA user_version`: each change of the schema is one more, and a step in `upgrades`.
SCHEMA_VERSION = 6


class Database:
    """One open connection. Its methods raise `LedgerError` for whatever SQLite complains of."""

    def __init__(self, path: Path, connection: Any) -> None:
        self.path = path
        self._connection = connection

    def rows(self, sql: str, values: Sequence[object] = ()) -> List[Dict[str, Any]]:
        """The rows that a query finds."""
        with _complaints_explained(self.path):
            return [dict(row) for row in self._connection.execute(sql, values)]

    def change(self, sql: str, values: Sequence[object] = ()) -> int:
        """Runs a statement that changes something; how many rows it changed."""
        with _complaints_explained(self.path):
            return self._connection.execute(sql, values).rowcount

    def insert(self, sql: str, values: Sequence[object]) -> int:
        """Inserts one row; its id."""
        with _complaints_explained(self.path):
            return self._connection.execute(sql, values).lastrowid

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """All that is changed inside is kept, or nothing of it."""
        self.change("BEGIN IMMEDIATE")
        try:
            yield
            self.change("COMMIT")
        except BaseException:
            with suppress(LedgerError):
                self.change("ROLLBACK")
            raise

    def close(self) -> None:
        self._connection.close()


def read_database(path: Path) -> Database:
    """The ledger's file to read or to delete from; an empty stand-in where there is none."""
    with _complaints_explained(path):
        return _connected(path, None if os.path.lexists(str(path)) else ":memory:")


def open_database(path: Path) -> Database:
    """The ledger's file, made where it is missing."""
    with _complaints_explained(path):
        private_folder(path.parent)
        if not os.path.lexists(str(path)):
            _create(path)
        return _connected(path)


def stored(text: str) -> bytes:
    """A text as the bytes to store by `CAST(? AS TEXT)`: a path need not be valid UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _loaded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _create(path: Path) -> None:
    part, file = open_part(path, 0o600)
    file.close()  # before SQLite locks it: closing any descriptor drops a process's locks
    try:
        database = _connected(part)
        try:
            database.rows("PRAGMA journal_mode = WAL")
        finally:
            database.close()
        rename_if_free(part, path, file)
    finally:
        with suppress(OSError):
            part.unlink()


def _connected(path: Path, other_place: Optional[str] = None) -> Database:
    import sqlite3

    if other_place is None:  # else it may be made, under two names, while it is looked at
        finish_rename(path)
        for suffix in ("", "-wal", "-shm", "-journal"):  # SQLite follows links and opens whatever is there
            check_ours(Path(f"{path}{suffix}"))
    connection = sqlite3.connect(
        # It never makes a file here: others could read that.
        other_place or f"{path.absolute().as_uri()}?mode=rw",
        uri=other_place is None,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    connection.text_factory = _loaded
    database = Database(path, connection)
    try:
        _migrate(database)
        database.change("PRAGMA synchronous = NORMAL")
    except BaseException:
        database.close()
        raise
    return database


def _migrate(database: Database) -> None:
    if _version(database) == SCHEMA_VERSION:
        return
    with database.transaction():
        version = _version(database)
        if version == SCHEMA_VERSION:  # another process was faster; each that writes keeps the next waiting
            return
        if version > SCHEMA_VERSION:
            raise LedgerError(
                f"the ledger {database.path} was written by a newer version of this program",
                hint=f"update this program, {_OFF_HINT}",
            )
        if version == 0:
            for statement in _TABLES:
                database.change(statement)
        else:
            _upgrade(database, version)
        database.change(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _upgrade(database: Database, version: int) -> None:
    try:
        from .upgrades import upgrade

        upgrade(database, version)
    except UsageError as alone:
        raise LedgerError(alone.message, hint=alone.hint) from None


def _version(database: Database) -> int:
    (row,) = database.rows("PRAGMA user_version")
    return int(row["user_version"])


@contextmanager
def _complaints_explained(path: Path) -> Generator[None, None, None]:
    """Turns what SQLite and the system complain of into a `LedgerError` with a cure."""
    try:
        import sqlite3
    except ImportError:
        raise LedgerError(
            "this Python was built without sqlite3, which the ledger needs",
            hint=f"use another Python, {_OFF_HINT}",
        ) from None
    try:
        yield
    except OSError as error:
        place = error.filename if isinstance(error, NotOurs) else path
        raise LedgerError(
            f"the ledger {place} cannot be opened: {error.strerror or error}",
            hint=f"see to it that its folder can be written, {_OFF_HINT}",
        ) from None
    except sqlite3.OperationalError as error:
        if "locked" in str(error):  # the error's number is not to be had before Python 3.11
            raise locked(path) from None
        raise LedgerError(
            f"the ledger {path} cannot be used: {error}",
            hint=f"see to it that it is a file that can be written, {_OFF_HINT}",
        ) from None
    except sqlite3.Error as error:
        raise LedgerError(
            f"the ledger {path} cannot be read: {error}",
            hint=f"move the file away, and a new one is made, {_OFF_HINT}",
        ) from None


def locked(path: Path) -> LedgerError:
    """The error of a ledger that another program holds for too long."""
    return LedgerError(
        f"the ledger {path} is locked by another program",
        hint=f"end the program that holds it, {_OFF_HINT}",
        code=LOCKED,
    )
