"""Finds the file of a picture of the ledger and says what it is: by its content, so that a name which another
picture has taken since shows nothing wrong. Reads files.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from gpt_image2.core.api.images import sha256_of
from gpt_image2.core.ledger.database import Database
from gpt_image2.core.outputs.naming import mark_of

#: The types that are served; whatever a file calls itself, it goes out as one of them.
MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "svg": "image/svg+xml",
}
_SHA256_CHARS, _MAX_DIGITS = 64, 18
_BY_CONTENT = (
    "SELECT * FROM images WHERE sha256 = ? ORDER BY request DESC LIMIT 1",
    "SELECT * FROM derived WHERE sha256 = ? ORDER BY id DESC LIMIT 1",
)
_MAX_REMEMBERED = 4096
_MAX_SIBLINGS = 200


class PictureFiles:
    """Where the pictures are now. Remembers what it has hashed for as long as the file stays as it is."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[tuple[str, object], str] = OrderedDict()
        self._lock = Lock()

    def find(self, path: str, sha256: str, size_bytes: int) -> Path | None:
        """The file with this content at a path, or under the names it is moved aside to; None where it is
        gone."""
        for candidate in _candidates(Path(path), size_bytes):
            if self._hash(candidate) == sha256:
                return candidate
        return None

    def _hash(self, path: Path) -> str:
        mark = mark_of(path)
        key = (str(path), mark)
        with self._lock:
            known = self._hashes.get(key)
        if known is None:
            known = sha256_of(str(path))
            with self._lock:
                self._hashes[key] = known
                while len(self._hashes) > _MAX_REMEMBERED:
                    self._hashes.popitem(last=False)
        return known


def image_row(database: Database, picture_id: str) -> dict[str, object] | None:
    """The ledger's row of a picture: of a request's by `REQUEST-NUMBER`, of a finished one by `dID`, of the
    newest with a content by its SHA-256; None where there is none."""
    if len(picture_id) == _SHA256_CHARS:
        for query in _BY_CONTENT:
            rows = database.rows(query, (picture_id,))
            if rows:
                return rows[0]
        return None
    if picture_id[:1] == "d":
        number = picture_id[1:]
        if not (number.isascii() and number.isdigit() and len(number) <= _MAX_DIGITS):
            return None
        rows = database.rows("SELECT * FROM derived WHERE id = ?", (int(number),))
        return rows[0] if rows else None
    request, _, number = picture_id.partition("-")
    if not (request.isascii() and request.isdigit() and number.isascii() and number.isdigit()):
        return None
    if max(len(request), len(number)) > _MAX_DIGITS:
        return None
    rows = database.rows("SELECT * FROM images WHERE request = ? AND number = ?", (int(request), int(number)))
    return rows[0] if rows else None


def _candidates(path: Path, size_bytes: int) -> list[Path]:
    """The regular files at the path and beside it that have the size."""
    found = [path] if _is_file_of(path, size_bytes) else []
    for number in range(1, _MAX_SIBLINGS):
        aside = path.with_name(f"{path.stem}.{number}{path.suffix}")
        if not os.path.lexists(aside):
            break
        if _is_file_of(aside, size_bytes):
            found.append(aside)
    return found


def _is_file_of(path: Path, size_bytes: int) -> bool:
    """Whether it is a regular file of that size: a FIFO or a device is never opened."""
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(info.st_mode) and info.st_size == size_bytes
