"""What a server says went wrong, wherever an answer says it. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Optional, Tuple, Union, cast

from ..base.record import Record
from ..base.untrusted import members, whole_number
from .task import Task, TaskState, read_task

_MESSAGE_CHARS = 10_000
_MOST_NAMES = 20
_MOST_STATUS = 599
_CODES_OF_SUCCESS = (0, 200, "0", "200", "success", "ok")
#: Where relays that have no `error` put it.
_ERROR_FIELDS = ("detail", "errors", "message", "msg", "error_msg")
#: Where an answer that is no error says why it holds no image: keys and places in lists.
_REASONS: Tuple[Tuple[Union[str, int], ...], ...] = (
    ("response", "incomplete_details", "reason"),
    ("incomplete_details", "reason"),
    ("choices", 0, "message", "refusal"),
    ("choices", 0, "finish_reason"),
    ("promptFeedback", "blockReason"),
    ("candidates", 0, "finishReason"),
)
#: The last steps of those that are codes, and not sentences.
_CODE_STEPS = ("reason", "finish_reason", "blockReason", "finishReason")
_STOPPED = r"(?i)filter|safety|block|prohibit|policy|refus"


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
    if error is True or (error and members(error) and not any(members(error).values())):
        error = None  # it says nothing
    named = next((fields[name] for name in _ERROR_FIELDS if fields.get(name)), None)
    if not error and named and not _has_result(fields) and not _goes_well(fields, task):
        error = named
    if not error:
        return _reason_elsewhere(fields)
    if isinstance(error, list):  # one error a field: the first says enough
        error = cast(List[Any], error)[0]
    envelope = members(error)
    details = members(envelope.get("moderation_details"))
    code = _word(envelope.get("code")) or _word(fields.get("code"))
    status = whole_number(code, _MOST_STATUS) or 0
    return ServerError(
        message=_text_of(envelope.get("message") or envelope.get("msg") or error),
        type=_word(envelope.get("type")),
        code="" if status >= 400 or code in _CODES_OF_SUCCESS else code,
        param=_word(envelope.get("param")),
        moderation_stage=_word(details.get("moderation_stage")),
        moderation_categories=tuple(_word(item) for item in _names(details.get("categories"))[:_MOST_NAMES]),
        status=status if status >= 400 else 0,
    )


def _goes_well(fields: Dict[str, Any], task: Optional[Task]) -> bool:
    """Whether an answer tells of a task that has not failed: its message is no error then."""
    task = task or read_task(fields)
    is_success = fields.get("code") in (None, *_CODES_OF_SUCCESS)
    return is_success and task is not None and task.state is not TaskState.FAILED


def _has_result(fields: Dict[str, Any]) -> bool:
    """Whether an answer holds, or says that it holds, what was asked for: its message is no error then."""
    says_ok = fields.get("success") is True or fields.get("code") in _CODES_OF_SUCCESS
    return says_ok or bool(fields.get("data")) or "b64_json" in fields


def _reason_elsewhere(fields: Dict[str, Any]) -> Optional[ServerError]:
    """A reason in one of the places where answers without an error and without an image give it."""
    for path in _REASONS:
        value: Any = fields
        for step in path:
            if isinstance(step, str) and isinstance(value, dict):
                value = cast(Dict[str, Any], value).get(step)
            elif isinstance(step, int) and isinstance(value, list) and cast(List[Any], value):
                value = cast(List[Any], value)[step]
            else:
                value = None
        if isinstance(value, str) and re.search(_STOPPED if path[-1] in _CODE_STEPS else r"\S", value):
            return ServerError(_text_of(value), code=value if path[-1] in _CODE_STEPS else "")
    data: Any = fields.get("data")
    items = [members(item) for item in cast(List[Any], data)] if isinstance(data, list) else []
    said = [{name: value for name, value in item.items() if value is not None} for item in items]
    reason = said[0].get("revised_prompt") if said else None
    if reason and all(list(one) == ["revised_prompt"] for one in said):
        return ServerError(_text_of(reason))
    return None


def _word(value: object) -> str:
    """A name or a number out of an error; empty for anything else."""
    is_word = isinstance(value, (str, int)) and not isinstance(value, bool)
    return str(value)[:_MESSAGE_CHARS] if is_word else ""


def _text_of(value: object) -> str:
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
