"""Reads the ledger: finds requests by text, time, id or image, and forgets them. Images stay."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..api.images import sha256_of
from ..base.outcome import SavedImage
from ..base.record import Record
from ..ledger.database import Database, stored
from ..ledger.derived import DerivedPicture, derived_by_content, derived_of_request
from ..ledger.entries import InputFile, input_file_of

_MAX_ID = 2**63 - 1
#: The jobs of batches from before a moment; those that were not fetched yet are needed for that.
_FORGET_BATCH_JOBS = (
    "DELETE FROM batch_jobs WHERE batch IN"
    " (SELECT number FROM batches WHERE fetched_at IS NOT NULL AND created_at < ?)"
)


class PastRequest(Record):
    """One row of the ledger with its images. `fields` are the API's but for model, prompt and images;
    `wishes` are what was done with the pictures, as in `PreparedCall`."""

    id: int
    started_at: str
    elapsed_s: Optional[float]
    base_url: str
    host: str
    command: str
    model: str
    prompt: str
    fields: Mapping[str, object]
    inputs: Tuple[InputFile, ...]
    mask: Optional[InputFile]
    markup: Optional[InputFile]
    output: str
    status: str
    error_code: Optional[str]
    error_message: Optional[str]
    http_status: Optional[int]
    request_id: Optional[str]
    attempts: int
    billed: str
    usage: Optional[Mapping[str, Any]]
    svg_usage: Optional[Mapping[str, Any]]
    estimate_low_usd: Optional[float]
    estimate_high_usd: Optional[float]
    cost_usd: Optional[float]
    discount: float
    batch_id: Optional[str]
    task_id: Optional[str]
    profile: Optional[str]
    wishes: Optional[Mapping[str, Any]]
    images: Tuple[SavedImage, ...]
    derived: Tuple[DerivedPicture, ...]


def find_requests(
    database: Database,
    search: Optional[str],
    since: Optional[str],
    limit: Optional[int],
    profile: Optional[str] = None,
) -> List[PastRequest]:
    """The requests from `since` on whose prompt or image path holds a text in any case, of one profile or of
    all, newest first."""
    at_most = limit if limit is not None and search is None else -1
    rows = database.rows(
        "SELECT * FROM requests WHERE started_at >= ? AND (? IS NULL OR profile = ?)"
        " ORDER BY started_at DESC, id DESC LIMIT ?",
        (since or "", profile, profile, at_most),
    )
    found: List[PastRequest] = []
    for row in rows:
        if limit is not None and len(found) >= limit:
            break
        if search is None or _holds(database, row, search.casefold()):
            found.append(_past_request(database, row))
    return found


def request_by_id(database: Database, number: int) -> Optional[PastRequest]:
    if number > _MAX_ID:
        return None
    rows = database.rows("SELECT * FROM requests WHERE id = ?", (number,))
    return _past_request(database, rows[0]) if rows else None


def made_by_file(database: Database, path: str) -> Tuple[Optional[PastRequest], Optional[DerivedPicture]]:
    """The newest request that made an image with the bytes of this file, at best under this path; else the
    finished picture with these bytes, and the request that made what it was made from; else the newest
    request that made an image with this path."""
    is_here = "path = CAST(? AS TEXT)"
    by_hash = f"SELECT request FROM images WHERE sha256 = ? ORDER BY {is_here} DESC, request DESC LIMIT 1"  # noqa: S608
    by_path = f"SELECT request FROM images WHERE {is_here} ORDER BY request DESC LIMIT 1"  # noqa: S608
    sha256, place = sha256_of(path), stored(os.path.abspath(path))
    rows = database.rows(by_hash, (sha256, place)) if sha256 else []
    derived = None if rows else derived_by_content(database, sha256, place)
    if derived is not None:
        return None if derived.request is None else request_by_id(database, derived.request), derived
    rows = rows or database.rows(by_path, (place,))
    return request_by_id(database, rows[0]["request"]) if rows else None, None


def forget_requests(
    database: Database, ids: Sequence[int] = (), before: Optional[str] = None, everything: bool = False
) -> List[int]:
    """Deletes requests by id, by age or all of them, and overwrites what they held; which they were."""
    if everything:
        condition, values, moment = "1", [()], "9"
    elif before is not None:
        condition, values, moment = "started_at < ?", [(before,)], before
    else:
        condition, values, moment = "id = ?", [(number,) for number in ids], ""
    ids_of_them = f"SELECT id FROM requests WHERE {condition}"  # noqa: S608
    forgotten: List[int] = []
    database.rows("PRAGMA secure_delete = ON")
    with database.transaction():
        for value in values:
            forgotten += [row["id"] for row in database.rows(ids_of_them, value)]
            for table in ("images", "derived"):
                database.change(f"DELETE FROM {table} WHERE request IN ({ids_of_them})", value)  # noqa: S608
            database.change(f"DELETE FROM requests WHERE {condition}", value)  # noqa: S608
        database.change(_FORGET_BATCH_JOBS, (moment,))
        database.change("DELETE FROM derived WHERE request IS NULL AND made_at < ?", (moment,))
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")  # the log would still hold the rows
    return forgotten


def _holds(database: Database, row: Mapping[str, Any], text: str) -> bool:
    if text in row["prompt"].casefold():
        return True
    query = "SELECT path FROM images WHERE request = ? UNION SELECT path FROM derived WHERE request = ?"
    paths = database.rows(query, (row["id"], row["id"]))
    return any(text in image["path"].casefold() for image in paths)


def _past_request(database: Database, row: Mapping[str, Any]) -> PastRequest:
    images = database.rows("SELECT * FROM images WHERE request = ? ORDER BY number", (row["id"],))
    values: Dict[str, Any] = dict(row)
    values["fields"] = json.loads(row["fields"])
    values["wishes"] = json.loads(row["wishes"] or "null")
    values["inputs"] = tuple(input_file_of(file) for file in json.loads(row["inputs"]))
    beside: Dict[str, Any] = json.loads(row["mask"] or "{}")
    values.update(mask=None, markup=None)
    if beside:
        values[beside.get("field", "mask")] = input_file_of(beside)
    usage: Dict[str, Any] = json.loads(row["usage"] or "{}")
    values["svg_usage"] = usage.pop("svg_usage", None)
    values["usage"] = usage or None
    values["derived"] = derived_of_request(database, row["id"])
    values["images"] = tuple(_saved_image(image) for image in images)
    return PastRequest(**values)


def _saved_image(row: Mapping[str, Any]) -> SavedImage:
    names = ("path", "format", "width", "height", "sha256", "number")
    known = {name: row[name] for name in names}
    return SavedImage(size_bytes=row["bytes"], rescued=bool(row["rescued"]), **known)
