"""Answers that are tasks: asked after where the host says, in whatever words, and never paid for again."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List

import pytest
from batching import picture
from faulty import Exchange, serving
from harness import KEY, Home, Run
from ledgers import rows_of
from pictures import png
from processes import end_of
from servers import Answer, Recorder, Request, recording, refusal
from tasks import TaskHost, answer, done, under_way, with_id

CAT = picture("a cat")
AGAIN = ("--retry-ambiguous", "--retries", "5")


@pytest.fixture
def host(recorder: Recorder) -> TaskHost:
    """A host of this test's own that makes tasks."""
    return TaskHost(recorder)


def generate(home: Home, host: TaskHost, *more: str) -> Run:
    return home.run("generate", "a cat", "-o", "cat.png", "--json", *more, base_url=host.base_url)


def stream_of(*events: Dict[str, Any]) -> Answer:
    """A stream of these events that ends as streams of chat do."""
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return Answer(body=f"{data}data: [DONE]\n\n".encode(), headers=(("Content-Type", "text/event-stream"),))


def assert_had(run: Run, host: TaskHost) -> None:
    """The image is there, for one paid request."""
    assert (run.code, run.json["billed"], host.hits) == (0, "yes", 1), run.stderr
    assert run.pictures == [CAT]


ACCEPTED: Dict[str, Dict[str, Any]] = {
    # name: the body of the answer to the paid request
    "task-id": {"task_id": "ID"},
    "job-id": {"code": 0, "data": {"jobId": "ID"}},
    "id-in-text": {"code": "success", "message": "", "data": "ID", "taskId": "ID"},
    "state-in-a-list": {"code": 200, "data": [{"status": "submitted", "task_id": "ID"}]},
    "constant": {"task": {"id": "ID", "status": "TASK_STATUS_QUEUED", "progress_percent": 0}},
    "spelt": {"id": "ID", "status": " In-Progress "},
    "two-words": {"id": "ID", "task_status": "Not Started"},
    "unknown-word": {"id": "ID", "status": "simmering"},
    "unknown-letters": {"id": "ID", "status": "慢慢来"},
    "chinese": {"id": "ID", "status": "排队中"},
    "done-already": {"id": "ID", "status": "succeed", "data": None},
    "an-error-of-nothing": {"task_id": "ID", "state": "pending", "error": {"code": 0, "message": ""}},
    "an-address-of-its-own": {"task_id": "ID", "url": "http://192.0.2.1/tasks/ID"},
    "google": {"id": "ID", "done": False},
}


@pytest.mark.parametrize("shape", sorted(ACCEPTED))
def test_a_task_is_known_by_its_words_wherever_they_stand(shape: str, home: Home, host: TaskHost) -> None:
    host.accepts = with_id(ACCEPTED[shape])
    assert_had(generate(home, host), host)


POLL = {
    "path": "/ofen/{id}?tief=1",
    "id": "werk.0.nummer",
    "status": "lage.wort",
    "done": ["Fertig", 2],
    "failed": ["verbrannt", 3],
    "images": "lage.bilder.0",
}


def baking(home: Home, host: TaskHost, lage: Dict[str, Any]) -> Run:
    """Runs against a host whose words only the config file knows, which ends a task so."""
    config = home.config_home / "gpt-image-2" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"poll": POLL}), encoding="utf-8")
    config.chmod(0o600)
    host.path = "/v1/ofen/{id}?tief=1"
    host.accepts = with_id({"werk": [{"nummer": "ID"}]})
    host.tells = [answer({"lage": {"wort": "warm"}}), answer({"lage": lage})]
    return generate(home, host)


@pytest.mark.parametrize("word", ["fertig", 2])
def test_the_config_says_how_a_host_of_its_own_words_is_asked(
    word: object, home: Home, host: TaskHost
) -> None:
    host.server.answer, told = (
        lambda request: Answer(body=CAT) if request.path == "/bild" else told(request),
        host.server.answer,
    )
    run = baking(home, host, {"wort": word, "bilder": [{"ort": f"{host.server.root}/bild"}]})
    assert_had(run, host)
    assert host.asked == ["/v1/ofen/task_1?tief=1"] * 2 + ["/bild"]


@pytest.mark.parametrize("word", ["Verbrannt", 3])
def test_the_config_says_in_which_words_a_task_fails(word: object, home: Home, host: TaskHost) -> None:
    run = baking(home, host, {"wort": word})
    assert (run.code, run.json["billed"], host.hits, len(host.asked)) == (6, "maybe", 1, 2), run.stderr


