"""Headers, query and polling of a host: what is sent, where it is never sent, what shows of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from harness import KEY, Home, Run
from pictures import png
from servers import Answer, Recorder, Request, images, recording, refusal

from gpt_image2.core.base.errors import ConfigError
from gpt_image2.core.settings.config import load_settings
from gpt_image2.core.settings.poll import Poll, value_at

SECRET = "s3cret/value 0123456789"
PLAIN = "https://one.example/v1"


@pytest.fixture
def other() -> Iterator[Recorder]:
    """A second server."""
    with recording() as server:
        yield server


def config(home: Home, **fields: Any) -> Path:
    path = home.config_home / "gpt-image-2" / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"base_url": PLAIN, "api_key": KEY, **fields}, indent=1), encoding="utf-8")
    path.chmod(0o600)
    return path


def generate(home: Home, *args: str, **env: str) -> Run:
    return home.run("generate", "a cat", "-o", "cat.png", *args, env={"GPT_IMAGE2_API_KEY": None, **env})


def addresses(url: str) -> Answer:
    return Answer(body=json.dumps({"data": [{"url": url}]}).encode())


# Sent


def test_headers_and_query_go_with_every_request_and_through_no_argument(
    home: Home, recorder: Recorder
) -> None:
    headers = {"X-Team": "a b", "X-Token": {"env": "TOKEN"}}
    config(
        home, base_url=recorder.base_url, headers=headers, query={"api version": "1&2", "t": {"env": "TOKEN"}}
    )
    arguments = home.cwd / "arguments"
    curl = home.cwd / "curl"
    curl.write_text(
        f'#!/bin/sh\necho "$@" >> {arguments}\nenv >> {arguments}\nPATH={home.env["PATH"]} exec curl "$@"\n'
    )
    curl.chmod(0o755)
    run = generate(home, TOKEN=SECRET, PATH=f"{home.cwd}:{home.env['PATH']}")
    assert run.code == 0, run.stderr
    request = recorder.only
    assert (request.header("x-team"), request.header("x-token")) == ("a b", SECRET)
    assert request.header("authorization") == f"Bearer {KEY}"
    sent = "api%20version=1%262&t=s3cret%2Fvalue%200123456789"
    assert request.path == f"/v1/images/generations?{sent}"
    assert SECRET not in arguments.read_text()


@pytest.mark.parametrize("name", ["Authorization", "authorization", "API-Key"])
def test_a_header_may_stand_in_for_that_of_the_key(home: Home, recorder: Recorder, name: str) -> None:
    token = "Basic dXNlcjpwYXNzd29yZA=="
    path = config(home, base_url=recorder.base_url, api_key="", headers={name: {"env": "TOKEN"}})
    run = generate(home, TOKEN=token)
    assert run.code == 0, run.stderr
    request = recorder.only
    assert request.header(name) == token
    keys = [key for key, _ in request.headers if key.lower() in ("authorization", "api-key")]
    assert len(keys) == 1
    shown = home.run(
        "config", "--json", env={"GPT_IMAGE2_API_KEY": None, "TOKEN": "Basic dXNlcjpwYXNzd29yZA=="}
    )
    key = shown.json["settings"]["api_key"]
    assert key["source"] == f"TOKEN, named by headers in {path}"
    assert key["value"].startswith("Basic ") and "dXNlcjpw" not in key["value"]


def test_a_header_of_the_config_takes_the_place_of_ours(home: Home, recorder: Recorder) -> None:
    config(home, base_url=recorder.base_url, headers={"user-agent": "mine/1"})
    assert generate(home).code == 0
    agents = [value for name, value in recorder.only.headers if name.lower() == "user-agent"]
    assert agents == ["mine/1"]


def test_a_variable_that_is_not_set_is_told_before_anything_is_sent(home: Home, recorder: Recorder) -> None:
    for kind in ("headers", "query"):
        config(home, base_url=recorder.base_url, **{kind: {"X-Token": {"env": "NOT_SET"}}})
        run = generate(home)
        assert (run.code, recorder.requests) == (3, [])
        assert "NOT_SET" in run.stderr and "X-Token" in run.stderr and len(run.stderr.splitlines()) == 1


# Never sent elsewhere


def test_an_image_at_another_origin_is_fetched_without_them(
    home: Home, recorder: Recorder, other: Recorder
) -> None:
    """The other origin is on this machine too, so that only its port tells it from the first."""
    config(home, base_url=recorder.base_url, headers={"X-Token": SECRET}, query={"team": "a"})
    seen: List[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        if request.method == "POST":
            return addresses("/pic.png")
        redirect = (("Location", f"{other.root}/pic.png"),)
        return Answer(302, headers=redirect) if request.header("x-token") else refusal(401, "no token")

    recorder.answer = answer
    run = generate(home)
    assert [request.header("x-token") for request in seen] == [SECRET, None, SECRET]
    assert all(request.header("x-token") is None for request in other.requests)
    assert run.code == 7 and SECRET not in run.stderr


def test_an_image_of_the_same_origin_gets_them_once_it_has_refused(home: Home, recorder: Recorder) -> None:
    config(home, base_url=recorder.base_url, headers={"X-Token": SECRET, "User-Agent": "mine/1"})

    def answer(request: Request) -> Answer:
        if request.method == "POST":
            return addresses(f"{recorder.root}/pic.png")
        is_known = request.header("x-token") == SECRET and request.header("authorization") == f"Bearer {KEY}"
        return Answer(body=png(64, 64)) if is_known else refusal(403, "no token")

    recorder.answer = answer
    assert generate(home).code == 0
    _, without, with_them = recorder.requests
    assert without.header("x-token") is None and without.header("authorization") is None
    assert [value for name, value in with_them.headers if name.lower() == "user-agent"] == ["mine/1"]


# Shown


@pytest.mark.parametrize(
    "field",
    [
        {"X-Org": {"env": "TOKEN"}},
        {"X-Api-Key": SECRET},
        {"Ocp-Apim-Subscription-Key": SECRET},
        {"X-Auth-Token": SECRET},
        {"Cookie": f"session={SECRET}"},
        {"X-Any": f"Bearer {SECRET}"},
        {"X-Any": f"sk-{SECRET}".replace(" ", "-").replace("/", "-")},
    ],
)
@pytest.mark.parametrize("kind", ["headers", "query"])
def test_what_comes_from_a_variable_or_looks_like_a_key_never_shows(
    home: Home, recorder: Recorder, kind: str, field: Dict[str, Any]
) -> None:
    config(home, base_url=recorder.base_url, **{kind: field})
    recorder.answer = lambda request: refusal(400, f"you sent {request.path} {request.headers}")
    env = {"GPT_IMAGE2_API_KEY": None, "TOKEN": SECRET}
    for words in (["generate", "a cat"], ["generate", "a cat", "--dry-run", "--json"], ["config"]):
        run = home.run(*words, env=env)
        told = run.stdout + run.stderr
        assert re.search("value(.|%20)0123456789", told) is None
    assert len(recorder.requests) == 1
    assert re.search(b"value(.|%20)0123456789", home.ledger.read_bytes()) is None


def test_what_is_no_secret_is_shown_as_it_is(home: Home) -> None:
    config(home, headers={"X-Team": "painters"}, query={"api-version": "preview"})
    shown = home.run("generate", "a cat", "--dry-run", "--json").json
    assert shown["headers"]["X-Team"] == "painters"
    assert shown["url"] == f"{PLAIN}/images/generations?api-version=preview"


# Refused


FRAMING = ["Host", "content-length", "Transfer-Encoding", "Content-Type", "Connection", "Expect", "Proxy-A"]
NO_NAMES = ["", "X Y", "X:Y", "X\nY", "X-\u00e9", "@/etc/a"]
NO_VALUES = ["a\r\nX-B: c", "a\nb", "a\0b", "\u00e9", "", "  ", 1, None, [], {}, {"env": 1}, {"env": ""}]


@pytest.mark.parametrize(
    ("name", "value"),
    [*((name, "x") for name in FRAMING + NO_NAMES), *(("X-A", value) for value in NO_VALUES)],
)
def test_a_header_that_cannot_be_sent_is_refused_with_file_and_line(
    home: Home, name: str, value: Any
) -> None:
    path = config(home, headers={name: value})
    with pytest.raises(ConfigError) as error:
        load_settings({"HOME": str(home.root)})
    assert f"config {path}, line 5: field " in error.value.message and "headers." in error.value.message


def test_a_line_break_in_a_variable_is_refused_without_showing_it(home: Home, recorder: Recorder) -> None:
    config(home, base_url=recorder.base_url, headers={"X-A": {"env": "TOKEN"}})
    run = generate(home, TOKEN=f"{SECRET}\nX-B: c")
    assert (run.code, recorder.requests) == (3, [])
    assert "line break" in run.stderr and SECRET not in run.stderr


def test_a_header_that_is_there_twice_in_other_case_is_refused(home: Home) -> None:
    config(home, headers={"X-Team": "a", "x-team": "b"})
    run = generate(home)
    assert run.code == 3 and "twice" in run.stderr


# poll

POLL = {
    "path": "/tasks/{id}",
    "id": "data.0.task_id",
    "status": "data.status",
    "done": ["Completed", 2],
    "failed": ["FAILED"],
    "images": "data.result.images",
}


def poll_of(home: Home, **fields: Any) -> Any:
    config(home, **fields)
    return load_settings({"HOME": str(home.root)}).poll


def test_the_polling_of_a_host_is_read_as_a_record(home: Home) -> None:
    assert poll_of(home) is None
    texts = {name: POLL[name] for name in ("path", "id", "status", "images")}
    assert poll_of(home, poll=POLL) == Poll(**texts, done=("completed", "2"), failed=("failed",))
    assert poll_of(home, poll={}) == Poll()


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/tasks/{id}", f"{PLAIN}/tasks/a%2F..%2Fb%3F%23%40"),
        ("/tasks?id={id}&x=1", f"{PLAIN}/tasks?id=a%2F..%2Fb%3F%23%40&x=1"),
        ("https://one.example/api/{id}/status", "https://one.example/api/a%2F..%2Fb%3F%23%40/status"),
        ("https://ONE.example:443/{id}", "https://ONE.example:443/a%2F..%2Fb%3F%23%40"),
    ],
)
def test_a_task_is_asked_for_at_its_own_host_whatever_its_id(home: Home, path: str, address: str) -> None:
    assert poll_of(home, poll={"path": path}).address(PLAIN, "a/../b?#@") == address


NO_PATHS = [
    *("", "/tasks", "tasks/{id}", "//evil.example/{id}", "/a b/{id}", "/{id}#a", "/a\\{id}", 1),
    *("https://evil.example/{id}", "https://one.example{id}/a", "https://{id}/a", "ftp://one.example/{id}"),
    *("https://a@one.example/{id}", "http://one.example/{id}", "https://one.example:444/{id}"),
]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("path", path) for path in NO_PATHS),
        *(("id", place) for place in ("", "a..b", ".a", "a b", 1, ["a"])),
        *(("done", states) for states in ("ok", [""], [None], [[]], {})),
        ("colour", "red"),
    ],
)
def test_a_poll_that_points_nowhere_or_elsewhere_is_refused(home: Home, name: str, value: Any) -> None:
    path = config(home, poll={"path": "/tasks/{id}", name: value})
    with pytest.raises(ConfigError, match=rf"poll\.{name}") as error:
        load_settings({"HOME": str(home.root)})
    assert str(path) in error.value.message


def test_a_place_in_an_answer_is_found_by_keys_and_numbers() -> None:
    answer = {"data": [{"task_id": "t1"}, {"result": {"images": ["a", "b"]}}], "0": "zero"}
    assert value_at(answer, "data.0.task_id") == "t1"
    assert value_at(answer, "data.1.result.images") == ["a", "b"]
    assert value_at(answer, "0") == "zero"
    for nowhere in ("data.2", "data.x", "data.-1", "data.0.task_id.0", "nothing.at.all"):
        assert value_at(answer, nowhere) is None


def test_a_task_is_asked_after_by_the_profile_that_made_it_with_its_headers_and_query(
    home: Home, recorder: Recorder, other: Recorder
) -> None:
    one = {
        "base_url": recorder.base_url,
        "api_key": KEY,
        "headers": {"X-Token": SECRET},
        "query": {"team": "a"},
        "poll": {"path": "/look?at={id}", "id": "made.it", "status": "how", "done": ["7"], "failed": ["8"]},
    }
    config(home, base_url=other.base_url, profiles={"one": one})
    recorder.answer = lambda request: Answer(202, b'{"made": {"it": "t 1"}, "how": 3}')
    first = generate(home, "--profile", "one", "--no-wait")
    assert first.code == 0, first.stderr
    done = images(png(1024, 1024)).body[:-1] + b', "how": 7}'
    recorder.answer = lambda request: Answer(200, done if request.path.startswith("/v1/look") else b"{}")
    run = home.run("resume", env={"GPT_IMAGE2_API_KEY": None})
    assert run.code == 0 and run.saved == [home.cwd / "cat.png"], run.stderr
    sent, asked = recorder.requests
    assert (sent.method, asked.path) == ("POST", "/v1/look?at=t%201&team=a")
    assert (asked.header("x-token"), asked.header("authorization")) == (SECRET, f"Bearer {KEY}")
    assert other.requests == [] and SECRET not in run.stdout + run.stderr
