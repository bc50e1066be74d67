"""The gallery: pictures of the ledger, searched, counted and cut into pages. Reads only.

A card is a picture, or a request that has none: one that failed, is under way, or may have been billed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpt_image2.core.history.spending import is_rehearsal
from gpt_image2.core.ledger.database import Database

MAX_PAGE = 200
_SHOWN_PROMPT_CHARS = 400
_CARDS = "FROM requests LEFT JOIN images ON images.request = requests.id WHERE 1"
_SUMS = (
    "SELECT host, COUNT(*) AS requests, SUM(cost_usd) AS cost_usd, SUM(billed = 'maybe') AS maybe"
    " FROM requests WHERE 1"
)
_COLUMNS = (
    "requests.id, requests.started_at, requests.host, requests.command, requests.model, requests.prompt,"
    " requests.fields, requests.status, requests.billed, requests.cost_usd, requests.error_code,"
    " images.number, images.path, images.width, images.height, images.format, images.bytes, images.sha256"
)
#: What is filtered by: a field of the query, its condition, and what is bound to it.
_CONDITIONS = {
    "model": "requests.model = ?",
    "host": "requests.host = ?",
    "command": "requests.command = ?",
    "status": "requests.status = ?",
    "billed": "requests.billed = ?",
    "since": "requests.started_at >= ?",
    "until": "requests.started_at < ?",
    "least_usd": "requests.cost_usd >= CAST(? AS REAL)",
    "most_usd": "requests.cost_usd <= CAST(? AS REAL)",
}
FILTERS = (*_CONDITIONS, "search")


@dataclass(frozen=True)
class Page:
    """Some cards of a gallery in their order, of so many in all; what the requests of all have cost, in real
    money."""

    cards: tuple[Mapping[str, object], ...]
    total: int
    requests: int
    cost_usd: float
    maybe_billed: int


def page_of(database: Database, filters: Mapping[str, str], offset: int, limit: int) -> Page:
    """The cards from an offset on, newest first; `filters` are some of `FILTERS`."""
    where, values = _where(filters)
    # Only conditions of ours are put together; what is asked for is bound.
    (counted,) = database.rows(f"SELECT COUNT(*) AS cards {_CARDS}{where}", values)
    sums = database.rows(f"{_SUMS}{where} GROUP BY host", values)
    real = [row for row in sums if not is_rehearsal(row)]
    rows = database.rows(
        f"SELECT {_COLUMNS} {_CARDS}{where}"
        " ORDER BY requests.started_at DESC, requests.id DESC, images.number LIMIT ? OFFSET ?",
        (*values, min(limit, MAX_PAGE), offset),
    )
    return Page(
        tuple(_card(row) for row in rows),
        counted["cards"],
        sum(row["requests"] for row in sums),
        round(sum(row["cost_usd"] or 0.0 for row in real), 6),
        sum(row["maybe"] for row in real),
    )


def choices(database: Database) -> dict[str, list[str]]:
    """What there is to filter by."""
    names = ("model", "host", "command", "status")
    queries = {name: f"SELECT DISTINCT {name} AS name FROM requests ORDER BY 1" for name in names}  # noqa: S608
    return {name: [row["name"] for row in database.rows(query)] for name, query in queries.items()}


def _where(filters: Mapping[str, str]) -> tuple[str, list[object]]:
    where, values = "", list[object]()
    for name, condition in _CONDITIONS.items():
        if filters.get(name):
            where += f" AND {condition}"
            values.append(filters[name])
    text = filters.get("search", "").strip()
    if text:
        # SQLite knows upper and lower case of ASCII alone.
        forms = list(dict.fromkeys((text, text.lower(), text.upper(), text.capitalize())))
        where += " AND (" + " OR ".join(["requests.prompt LIKE ? ESCAPE '\\'"] * len(forms)) + ")"
        values += [f"%{_escaped(form)}%" for form in forms]
    return where, values


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _card(row: Mapping[str, Any]) -> dict[str, object]:
    """One card as JSON; `picture` is None where there is none."""
    has_picture = row["number"] is not None
    return {
        "id": f"{row['id']}-{row['number']}" if has_picture else f"{row['id']}",
        "request": row["id"],
        "started_at": row["started_at"],
        "command": row["command"],
        "model": row["model"],
        "prompt": row["prompt"][:_SHOWN_PROMPT_CHARS],
        "status": row["status"],
        "billed": row["billed"],
        "cost_usd": row["cost_usd"],
        "sandbox": is_rehearsal(row),
        "error_code": row["error_code"],
        "picture": {name: row[name] for name in ("width", "height", "format", "bytes", "sha256")}
        if has_picture
        else None,
    }
