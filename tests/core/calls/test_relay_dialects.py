"""Answers of relays that say things in their own way: accepted under an error status, errors within objects,
images beside messages, far more images than were asked for."""

from __future__ import annotations

import base64
import json
from typing import Any, Dict, List

import pytest
from batching import picture
from harness import KEY, Home, Run, generate
from pictures import png
from servers import Answer, Recorder
from tasks import TaskHost, answer, with_id

CAT = picture("a cat")
ONE = png(noise=b"one")


@pytest.fixture
def host(recorder: Recorder) -> TaskHost:
    """A host of this test's own that makes tasks."""
    return TaskHost(recorder)


def made(home: Home, host: TaskHost, *more: str) -> Run:
    return home.run("generate", "a cat", "-o", "cat.png", "--json", *more, base_url=host.base_url)


UNDER_AN_ERROR = [
    (503, {"error": {"message": "upstream timeout"}, "task_id": "ID"}),
    (503, {"message": "busy", "task_id": "ID", "status": "queued"}),
    (504, {"id": "ID", "status": "processing"}),
    (429, {"task_id": "ID", "status": "queued"}),
    (200, {"task_id": "ID", "status": "queued", "error": {"message": "the first try failed"}}),
    (303, {"task_id": "ID", "status": "queued"}),
]


@pytest.mark.parametrize("status, body", UNDER_AN_ERROR)
def test_work_that_is_accepted_under_an_error_is_followed_and_never_sent_again(
    status: int, body: Dict[str, Any], home: Home, host: TaskHost
) -> None:
    made_of = with_id(body)
    host.accepts = lambda task_id: made_of(task_id)._replace(
        status=status, headers=(("Content-Type", "application/json"), ("Retry-After", "0"))
    )
    run = made(home, host, "--retries", "3", "--retry-ambiguous")
    assert (run.code, run.json["billed"], host.hits, run.pictures) == (0, "yes", 1, [CAT]), run.stderr


@pytest.mark.parametrize(
    "status, error",
    [(503, "no available channel for model"), (400, "bad prompt"), (429, "slow down")],
)
def test_a_refusal_that_names_a_task_is_a_refusal(
    status: int, error: str, home: Home, host: TaskHost
) -> None:
    host.accepts = lambda task_id: answer({"error": {"message": error}, "task_id": task_id}, status)
    run = made(home, host, "--retries", "0")
    assert (run.json["billed"], host.asked, host.hits) == ("no", [], 1)
    assert error in run.json["error"]["message"]


SPELT: Dict[str, List[Any]] = {
    # name: the answer to the paid request, and the last one to a poll
    "black-forest": [
        {"id": "ID", "polling_url": "ROOT/v1/tasks/ID"},
        {"id": "ID", "status": "Ready", "result": {"sample": "ROOT/cat"}},
    ],
    "leonardo": [
        {"sdGenerationJob": {"generationId": "ID", "apiCreditCost": 5}},
        {"generations_by_pk": {"id": "ID", "status": "COMPLETE", "generated_images": [{"url": "ROOT/cat"}]}},
    ],
    "by-its-name": [{"generation_id": "ID"}, {"generation_id": "ID", "data": [{"url": "ROOT/cat"}]}],
    "numbers": [
        {"code": 0, "data": {"id": "ID", "status": 0}},
        {"code": 0, "data": {"id": "ID", "status": 2, "url": "ROOT/cat"}},
    ],
    "flag": [
        {"code": 200, "data": {"taskId": "ID"}},
        {"data": {"taskId": "ID", "successFlag": 1, "response": {"resultUrls": ["ROOT/cat"]}}},
    ],
    "capitals": [
        {"Response": {"TaskId": "ID", "TaskStatus": "SUBMITTED"}},
        {"Response": {"TaskId": "ID", "TaskStatus": "SUCCEEDED", "ResultImage": ["ROOT/cat"]}},
    ],
}


@pytest.mark.parametrize("dialect", sorted(SPELT))
def test_a_task_is_known_in_every_spelling(dialect: str, home: Home, host: TaskHost) -> None:
    def spelt(body: Any, task_id: str) -> Answer:
        return answer(json.loads(json.dumps(body).replace("ID", task_id).replace("ROOT", host.server.root)))

    first, last = SPELT[dialect]
    host.accepts = lambda task_id: spelt(first, task_id)
    host.tells = lambda task_id, nth: spelt(last, task_id)
    told = host.server.answer
    host.server.answer = lambda request: Answer(body=CAT) if request.path == "/cat" else told(request)
    run = made(home, host)
    assert (run.code, run.json["billed"], host.hits, run.pictures) == (0, "yes", 1, [CAT]), run.stderr


@pytest.mark.parametrize(
    "told",
    [{"status": 3, "fail_reason": "the GPU burnt"}, {"successFlag": 2, "errorMessage": "the GPU burnt"}],
)
def test_a_task_that_fails_by_a_number_says_why(told: Dict[str, Any], home: Home, host: TaskHost) -> None:
    host.accepts = lambda task_id: answer({"taskId": task_id, "status": 0})
    host.tells = lambda task_id, nth: answer({"taskId": task_id, **told})
    run = made(home, host)
    assert (run.code, run.json["billed"], host.hits, len(host.asked)) == (6, "maybe", 1, 1)
    assert "the GPU burnt" in run.json["error"]["message"]


