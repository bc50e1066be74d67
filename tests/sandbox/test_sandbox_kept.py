"""A batch that was handed over by `--sandbox` is there again in the sandbox of the next command."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from batch_apis import journal, pictures_in
from batching import write_jobs
from harness import Home, Run

import gpt_image2

SOURCE = str(Path(gpt_image2.__file__).parent.parent)
JOBS = ({"prompt": "a lamp", "size": "816x816", "id": "lamp"}, {"prompt": "a boat", "size": "816x816"})


def in_sandbox(home: Home, *words: str) -> Run:
    """A command below `batch`, with its sandbox."""
    return command(home, *words, "--sandbox")


def command(home: Home, *words: str) -> Run:
    """A command of the package: the script alone has no sandbox."""
    env = {"PYTHONPATH": SOURCE, "GPT_IMAGE2_API_KEY": None}
    return home.run_program(sys.executable, "-m", "gpt_image2", "batch", *words, env=env)


def handed_over(home: Home) -> str:
    """The id of a batch that was submitted to the sandbox."""
    write_jobs(home, *JOBS)
    run = in_sandbox(home, "submit", "jobs.jsonl", "--out-dir", "out", "--json")
    assert run.code == 0, run.stderr
    (batch,) = run.json["batches"]
    return batch["id"]


def test_a_batch_is_rehearsed_by_commands_one_after_the_other(home: Home) -> None:
    batch_id = handed_over(home)
    assert batch_id in in_sandbox(home, "status").stdout
    assert in_sandbox(home, "wait", batch_id, "--poll", "0.05").stdout.startswith(
        f"{batch_id}  completed  2/0/2"
    )
    assert batch_id in in_sandbox(home, "list", "--remote").stdout
    fetched = in_sandbox(home, "fetch", "--json")
    assert fetched.code == 0 and fetched.json["images"] == 2
    assert pictures_in(home.cwd / "out") == ["0002-a-boat.png", "lamp.png"]
    assert all(entry["sandbox"] for entry in journal(home))
    again = in_sandbox(home, "submit", "jobs.jsonl", "--out-dir", "out", "--json")
    assert again.json["batches"] == []


def test_a_batch_can_be_cancelled_by_the_next_command_or_has_ended(home: Home) -> None:
    run = in_sandbox(home, "cancel", handed_over(home))
    assert run.code == 0 or "Cannot cancel a batch with status 'completed'" in run.stderr


def test_a_real_command_does_not_take_the_sandbox_for_its_host(home: Home) -> None:
    batch_id = handed_over(home)
    run = command(home, "status", batch_id)
    assert run.code == 2 and "belongs to sandbox" in run.stderr and "add --sandbox" in run.stderr
    assert "add --sandbox" in command(home, "status").stderr


def test_the_sandbox_and_another_host_are_refused_together_by_each(home: Home) -> None:
    for words in (["submit", "jobs.jsonl"], ["status"], ["wait"], ["fetch"], ["cancel", "x"], ["list"]):
        run = in_sandbox(home, *words, "--base-url", "http://127.0.0.1:9/v1")
        assert run.code == 2 and "--sandbox and --base-url name two hosts" in run.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs permissions")
def test_what_is_kept_is_for_its_user_alone_and_goes_after_a_month(home: Home) -> None:
    batch_id = handed_over(home)
    folder = home.state / "sandbox"
    assert folder.stat().st_mode & 0o077 == 0
    assert json.loads((folder / f"{batch_id}.json").read_text())["id"] == batch_id
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    assert in_sandbox(home, "list", "--remote").stdout == ""
    assert list(folder.iterdir()) == []


def test_a_sandbox_that_is_asked_for_one_image_keeps_nothing(home: Home) -> None:
    env = {"PYTHONPATH": SOURCE}
    run = home.run_program(sys.executable, "-m", "gpt_image2", "generate", "a cat", "--sandbox", env=env)
    assert run.code == 0
    assert not (home.state / "sandbox").exists()
