"""What a host says of a task. Pure.

Relays make tasks of requests since gateways cut long calls. What they say of one is told by its words,
wherever they stand; a profile's `poll` names the places of those that have words of their own.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, cast
from urllib.parse import quote as percent_encode

from ..base.untrusted import count_of, members
from ..settings.poll import Poll, value_at
from ..wire.messages import ResponseHead
from .retry import Attempt
from .task import Task, TaskState

#: All names are as `_by_plain_names` has them.
_STATUS_NAMES = (
    *("status", "state", "taskstatus", "taskstate", "jobstatus", "jobstate", "generationstatus", "phase"),
)
#: Names of ids; the first ones tell by themselves that there is a task, and in streams too.
_STREAMED_ID_NAMES = ("taskid", "jobid")
_TASK_ID_NAMES = (*_STREAMED_ID_NAMES, "generationid", "predictionid", "operationid")
_ID_NAMES = (*_TASK_ID_NAMES, "id", "requestid", "uuid")
_PERCENT_NAMES = ("progress", "percent", "percentage", "progresspercent")
#: Names under which nothing stands but why a task failed, and those of other words of it.
_FAILURE_NAMES = ("failreason", "failmsg", "failurereason", "failedreason", "errormessage", "errormsg")
_MESSAGE_NAMES = ("statusmessage", "detail", "message", "msg")
_REASON_NAMES = (*_FAILURE_NAMES, "reason", *_MESSAGE_NAMES)
#: Names of addresses that tell of a task, the surest first: those by themselves, and others.
_POLL_NAMES = ("pollurl", "pollingurl", "statusurl", "taskurl", "queryurl", "fetchresult", "fetchurl")
_ADDRESS_NAMES = (*_POLL_NAMES, "get", "self", "href", "url", "responseurl", "resulturl")
#: A state that is a number, which every host counts in its own way; and a flag whose numbers are known.
_STATE_NUMBER = r"[0-9]"
_SUCCESS_FLAG = {"0": TaskState.UNDER_WAY, "1": TaskState.DONE, "2": TaskState.FAILED, "3": TaskState.FAILED}
#: What stands before a state where it is the name of a constant: `TASK_STATUS_QUEUED`.
_BEFORE_STATE = r"^(?:(?:task|job|image)_)?(?:status|state)_"
_GOES_ON = re.compile(
    r"queu(e|ed|ing|eing)|in_?queue|pending|submit(ted)?|accepted|created|start(ing|ed)|not_?(start(ed)?|running)|waiting"
    r"|scheduled|preparing|process(ing)?|running|in_?progress|generating|executing|active|working"
    r"|(?:排队|等待|处理|进行|执行|运行|生成)中|已提交"
)
_DONE = re.compile(
    r"succe(ss|ed|eded|ssful)|completed?|done|finish(ed)?|ready|ok|(?:已|生成|处理|执行)?(?:成功|完成)"
)
_FAILED = re.compile(
    r".*(?:fail|error|cancel|expire|reject|abort|time_?d?_?out|terminated|blocked|moderated|refused|not_found).*"
    r"|.*(?:失败|取消|超时).*|incomplete"
)
#: A state in a word that nobody knows.
_STATE_WORD = r"[^\W\d][\w .-]*"
_NOTHING_CHARGED = re.compile(
    r"(?i)\bnot (?:been |be )?(?:charged|billed)|\bno (?:charge|cost|fee)\b|\bfree of charge|\brefunded"
    r"|nothing (?:was|has been) (?:charged|billed)|未扣费|不扣费|未计费|不计费|已退[款还费]|已返还"
)
_ID_CHARS = 200
_STATE_CHARS = 40
_REASON_CHARS = 1000
_TEXT_CHARS = 1000
_MOST_OBJECTS = 100
_DEEPEST = 4
_MOST_ADDRESSES = 8
#: Where hosts answer that name no address: below the base URL, and below its root without a version.
_KNOWN_FORMS = (
    *("/tasks/{id}", "/images/generations/{id}", "/images/tasks/{id}", "/images/edits/{id}", "/images/{id}"),
    *("/predictions/{id}", "/jobs/{id}", "/jobs/recordInfo?taskId={id}", "/task/{id}", "/responses/{id}"),
)
_VERSION = r"/v\d{1,3}(?:beta\d{0,2})?$"
_STATES = ((_GOES_ON, TaskState.UNDER_WAY), (_DONE, TaskState.DONE), (_FAILED, TaskState.FAILED))


def read_task(
    document: object,
    is_accepted: bool = False,
    poll: Optional[Poll] = None,
    asked_for: str = "",
    in_stream: bool = False,
) -> Optional[Task]:
    """What a parsed answer says of a task, None where it tells of none. One with an id that is a task's
    by its name, with a state in any word, or under `TASK_ACCEPTED` (`is_accepted`) is under way where no
    known word says more, as is one with an address to ask at. `poll` says where the host has its words;
    `asked_for` is the id where the answer need not say it. An event of a stream tells of a task only by an id
    that is a task's by its name: streams speak of their own course in the same words."""
    objects = list(_objects(document))
    if in_stream and not _first_word(objects, _STREAMED_ID_NAMES, _ID_CHARS):
        return None
    stating = next((one for one in objects if _state_of(one) is not None), None)
    around = [stating, *objects] if stating else objects
    own_id = ""
    status = _first_word(around, _STATUS_NAMES, _STATE_CHARS)
    state = _state_of(stating) if stating else None
    task_id = _first_word(around, _ID_NAMES, _ID_CHARS)
    if poll is not None:
        status = _text_or_number(value_at(document, poll.status), _STATE_CHARS) or status
        state = _state_by(poll, status) or state
        own_id = _text_or_number(value_at(document, poll.id), _ID_CHARS)
        task_id = own_id or task_id
    is_told = state is not None
    polled_at = next(iter(_addresses(objects, _POLL_NAMES)), "")
    is_named = bool(own_id or _first_word(objects, _TASK_ID_NAMES, _ID_CHARS))
    is_task = is_accepted or polled_at or re.fullmatch(_STATE_WORD, status)
    if state is None and (is_named or is_task or any(map(_has_number_for_state, objects))):
        state = TaskState.UNDER_WAY
        task_id = task_id or _first_word(objects, ("data", "result", "task", "job"), _ID_CHARS)
    task_id = task_id or asked_for or _last_step(polled_at)
    if state is None or not task_id.strip("."):
        return None
    return Task(
        id=task_id,
        state=state,
        status=status,
        percent=next((found for found in map(_percent_of, around) if found is not None), None),
        addresses=_addresses(around),
        reason=_first_word(around, _REASON_NAMES, _REASON_CHARS) if state is TaskState.FAILED else "",
        is_told=is_told,
        is_named=is_named,
        is_free=any(map(_says_free, around)),
    )


