"""A batch on a host that makes tasks: killed or not, each job is paid for once, and no task is in doubt.

GPT_IMAGE2_BATCH_TASKS says how many jobs there are; the bar of the project is 50.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import List

import pytest
from batching import again, batch, command, entries, image_files, out_of, picture, write_jobs
from harness import Home, Run
from ledgers import rows_of
from processes import until
from servers import Recorder
from tasks import TaskHost, answer, under_way

JOBS = int(os.environ.get("GPT_IMAGE2_BATCH_TASKS", "8"))
PROMPTS = [f"job {number}" for number in range(JOBS)]
FLAGS = ("--concurrency", "8")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@pytest.fixture
def host(recorder: Recorder) -> TaskHost:
    """A host of this test's own that makes tasks."""
    return TaskHost(recorder)


def assert_all_is_had_for_one_payment_each(home: Home, host: TaskHost, run: Run) -> None:
    folder = out_of(home)
    assert (run.code, run.json["done"]) == (0, JOBS), run.stderr
    assert (run.json["ambiguous"], run.json["failed"], run.json["accepted"]) == (0, 0, 0)
    assert Counter(prompt for prompt, _ in host.prompts.values()) == Counter(PROMPTS)
    names = image_files(folder)
    assert [name[:4] for name in names] == [f"{number + 1:04d}" for number in range(JOBS)]
    for name, prompt in zip(names, PROMPTS):
        assert (folder / name).read_bytes() == picture(prompt)
    last = {(entry["key"], entry["copy"]): entry for entry in entries(folder)}
    assert [entry["event"] for entry in last.values()] == ["done"] * JOBS
    rows = rows_of(home.ledger)
    assert [(row["status"], row["billed"]) for row in rows] == [("saved", "yes")] * JOBS
    assert len(rows_of(home.ledger, "images")) == JOBS


def kill_when(home: Home, host: TaskHost, polls: int) -> None:
    """Kills the batch when so many polls have come; those wait, the ones before were answered."""
    with home.start(*command(write_jobs(home, *PROMPTS), *FLAGS), base_url=host.base_url) as process:
        for _ in range(polls):
            host.wait_for_poll()
        process.kill()


def half_of_them(host: TaskHost) -> None:
    """Every second task is done at once, the others stay under way."""
    host.tells = lambda task_id, nth: (
        host.finished(task_id) if int(task_id.partition("_")[2]) % 2 else under_way(task_id)
    )


def test_a_batch_of_tasks_is_made(home: Home, host: TaskHost) -> None:
    assert_all_is_had_for_one_payment_each(home, host, batch(home, host.base_url, *PROMPTS, flags=FLAGS))


@pytest.mark.parametrize("by_hand", [False, True], ids=["run again", "resumed, then run again"])
def test_killed_in_its_midst_it_goes_on_with_its_tasks(by_hand: bool, home: Home, host: TaskHost) -> None:
    half_of_them(host)
    kill_when(home, host, JOBS)
    assert 0 < host.hits <= JOBS
    host.tells = host.finished
    if by_hand:
        assert home.run("resume", base_url=host.base_url).code == 0
    assert_all_is_had_for_one_payment_each(home, host, again(home, host.base_url, *FLAGS))


def test_killed_before_any_task_was_heard_of_nothing_is_in_doubt(home: Home, host: TaskHost) -> None:
    host.hold_polls()
    kill_when(home, host, min(JOBS, 8))
    host.release_polls()
    assert_all_is_had_for_one_payment_each(home, host, again(home, host.base_url, *FLAGS))


@pytest.mark.parametrize("more", [(), ("--retry-ambiguous",)])
def test_a_task_that_is_under_way_when_the_batch_ends_is_counted_and_never_sent_again(
    more: List[str], home: Home, host: TaskHost
) -> None:
    host.tells = lambda task_id, nth: (
        under_way(task_id) if host.prompts[task_id][0] == PROMPTS[0] else host.finished(task_id)
    )
    quick = ("--timeout", "1.5", *more)
    for _ in range(2):
        run = batch(home, host.base_url, *PROMPTS, flags=(*FLAGS, *quick))
        assert (run.code, run.json["accepted"], run.json["done"]) == (9, 1, JOBS - 1), run.stderr
        assert run.json["ambiguous"] == run.json["failed"] == 0
        assert "1 under way at the host" in run.json["error"]["message"]
        assert host.hits == JOBS
    host.tells = host.finished
    assert_all_is_had_for_one_payment_each(home, host, again(home, host.base_url, *FLAGS, *more))


def test_a_task_that_failed_after_a_kill_is_not_paid_for_twice_unasked(home: Home, host: TaskHost) -> None:
    host.hold_polls()
    kill_when(home, host, min(JOBS, 8))
    host.release_polls()
    host.tells = lambda task_id, nth: (
        answer({"id": task_id, "status": "failed", "reason": "the GPU burnt"})
        if host.prompts[task_id][0] == PROMPTS[0]
        else host.finished(task_id)
    )
    run = again(home, host.base_url, *FLAGS)
    assert (run.code, run.json["done"], run.json["ambiguous"]) == (9, JOBS - 1, 1), run.stderr
    assert host.hits == JOBS
    until(lambda: list((home.state / "inflight").iterdir()) == [])


def test_the_rest_of_a_job_of_several_images_comes_by_its_task(home: Home, host: TaskHost) -> None:
    host.tells = [under_way("task_1")]
    line = {"prompt": "twins", "n": 2}
    assert batch(home, host.base_url, line, flags=("--timeout", "3")).json["accepted"] == 1
    host.tells = host.finished
    run = again(home, host.base_url)
    assert (run.code, host.hits, len(image_files(out_of(home)))) == (0, 1, 2), run.stderr


def test_a_task_that_another_process_waits_for_is_never_sent_again(home: Home, host: TaskHost) -> None:
    host.tells = lambda task_id, nth: under_way(task_id)
    pending = batch(home, host.base_url, "a cat", flags=("--timeout", "3"))
    assert pending.json["accepted"] == 1, pending.stderr
    host.hold_polls()
    polls = len(host.asked)
    with home.start("resume", base_url=host.base_url) as waiting:
        until(lambda: len(host.asked) > polls)
        beside = home.run("resume", "task_1", base_url=host.base_url)
        assert (beside.code, "another process" in beside.stderr) == (2, True)
        assert "other processes make or finish 1 now" in home.run("resume", base_url=host.base_url).stderr
        run = again(home, host.base_url, "--retry-ambiguous")
        assert (run.code, run.json["accepted"], host.hits) == (9, 1, 1), run.stderr
        host.tells = host.finished
        host.release_polls()
        assert waiting.wait(30) == 0
    run = again(home, host.base_url)
    assert (run.code, run.json["done"], host.hits) == (0, 1, 1), run.stderr