ENDS = (
    "completed",
    "SUCCEED",
    "Task_Status_Succeeded",
    "ready",
    "done",
    "Success",
    "FINISHED",
    "成功",
    "已完成",
)


def test_the_end_of_a_task_is_known_however_it_is_spelt(tmp_path: Path) -> None:
    def run(word: str) -> None:
        (tmp_path / word).mkdir()
        with recording() as server:
            host = TaskHost(server)
            host.tells = lambda task_id, nth: answer(
                {"id": task_id, "status": word, "result": {"sample": f"{server.root}/sample"}}
            )
            told = server.answer
            server.answer = lambda request: Answer(body=CAT) if request.path == "/sample" else told(request)
            assert_had(generate(Home(tmp_path / word), host), host)

    with ThreadPoolExecutor(len(ENDS)) as pool:
        list(pool.map(run, ENDS))


@pytest.mark.parametrize("header", ["Location", "Operation-Location"])
@pytest.mark.parametrize("place", ["/strange/place", "{root}/strange/place", "later/{id}"])
def test_an_accepted_request_is_asked_after_where_its_header_says_even_without_a_body(
    header: str, place: str, home: Home, host: TaskHost
) -> None:
    host.path = "/v1/later/{id}" if "{id}" in place else "/strange/place"

    def accepts(task_id: str) -> Answer:
        host.prompts["place" if "strange" in place else task_id] = host.prompts[task_id]
        where = place.format(root=host.server.root, id=task_id)
        return Answer(202, b"" if header == "Location" else b'{"id": "ID"}', ((header, where),))

    host.accepts = accepts
    if "strange" in place:
        host.path = "/strange/{id}"
    assert_had(generate(home, host), host)
    assert len(host.asked) == 1


@pytest.mark.parametrize("header", ["Location", "Operation-Location"])
@pytest.mark.parametrize("words", [b"", b'{"message": "accepted"}', b'{"detail": "queued, come back"}'])
def test_words_beside_an_accepted_task_are_no_error(
    words: bytes, header: str, home: Home, host: TaskHost
) -> None:
    host.path = "/v1/jobs/{id}/status"

    def accepts(task_id: str) -> Answer:
        host.prompts["status"] = host.prompts[task_id]
        return Answer(202, words, ((header, f"{host.server.base_url}/jobs/{task_id}/status"),))

    host.accepts = accepts
    host.path = "/v1/jobs/task_1/{id}"
    assert_had(generate(home, host), host)
    assert len(host.asked) == 1


def test_a_poll_is_followed_to_where_the_host_sends_it(home: Home, host: TaskHost) -> None:
    host.tells = lambda task_id, nth: Answer(303, b"see there", (("Location", "/v1/results/1"),))
    told = host.server.answer
    host.server.answer = lambda request: (
        done("task_1", CAT) if request.path == "/v1/results/1" else told(request)
    )
    assert_had(generate(home, host), host)
    assert all(KEY in str(request.headers) for request in host.server.requests)


def test_another_origin_is_asked_without_the_key_and_a_private_network_never(
    home: Home, host: TaskHost
) -> None:
    with recording() as other:
        other.answer = lambda request: done("task_1", CAT)
        elsewhere = [f"{other.root}/t", "http://10.0.0.1/t", "http://169.254.169.254/t", "file:///etc/passwd"]
        host.accepts = lambda task_id: answer(
            {"task_id": task_id, "urls": {"get": elsewhere[0], "self": elsewhere[1]}, "url": elsewhere[2]}
        )
        run = generate(home, host)
    assert_had(run, host)
    assert other.requests == []  # loopback is private, but for the host itself


def test_how_far_a_task_is_is_told_in_its_own_words(home: Home, host: TaskHost) -> None:
    host.tells = lambda task_id, nth: (
        under_way(task_id, progress="42%") if nth == 1 else host.finished(task_id)
    )
    run = home.run("generate", "a cat", "-o", "cat.png", "--events", base_url=host.base_url)
    told = [
        (each["task_id"], each["status"], each["percent"]) for each in run.events if each["event"] == "task"
    ]
    assert run.code == 0
    assert told == [
        ("task_1", "queued", None),
        ("task_1", "processing", 42),
        ("task_1", "completed", None),
    ]


