"""Notices what other processes write to the ledger. Reads only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from gpt_image2.core.base.errors import LedgerError
from gpt_image2.core.ledger.database import Database, read_database

#: SQLite's counter costs 20 microseconds to read.
_INTERVAL_S = 0.2


class Watcher:
    """Calls `changed` soon after the ledger has changed, whoever changed it."""

    def __init__(self, ledger: Path, changed: Callable[[], None]) -> None:
        self._ledger = ledger
        self._changed = changed
        self._database: Database | None = None
        self._seen: tuple[int, int] | None = None

    async def run(self) -> None:
        """Watches until it is cancelled."""
        try:
            while True:
                now = self._version()
                if now != self._seen:
                    self._seen = now
                    self._changed()
                await asyncio.sleep(_INTERVAL_S)
        finally:
            self._drop()

    def _version(self) -> tuple[int, int] | None:
        """What is another once the ledger was written to or exchanged; None where there is none."""
        try:
            inode = os.stat(self._ledger).st_ino
            if self._seen is None or self._seen[0] != inode:
                self._drop()
            if self._database is None:
                self._database = read_database(self._ledger)
            (row,) = self._database.rows("PRAGMA data_version")
            return inode, int(row["data_version"])
        except (OSError, LedgerError):
            self._drop()
            return None

    def _drop(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
