"""The versions of a picture: what it was made from and what was made from it, by the SHA-256 of the content:
a file that was moved or renamed still has its past. Reads only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gpt_image2.core.ledger.database import Database

from .cards import ids_with_content

_MOST = 80
_PROMPT_CHARS = 200


@dataclass
class Version:
    """One picture. `id` is that of the gallery, `in-SHA256` for one that the ledger only knows as an input;
    `parents` are the contents that it was made from, the nearest first; `method` how, empty for a model's."""

    sha256: str
    id: str
    moment: str = ""
    prompt: str = ""
    method: str = ""
    parents: list[str] = field(default_factory=list[str])


def versions_of(database: Database, sha256: str) -> list[Version]:
    """The picture with a content and its relatives up and down, oldest first; at most 80."""
    found: dict[str, Version] = {}
    _climb(database, [sha256], found)
    waiting = list(found)
    while waiting and len(found) < _MOST:
        here = waiting.pop(0)
        for child in _made_from(database, here):
            if child not in found and len(found) < _MOST:
                found[child] = _version(database, child)
                waiting.append(child)
    for version in found.values():
        version.parents = [parent for parent in version.parents if parent in found]
    return sorted(found.values(), key=lambda version: (version.moment, bool(version.parents)))


def _climb(database: Database, contents: Iterable[str], found: dict[str, Version]) -> None:
    waiting = list(contents)
    while waiting and len(found) < _MOST:
        here = waiting.pop(0)
        if here and here not in found:
            found[here] = _version(database, here)
            waiting += found[here].parents


def _version(database: Database, sha256: str) -> Version:
    """What the ledger knows of a content: how it was made first."""
    ids = ids_with_content(database, sha256)
    rows = database.rows("SELECT * FROM derived WHERE sha256 = ? ORDER BY id LIMIT 1", (sha256,))
    if rows:
        row = rows[0]
        sources: list[dict[str, Any]] = json.loads(row["sources"])
        parents = [source["sha256"] for source in sources]
        return Version(
            sha256, ids[0], row["made_at"], _prompt(database, row["request"]), row["method"], parents
        )
    rows = database.rows(
        "SELECT requests.* FROM requests JOIN images ON images.request = requests.id"
        " WHERE images.sha256 = ? ORDER BY requests.id LIMIT 1",
        (sha256,),
    )
    if not rows:
        return Version(sha256, f"in-{sha256}")
    row = rows[0]
    inputs: list[dict[str, Any]] = json.loads(row["inputs"])
    parents = [file["sha256"] for file in inputs]
    return Version(sha256, ids[0], row["started_at"], row["prompt"][:_PROMPT_CHARS], "", parents)


def _made_from(database: Database, sha256: str) -> list[str]:
    """The contents that were made from one, oldest first."""
    like = f'%"{sha256}"%'
    images = database.rows(
        "SELECT images.sha256 FROM requests JOIN images ON images.request = requests.id"
        " WHERE requests.inputs LIKE ? ORDER BY requests.id, images.number LIMIT ?",
        (like, _MOST),
    )
    derived = database.rows(
        "SELECT sha256 FROM derived WHERE sources LIKE ? ORDER BY id LIMIT ?", (like, _MOST)
    )
    return [row["sha256"] for row in (*images, *derived)]


def _prompt(database: Database, request: int | None) -> str:
    rows = database.rows("SELECT prompt FROM requests WHERE id = ?", (request,))
    return rows[0]["prompt"][:_PROMPT_CHARS] if rows else ""
