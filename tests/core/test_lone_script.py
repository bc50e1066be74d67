"""The script in a folder of its own: what a call needs is in the one file, and nothing is lost for want of
the other."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import List

import pytest
from harness import Home, Run, compiled_script
from ledgers import change
from pictures import png
from servers import Answer, Recorder, images, refusal
from tasks import TaskHost, answer

CAT = png(64, 48, noise=b"cat")
MISSING = "gpt_image2_more.py is not beside this script"


@pytest.fixture
def lone(home: Home) -> Home:
    """A home whose script lies alone."""
    folder = home.root.parent / "alone"
    folder.mkdir()
    home.script = Path(shutil.copy(str(compiled_script()), str(folder)))
    return home


def call(home: Home, recorder: Recorder, *more: str) -> Run:
    return home.run("generate", "a cat", "-o", "cat.png", *more, base_url=recorder.base_url)


def test_a_lone_script_makes_images(lone: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(CAT)
    run = call(lone, recorder, "--json", "--size", "2k")
    assert (run.code, run.pictures, "beside" in run.stderr) == (0, [CAT], False)


def test_an_old_ledger_is_left_as_it_is_and_the_image_is_saved(lone: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(CAT)
    assert "not in the history" not in call(lone, recorder).stderr  # a new one is made
    change(lone.ledger, "PRAGMA user_version = 4")
    (lone.cwd / "cat.png").unlink()
    run = call(lone, recorder)
    assert (run.code, (lone.cwd / "cat.png").read_bytes()) == (0, CAT)
    assert f"not in the history: {MISSING}" in run.stderr


@pytest.mark.parametrize("kind", ["by its words", "by its status alone", "beside an error"])
def test_a_task_is_left_for_resume_and_nothing_is_paid_twice(
    kind: str, lone: Home, recorder: Recorder
) -> None:
    host = TaskHost(recorder)
    if kind == "by its status alone":
        where = ("Location", "/v1/tasks/task_1")
        host.accepts = lambda task_id: Answer(202, b"", (where,))
    if kind == "beside an error":
        error = {"message": "upstream timeout"}
        host.accepts = lambda task_id: answer({"error": error, "task_id": task_id}, 503, ("Retry-After", "0"))
    run = call(lone, recorder)
    assert run.code == 8, run.stderr
    assert MISSING in run.stderr and "billed: maybe" in run.stderr
    assert "resume 1-" in run.stderr and "do not send the request again" in run.stderr
    lone.script = compiled_script()
    assert lone.run("resume", base_url=recorder.base_url).code == 0
    assert host.hits == 1
    assert (lone.cwd / "cat.png").exists()


def test_an_address_in_words_is_left_for_resume(lone: Home, recorder: Recorder) -> None:
    chat = {"choices": [{"message": {"content": f"![a cat]({recorder.root}/cat)"}}]}
    recorder.answer = lambda request: Answer(body=CAT) if request.method == "GET" else answer(chat)
    run = call(lone, recorder)
    assert run.code == 8 and MISSING in run.stderr and "resume 1-" in run.stderr, run.stderr
    lone.script = compiled_script()
    assert lone.run("resume", base_url=recorder.base_url).code == 0
    assert (lone.cwd / "cat.png").read_bytes() == CAT
    assert [request.method for request in recorder.requests] == ["POST", "GET"]


@pytest.mark.parametrize("start", [b"", b"\n" * 40])
def test_a_compressed_answer_is_left_as_it_came_for_resume(
    start: bytes, lone: Home, recorder: Recorder
) -> None:
    body = gzip.compress(start + images(CAT).body)
    headers = (("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
    recorder.answer = lambda request: Answer(200, body, headers)
    run = call(lone, recorder)
    assert run.code == 8 and MISSING in run.stderr and "resume 1-" in run.stderr, run.stderr
    lone.script = compiled_script()
    assert lone.run("resume", base_url=recorder.base_url).code == 0
    assert (lone.cwd / "cat.png").read_bytes() == CAT
    assert len(recorder.requests) == 1


REFUSALS = [
    refusal(401, "Incorrect API key provided", "invalid_api_key"),
    refusal(400, "Your request was rejected", "moderation_blocked"),
    refusal(400, "Unknown parameter: 'x'", "unknown_parameter"),
    refusal(429, "Slow down", "rate_limit_exceeded"),
    answer({"detail": "no such model"}, 404),
    Answer(502, b"<html><title>Bad gateway</title></html>"),
]


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda each: str(each.status))
def test_a_refusal_has_the_exit_code_and_the_cost_that_it_has_with_the_other_file(
    refused: Answer, lone: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: refused
    run = call(lone, recorder, "--json", "--retries", "0")
    lone.script = compiled_script()
    other = call(lone, recorder, "--json", "--retries", "0")
    assert (run.code, run.json["billed"]) == (other.code, other.json["billed"])
    assert run.json["error"]["code"] == other.json["error"]["code"]
    assert f"HTTP {refused.status}: " in run.json["error"]["message"]


@pytest.mark.parametrize(
    "more",
    [
        ["--events"],
        ["--dry-run"],
        ["--max-cost", "1"],
        ["--size", "16:9"],
        ["--base-url", "https://api.openai.com"],
    ],
    ids=lambda more: more[0],
)
def test_what_needs_the_other_file_says_so_before_anything_is_sent(
    more: List[str], lone: Home, recorder: Recorder
) -> None:
    run = call(lone, recorder, *more)
    assert run.code == 2, run.stderr
    assert MISSING in run.stderr
    assert recorder.requests == []
    assert len([line for line in run.stderr.splitlines() if line.startswith("error:")]) == 1


@pytest.mark.parametrize("other", ["raise ImportError('no')\n", '"""Version 0.0.1."""\n', "import\n"])
def test_a_file_of_another_version_is_as_good_as_none(other: str, lone: Home, recorder: Recorder) -> None:
    lone.script.with_name("gpt_image2_more.py").write_text(other)
    recorder.answer = lambda request: refusal(401, "Incorrect API key provided", "invalid_api_key")
    run = call(lone, recorder)
    assert (run.code, "Incorrect API key" in run.stderr, "billed: no" in run.stderr) == (3, True, True)
    run = lone.run("history")
    assert (run.code, "gpt_image2_more.py" in run.stderr) == (2, True)
    assert "version" in run.stderr or "does not fit to this script" in run.stderr
