"""Answers that are tasks: accepted once, polled in the words of a relay, and done once."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import httpx2
import pytest
from drawn import photo
from PIL import Image
from sandbox_driving import BEARER, Driver, as_file, error_of

from gpt_image2.sandbox import Settings
from gpt_image2.sandbox.settings import DialectName, Tasks

_DIALECTS = get_args(DialectName)
_READ: dict[str, tuple[Callable[[Any], str], Callable[[Any], str], Callable[[Any], list[str]]]] = {
    # dialect: address of a poll after the base URL, word of the state, images
    "location": (
        lambda body: f"/images/generations/{body['id']}",
        lambda body: body["status"],
        lambda body: [item["b64_json"] for item in body["data"]],
    ),
    "apimart": (
        lambda body: f"/tasks/{body['data'][0]['task_id']}",
        lambda body: body["data"]["status"],
        lambda body: [image["url"][0] for image in body["data"]["result"]["images"]],
    ),
    "replicate": (
        lambda body: f"/predictions/{body['id']}",
        lambda body: body["status"],
        lambda body: body["output"],
    ),
    "poll-url": (
        lambda body: f"/services/aigc/tasks/{body['task_id']}",
        lambda body: body["state"],
        lambda body: [each["url"] for each in body["output"]["results"]],
    ),
    "object": (
        lambda body: f"/images/tasks/{body['id']}",
        lambda body: body["status"],
        lambda body: body["results"],
    ),
    "jobs": (
        lambda body: f"/jobs/recordInfo?taskId={body['data']['taskId']}",
        lambda body: body["data"]["state"],
        lambda body: json.loads(body["data"]["resultJson"])["resultUrls"],
    ),
}


class _Relay:
    """The sandbox under a dialect of tasks, and the last task there."""

    def __init__(self, sandbox: Driver, tasks: str, fault: str = "") -> None:
        self.sandbox = replace(sandbox, root=f"{sandbox.root}/tasks/{tasks}")
        self.fault = fault or None
        self.address, self.word, self.images = _READ[tasks.partition(":")[0]]

    def accept(self, **fields: Any) -> httpx2.Response:
        response = self.sandbox.generate(self.fault, **fields)
        self.url = self.sandbox.base_url(self.fault) + self.address(response.json())
        return response

    def poll(self) -> httpx2.Response:
        return self.sandbox.http.get(self.url, headers=BEARER)

    def state(self) -> str:
        return self.word(self.poll().json())


def _image(sandbox: Driver, value: str) -> Image.Image:
    data = sandbox.http.get(value).content if value.startswith("http") else base64.b64decode(value)
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        ("location", ["queued", "in_progress", "completed"]),
        ("apimart", ["submitted", "processing", "completed"]),
        ("replicate", ["starting", "processing", "succeeded"]),
        ("poll-url", ["PENDING", "RUNNING", "SUCCEEDED"]),
        ("object", ["pending", "processing", "completed"]),
        ("jobs", ["waiting", "generating", "success"]),
    ],
)
def test_a_paid_request_is_a_task_until_its_time_is_over(
    sandbox: Driver, dialect: str, words: list[str]
) -> None:
    relay = _Relay(sandbox, f"{dialect}:1000")
    assert relay.accept(n=2, size="1024x640").status_code in (200, 201, 202)
    came: list[str] = []
    for passed_s in (0, 500, 500):
        sandbox.advance(passed_s)
        came.append(relay.state())
    assert came == words
    images = relay.images(relay.poll().json())
    assert [_image(sandbox, each).size for each in images] == [(1024, 640)] * 2
    assert images == relay.images(relay.poll().json())
    log = sandbox.log()
    assert (log["hits"], log["images_delivered"]) == (1, 2)
    assert [poll["state"] for poll in log["polls"]] == [*words, words[-1], words[-1]]
    assert {poll["task_id"] for poll in log["polls"]} == {log["requests"][0]["task_id"]}


def test_every_dialect_is_tested_here() -> None:
    assert set(_READ) == set(_DIALECTS)


def test_location_says_where_and_when_to_ask(sandbox: Driver) -> None:
    relay = _Relay(sandbox, "location:1000")
    accepted = relay.accept()
    for response in (accepted, relay.poll()):
        assert response.status_code == 202
        assert (response.headers["location"], response.headers["retry-after"]) == (relay.url, "1")
    sandbox.advance(1000)
    done = relay.poll()
    assert (done.status_code, "location" in done.headers) == (200, False)
    assert done.json()["usage"]["output_tokens"] > 0


def test_replicate_gives_the_addresses_for_asking_and_for_cancelling(sandbox: Driver) -> None:
    relay = _Relay(sandbox, "replicate:1000")
    urls = relay.accept().json()["urls"]
    assert urls["get"] == relay.url
    cancelled = sandbox.http.post(urls["cancel"], headers=BEARER).json()
    sandbox.advance(1000)
    assert (cancelled["status"], relay.state(), cancelled["output"]) == ("canceled", "canceled", None)
    polls = sandbox.log()["polls"]
    assert [(poll["method"], poll["state"]) for poll in polls] == [("POST", "canceled"), ("GET", "canceled")]


def test_what_is_done_cannot_be_cancelled(sandbox: Driver) -> None:
    urls = _Relay(sandbox, "replicate:0").accept().json()["urls"]
    assert sandbox.http.post(urls["cancel"], headers=BEARER).json()["status"] == "succeeded"


def test_poll_url_is_relative_to_the_server(sandbox: Driver) -> None:
    relay = _Relay(sandbox, "poll-url:0", "task-503")
    assert sandbox.root + relay.accept().json()["poll_url"] == relay.url


def test_progress_is_told_in_percent(sandbox: Driver) -> None:
    relay = _Relay(sandbox, "apimart:1000")
    relay.accept()
    told: list[int] = []
    for passed_s in (0, 420, 1000):
        sandbox.advance(passed_s)
        told.append(relay.poll().json()["data"]["progress"])
    assert told == [0, 42, 100]


def test_an_edit_and_a_stream_are_tasks_too(sandbox: Driver) -> None:
    relay = _Relay(sandbox, "location:0")
    edited = relay.sandbox.edit({"image": as_file(photo())})
    streamed = relay.sandbox.generate(stream=True, partial_images=2)
    for accepted in (edited, streamed):
        done = sandbox.http.get(accepted.headers["location"], headers=BEARER).json()
        assert len(relay.images(done)) == 1
    assert [row["endpoint"] for row in sandbox.log()["requests"]] == ["edits", "generations"]


def test_a_header_or_the_settings_choose_the_dialect_as_the_path_does(
    serve: Callable[[Settings], Driver],
) -> None:
    sandbox = serve(Settings(tasks=Tasks("apimart", 0)))
    assert "task_id" in sandbox.generate().json()["data"][0]
    assert "task_id" in sandbox.generate("task-failed").json()["data"][0]
    url = f"{sandbox.base_url()}/images/generations"
    headers = {**BEARER, "x-sandbox-tasks": "object:7"}
    assert sandbox.http.post(url, json=sandbox.body(), headers=headers).json()["status"] == "pending"
    headers["x-sandbox-tasks"] = "object:soon"
    refused = sandbox.http.post(url, json=sandbox.body(), headers=headers)
    assert (refused.status_code, error_of(refused)["param"]) == (400, "x-sandbox-tasks")
    assert all(dialect in error_of(refused)["message"] for dialect in _DIALECTS)


def test_a_refusal_comes_at_once_and_is_no_task(sandbox: Driver) -> None:
    relay = _Relay(sandbox, "apimart:0")
    refused = relay.sandbox.generate("moderation"), relay.sandbox.generate(n=99)
    assert [error_of(each)["code"] for each in refused] == ["moderation_blocked", "integer_above_max_value"]
    assert [row["task_id"] for row in sandbox.log()["requests"]] == [None, None]


@pytest.mark.parametrize("dialect", _DIALECTS)
@pytest.mark.parametrize("fault", ["task-failed", "task-refunded"])
def test_a_failed_task_says_why_and_whether_it_was_charged(sandbox: Driver, dialect: str, fault: str) -> None:
    relay = _Relay(sandbox, f"{dialect}:0", fault)
    relay.accept()
    told = relay.poll()
    assert relay.word(told.json()).lower() in ("failed", "fail")
    assert "rejected by the safety system" in told.text
    assert ("not charged" in told.text) == (fault == "task-refunded")
    assert sandbox.log()["images_delivered"] == 0


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("task-hidden", [404, 404, 200]),
        ("task-lost", [404, 404, 404]),
        ("task-429", [429, 200, 200]),
        ("task-503", [503, 200, 200]),
        ("task-html", [502, 200, 200]),
    ],
)
def test_polls_meet_what_the_fault_says(sandbox: Driver, fault: str, statuses: list[int]) -> None:
    relay = _Relay(sandbox, "object:0", fault)
    relay.accept()
    polls = [relay.poll() for _ in statuses]
    assert [poll.status_code for poll in polls] == statuses
    assert ("retry-after" in polls[0].headers) == (statuses[0] in (429, 503))
    assert [row["status"] for row in sandbox.log()["polls"]] == statuses


def test_a_poll_can_lose_its_connection(sandbox: Driver) -> None:
    relay = _Relay(sandbox, "object:0", "task-reset")
    relay.accept()
    with pytest.raises(httpx2.TransportError):
        relay.poll()
    assert relay.state() == "completed"


@pytest.mark.parametrize(
    ("fault", "word"),
    [("task-stuck", "processing"), ("task-cancelled", "cancelled"), ("task-empty", "completed")],
)
def test_a_task_can_end_without_an_image_or_never(sandbox: Driver, fault: str, word: str) -> None:
    relay = _Relay(sandbox, "object:0", fault)
    relay.accept()
    told = relay.poll().json()
    assert (told["status"], told["results"]) == (word, [])


def test_a_fault_in_a_course_needs_no_other_word_for_a_task(sandbox: Driver) -> None:
    assert sandbox.generate("task-failed").status_code == 202


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_faults_of_answers_befall_the_poll_that_brings_the_images(sandbox: Driver, dialect: str) -> None:
    relay = _Relay(sandbox, f"{dialect}:0", "cut-last")
    relay.accept()
    with pytest.raises(httpx2.RemoteProtocolError):
        relay.poll()


def test_an_unknown_task_or_one_of_another_dialect_is_not_found(sandbox: Driver) -> None:
    relay = _Relay(sandbox, "apimart:0")
    relay.accept()
    other = relay.url.replace("/v1/tasks/", "/v1/images/tasks/")
    for url in (other, f"{sandbox.base_url()}/tasks/task_none"):
        assert error_of(sandbox.http.get(url, headers=BEARER))["code"] == "task_not_found"


def test_a_poll_needs_the_key(sandbox: Driver) -> None:
    relay = _Relay(sandbox, "apimart:0")
    relay.accept()
    assert sandbox.http.get(relay.url).status_code == 401
