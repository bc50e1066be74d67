"""Looks into a ledger with SQLite alone. Imports nothing of the project."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Dict, List


def rows_of(path: Path, table: str = "requests") -> List[Dict[str, Any]]:
    """All rows of a table, oldest first."""
    with closing(sqlite3.connect(str(path))) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1")]


def change(path: Path, statement: str) -> None:
    """Runs one statement."""
    with closing(sqlite3.connect(str(path))) as connection:
        connection.execute(statement)
        connection.commit()