def test_an_answer_need_not_say_which_task_it_is_of(home: Home, host: TaskHost) -> None:
    """As fal's: the status stands at one address, the images at another, without an id."""
    root = host.server.root
    host.path = "/requests/{id}/status"
    host.accepts = lambda task_id: answer(
        {
            "request_id": task_id,
            "status": "IN_QUEUE",
            "response_url": f"{root}/requests/{task_id}",
            "status_url": f"{root}/requests/{task_id}/status",
            "cancel_url": f"{root}/requests/{task_id}/cancel",
        }
    )
    host.tells = [
        answer({"status": "IN_PROGRESS", "logs": None}, 202),
        answer({"status": "COMPLETED", "response_url": f"{root}/requests/task_1"}),
    ]
    told = host.server.answer
    images = answer({"images": [{"url": f"{root}/files/1"}], "seed": 1})
    others = {"/requests/task_1": images, "/files/1": Answer(body=CAT)}
    host.server.answer = lambda request: others.get(request.path) or told(request)
    assert_had(generate(home, host), host)
    assert "cancel" not in str(host.asked)


WRONG_PLACES: Dict[str, Answer] = {
    # name: what the host says at addresses where it knows of no task
    "refuses": refusal(400, "Invalid 'response_id': 'task_1'.", "invalid_value"),
    "status-error": answer({"status": "error", "message": "no route", "request_id": "r1"}, 404),
    "page": Answer(200, b"<html><title>Welcome</title></html>", (("Content-Type", "text/html"),)),
    "not-allowed": refusal(405, "Method Not Allowed"),
    "broken": refusal(500, "panic"),
    "fine": answer({"status": "ok", "id": "health"}),
    "code-in-body": answer({"code": "task_not_exist", "message": "task_not_exist", "data": None}),
}


@pytest.mark.parametrize("wrong", sorted(WRONG_PLACES))
def test_what_is_said_where_nobody_knows_of_tasks_is_not_the_last_word(
    wrong: str, home: Home, host: TaskHost
) -> None:
    """It is hidden at first, and asked after at other addresses in vain."""
    told = host.server.answer

    def tell(request: Request) -> Answer:
        was_hidden = len(host.polls) > 0
        said = told(request)
        return (
            said if request.method == "POST" or (said.status == 200 and was_hidden) else WRONG_PLACES[wrong]
        )

    host.server.answer = tell
    assert_had(generate(home, host), host)


def test_troubles_of_polls_are_sat_out(tmp_path: Path) -> None:
    soon = ("Retry-After", "0")
    troubles: List[List[Answer]] = [
        [answer({"error": {"message": "busy"}}, 503, soon)] * 3,
        [answer({"error": {"message": "too fast"}}, 429, soon)] * 3,
        [refusal(401, "The token service is down.")] * 3,
        [answer({"code": 500, "message": "internal error", "data": None})] * 3,
        [Answer(200, b"<html><title>Just a moment</title></html>", (("Content-Type", "text/html"),))] * 3,
        [answer({"error": {"message": "The task does not exist yet."}}, 400)] * 3,
    ]

    def run(number: int) -> None:
        root = tmp_path / str(number)
        root.mkdir()
        with recording() as server:
            host = TaskHost(server)
            host.tells = lambda task_id, nth: (
                under_way(task_id) if nth == 1 else [*troubles[number], host.finished(task_id)][nth - 2]
            )
            assert_had(generate(Home(root), host), host)

    with ThreadPoolExecutor(len(troubles)) as pool:
        list(pool.map(run, range(len(troubles))))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_address_that_is_busy_is_asked_again_and_no_other_instead(
    status: int, home: Home, host: TaskHost
) -> None:
    host.tells = [answer({"error": {"message": "slow"}}, status, ("Retry-After", "0")), done("task_1", CAT)]
    assert_had(generate(home, host), host)
    assert host.asked == ["/v1/tasks/task_1"] * 2


def test_where_hosts_break_at_addresses_that_know_no_tasks_others_are_asked_later(
    home: Home, host: TaskHost
) -> None:
    host.path = "/v1/images/generations/{id}"
    told = host.server.answer
    host.server.answer = lambda request: (
        refusal(500, "panic") if request.path.startswith("/v1/tasks/") else told(request)
    )
    assert_had(generate(home, host), host)
    assert host.asked == ["/v1/tasks/task_1"] * 4 + ["/v1/images/generations/task_1"]


