"""The gallery: pictures of the ledger, searched, counted and cut into pages. Reads only.

A card is a picture, as a model sent it or finished here, or a request that has none: one that failed, is
under way, or may have been billed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpt_image2.core.history.spending import is_rehearsal
from gpt_image2.core.ledger.database import Database

from .picture_files import image_row

MAX_PAGE = 200
_SHOWN_PROMPT_CHARS = 400
_SUMS = (
    "SELECT host, COUNT(*) AS requests, SUM(cost_usd) AS cost_usd, SUM(billed = 'maybe') AS maybe"
    " FROM requests WHERE 1"
)
#: The cards by their keys alone: sorting whole rows would take many times as long.
_OF_REQUESTS = (
    "SELECT requests.id AS request, images.number AS number, NULL AS derived, started_at AS moment"
    " FROM requests LEFT JOIN images ON images.request = requests.id WHERE 1"
)
_OF_DERIVED = (
    "SELECT derived.request AS request, NULL AS number, derived.id AS derived, made_at AS moment"
    " FROM derived LEFT JOIN requests ON requests.id = derived.request WHERE 1"
)
_ORDER = "ORDER BY moment DESC, derived DESC, request DESC, number LIMIT ? OFFSET ?"
_PICTURE = ("width", "height", "format", "bytes", "sha256")
_MOST_ALIKE = 20
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
#: What is said of a finished picture that no request of the ledger has made.
_NO_REQUEST: Mapping[str, Any] = {
    "command": "",
    "model": "",
    "prompt": "",
    "status": "saved",
    "billed": "no",
    "cost_usd": None,
    "host": "",
    "error_code": None,
}
FILTERS = (*_CONDITIONS, "search")
#: What leaves only some contents, of pictures, finished ones, and the sums. They are bound as one list.
_AMONG = "sha256 IN (SELECT value FROM json_each(?))"
_IMAGES_AMONG = f" AND images.{_AMONG}"
_DERIVED_AMONG = f" AND derived.{_AMONG}"
_ALL_CONTENTS = "(SELECT request, sha256 FROM images UNION ALL SELECT request, sha256 FROM derived)"
_SUMS_AMONG = f" AND id IN (SELECT request FROM {_ALL_CONTENTS} WHERE {_AMONG})"  # noqa: S608


@dataclass(frozen=True)
class Page:
    """Some cards of a gallery in their order, of so many in all; what the requests of all have cost, in real
    money."""

    cards: tuple[Mapping[str, object], ...]
    total: int
    requests: int
    cost_usd: float
    maybe_billed: int


def page_of(
    database: Database,
    filters: Mapping[str, str],
    offset: int,
    limit: int,
    among: Sequence[str] | None = None,
) -> Page:
    """The cards from an offset on, newest first; `filters` are some of `FILTERS`, `among` the SHA-256 of the
    pictures that are left, None for all."""
    where, values = _where(filters)
    images, derived, summed = where, where, where
    if among is not None:
        images, derived, summed = where + _IMAGES_AMONG, where + _DERIVED_AMONG, where + _SUMS_AMONG
        values = [*values, json.dumps(among)]
    # Only conditions of ours are put together; what is asked for is bound.
    both = f"{_OF_REQUESTS}{images} UNION ALL {_OF_DERIVED}{derived}"
    (counted,) = database.rows(f"SELECT COUNT(*) AS cards FROM ({both})", (*values, *values))  # noqa: S608
    sums = database.rows(f"{_SUMS}{summed} GROUP BY host", values)
    real = [row for row in sums if not is_rehearsal(row)]
    keys = database.rows(f"{both} {_ORDER}", (*values, *values, min(limit, MAX_PAGE), offset))
    return Page(
        tuple(_card(database, key) for key in keys),
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


def ids_with_content(database: Database, sha256: str) -> list[str]:
    """The ids of pictures with that content, newest first: finished ones before those that a model sent."""
    derived = database.rows(
        "SELECT id FROM derived WHERE sha256 = ? ORDER BY id DESC LIMIT ?", (sha256, _MOST_ALIKE)
    )
    images = database.rows(
        "SELECT request, number FROM images WHERE sha256 = ? ORDER BY request DESC LIMIT ?",
        (sha256, _MOST_ALIKE),
    )
    return [f"d{row['id']}" for row in derived] + [f"{row['request']}-{row['number']}" for row in images]


def card_of(database: Database, picture_id: str) -> dict[str, object] | None:
    """The card of a picture; None where there is none."""
    row = image_row(database, picture_id)
    if row is None:
        return None
    if "number" in row:
        condition, values = "AND images.request = ? AND images.number = ?", (row["request"], row["number"])
        keys = database.rows(f"{_OF_REQUESTS} {condition}", values)
    else:
        keys = database.rows(f"{_OF_DERIVED} AND derived.id = ?", (row["id"],))
    return _card(database, keys[0])


def _card(database: Database, key: Mapping[str, Any]) -> dict[str, object]:
    """One card as JSON. `picture` is None where there is none, `method` where the picture is a model's own,
    `request` where the ledger knows of none."""
    request, number, derived = key["request"], key["number"], key["derived"]
    rows = database.rows("SELECT * FROM requests WHERE id = ?", (request,))
    row = rows[0] if rows else _NO_REQUEST
    picture: Mapping[str, Any] = {}
    if derived is not None:
        (picture,) = database.rows("SELECT * FROM derived WHERE id = ?", (derived,))
    elif number is not None:
        (picture,) = database.rows("SELECT * FROM images WHERE request = ? AND number = ?", (request, number))
    return {
        "id": f"d{derived}" if derived is not None else f"{request}-{number}" if picture else f"{request}",
        "request": request,
        "started_at": key["moment"],
        "command": row["command"],
        "model": row["model"],
        "prompt": row["prompt"][:_SHOWN_PROMPT_CHARS],
        "status": row["status"],
        "billed": row["billed"],
        "cost_usd": row["cost_usd"],
        "sandbox": is_rehearsal(row),
        "error_code": row["error_code"],
        "method": picture.get("method"),
        "picture": {name: picture[name] for name in _PICTURE} if picture else None,
    }
