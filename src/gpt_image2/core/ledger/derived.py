"""What the ledger keeps of a finished picture: what it was made from, and how. Written and read here."""

from __future__ import annotations

import json
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ..base.outcome import Derivation, MadeFrom, SavedImage
from ..base.record import Record
from .database import Database, stored
from .entries import utc_text

_INSERT_DERIVED = """
INSERT INTO derived (request, made_at, path, sha256, bytes, format, width, height, method, sources)
VALUES (?, ?, CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?)
"""
_REQUEST_OF = "SELECT request FROM images WHERE sha256 = ? ORDER BY request DESC LIMIT 1"
_PARENT_OF = "SELECT request FROM derived WHERE sha256 = ? ORDER BY id DESC LIMIT 1"


class DerivedPicture(Record):
    """One finished picture. `request` is the row of the request that made what it was made from, None where
    that is not in the ledger."""

    path: str
    sha256: str
    size_bytes: int
    format: str
    width: Optional[int]
    height: Optional[int]
    method: str
    sources: Tuple[MadeFrom, ...]
    request: Optional[int]
    made_at: str

    def json(self) -> Dict[str, object]:
        """As JSON, for those who read the history."""
        fields = dict(vars(self))
        fields["bytes"] = fields.pop("size_bytes")
        return {**fields, "sources": [dict(vars(source)) for source in self.sources]}


def insert_derived(
    database: Database, image: SavedImage, derivation: Derivation, masked: Callable[[str], str]
) -> int:
    """Writes the row of a finished picture; its id."""
    sources = [{"path": masked(source.path), "sha256": source.sha256} for source in derivation.sources]
    return database.insert(
        _INSERT_DERIVED,
        (
            _request_of(database, [source.sha256 for source in derivation.sources]),
            utc_text(time.time()),
            stored(image.path),
            image.sha256,
            image.size_bytes,
            image.format,
            image.width,
            image.height,
            derivation.method,
            json.dumps(sources),
        ),
    )


def derived_of_request(database: Database, request: int) -> Tuple[DerivedPicture, ...]:
    """The pictures that were made of a request's images, oldest first."""
    rows = database.rows("SELECT * FROM derived WHERE request = ? ORDER BY id", (request,))
    return tuple(map(_derived_picture, rows))


def derived_by_content(database: Database, sha256: str, place: bytes) -> Optional[DerivedPicture]:
    """The newest finished picture with this SHA-256, at best at this place; or None."""
    query = "SELECT * FROM derived WHERE sha256 = ? ORDER BY path = CAST(? AS TEXT) DESC, id DESC LIMIT 1"
    rows = database.rows(query, (sha256, place)) if sha256 else []
    return _derived_picture(rows[0]) if rows else None


def _request_of(database: Database, hashes: List[str]) -> Optional[int]:
    """The request that made one of these, or what one of these was made from."""
    for query in (_REQUEST_OF, _PARENT_OF):
        for sha256 in hashes:
            rows = database.rows(query, (sha256,)) if sha256 else []
            if rows and rows[0]["request"] is not None:
                return int(rows[0]["request"])
    return None


def _derived_picture(row: Mapping[str, Any]) -> DerivedPicture:
    sources = tuple(MadeFrom(each["path"], each["sha256"]) for each in json.loads(row["sources"]))
    names = ("path", "sha256", "format", "width", "height", "method", "request", "made_at")
    return DerivedPicture(sources=sources, size_bytes=row["bytes"], **{name: row[name] for name in names})
