"""The endpoints of tasks: one is accepted in place of images, polled until they are there, and cancelled."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from ..api.access import identity, new_request_id
from ..api.answers import as_base64, refusal_answer
from ..api.errors import Refused, invalid
from ..clock import SimulatedClock
from ..connection import Answer, Delivery
from ..faults.admission import admit
from ..faults.fault import Fault, Made, State, as_the_api
from ..making import Maker
from ..request_log import ImagePost, Poll, RequestLog
from ..settings import DialectName, Tasks, tasks_of
from .dialects import DIALECTS, View
from .task import UNFINISHED, Task

_HEADER = "x-sandbox-tasks"
_FOR_A_COURSE = Tasks("location")
_Act = Callable[[Task], Awaitable[tuple[Answer, str | None]]]


def chosen_tasks(request: Request, fault: Fault, by_default: Tasks | None) -> Tasks | None:
    """What a request's path or header says of tasks; a fault in a task's course needs one in any case."""
    text = request.path_params.get("tasks") or request.headers.get(_HEADER)
    if text is None:
        return by_default or (_FOR_A_COURSE if fault.course else None)
    try:
        return tasks_of(text)
    except ValueError as error:
        raise invalid(_HEADER, "invalid_value", f"Invalid tasks '{text}': {error}.") from None


class TaskEndpoints:
    """The tasks of one sandbox, kept as long as it runs; lives on its event loop."""

    def __init__(self, maker: Maker, clock: SimulatedClock, log: RequestLog) -> None:
        self._maker = maker
        self._clock = clock
        self._log = log
        self._tasks: dict[str, Task] = {}

    def routes(self, base: str) -> list[Route]:
        """One route a dialect for polls, and one for cancelling where the address leaves room for it."""
        routes: list[Route] = []
        for name, dialect in DIALECTS.items():
            path, _, query = dialect.path.partition("?")
            routes.append(Route(base + path, partial(self._asked, name, self._poll), methods=["GET"]))
            if not query:
                cancel = partial(self._asked, name, self._cancel)
                routes.append(Route(f"{base}{path}/cancel", cancel, methods=["POST"]))
        return routes

    def accept(self, task: Task) -> Answer:
        """Take a request whose images are made later."""
        task.created_at_s = self._clock.now_s
        self._tasks[task.id] = task
        task.post.task_id = task.id
        speech = DIALECTS[task.dialect]
        view = self._view(task, "queued")
        return _answer(task, view, speech.accepted_status, (speech.accepted or speech.body)(view))

    async def _asked(self, dialect: DialectName, act: _Act, request: Request) -> Delivery:
        task_id = request.path_params.get("id") or request.query_params.get("taskId", "")
        task, word = self._tasks.get(task_id), None
        try:
            admit(request)
            if task is None or task.dialect != dialect:
                raise Refused(404, f"No task found with id '{task_id}'.", code="task_not_found")
            answer, word = await act(task)
        except Refused as refusal:
            answer = refusal_answer(refusal)
        prompt = task.post.prompt if task else None
        self._log.add(Poll(prompt, task_id, request.method, request.url.path, answer.status, word))
        headers = (*answer.headers, *identity(new_request_id()))
        return Delivery(replace(answer, headers=headers), on_image=_counter(task.post if task else None))

    async def _poll(self, task: Task) -> tuple[Answer, str | None]:
        task.polls += 1
        instead = task.course.polled(task.polls)
        if isinstance(instead, Refused):
            raise instead
        return (instead, None) if instead else await self._told(task)

    async def _cancel(self, task: Task) -> tuple[Answer, str | None]:
        task.cancelled = task.cancelled or task.state(self._clock.now_s) in UNFINISHED
        return await self._told(task)

    async def _told(self, task: Task) -> tuple[Answer, str | None]:
        """What is said of a task, and its word there."""
        fault, speech, state = task.fault, DIALECTS[task.dialect], task.state(self._clock.now_s)
        if state != "completed":
            view = self._view(task, state)
            return _answer(task, view, 200, speech.body(view)), view.word
        # A fault in how images stand in an answer, or in what kind it is, goes before the dialect's own way.
        present = speech.present if fault.present is as_base64 else fault.present
        request = replace(task.case.request, stream=False, partial_images=0)
        made = await self._maker.make(fault, replace(task.case, request=request), task.post, present)
        view = self._view(task, state, made)
        if fault.shape is as_the_api:
            return fault.sent(_answer(task, view, 200, speech.body(view))), view.word
        return fault.sent(fault.shape(made)), None

    def _view(self, task: Task, state: State, made: Made | None = None) -> View:
        progress = 100 if state == "completed" else min(99, int(100 * task.progress(self._clock.now_s)))
        speech = DIALECTS[task.dialect]
        poll_url = task.case.host_url + task.base + speech.path.format(id=task.id)
        return View(task.id, state, speech.word(state), progress, int(task.created_at_s), poll_url, made)


def _answer(task: Task, view: View, status: int, body: dict[str, Any]) -> Answer:
    headers = [("content-type", "application/json")]
    if DIALECTS[task.dialect].tells_when and view.state in UNFINISHED:
        status = 202
        headers += [("location", view.poll_url), ("retry-after", "1" if task.seconds else "0")]
    return Answer(status, headers, tuple(task.fault.write(body)))


def _counter(post: ImagePost | None) -> Callable[[], None]:
    """Counts the images of one answer; those that came before, in another answer, are the same."""
    sent = itertools.count(1)

    def count() -> None:
        if post:
            post.images_delivered = max(post.images_delivered, next(sent))

    return count