def accepted_task(attempt: Attempt, by_head: Optional[Task] = None) -> Optional[Task]:
    """The task that an answer without an image has accepted; `by_head` is that of its headers alone.

    Gateways give up on work that goes on: what is told to be under way counts beside an error and under the
    statuses that are sent again, as does a task's own id under a 5xx whose words refuse nothing.
    """
    task, status = attempt.answer.task or by_head, attempt.status
    if task is None or (status < 300 and attempt.error is None):
        return task
    is_of_gateway = status < 300 or status in (303, 408, 429) or status >= 500
    goes_on = task.state is TaskState.UNDER_WAY and is_of_gateway
    is_sure = task.is_told or (task.is_named and status >= 500 and attempt.refusal is None)
    return task if goes_on and is_sure else None


def hinted_task(document: object) -> Optional[Task]:
    """What an event of a stream says of a task by an id and a known state alone: of itself, or in its `task`
    or `job`; None for what APIs say of their own course. It is a task only where nothing else came."""
    fields = _by_plain_names(members(document))
    is_course = (
        "type" in fields or "choices" in fields or re.match("response|chat", str(fields.get("object")))
    )
    inner = (_by_plain_names(members(fields.get(name))) for name in ("task", "job"))
    said = (*inner, {} if is_course else fields)
    tasks = (read_task(one) for one in said if _state_of(one) and _first_word([one], _ID_NAMES, _ID_CHARS))
    return next(filter(None, tasks), None)


def task_at(head: ResponseHead) -> Optional[Task]:
    """The task of an answer that has accepted one and says no more than where it is asked after."""
    location = head.headers.get("location") or head.headers.get("operation-location") or ""
    task_id = _last_step(location)
    return Task(task_id, TaskState.UNDER_WAY) if task_id else None


def told_addresses(
    task: Task, base_url: str, header: Callable[[str], str], poll: Optional[Poll]
) -> Tuple[str, ...]:
    """Where the host says that a task is asked after, the surest first: by the profile's `poll`, the header
    `Location` or `Operation-Location`, and the answer. Some are relative to the base URL."""
    own = poll.address(base_url, task.id) if poll else ""
    location = header("location") or header("operation-location")
    return tuple(dict.fromkeys(filter(None, (own, location, *task.addresses))))


def known_addresses(task_id: str, base_url: str) -> Tuple[str, ...]:
    """Where hosts are known to be asked after their tasks."""
    name = percent_encode(task_id, safe="")
    known = [f"{base_url}{form.format(id=name)}" for form in _KNOWN_FORMS]
    root = re.sub(_VERSION, "", base_url)
    if root != base_url:
        known.append(f"{root}{_KNOWN_FORMS[0].format(id=name)}")
    return tuple(known)


def _objects(document: object) -> Iterator[Dict[str, Any]]:
    """The objects of a document, outer ones first, as far as a task is told of in them; their names plain."""
    waiting: List[Tuple[object, int]] = [(document, 0)]
    seen = 0
    while waiting and seen < _MOST_OBJECTS:
        value, depth = waiting.pop(0)
        seen += 1
        if isinstance(value, dict):
            fields = cast(Dict[str, Any], value)
            yield _by_plain_names(fields)
            inner = list(fields.values())
        else:
            inner = cast(List[object], value)[:3] if isinstance(value, list) else []
        if depth < _DEEPEST:
            waiting += [(one, depth + 1) for one in inner if isinstance(one, (dict, list))]


