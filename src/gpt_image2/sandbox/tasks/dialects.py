"""How relays speak of tasks: where they are polled, in which words, and where the images are. Pure.

Each dialect is modelled on a real one: `location` on RFC 9110's 202 and OpenAI's own videos, `apimart`,
`replicate` and `object` (evolink) on the relays' documentation, `poll-url` on DashScope, `jobs` on Kie.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..api.answers import Long, Presenter, as_base64, json_body
from ..api.errors import USER_ERROR
from ..faults.fault import Made, State
from ..settings import DialectName

_CODE = "moderation_blocked"
_REASON = "The image was rejected by the safety system. safety_violations=[violence]."
_NOT_CHARGED = " You were not charged for this request."


@dataclass(frozen=True)
class View:
    """A task as it is told at one moment; `progress` is in percent, `made` is there when it is completed."""

    id: str
    state: State
    word: str
    progress: int
    created: int
    poll_url: str
    made: Made | None

    @property
    def values(self) -> list[str | Long]:
        return self.made.values if self.made else []

    @property
    def failure(self) -> dict[str, str] | None:
        """`{"code", "message", "type"}` of a task that failed."""
        if self.state not in ("failed", "refunded"):
            return None
        message = _REASON + (_NOT_CHARGED if self.state == "refunded" else "")
        return {"code": _CODE, "message": message, "type": USER_ERROR}


@dataclass(frozen=True)
class Dialect:
    """One way of speaking.

    Attributes:
        path: where a task is polled, below the base URL.
        words: the words for queued, running, completed, failed and cancelled.
        body: what a poll is told.
        accepted: what the paid request is told; by default the same as a poll.
        accepted_status: its status.
        present: how an image stands in the body; None means by an address on the sandbox.
        tells_when: `Location` and `Retry-After` are sent, and 202 until the task has ended.
    """

    path: str
    words: tuple[str, str, str, str, str]
    body: Callable[[View], dict[str, Any]]
    accepted: Callable[[View], dict[str, Any]] | None = None
    accepted_status: int = 200
    present: Presenter | None = None
    tells_when: bool = False

    def word(self, state: State) -> str:
        queued, running, completed, failed, cancelled = self.words
        return {
            "queued": queued,
            "running": running,
            "completed": completed,
            "failed": failed,
            "refunded": failed,
            "cancelled": cancelled,
        }[state]


def _location(view: View) -> dict[str, Any]:
    task: dict[str, Any] = {
        "id": view.id,
        "object": "image.generation",
        "status": view.word,
        "created_at": view.created,
    }
    if view.failure:
        return {**task, "error": view.failure}
    if view.made:
        task |= json_body(view.made.request, view.made.images, view.made.present, view.created)
    return {**task, "progress": view.progress}


def _apimart(view: View) -> dict[str, Any]:
    task: dict[str, Any] = {"id": view.id, "status": view.word, "progress": view.progress}
    task |= {"created": view.created, "estimated_time": 60}
    if view.made:
        expires = view.created + 86_400
        task["result"] = {"images": [{"url": [value], "expires_at": expires} for value in view.values]}
    if view.failure:
        task["error"] = view.failure
    return {"code": 200, "data": task}


def _replicate(view: View) -> dict[str, Any]:
    failure = view.failure
    return {
        "id": view.id,
        "model": "openai/gpt-image-2",
        "status": view.word,
        "urls": {"get": view.poll_url, "cancel": f"{view.poll_url}/cancel"},
        "output": view.values or None,
        "error": failure["message"] if failure else None,
    }


def _poll_url(view: View) -> dict[str, Any]:
    # The address is relative to the server, as some relays have it.
    body = {"task_id": view.id, "state": view.word, "poll_url": "/" + view.poll_url.split("/", 3)[3]}
    if view.failure:
        return {**body, "code": "DataInspectionFailed", "message": view.failure["message"]}
    return {**body, "output": {"results": [{"url": value} for value in view.values]}} if view.made else body


def _object(view: View) -> dict[str, Any]:
    body: dict[str, Any] = {"id": view.id, "object": "image.generation.task", "created": view.created}
    body |= {"status": view.word, "progress": view.progress, "results": view.values}
    return {**body, "error": view.failure} if view.failure else body


def _jobs(view: View) -> dict[str, Any]:
    # The result is JSON in a string of the JSON.
    values = [value.text if isinstance(value, Long) else value for value in view.values]
    result = json.dumps({"resultUrls": values}) if view.made else None
    failure = view.failure or {}
    task = {"taskId": view.id, "state": view.word, "resultJson": result}
    task |= {"failCode": "400" if failure else None, "failMsg": failure.get("message")}
    return {"code": 200, "msg": "success", "data": task}


DIALECTS: Mapping[DialectName, Dialect] = {
    "location": Dialect(
        "/images/generations/{id}",
        ("queued", "in_progress", "completed", "failed", "cancelled"),
        _location,
        accepted_status=202,
        present=as_base64,
        tells_when=True,
    ),
    "apimart": Dialect(
        "/tasks/{id}",
        ("submitted", "processing", "completed", "failed", "cancelled"),
        _apimart,
        accepted=lambda view: {"code": 200, "data": [{"status": view.word, "task_id": view.id}]},
    ),
    "replicate": Dialect(
        "/predictions/{id}",
        ("starting", "processing", "succeeded", "failed", "canceled"),
        _replicate,
        accepted_status=201,
    ),
    "poll-url": Dialect(
        "/services/aigc/tasks/{id}",
        ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED"),
        _poll_url,
    ),
    "object": Dialect(
        "/images/tasks/{id}",
        ("pending", "processing", "completed", "failed", "cancelled"),
        _object,
    ),
    "jobs": Dialect(
        "/jobs/recordInfo?taskId={id}",
        ("waiting", "generating", "success", "fail", "fail"),
        _jobs,
        accepted=lambda view: {"code": 200, "msg": "success", "data": {"taskId": view.id}},
    ),
}