def test_the_wait_that_comes_with_a_task_is_waited_before_it_is_asked_after(
    home: Home, host: TaskHost
) -> None:
    times: List[float] = []

    def accepts(task_id: str) -> Answer:
        times.append(time.monotonic())
        return answer({"task_id": task_id, "status": "queued"}, 202, ("Retry-After", "1"))

    def tells(task_id: str, nth: int) -> Answer:
        times.append(time.monotonic())
        return host.finished(task_id)

    host.accepts, host.tells = accepts, tells
    assert_had(generate(home, host), host)
    accepted, asked = times
    assert asked - accepted >= 1


def test_an_answer_to_a_poll_that_is_cut_is_asked_for_again_and_no_image_is_saved_twice(home: Home) -> None:
    pictures = [png(noise=bytes([number]) * 900) for number in (1, 2, 3)]
    whole = done("t", *pictures).body
    polls: List[str] = []

    def talk(exchange: Exchange) -> None:
        if exchange.head.startswith(b"POST"):
            exchange.answer(b'{"task_id": "t", "status": "queued"}')
            return
        polls.append(exchange.path)
        exchange.start(len(whole))
        exchange.send(whole if len(polls) > 1 else whole[:-600])

    with serving(talk) as server:
        args = ("generate", "a cat", "--n", "3", "-o", "cat.png", "--json")
        run = home.run(*args, base_url=server.base_url)
        assert (run.code, server.hits, run.pictures) == (0, 1, pictures), run.stderr
    assert sorted(path.name for path in home.cwd.iterdir()) == ["cat-1.png", "cat-2.png", "cat-3.png"]
    assert home.leftovers() == []


def test_an_image_beside_the_id_of_a_task_is_the_answer(home: Home, recorder: Recorder) -> None:
    body = {"task_id": "t", "data": [{"url": f"{recorder.root}/cat.png"}]}
    recorder.answer = lambda request: Answer(body=CAT) if request.method == "GET" else answer(body)
    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert (run.code, run.pictures, len(recorder.requests)) == (0, [CAT], 2)


@pytest.mark.parametrize(
    "tells", [[under_way("task_1")], [refusal(500, "panic")], [refusal(404, "what task?")]]
)
def test_what_was_accepted_is_never_sent_again(tells: List[Answer], home: Home, host: TaskHost) -> None:
    host.tells = tells
    run = generate(home, host, *AGAIN, "--timeout", "3")
    assert (run.code, run.json["billed"], run.json["error"]["code"], host.hits) == (
        7,
        "maybe",
        "task_pending",
        1,
    )
    assert run.json["tasks"] == ["task_1"]
    (row,) = rows_of(home.ledger)
    assert (row["status"], row["billed"], row["task_id"]) == ("pending", "maybe", "task_1")


@pytest.mark.parametrize(
    "said, code, billed",
    [
        ({"status": "failed", "fail_reason": "the GPU burnt"}, 6, "maybe"),
        ({"status": "failure", "error": {"message": "the GPU burnt; you were not charged"}}, 6, "no"),
        ({"status": "error", "message": "the GPU burnt", "refunded": True}, 6, "no"),
        ({"status": "Content Moderated", "details": {"reason": "moderation_blocked"}}, 5, "maybe"),
        ({"status": "expired"}, 6, "maybe"),
        ({"status": "失败", "fail_reason": "内容违规"}, 5, "maybe"),
    ],
)
def test_a_task_that_failed_says_why_and_is_not_sent_again(
    said: Dict[str, Any], code: int, billed: str, home: Home, host: TaskHost
) -> None:
    host.tells = [answer({"id": "task_1", **said})]
    run = generate(home, host, *AGAIN)
    assert (run.code, run.json["billed"], host.hits) == (code, billed, 1), run.stderr
    assert "task_1" in run.json["error"]["message"]
    if "GPU" in json.dumps(said):
        assert "the GPU burnt" in run.json["error"]["message"]
    assert rows_of(home.ledger)[0]["status"] == "failed"
    assert list((home.state / "inflight").iterdir()) == []