def _by_plain_names(fields: Mapping[str, Any]) -> Dict[str, Any]:
    """The members of an object by their names without case, `_` and `-`, as hosts differ in them."""
    plain: Dict[str, Any] = {}
    for name, value in fields.items():
        plain.setdefault(re.sub("[_-]", "", name.lower()), value)
    return plain


def _last_step(address: str) -> str:
    """The last step of an address's path, which names what is there; empty where it is too long for an id."""
    path = re.sub(r"[?#].*", "", address).rstrip("/")
    step = path[path.rfind("/") + 1 :]
    return step if len(step) <= _ID_CHARS else ""


def _has_number_for_state(fields: Mapping[str, Any]) -> bool:
    """Whether an object with an id of its own has a number for its state, and no message: with one it may be
    a refusal as well."""
    status = _first_word([dict(fields)], _STATUS_NAMES, _STATE_CHARS)
    is_told = re.fullmatch(_STATE_NUMBER, status) and _text_or_number(fields.get("id"), _ID_CHARS)
    return bool(is_told) and not any(fields.get(name) for name in _REASON_NAMES)


def _state_of(fields: Mapping[str, Any]) -> Optional[TaskState]:
    for name in _STATUS_NAMES:
        state = _state_in_words(_text_or_number(fields.get(name), _STATE_CHARS))
        if state is not None:
            return state
    is_done = fields.get("done")  # as Google's long-running operations
    if isinstance(is_done, bool):
        return TaskState.DONE if is_done else TaskState.UNDER_WAY
    flag = _SUCCESS_FLAG.get(_text_or_number(fields.get("successflag"), 1))
    has_number = re.fullmatch(_STATE_NUMBER, _first_word([dict(fields)], _STATUS_NAMES, _STATE_CHARS))
    has_failed = has_number and _first_word([dict(fields)], _FAILURE_NAMES, _REASON_CHARS)
    return flag or (TaskState.FAILED if has_failed else None)


def _state_in_words(status: str) -> Optional[TaskState]:
    word = re.sub(_BEFORE_STATE, "", re.sub(r"[-\s]+", "_", status.lower()))
    return next((state for pattern, state in _STATES if pattern.fullmatch(word)), None)


def _state_by(poll: Poll, status: str) -> Optional[TaskState]:
    """The state of a host's own word, None where there is none."""
    if status.lower() in poll.done:
        return TaskState.DONE
    if status.lower() in poll.failed:
        return TaskState.FAILED
    knows_ends = bool(poll.done and poll.failed and status)
    return _state_in_words(status) or (TaskState.UNDER_WAY if knows_ends else None)


def _text_or_number(value: object, most: int) -> str:
    """A text or a number of at most so many characters; empty for anything else."""
    is_word = isinstance(value, (str, int)) and not isinstance(value, bool)
    text = str(value).strip() if is_word else ""
    return text if len(text) <= most else ""


def _first_word(objects: List[Dict[str, Any]], names: Tuple[str, ...], most: int) -> str:
    """The first text or number under one of these names; empty without one."""
    words = (_text_or_number(fields.get(name), most) for fields in objects for name in names)
    return next(filter(None, words), "")


def _percent_of(fields: Mapping[str, Any]) -> Optional[float]:
    for name in _PERCENT_NAMES:
        value = fields.get(name)
        if isinstance(value, str) and re.fullmatch(r"\d{1,3}(?:\.\d{1,3})?\s?%?", value):
            value = float(value.rstrip("% "))
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100:
            return 100 * value if isinstance(value, float) and value < 1 else float(value)
    return None


def _addresses(objects: List[Dict[str, Any]], names: Tuple[str, ...] = _ADDRESS_NAMES) -> Tuple[str, ...]:
    found = [
        cast(str, fields[name])
        for name in names
        for fields in objects
        if isinstance(fields.get(name), str) and re.match(r"(?i)https?://|/[^/]", cast(str, fields[name]))
    ]
    return tuple(dict.fromkeys(found))[:_MOST_ADDRESSES]


def _says_free(fields: Mapping[str, Any]) -> bool:
    """Whether an object says that nothing was charged."""
    flags = (fields.get("charged"), fields.get("billed"))
    costs = (fields.get(name) for name in ("cost", "creditsused", "creditscost", "charge"))
    is_nothing = any(count_of(cost, 0) == 0 for cost in costs)
    texts = (value for value in fields.values() if isinstance(value, str))
    return (
        any(flag is False for flag in flags)
        or fields.get("refunded") is True
        or is_nothing
        or any(_NOTHING_CHARGED.search(text[:_TEXT_CHARS]) for text in texts)
    )
