"""A batch as the server tells of it. Pure: parsed JSON in, frozen data out."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, cast

from ..base.record import Record
from ..base.redact import show
from ..base.untrusted import moment_s
from ..ledger.entries import utc_text

COMPLETION_WINDOW = "24h"
MARK_FIELD = "gpt_image2_submission"
COMPLETED = "completed"
#: A batch in one of these has ended; nothing more comes of it.
ENDED = frozenset({COMPLETED, "failed", "expired", "cancelled"})
_MAX_PROBLEMS = 3
_NAME_CHARS = 200


class RemoteBatch(Record):
    """A batch on the server. The counts are of requests; `token` is the mark that `batch submit` gave it,
    `problem` why it failed as a whole."""

    id: str
    status: str
    created_at: str
    endpoint: str = ""
    model: str = ""
    input_file_id: Optional[str] = None
    output_file_id: Optional[str] = None
    error_file_id: Optional[str] = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    token: str = ""
    problem: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status in ENDED


def read_remote_batch(document: object) -> Optional[RemoteBatch]:
    """The batch that a parsed answer tells of, None where it tells of none."""
    fields = _fields(document)
    batch_id, status = fields.get("id"), fields.get("status")
    if not isinstance(batch_id, str) or not batch_id or not isinstance(status, str):
        return None
    counts = _fields(fields.get("request_counts"))
    created_s = moment_s(fields.get("created_at"))
    return RemoteBatch(
        id=batch_id,
        status=show(status, limit=_NAME_CHARS),
        created_at="" if created_s is None else utc_text(created_s),
        endpoint=_text(fields, "endpoint") or "",
        model=_text(fields, "model") or "",
        input_file_id=_text(fields, "input_file_id"),
        output_file_id=_text(fields, "output_file_id"),
        error_file_id=_text(fields, "error_file_id"),
        total=_number_of(counts, "total"),
        completed=_number_of(counts, "completed"),
        failed=_number_of(counts, "failed"),
        token=_text(_fields(fields.get("metadata")), MARK_FIELD) or "",
        problem=_problem(fields.get("errors")),
    )


def read_page(document: object) -> List[object]:
    """The objects on a page of a list."""
    data: Any = _fields(document).get("data")
    return cast(List[object], data) if isinstance(data, list) else []


def has_more(document: object) -> bool:
    """Whether another page follows."""
    return _fields(document).get("has_more") is True


def read_id(document: object) -> Optional[str]:
    """The id of the object in a parsed answer."""
    return _text(_fields(document), "id")


def _problem(errors: object) -> str:
    """What is wrong with a batch as a whole, in words."""
    found = read_page(errors)
    words: List[str] = []
    for error in map(_fields, found[:_MAX_PROBLEMS]):
        where = f"line {error['line']}: " if error.get("line") else ""
        words.append(where + show(str(error.get("message") or error.get("code") or error)))
    if len(found) > _MAX_PROBLEMS:
        words.append(f"and {len(found) - _MAX_PROBLEMS} more")
    return "; ".join(words)


def _fields(value: object) -> Mapping[str, Any]:
    return cast(Dict[str, Any], value) if isinstance(value, dict) else {}


def _text(fields: Mapping[str, Any], name: str) -> Optional[str]:
    value: Any = fields.get(name)
    return value if isinstance(value, str) and value else None


def _number_of(fields: Mapping[str, Any], name: str) -> int:
    value: Any = fields.get(name)
    return value if isinstance(value, int) else 0