@pytest.mark.parametrize("body", [{"id": 5, "status": 0, "message": "insufficient balance"}])
def test_a_number_beside_a_message_is_no_state(body: Dict[str, Any], home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: answer(body)
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["billed"], len(recorder.requests)) == (4, "no", 1)


@pytest.mark.parametrize(
    "body, code, billed",
    [
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, 4, "no"),
        ({"Response": {"Error": {"Code": "X", "Message": "insufficient balance"}}}, 4, "no"),
        ({"data": {"error": "insufficient balance"}}, 4, "no"),
        ({"result": {"error": {"message": "content policy violation"}}}, 5, "maybe"),
        ({"status": "error", "reason": "quota exhausted"}, 4, "no"),
    ],
)
def test_an_error_within_an_object_is_found(
    body: Dict[str, Any], code: int, billed: str, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: answer(body)
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["billed"]) == (code, billed), run.stdout


@pytest.mark.parametrize(
    "body",
    [
        {"images": ["ROOT/cat"], "message": "Image generated successfully"},
        {"image_url": "ROOT/cat", "msg": "done"},
        {"output": ["ROOT/cat"], "detail": "took 3 s"},
        {"base_resp": {"status_code": 0, "status_msg": "success"}, "files": ["ROOT/cat"]},
    ],
)
def test_a_message_beside_an_image_is_no_error(body: Dict[str, Any], home: Home, recorder: Recorder) -> None:
    text = json.dumps(body).replace("ROOT", recorder.root).encode()
    recorder.answer = lambda request: Answer(body=ONE if request.method == "GET" else text)
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["billed"], run.pictures) == (0, "yes", [ONE]), run.stdout


def test_a_notice_of_the_relays_own_before_an_answer_costs_no_image(home: Home, recorder: Recorder) -> None:
    notice = b"<br />\n<b>Warning</b>: Undefined index in <b>/a.php</b> on line <b>3</b><br />\n"
    body = json.dumps({"data": [{"b64_json": base64.b64encode(ONE).decode()}]}).encode()
    recorder.answer = lambda request: Answer(body=notice + body)
    assert generate(home, recorder.base_url).pictures == [ONE]


def test_what_a_firewall_says_in_place_of_a_page_is_not_the_apis_word(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(403, b"error code: 1020")
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["billed"], run.json["error"]["code"]) == (6, "no", "html_page")


@pytest.mark.parametrize("form", ["json", "text"])
def test_of_images_that_nobody_asked_for_five_hundred_are_saved_and_the_rest_stays_in_the_answer(
    form: str, home: Home, recorder: Recorder
) -> None:
    pictures = [png(8, 8, noise=b"%d" % number) for number in range(540)]
    texts = [base64.b64encode(each).decode() for each in pictures]
    body = json.dumps({"data": [{"b64_json": text} for text in texts], "usage": None})
    if form == "text":
        words = "\n".join(f"![a](data:image/png;base64,{text})" for text in texts)
        body = json.dumps({"choices": [{"message": {"content": words}}]})
    recorder.answer = lambda request: Answer(body=body.encode())
    run = generate(home, recorder.base_url, "--n", "2")
    assert (run.code, run.json["billed"], len(recorder.requests)) == (0, "yes", 1), run.stderr
    assert run.pictures == pictures[:502]
    (kept,) = home.rescued.glob("*")
    (warning,) = run.json["warnings"]
    assert "38 further images" in warning and str(kept) in warning
    answer_kept = kept.read_text()
    assert json.loads(answer_kept)
    assert all(text in answer_kept for text in texts[502:])
    assert texts[0] not in answer_kept


def test_addresses_that_are_not_fetched_stay_in_the_answer_that_is_kept(
    home: Home, recorder: Recorder
) -> None:
    body = json.dumps({"output": [f"{recorder.root}/{number}.png" for number in range(40)]}).encode()
    recorder.answer = lambda request: Answer(
        body=body if request.method == "POST" else png(8, 8, noise=request.path.encode())
    )
    run = generate(home, recorder.base_url)
    (kept,) = home.rescued.glob("*")
    assert (run.code, len(run.json["images"])) == (0, 5)
    assert kept.read_bytes() == body and str(kept) in str(run.json["warnings"])


@pytest.mark.parametrize(
    "echo",
    [
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(f"Bearer {KEY}".encode()).decode(),
        base64.urlsafe_b64encode(f"x:{KEY}:y".encode()).decode(),
        "".join(f"%{ord(char):02X}" for char in KEY),
        "".join(f"&#{ord(char)};" for char in KEY),
        "".join(f"&#x{ord(char):x};" for char in KEY),
        KEY.encode().hex(),
    ],
)
def test_a_key_that_is_echoed_in_another_encoding_is_masked(
    echo: str, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: answer({"error": {"message": f"bad auth: {echo}"}}, 401)
    run = generate(home, recorder.base_url)
    shown = run.stdout + run.stderr + home.ledger.read_bytes().decode("latin-1")
    assert "bad auth" in run.stdout
    assert echo[8:-8] not in shown
