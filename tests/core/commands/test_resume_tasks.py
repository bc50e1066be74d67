"""A task of a call that has ended, or was killed, is gone on with by `resume`: nothing is paid for again."""

from __future__ import annotations

import os
from typing import Any, Dict

import pytest
from batching import picture
from harness import Home, Run
from ledgers import change, rows_of
from servers import Answer, Recorder
from tasks import TaskHost, answer, done, under_way

CAT, DOG = picture("a cat"), picture("a dog")


@pytest.fixture
def host(recorder: Recorder) -> TaskHost:
    """A host of this test's own that makes tasks."""
    return TaskHost(recorder)


def start_without_waiting(home: Home, host: TaskHost, *more: str) -> Run:
    run = home.run("generate", "a cat", "-o", "cat.png", "--no-wait", *more, base_url=host.base_url)
    assert run.code == 0, run.stderr
    return run


def row_of(home: Home) -> Dict[str, Any]:
    (row,) = rows_of(home.ledger)
    return row


def assert_had(home: Home, host: TaskHost, resumed: Run) -> None:
    """The image is there for one paid request, the history is complete, and nothing is left."""
    assert (resumed.code, host.hits) == (0, 1), resumed.stderr
    assert [path.name for path in home.cwd.iterdir()] == ["cat.png"]
    assert (home.cwd / "cat.png").read_bytes() == CAT
    row = row_of(home)
    assert (row["status"], row["billed"], row["task_id"]) == ("saved", "yes", "task_1")
    assert [image["path"] for image in rows_of(home.ledger, "images")] == [str(home.cwd / "cat.png")]
    assert "task_1" in home.run("history", "show", str(row["id"])).stdout
    assert list((home.state / "inflight").iterdir()) == [] == home.leftovers()
    assert home.run("resume", "--json", base_url=host.base_url).json["calls"] == []


def test_without_waiting_the_id_is_told_at_once(home: Home, host: TaskHost) -> None:
    run = start_without_waiting(home, host)
    assert run.stdout == "Task: task_1\n"
    assert "resume" in run.stderr
    assert (host.hits, host.asked) == (1, [])
    row = row_of(home)
    assert (row["status"], row["billed"], row["task_id"]) == ("pending", "maybe", "task_1")
    resumed = home.run("resume", base_url=host.base_url)
    assert [path.name for path in resumed.saved] == ["cat.png"]
    assert_had(home, host, resumed)


@pytest.mark.parametrize("waits", [True, False])
def test_an_input_that_a_host_shows_beside_the_result_is_no_image_of_a_task(
    waits: bool, home: Home, host: TaskHost
) -> None:
    (home.cwd / "in.png").write_bytes(DOG)
    host.tells = [done("task_1", DOG, CAT)]
    flags = () if waits else ("--no-wait",)
    run = home.run("edit", "in.png", "a cat", "-o", "cat.png", *flags, base_url=host.base_url)
    assert run.code == 0, run.stderr
    if not waits:
        assert home.run("resume", base_url=host.base_url).code == 0
    assert (home.cwd / "cat.png").read_bytes() == CAT
    assert sorted(path.name for path in home.cwd.iterdir()) == ["cat.png", "in.png"]


def test_the_tasks_that_are_not_waited_for_are_in_the_json(home: Home, host: TaskHost) -> None:
    outcome = start_without_waiting(home, host, "--json", "--stream", "--n", "2").json
    assert (outcome["ok"], outcome["images"]) == (True, [])
    assert sorted(outcome["tasks"]) == ["task_1", "task_2"]


def test_a_host_that_answers_at_once_is_not_changed_by_not_waiting(home: Home, recorder: Recorder) -> None:
    run = home.run("generate", "a cat", "-o", "cat.png", "--no-wait", "--json", base_url=recorder.base_url)
    assert (run.code, len(run.json["images"]), "tasks" in run.json) == (0, 1, False)


@pytest.mark.parametrize("by", ["its own id", "its row", "its task"])
def test_a_call_is_resumed_by_any_name_of_it(by: str, home: Home, host: TaskHost) -> None:
    start_without_waiting(home, host)
    (folder,) = (home.state / "inflight").iterdir()
    name = {"its own id": folder.name, "its row": str(row_of(home)["id"]), "its task": "task_1"}[by]
    assert_had(home, host, home.run("resume", name, base_url=host.base_url))


def test_a_task_that_is_still_under_way_waits_for_the_next_resume(home: Home, host: TaskHost) -> None:
    start_without_waiting(home, host)
    host.tells = [under_way("task_1", progress=7)]
    run = home.run("resume", "--no-wait", "--json", base_url=host.base_url)
    (call,) = run.json["calls"]
    assert (run.code, run.json["error"]["code"]) == (7, "task_pending")
    assert call["task"] == {"id": "task_1", "status": "processing", "percent": 7}
    assert row_of(home)["status"] == "pending"
    host.tells = host.finished
    assert_had(home, host, home.run("resume", base_url=host.base_url))


