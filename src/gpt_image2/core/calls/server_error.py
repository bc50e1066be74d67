"""What a server says went wrong. Pure."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Tuple, cast

from ..base.errors import UsageError
from ..base.record import Record
from ..base.untrusted import members, whole_number
from .task import Task

_MESSAGE_CHARS = 10_000
_MOST_NAMES = 20
_MOST_STATUS = 599
CODES_OF_SUCCESS = (0, 200, "0", "200", "success", "ok")


class ServerError(Record):
    """What the server says went wrong, by the fields of the official envelope. `status` is that of an HTTP
    error where its code is one, else 0."""

    message: str
    type: str = ""
    code: str = ""
    param: str = ""
    moderation_stage: str = ""
    moderation_categories: Tuple[str, ...] = ()
    status: int = 0


def read_server_error(document: object, task: Optional[Task] = None) -> Optional[ServerError]:
    """Why there is no image, by a parsed answer: the official envelope or a relay's form; None without it.
    `task` is what the answer tells of one, where that is known."""
    if not isinstance(document, dict):
        return None
    fields = cast(Dict[str, Any], document)
    error: Any = fields.get("error") or members(fields.get("response")).get("error")  # as the Responses API
    if error and error is not True and (not members(error) or any(members(error).values())):
        return error_of(fields, error)
    try:
        from .elsewhere import error_elsewhere

        return error_elsewhere(fields, task)
    except UsageError:  # the script lies alone
        return None


def error_of(fields: Dict[str, Any], error: Any) -> ServerError:
    """An answer's error, whatever its form."""
    if isinstance(error, list):  # one error a field: the first says enough
        error = cast(List[Any], error)[0]
    envelope = members(error)
    details = members(envelope.get("moderation_details"))
    code = _word(envelope.get("code")) or _word(fields.get("code"))
    status = whole_number(code, _MOST_STATUS) or 0
    return ServerError(
        message=said_text(envelope.get("message") or envelope.get("msg") or error),
        type=_word(envelope.get("type")),
        code="" if status >= 400 or code in CODES_OF_SUCCESS else code,
        param=_word(envelope.get("param")),
        moderation_stage=_word(details.get("moderation_stage")),
        moderation_categories=tuple(_word(item) for item in _names(details.get("categories"))[:_MOST_NAMES]),
        status=status if status >= 400 else 0,
    )


def _word(value: object) -> str:
    """A name or a number out of an error; empty for anything else."""
    is_word = isinstance(value, (str, int)) and not isinstance(value, bool)
    return str(value)[:_MESSAGE_CHARS] if is_word else ""


def said_text(value: object) -> str:
    """What an error says, as text."""
    if isinstance(value, str):
        return value[:_MESSAGE_CHARS]
    try:
        return json.dumps(value)[:_MESSAGE_CHARS]
    except (ValueError, RecursionError):
        return ""


def _names(value: object) -> List[object]:
    """A list of names from a list, or from an object whose true members are meant."""
    if isinstance(value, list):
        return cast(List[object], value)
    if isinstance(value, dict):
        return [name for name, on in cast(Dict[object, object], value).items() if on]
    return []