def test_each_request_of_a_stream_is_a_task_of_its_own(home: Home, host: TaskHost) -> None:
    run = generate(home, host, "--stream", "--n", "3")
    assert (run.code, host.hits, len(run.json["images"])) == (0, 3, 3), run.stderr
    assert run.pictures == [CAT] * 3


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_stream_that_ends_before_the_image_is_followed_by_the_task_that_it_named(
    is_cut: bool, home: Home
) -> None:
    def talk(exchange: Exchange) -> None:
        if exchange.head.startswith(b"GET"):
            exchange.answer(done("t", CAT).body)
            return
        events = b'data: {"task_id": "t", "progress": 10}\n\ndata: {"message": "painting"}\n\n'
        exchange.start(len(events) + 99 * is_cut, content_type="text/event-stream")
        exchange.send(events)

    with serving(talk) as server:
        run = home.run("generate", "a cat", "--stream", "-o", "cat.png", "--json", base_url=server.base_url)
        assert (run.code, run.json["billed"], server.hits, run.pictures) == (0, "yes", 1, [CAT]), run.stderr


STREAMED: Dict[str, List[Dict[str, Any]]] = {
    # name: events that tell of a task, and end before its image
    "after-words": [{"choices": [{"delta": {"content": "On it"}}]}, {"task_id": "t", "status": "queued"}],
    "id-and-state": [{"id": "t", "progress": 1, "status": "running"}],
    "of-a-task": [{"type": "task.created", "task": {"id": "t", "status": "queued"}}],
}


@pytest.mark.parametrize("name", sorted(STREAMED))
def test_a_task_of_a_stream_is_followed_where_nothing_else_came(
    name: str, home: Home, recorder: Recorder
) -> None:
    events = stream_of(*STREAMED[name])
    recorder.answer = lambda request: done("t", CAT) if request.method == "GET" else events
    run = home.run("generate", "a cat", "--stream", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert (run.code, run.json["billed"], run.pictures) == (0, "yes", [CAT]), run.stderr
    assert [request.method for request in recorder.requests] == ["POST", "GET"]


@pytest.mark.parametrize("last", [{"status": "failed"}, {"image": "ADDRESS"}, {"message": "no balance"}])
def test_a_stream_with_a_last_word_is_not_followed_by_its_id(
    last: Dict[str, str], home: Home, recorder: Recorder
) -> None:
    last = {name: value.replace("ADDRESS", f"{recorder.root}/cat.png") for name, value in last.items()}
    events = stream_of({"id": "t", "status": "running"}, {"id": "t", **last})
    recorder.answer = lambda request: Answer(body=CAT) if request.method == "GET" else events
    run = home.run("generate", "a cat", "--stream", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert run.pictures == [CAT] * ("image" in last), run.stderr
    asked = [request.path for request in recorder.requests if request.method == "GET"]
    assert asked == ["/cat.png"] * ("image" in last)


COURSE: List[Dict[str, Any]] = [
    {"type": "response.created", "id": "r", "status": "in_progress"},
    {"type": "response.in_progress", "response": {"id": "r", "status": "in_progress"}},
    {"id": "r", "object": "response", "status": "in_progress"},
    {"id": "c", "object": "chat.completion.chunk", "status": "running"},
    {"id": "c", "choices": [], "status": "running"},
]


@pytest.mark.parametrize("event", COURSE)
def test_a_stream_that_speaks_of_its_own_course_names_no_task(
    event: Dict[str, Any], home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: stream_of(event)
    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert (run.json["billed"], len(recorder.requests)) == ("maybe", 1)


def test_an_edit_is_a_task_too(home: Home, host: TaskHost) -> None:
    (home.cwd / "in.png").write_bytes(png())
    run = home.run("edit", "in.png", "a cat", "-o", "cat.png", "--json", base_url=host.base_url)
    assert_had(run, host)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("signum, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_a_poll_leaves_the_task_to_be_resumed(
    signum: int, code: int, home: Home, host: TaskHost
) -> None:
    host.hold_polls()
    with home.start("generate", "a cat", "-o", "cat.png", "--json", base_url=host.base_url) as process:
        host.wait_for_poll()
        process.send_signal(signum)
        run = end_of(process)
    host.release_polls()
    assert (run.code, run.json["billed"], run.json["tasks"]) == (code, "maybe", ["task_1"]), run.stderr
    assert "resume" in run.json["error"]["hint"]
    assert home.leftovers() == []
    resumed = home.run("resume", base_url=host.base_url)
    assert (resumed.code, host.hits, (home.cwd / "cat.png").read_bytes()) == (0, 1, CAT)
