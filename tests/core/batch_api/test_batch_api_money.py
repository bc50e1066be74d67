"""Nothing is paid for twice through the Batch API, whatever happens to the hand-over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import List, Optional

import pytest
from batch_apis import Forward, Reply, Service, fetch, journal, prompts, proxy, submit, wait
from batching import write_jobs
from harness import KEY, Home
from ledgers import change, rows_of
from servers import Request


def _is_create(call: Request) -> bool:
    return call.method == "POST" and call.path == "/v1/batches"


def _of(host: Service, word: str) -> List[str]:
    """What was paid for of the jobs with a word in their prompts."""
    return sorted(prompt for prompt in host.paid() if prompt and prompt.startswith(f"{word} "))


def test_run_and_submit_leave_alone_what_was_submitted(home: Home, host: Service) -> None:
    jobs = write_jobs(home, *prompts(4, "once"))
    submit(home, host.base_url, jobs)
    again = submit(home, host.base_url, jobs, "--json").json
    assert again["batches"] == [] and again["submitted"] == 4
    run = home.run("batch", "run", jobs, "--out-dir", "out", base_url=host.base_url)
    assert run.code == 9 and "4 with the Batch API" in run.stderr
    wait(home, host.base_url)
    assert fetch(home, host.base_url).json["ok"]
    assert home.run("batch", "run", jobs, "--out-dir", "out", base_url=host.base_url).code == 0
    assert len(_of(host, "once")) == 4


@pytest.mark.parametrize("answer", [None, Reply(504, b"<html>gateway</html>"), Reply(200, b"{}")])
def test_a_batch_whose_creation_got_no_clear_answer_is_found_by_the_servers_list(
    home: Home, host: Service, answer: Optional[Reply]
) -> None:
    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        reply = forward()
        return answer if _is_create(call) else reply

    word = f"found{0 if answer is None else answer.status}"
    jobs = write_jobs(home, *prompts(3, word))
    with proxy(host.base_url, tamper) as url:
        done = submit(home, url, jobs, "--json").json
        assert done["ok"] and len(done["batches"]) == 1
        assert submit(home, url, jobs, "--json").json["batches"] == []
        wait(home, url)
        assert fetch(home, url).json["done"] == 3
    assert len(_of(host, word)) == 3


def test_while_nobody_knows_nothing_is_sent_again_and_the_results_are_found_later(
    home: Home, host: Service
) -> None:
    is_blind = True

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        if is_blind and call.path.startswith("/v1/batches?"):
            return Reply(400, b'{"error": {"message": "not now", "type": "x", "param": null, "code": "no"}}')
        reply = forward()
        return None if is_blind and _is_create(call) else reply

    jobs = write_jobs(home, *prompts(3, "blind"))
    with proxy(host.base_url, tamper) as url:
        run = submit(home, url, jobs, "--json")
        assert run.code == 9 and run.json["error"]["code"] == "batch_outcome_unknown"
        assert run.json["batches"][0]["status"] == "unknown" and run.json["submitted"] == 3
        assert submit(home, url, jobs, "--json").json["batches"] == []
        assert home.run("batch", "run", jobs, "--out-dir", "out", base_url=url).code == 9
        is_blind = False
        assert wait(home, url).code == 0
        assert fetch(home, url).json["done"] == 3
    assert len(_of(host, "blind")) == 3


def test_a_batch_that_the_server_never_had_can_be_given_up_and_sent_again_by_two_words(
    home: Home, host: Service
) -> None:
    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        return None if _is_create(call) else forward()

    jobs = write_jobs(home, *prompts(2, "never"))
    with proxy(host.base_url, tamper) as url:
        (batch,) = submit(home, url, jobs, "--json").json["batches"]
        assert wait(home, url).code == 9  # it is not waited for for ever
        given_up = home.run("batch", "cancel", batch["name"], "--json", base_url=url).json
        assert given_up["batches"][0]["status"] == "given_up"
        assert [row["status"] for row in rows_of(home.ledger, "batches")] == ["given_up"]
        assert submit(home, url, jobs, "--json").json["ambiguous"] == 2
    # The same folder, another host: the journal decides.
    assert submit(home, host.base_url, jobs, "--json").json["batches"] == []
    assert len(submit(home, host.base_url, jobs, "--json", "--retry-ambiguous").json["batches"]) == 1


PAGE = json.dumps({"data": [{"id": "batch_other", "status": "completed"}], "has_more": True}).encode()
BUSY = b'{"error": {"message": "overloaded, try again in 1ms", "type": "x", "param": null, "code": "busy"}}'
NO_LIST = {
    "busy": Reply(503, BUSY),
    "refused": Reply(403, b"<html>no</html>"),
    "no list": Reply(200, b"{}"),
    "never ending": Reply(200, PAGE),
}


@pytest.mark.parametrize("answer", NO_LIST.values(), ids=NO_LIST.keys())
def test_a_list_that_is_not_shown_to_its_end_is_an_error_and_gives_up_nothing(
    home: Home, host: Service, answer: Reply
) -> None:
    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        if call.path.startswith("/v1/batches?"):
            return answer
        return None if _is_create(call) else forward()

    jobs = write_jobs(home, *prompts(2, "unlisted"))
    with proxy(host.base_url, tamper) as url:
        (batch,) = submit(home, url, jobs, "--json").json["batches"]
        for command in ("cancel", "status", "fetch"):
            run = home.run("batch", command, batch["name"], "--json", base_url=url)
            assert run.code not in (0, 9) and not run.json["ok"], command
            assert "does not show local" not in run.stderr and "given up" not in run.stderr
        assert wait(home, url, "--timeout", "0.1").code != 0
    (row,) = rows_of(home.ledger, "batches")
    assert row["status"] == "unknown"
    assert {line["event"] for line in journal(home)} == {"submitted"}


def test_a_batch_is_waited_for_while_the_list_is_away_and_found_on_a_later_page(
    home: Home, host: Service
) -> None:
    refusals = 5  # one more than a command sends by itself

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        nonlocal refusals
        if call.path == "/v1/batches?limit=100":
            refusals -= 1
            return Reply(503, BUSY) if refusals >= 0 else Reply(200, PAGE)
        if call.path == "/v1/batches?limit=100&after=batch_other":
            return forward_list(call)
        reply = forward()
        return None if _is_create(call) else reply

    def forward_list(call: Request) -> Reply:
        return Reply(200, json.dumps({"data": host.batches(), "has_more": False}).encode())

    with proxy(host.base_url, tamper) as url:
        submit(home, url, write_jobs(home, *prompts(2, "paged")))
        assert rows_of(home.ledger, "batches")[0]["id"] is None and refusals == 1
        refusals = 5
        assert wait(home, url).code == 0
        assert fetch(home, url).json["done"] == 2
    assert len(_of(host, "paged")) == 2


def test_the_ledger_then_the_journal_know_all_before_the_request_that_makes_the_batch(
    home: Home, host: Service
) -> None:
    seen = {}

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        if call.method == "POST":
            known = {table: rows_of(home.ledger, table) for table in ("batches", "batch_jobs")}
            seen[call.path] = (known, [line["event"] for line in journal(home)])
        return forward()

    with proxy(host.base_url, tamper) as url:
        assert submit(home, url, write_jobs(home, *prompts(3, "ordered"))).code == 0
    assert seen["/v1/files"] == ({"batches": [], "batch_jobs": []}, [])
    known, events = seen["/v1/batches"]
    (batch,) = known["batches"]
    assert (batch["id"], batch["status"], batch["total"]) == (None, "unknown", 3)
    assert [job["state"] for job in known["batch_jobs"]] == ["submitted"] * 3 == events


def test_a_ledger_that_does_not_take_all_jobs_takes_none_and_nothing_is_sent(
    home: Home, host: Service
) -> None:
    other = write_jobs(home, *prompts(1, "before"), name="other.jsonl")
    submit(home, host.base_url, other, "--out-dir", "elsewhere")
    change(
        home.ledger,
        "CREATE TRIGGER full BEFORE INSERT ON batch_jobs WHEN NEW.number = 3 BEGIN"
        " SELECT RAISE(ABORT, 'full'); END",
    )
    jobs = write_jobs(home, *prompts(4, "all"))
    before = len(host.batches())
    run = submit(home, host.base_url, jobs, "--json")
    assert run.code == 3 and "full" in run.json["error"]["message"]
    assert len(host.batches()) == before and not (home.cwd / "out").exists()
    assert len(rows_of(home.ledger, "batches")) == len(rows_of(home.ledger, "batch_jobs")) == 1
    change(home.ledger, "DROP TRIGGER full")
    assert submit(home, host.base_url, jobs, "--json").json["submitted"] == 4


def test_a_batch_that_was_given_up_and_failed_later_does_not_hide_what_was_made_instead(
    home: Home, host: Service
) -> None:
    is_blind = True

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        if is_blind and call.path.startswith("/v1/batches?"):
            return Reply(200, b'{"data": [], "has_more": false}')
        if call.path.endswith("/content"):
            return Reply(200, _refusals(jobs_of(home)))
        reply = forward()
        return None if is_blind and _is_create(call) else reply

    jobs = write_jobs(home, *prompts(2, "instead"))
    with proxy(host.base_url, tamper) as url:
        (batch,) = submit(home, url, jobs, "--json").json["batches"]
        assert home.run("batch", "cancel", batch["name"], base_url=url).code == 0
        words = ("batch", "run", jobs, "--out-dir", "out", "--retry-ambiguous")
        assert home.run(*words, base_url=host.base_url).code == 0
        assert home.run("batch", "cancel", batch["name"], base_url=url).code == 0  # once more, too late
        assert [line["event"] for line in journal(home)][-2:] == ["done", "done"]
        is_blind = False
        assert fetch(home, url, batch["name"]).json["failed"] == 2
    assert [line["event"] for line in journal(home)][-2:] == ["done", "done"]
    assert home.run("batch", "run", jobs, "--out-dir", "out", base_url=host.base_url).code == 0


def jobs_of(home: Home) -> List[str]:
    """The names of all jobs in batches."""
    return [row["custom_id"] for row in rows_of(home.ledger, "batch_jobs")]


def _refusals(names: List[str]) -> bytes:
    error = {"code": "batch_expired", "message": "too late"}
    lines = [json.dumps({"custom_id": name, "response": None, "error": error}) for name in names]
    return "".join(f"{line}\n" for line in lines).encode()


def test_a_result_is_in_the_journal_before_the_ledger_and_is_not_saved_twice(
    home: Home, host: Service
) -> None:
    jobs = write_jobs(home, *prompts(2, "journal first"))
    submit(home, host.base_url, jobs, "--no-history")
    wait(home, host.base_url)
    change(
        home.ledger,
        "CREATE TRIGGER stuck BEFORE UPDATE OF state ON batch_jobs BEGIN SELECT RAISE(ABORT, 'stuck'); END",
    )
    first = fetch(home, host.base_url)
    assert first.code == 9 and "stuck" in first.json["error"]["hint"]
    assert [line["event"] for line in journal(home)].count("done") == first.json["images"] == 1
    change(home.ledger, "DROP TRIGGER stuck")
    second = fetch(home, host.base_url).json
    assert second["ok"] and second["done"] == 2 and second["images"] == 1
    assert [line["event"] for line in journal(home)].count("done") == 2


def test_a_key_in_a_prompt_does_not_get_into_the_ledger(home: Home, host: Service) -> None:
    submit(home, host.base_url, write_jobs(home, {"prompt": f"a lamp with {KEY}", "user": KEY, KEY: KEY}))
    (row,) = rows_of(home.ledger, "batch_jobs")
    assert "a lamp with sk-" in row["job"] and KEY not in row["job"]
    wait(home, host.base_url)
    fetch(home, host.base_url)
    files = [path for path in home.state.rglob("*") if path.is_file()]
    assert files and not any(KEY.encode() in path.read_bytes() for path in files)


def test_a_refused_batch_is_failed_and_free_and_its_jobs_can_go_again(home: Home, host: Service) -> None:
    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        error = b'{"error": {"message": "no room", "type": "invalid_request_error", "code": "token_limit"}}'
        return Reply(400, error) if _is_create(call) else forward()

    jobs = write_jobs(home, *prompts(2, "refused"))
    with proxy(host.base_url, tamper) as url:
        run = submit(home, url, jobs, "--json")
        assert run.code == 6 and run.json["error"]["code"] == "token_limit" and run.json["billed"] == "no"
    assert [line["billed"] for line in journal(home) if line["event"] == "failed"] == ["no", "no"]
    assert rows_of(home.ledger, "batches") == []
    assert submit(home, host.base_url, jobs, "--json").json["submitted"] == 2


def test_ctrl_c_again_and_again_while_a_batch_is_made_leaves_its_jobs_submitted(
    home: Home, host: Service
) -> None:
    process: Optional[subprocess.Popen] = None

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        reply = forward()
        running = process  # which the test forgets as soon as it has ended
        if running is None or not _is_create(call):
            return reply
        while running.poll() is None:
            running.send_signal(signal.SIGINT)
        return None

    jobs = write_jobs(home, *prompts(2, "impatient"))
    with proxy(host.base_url, tamper) as url:
        process = home.start("batch", "submit", jobs, "--out-dir", "out", base_url=url)
        process.communicate()
        process = None
        assert {line["event"] for line in journal(home)} == {"submitted"}
        assert submit(home, url, jobs, "--json").json["batches"] == []
        wait(home, url)
        assert fetch(home, url).json["done"] == 2
    assert len(_of(host, "impatient")) == 2


def test_killed_between_upload_and_creation_nothing_goes_out_twice(home: Home, host: Service) -> None:
    pid = 0

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        if _is_create(call):
            os.kill(pid, signal.SIGKILL)
            return None
        return forward()

    jobs = write_jobs(home, *prompts(2, "killed"))
    with proxy(host.base_url, tamper) as url:
        process = home.start("batch", "submit", jobs, "--out-dir", "out", base_url=url)
        pid = process.pid
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        again = submit(home, url, jobs, "--json").json
        assert again["submitted"] == 2 and again["batches"] == []
        (batch,) = home.run("batch", "list", "--json", base_url=url).json["batches"]
        assert batch["status"] == "unknown"
    assert _of(host, "killed") == []


def test_killed_before_the_upload_the_same_command_does_it_all(home: Home, host: Service) -> None:
    pid = 0

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        if call.path == "/v1/files" and pid:
            os.kill(pid, signal.SIGKILL)
            return None
        return forward()

    jobs = write_jobs(home, *prompts(2, "early"))
    with proxy(host.base_url, tamper) as url:
        process = home.start("batch", "submit", jobs, "--out-dir", "out", base_url=url)
        pid = process.pid
        process.communicate()
        pid = 0
        assert submit(home, url, jobs, "--json").json["submitted"] == 2
        assert len(home.run("batch", "list", "--json", base_url=url).json["batches"]) == 1
        wait(home, url)
        assert fetch(home, url).json["ok"]
    assert len(_of(host, "early")) == 2


def test_a_failed_upload_sends_nothing_and_leaves_the_jobs_to_do(home: Home, host: Service) -> None:
    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        error = (
            b'{"error": {"message": "too big", "type": "invalid_request_error", "code": "file_too_large"}}'
        )
        return Reply(413, error) if call.path == "/v1/files" else forward()

    jobs = write_jobs(home, *prompts(2, "upload"))
    with proxy(host.base_url, tamper) as url:
        error = submit(home, url, jobs, "--json").json["error"]
    assert error["code"] == "file_too_large"
    assert "--max-mb" in error["hint"] and " bytes; " in error["hint"]
    assert submit(home, host.base_url, jobs, "--json").json["submitted"] == 2
    assert len(rows_of(home.ledger, "batches")) == 1


def test_over_max_cost_at_half_price_nothing_is_sent(home: Home, host: Service) -> None:
    jobs = write_jobs(home, *prompts(10, "dear"))
    cost = submit(home, host.base_url, jobs, "--dry-run", "--json").json["cost_usd"]["high"]
    before = len(host.batches())
    over = submit(home, host.base_url, jobs, "--max-cost", f"{cost * 0.99}", "--json")
    assert over.code == 2 and over.json["error"]["code"] == "over_max_cost"
    assert len(host.batches()) == before
    assert submit(home, host.base_url, jobs, "--max-cost", f"{cost * 1.01}").code == 0
    write_jobs(home, *prompts(11, "dear"))
    more = submit(home, host.base_url, jobs, "--max-cost", f"{cost * 1.01}", "--json")
    assert more.json["error"]["code"] == "over_max_cost"  # what was submitted before counts


def test_without_a_ledger_nothing_is_sent(home: Home, host: Service) -> None:
    home.ledger.parent.mkdir(parents=True)
    home.ledger.write_bytes(b"this is no database" * 100)
    before = len(host.batches())
    run = submit(home, host.base_url, write_jobs(home, *prompts(1, "lost")), "--json")
    assert run.code == 3 and "XDG_STATE_HOME" in run.json["error"]["hint"]
    assert len(host.batches()) == before


def test_a_batch_of_no_history_leaves_no_prompt_once_it_is_fetched(home: Home, host: Service) -> None:
    jobs = write_jobs(home, *prompts(2, "quietly"))
    submit(home, host.base_url, jobs, "--no-history")
    wait(home, host.base_url)
    assert fetch(home, host.base_url).json["done"] == 2
    assert rows_of(home.ledger) == [] and rows_of(home.ledger, "batch_jobs") == []


def test_forgetting_the_history_keeps_what_is_not_fetched_yet(home: Home, host: Service) -> None:
    submit(home, host.base_url, write_jobs(home, *prompts(2, "kept")))
    assert home.run("history", "forget", "--all", "--yes").code == 0
    wait(home, host.base_url)
    assert fetch(home, host.base_url).json["done"] == 2
    assert home.run("history", "forget", "--all", "--yes").code == 0
    assert rows_of(home.ledger, "batch_jobs") == []


def test_a_ledger_that_cannot_be_written_after_the_batch_was_made_loses_nothing(
    home: Home, host: Service
) -> None:
    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        reply = forward()
        if _is_create(call):
            change(home.ledger, "ALTER TABLE batches RENAME TO hidden")
        return reply

    jobs = write_jobs(home, *prompts(2, "hidden"))
    with proxy(host.base_url, tamper) as url:
        assert submit(home, url, jobs, "--json").code == 9
        change(home.ledger, "ALTER TABLE hidden RENAME TO batches")
        assert wait(home, url).code == 0
        assert fetch(home, url).json["done"] == 2
    assert len(_of(host, "hidden")) == 2


def test_an_upload_whose_answer_is_lost_is_found_by_the_servers_list(home: Home, host: Service) -> None:
    uploads: List[str] = []

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        reply = forward()
        if call.method == "POST" and call.path == "/v1/files":
            uploads.append(call.path)
            return None
        return reply

    jobs = write_jobs(home, *prompts(2, "uploaded"))
    with proxy(host.base_url, tamper) as url:
        done = submit(home, url, jobs, "--json").json
        assert done["ok"] and len(done["batches"]) == 1
        assert len(uploads) == 1
        wait(home, url)
        assert fetch(home, url).json["done"] == 2