def test_the_time_of_a_call_ends_the_waiting_and_not_the_task(home: Home, host: TaskHost) -> None:
    host.tells = [under_way("task_1")]
    args = ("generate", "a cat", "-o", "cat.png", "--timeout", "3", "--retry-ambiguous")
    run = home.run(*args, base_url=host.base_url)
    assert (run.code, host.hits) == (7, 1)
    assert f"python3 {home.script} resume" in run.stderr
    host.tells = host.finished
    assert_had(home, host, home.run("resume", base_url=host.base_url))


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("polls", [1, 2], ids=["before its first poll is answered", "during a later poll"])
def test_a_call_that_is_killed_during_a_poll_is_gone_on_with(polls: int, home: Home, host: TaskHost) -> None:
    host.tells = lambda task_id, nth: under_way(task_id) if nth < polls else host.finished(task_id)
    with home.start("generate", "a cat", "-o", "cat.png", base_url=host.base_url) as process:
        for _ in range(polls - 1):
            host.wait_for_poll()
        host.hold_polls()
        host.wait_for_poll()
        assert row_of(home)["status"] == "pending"
        process.kill()
    host.release_polls()
    assert_had(home, host, home.run("resume", base_url=host.base_url))


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_call_that_is_killed_before_it_has_understood_the_task_is_gone_on_with(
    home: Home, host: TaskHost
) -> None:
    """What had come of the answer to the paid request tells of the task."""
    host.hold_polls()
    with home.start("generate", "a cat", "-o", "cat.png", base_url=host.base_url) as process:
        host.wait_for_poll()
        process.kill()
    (folder,) = (home.state / "inflight").iterdir()
    (folder / "images.jsonl").unlink()
    (folder / "body").write_bytes(host.accepts("task_1").body)
    change(home.ledger, "UPDATE requests SET status = 'sent', task_id = NULL")
    host.release_polls()
    assert_had(home, host, home.run("resume", base_url=host.base_url))


def test_the_next_call_says_that_a_task_is_under_way_and_does_not_wait(home: Home, host: TaskHost) -> None:
    start_without_waiting(home, host)
    host.tells = lambda task_id, nth: under_way(task_id) if task_id == "task_1" else host.finished(task_id)
    run = home.run("generate", "a dog", "-o", "dog.png", "--json", base_url=host.base_url)
    assert run.code == 0
    assert "task_1" in str(run.json["warnings"]) and "resume" in str(run.json["warnings"])
    assert (host.hits, host.polls) == (2, {"task_1": 1, "task_2": 1})


def test_a_task_that_fails_in_resume_is_told_and_done_with(home: Home, host: TaskHost) -> None:
    start_without_waiting(home, host)
    host.tells = [answer({"id": "task_1", "status": "failed", "error": {"message": "the GPU burnt"}})]
    run = home.run("resume", "--json", base_url=host.base_url)
    (call,) = run.json["calls"]
    assert run.code == 6 and "the GPU burnt" in call["error"]["message"]
    row = row_of(home)
    assert (row["status"], row["billed"]) == ("failed", "maybe")
    assert "the GPU burnt" in row["error_message"]
    assert list((home.state / "inflight").iterdir()) == []


def test_images_of_a_task_that_cannot_be_fetched_yet_wait_for_the_next_resume(
    home: Home, host: TaskHost
) -> None:
    start_without_waiting(home, host)
    url = f"{host.server.root}/files/cat.png"
    host.tells = [answer({"id": "task_1", "status": "completed", "images": [{"url": url}]})]
    run = home.run("resume", "--json", base_url=host.base_url)
    assert (run.code, run.json["error"]["code"]) == (7, "download_failed")
    told = host.server.answer
    host.server.answer = lambda request: Answer(body=CAT) if "/files/" in request.path else told(request)
    assert_had(home, host, home.run("resume", base_url=host.base_url))


def test_another_host_does_not_get_the_key_for_a_task(home: Home, host: TaskHost) -> None:
    start_without_waiting(home, host)
    run = home.run("resume", "--no-wait", base_url="http://127.0.0.1:9/v1")
    assert run.code == 0, run.stderr
    polls = [request for request in host.server.requests if request.method == "GET"]
    assert polls and all("sk-" not in str(request.headers) for request in polls)


def test_two_resumes_side_by_side_do_not_fetch_twice(home: Home, host: TaskHost) -> None:
    start_without_waiting(home, host)
    host.hold_polls()
    with home.start("resume", "--json", base_url=host.base_url) as process:
        host.wait_for_poll()
        other = home.run("resume", "--json", base_url=host.base_url)
        assert other.json["calls"] == []
        host.release_polls()
        assert process.wait() == 0
    assert [path.name for path in home.cwd.iterdir()] == ["cat.png"]


def test_a_task_that_no_address_knows_is_told_as_that_and_given_up_after_a_day(
    home: Home, host: TaskHost
) -> None:
    host.tells = lambda task_id, nth: answer({"error": {"message": "no such task"}}, 404)
    start_without_waiting(home, host)
    young = home.run("resume", "--no-wait", base_url=host.base_url)
    assert (young.code, row_of(home)["status"]) == (7, "pending")
    assert "no known address knows of task task_1" in young.stderr and "at work" not in young.stderr
    assert '"poll"' in young.stderr
    (left,) = (home.state / "inflight").iterdir()
    os.utime(str(left / "asked.json"), (1, 1))
    old = home.run("resume", "--no-wait", "--json", base_url=host.base_url)
    assert (old.code, old.json["error"]["code"]) == (7, "task_lost")
    row = row_of(home)
    assert (row["status"], row["error_code"], row["billed"], host.hits) == ("failed", "task_lost", "maybe", 1)
    assert home.run("resume", "--json", base_url=host.base_url).json["calls"] == []
