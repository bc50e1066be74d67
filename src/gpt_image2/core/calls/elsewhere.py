"""What a server says elsewhere than the API has it: errors that are in no `error`, images in its words."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Optional, Tuple, Union, cast

from ..base.untrusted import members
from .response import Answer, AnswerReader
from .server_error import CODES_OF_SUCCESS, ServerError, error_of, said_text
from .task import Task, TaskState
from .task_words import read_task

#: Where relays that have no `error` put it.
_ERROR_FIELDS = (
    *("detail", "errors", "message", "msg"),
    *("error_msg", "errMsg", "errmsg", "err_msg", "errorMsg", "errorMessage", "error_description"),
)
#: Objects in which relays put it, below the answer itself; in them it may have no other name than these.
_AROUND_ERROR = ("data", "result", "output", "Response", "base_resp")
_INNER_FIELDS = ("error", "Error", "status_msg")
#: Words of an error by the side of a state that says so.
_FIELDS_OF_FAILURE = ("reason", "description")
_STATE_OF_FAILURE = r"(?i)(?:fail|error)\w{0,20}"
#: Where answers have their images, whatever they say beside them.
_RESULT = re.compile(r"(?i)data|(?:image|output|result|artifact|ur[il]|file)(?:s|_?ur[il]s?)?")
#: Where an answer that is no error says why it holds no image: keys and places in lists.
_REASONS: Tuple[Tuple[Union[str, int], ...], ...] = (
    ("response", "incomplete_details", "reason"),
    ("incomplete_details", "reason"),
    ("choices", 0, "message", "refusal"),
    ("choices", 0, "finish_reason"),
    ("promptFeedback", "blockReason"),
    ("candidates", 0, "finishReason"),
    ("artifacts", 0, "finishReason"),
)
#: The last steps of those that are codes, and not sentences.
_CODE_STEPS = ("reason", "finish_reason", "blockReason", "finishReason")
_STOPPED = r"(?i)filter|safety|block|prohibit|policy|refus"
_QUOTED_STREAM = rb'(?:event: ?|data: ?\{"type": ?")image_(?:edit|generation)\.'
_MOST_BEFORE_QUOTE = 1 << 10


def error_elsewhere(fields: Dict[str, Any], task: Optional[Task]) -> Optional[ServerError]:
    """The error of an answer that has no `error`; None without one. `task` is what it tells of one, where
    that is known."""
    named = next((fields[name] for name in _ERROR_FIELDS if fields.get(name)), None)
    is_said = named and not (isinstance(named, str) and named.lower() in CODES_OF_SUCCESS)
    if is_said and not _has_result(fields) and not _goes_well(fields, task):
        return error_of(fields, named)
    return _inner_error(fields) or _reason_elsewhere(fields)


def _inner_error(fields: Dict[str, Any]) -> Optional[ServerError]:
    """The error in an object of an answer, or beside its state."""
    for around in _AROUND_ERROR:
        inner = members(fields.get(around))
        is_fine = inner.get("status_code") in CODES_OF_SUCCESS
        named = next((inner[name] for name in _INNER_FIELDS if inner.get(name)), None)
        if named and named is not True and not is_fine:
            envelope = {name.lower(): value for name, value in members(named).items()}
            return error_of(inner, envelope or named)
    if re.fullmatch(_STATE_OF_FAILURE, str(fields.get("status"))):
        said = next((fields[name] for name in _FIELDS_OF_FAILURE if fields.get(name)), None)
        return error_of(fields, said) if said else None
    return None


class ErrorWords:
    """The sink for the words of an error. A proxy may quote the stream in them that it could not read, as
    LiteLLM does where an edit is streamed: its images were paid for, and are read out of there."""

    def __init__(
        self, keep: Callable[[bytes, bool], None], quoted: AnswerReader, on_quoted: Callable[[Answer], None]
    ) -> None:
        self._keep = keep
        self._quoted = quoted
        self._on_quoted = on_quoted
        self._words = b""
        self._is_quoting = False

    def __call__(self, piece: Optional[bytes]) -> None:
        if self._is_quoting:
            if piece is None:
                self._on_quoted(self._quoted.close())
            else:
                self._quoted.feed(piece)
            return
        words = self._words + (piece or b"")
        start = re.search(_QUOTED_STREAM, words)
        if start is not None:
            self._is_quoting = True
            self._keep(words[: start.start()], False)
            self._quoted.feed(words[start.start() :])
        elif piece is None or len(words) > _MOST_BEFORE_QUOTE:
            self._keep(words, False)
            words = b""
        self._words = words


def _goes_well(fields: Dict[str, Any], task: Optional[Task]) -> bool:
    """Whether an answer tells of a task that has not failed: its message is no error then."""
    task = task or read_task(fields)
    is_success = fields.get("code") in (None, *CODES_OF_SUCCESS)
    return is_success and task is not None and task.state is not TaskState.FAILED


def _has_result(fields: Dict[str, Any]) -> bool:
    """Whether an answer holds, or says that it holds, what was asked for: its message is no error then."""
    says_ok = fields.get("success") is True or fields.get("code") in CODES_OF_SUCCESS
    has_images = any(_RESULT.fullmatch(name) and _is_full(value) for name, value in fields.items())
    return says_ok or has_images or bool(fields.get("data")) or "b64_json" in fields


def _is_full(value: object) -> bool:
    """Whether a value may hold images: no word, and not empty."""
    return bool(value) and (isinstance(value, (list, dict)) or str(value).startswith(("http", "/", "data:")))


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
            return ServerError(said_text(value), code=value if path[-1] in _CODE_STEPS else "")
    data: Any = fields.get("data")
    items = [members(item) for item in cast(List[Any], data)] if isinstance(data, list) else []
    said = [{name: value for name, value in item.items() if value is not None} for item in items]
    reason = said[0].get("revised_prompt") if said else None
    if reason and all(list(one) == ["revised_prompt"] for one in said):
        return ServerError(said_text(reason))
    return None
