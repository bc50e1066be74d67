"""A host that makes a task of each paid request, over a `Recorder`. Imports nothing of the project."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any, Callable, Dict, List, Tuple, Union

from batching import count_of, picture, prompt_of
from servers import WAIT_S, Answer, Recorder, Request, refusal

JSON = ("Content-Type", "application/json")


def answer(body: object, status: int = 200, *headers: Tuple[str, str]) -> Answer:
    """An answer of JSON."""
    return Answer(status, json.dumps(body).encode(), (JSON, *headers))


def under_way(task_id: str, **more: object) -> Answer:
    """A task that has not ended."""
    return answer({"task_id": task_id, "status": "processing", **more})


def done(task_id: str, *pictures: bytes) -> Answer:
    """A task that is done, with its images."""
    data = [{"b64_json": base64.b64encode(each).decode()} for each in pictures]
    return answer({"task_id": task_id, "status": "completed", "data": data})


class TaskHost:
    """Accepts each paid request as a task, which its polls bring to its end.

    `accepts(task_id)` makes the answer to the request. `tells(task_id, nth)` makes that to the nth poll, from
    1, or is a list of them, of which the last one stays; by default the pictures come with the first. `path`
    is where it is polled. While polls are held, all of them wait.
    """

    def __init__(self, server: Recorder) -> None:
        self.server = server
        self.path = "/v1/tasks/{id}"
        self.accepts: Callable[[str], Answer] = lambda task_id: answer(
            {"task_id": task_id, "status": "queued"}
        )
        self.tells: Union[List[Answer], Callable[[str, int], Answer]] = self.finished
        self.prompts: Dict[str, Tuple[str, int]] = {}
        self.polls: Dict[str, int] = {}
        self._lock = threading.Lock()
        self._free = threading.Event()
        self._free.set()
        self._polled = threading.Semaphore(0)
        server.answer = self._answer

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return self.server.base_url

    @property
    def hits(self) -> int:
        """How many paid requests came."""
        return sum(request.method == "POST" for request in self.server.requests)

    @property
    def asked(self) -> List[str]:
        """The paths of all polls, wherever they went."""
        return [request.path for request in self.server.requests if request.method == "GET"]

    def hold_polls(self) -> None:
        """From now on polls wait."""
        self._free.clear()

    def release_polls(self) -> None:
        """Lets the polls go."""
        self._free.set()

    def wait_for_poll(self) -> None:
        """Returns when one more poll of a task has come."""
        assert self._polled.acquire(timeout=WAIT_S), "no poll came"

    def finished(self, task_id: str, nth: int = 0) -> Answer:
        """The answer of a task that is done: the pictures that its prompt has with a `Painter`."""
        del nth
        prompt, count = self.prompts[task_id]
        return done(task_id, *(picture(prompt, number + 1) for number in range(count)))

    def _answer(self, request: Request) -> Answer:
        if request.method == "POST":
            with self._lock:
                task_id = f"task_{len(self.prompts) + 1}"
                self.prompts[task_id] = prompt_of(request), count_of(request)
            return self.accepts(task_id)
        before, _, after = self.path.partition("{id}")
        end = len(request.path) - len(after)
        task_id = request.path[len(before) : end]
        if not (request.path.startswith(before) and request.path[end:] == after and task_id in self.prompts):
            return refusal(404, "not here")
        self._polled.release()
        self._free.wait(WAIT_S)
        with self._lock:
            nth = self.polls[task_id] = self.polls.get(task_id, 0) + 1
        if callable(self.tells):
            return self.tells(task_id, nth)
        return self.tells[min(nth, len(self.tells)) - 1]


def with_id(template: Dict[str, Any]) -> Callable[[str], Answer]:
    """Makes answers of a template in which `ID` is the task's id."""
    return lambda task_id: answer(json.loads(json.dumps(template).replace("ID", task_id)))
