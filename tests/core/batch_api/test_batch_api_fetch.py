"""Results of batches are saved once, whatever becomes of the batch, the connection or the machine."""

from __future__ import annotations

import base64
import json
import signal
from pathlib import Path
from typing import List, Optional, Tuple

import pytest
from batch_apis import (
    DAY_S,
    HOUR_S,
    Forward,
    Reply,
    Service,
    fetch,
    job,
    journal,
    pictures_in,
    prompts,
    proxy,
    service,
    submit,
    wait,
)
from batching import write_jobs
from harness import Home, Run
from ledgers import change, rows_of
from pictures import png
from servers import Request


def _is_content(call: Request) -> bool:
    return call.path.endswith("/content")


def test_what_was_done_before_a_cancellation_is_fetched_and_the_rest_is_free(home: Home) -> None:
    with service(job_s=HOUR_S) as host:
        (batch,) = submit(home, host.base_url, write_jobs(home, *prompts(6, "called off")), "--json").json[
            "batches"
        ]
        host.advance(2.5 * HOUR_S)
        cancelled = home.run("batch", "cancel", batch["id"], "--json", base_url=host.base_url)
        assert cancelled.json["batches"][0]["status"] in ("cancelling", "cancelled")
        wait(home, host.base_url)
        outcome = fetch(home, host.base_url).json
    done = [row for row in outcome["rows"] if row["status"] == "done"]
    assert 1 <= len(done) < 6 and len(pictures_in(home.cwd / "out")) == len(done)
    rest = [row for row in outcome["rows"] if row["status"] == "failed"]
    assert {(row["error"]["code"], row["billed"]) for row in rest} == {("batch_cancelled", "no")}


def test_what_was_done_before_the_expiry_is_fetched_and_the_rest_goes_again(home: Home) -> None:
    with service(job_s=HOUR_S) as host:
        jobs = write_jobs(home, *prompts(30, "late"))
        submit(home, host.base_url, jobs)
        host.advance(DAY_S + HOUR_S)
        assert wait(home, host.base_url).code == 9
        outcome = fetch(home, host.base_url).json
        assert outcome["batches"][0]["status"] == "expired"
        rest = [row for row in outcome["rows"] if row["status"] == "failed"]
        assert outcome["done"] + len(rest) == 30 and 20 <= outcome["done"] < 30
        assert {(row["error"]["code"], row["billed"]) for row in rest} == {("batch_expired", "no")}
        again = submit(home, host.base_url, jobs, "--json").json
        assert again["submitted"] == len(rest)
        host.advance(12 * HOUR_S)
        assert wait(home, host.base_url).code == 0
        assert fetch(home, host.base_url).json["ok"]
    assert len(pictures_in(home.cwd / "out")) == 30


def test_a_batch_that_is_not_done_yet_is_waiting_and_can_be_fetched_days_later(home: Home) -> None:
    with service(job_s=HOUR_S) as host:
        jobs = home.cwd / "jobs.jsonl"
        submit(home, host.base_url, write_jobs(home, *prompts(4, "days")))
        early = fetch(home, host.base_url)
        assert early.code == 9 and early.json["error"]["code"] == "not_ready"
        jobs.unlink()  # it is not needed any more
        host.advance(5 * DAY_S)
        assert wait(home, host.base_url).code == 0
        assert fetch(home, host.base_url).json["done"] == 4
    assert len(pictures_in(home.cwd / "out")) == 4


def test_a_batch_that_the_server_refuses_as_a_whole_is_failed_and_free(home: Home, host: Service) -> None:
    jobs = write_jobs(home, job("odd", model="gpt-image-9"))
    submit(home, host.base_url, jobs)
    wait(home, host.base_url)
    (row,) = fetch(home, host.base_url).json["rows"]
    assert row["error"]["code"] == "batch_failed" and "gpt-image-9" in row["error"]["message"]
    assert row["billed"] == "no"


@pytest.mark.parametrize("share", [0.3, 0.5, 0.97])
def test_cut_in_the_middle_of_the_results_a_second_fetch_brings_the_rest(
    home: Home, host: Service, share: float
) -> None:
    is_cutting = True

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        reply = forward()
        if is_cutting and _is_content(call):
            return reply._replace(cut_after=int(len(reply.body) * share))
        return reply

    with proxy(host.base_url, tamper) as url:
        submit(home, url, write_jobs(home, *prompts(5, f"cut {share}")))
        wait(home, url)
        first = fetch(home, url)
        assert first.code == 9
        saved = pictures_in(home.cwd / "out")
        assert len(saved) == int(5 * share) == first.json["done"]
        assert home.leftovers() == []
        is_cutting = False
        second = fetch(home, url).json
    assert second["ok"] and second["images"] == 5 - len(saved)
    assert len(pictures_in(home.cwd / "out")) == 5
    assert len(rows_of(home.ledger)) == 5
    assert sum(line["event"] == "done" for line in journal(home)) == 5


def test_killed_in_the_middle_of_a_fetch_nothing_is_saved_or_recorded_twice(
    home: Home, host: Service
) -> None:
    submit(home, host.base_url, write_jobs(home, *prompts(8, "killed")))
    wait(home, host.base_url)
    process = home.start("batch", "fetch", base_url=host.base_url)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert fetch(home, host.base_url).json["done"] == 8
    assert len(pictures_in(home.cwd / "out")) == 8 == len(rows_of(home.ledger))


def test_a_file_that_has_come_to_be_there_meanwhile_is_not_replaced(home: Home, host: Service) -> None:
    submit(home, host.base_url, write_jobs(home, job("taken", output="cat.jpg")))
    (home.cwd / "out" / "cat.jpg").write_bytes(b"somebody's")
    wait(home, host.base_url)
    (row,) = fetch(home, host.base_url).json["rows"]
    assert (home.cwd / "out" / "cat.jpg").read_bytes() == b"somebody's"
    assert row["images"][0]["path"].endswith("cat-1.jpg")


def test_an_image_that_was_changed_or_deleted_since_is_saved_once_more_when_it_is_fetched_by_its_batch(
    home: Home, host: Service
) -> None:
    (batch,) = submit(home, host.base_url, write_jobs(home, *prompts(3, "touched")), "--json").json["batches"]
    wait(home, host.base_url)
    assert fetch(home, host.base_url).json["images"] == 3
    assert fetch(home, host.base_url).json["batches"] == []  # all is fetched
    changed, deleted, _ = pictures_in(home.cwd / "out")
    picture = (home.cwd / "out" / changed).read_bytes()
    (home.cwd / "out" / changed).write_bytes(png(8, 8))
    (home.cwd / "out" / deleted).unlink()
    again = fetch(home, host.base_url, batch["id"]).json
    assert again["ok"] and again["images"] == 2
    assert (home.cwd / "out" / changed).read_bytes() == png(8, 8)
    assert (home.cwd / "out" / changed.replace(".jpg", "-1.jpg")).read_bytes() == picture
    assert (home.cwd / "out" / deleted).is_file()
    assert {image["path"] for line in journal(home)[-2:] for image in line["images"]} == {
        *(changed.replace(".jpg", "-1.jpg"), deleted),
    }
    assert len(pictures_in(home.cwd / "out")) == 4 and len(rows_of(home.ledger)) == 3


def test_killed_between_the_file_and_the_journal_an_image_is_not_saved_twice(
    home: Home, host: Service
) -> None:
    submit(home, host.base_url, write_jobs(home, *prompts(2, "between")))
    wait(home, host.base_url)
    before = (home.cwd / "out" / "journal.jsonl").read_bytes()
    assert fetch(home, host.base_url).json["done"] == 2
    names = pictures_in(home.cwd / "out")
    (home.cwd / "out" / "journal.jsonl").write_bytes(before)
    change(home.ledger, "UPDATE batch_jobs SET state = 'submitted'")
    change(home.ledger, "UPDATE batches SET fetched_at = NULL")
    assert fetch(home, host.base_url).json["done"] == 2
    assert pictures_in(home.cwd / "out") == names
    assert sum(line["event"] == "done" for line in journal(home)) == 2


def test_results_that_are_not_known_here_are_rescued_and_told(home: Home, host: Service) -> None:
    picture = png(1024, 1024)
    body = {"data": [{"b64_json": base64.b64encode(picture).decode()}]}
    response = {"status_code": 200, "request_id": "r", "body": body}
    strange = json.dumps({"response": response, "error": None, "custom_id": "nobody's"}).encode() + b"\n"

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        reply = forward()
        return Reply(200, strange + reply.body) if _is_content(call) else reply

    with proxy(host.base_url, tamper) as url:
        submit(home, url, write_jobs(home, *prompts(1, "known")))
        wait(home, url)
        run = fetch(home, url)
    outcome = run.json
    assert run.code == 9 and outcome["done"] == 1
    (path,) = outcome["rescued"]
    assert Path(path).parent == home.rescued and Path(path).read_bytes() == picture
    assert "nobody's" in run.stderr


def test_a_batch_of_another_machine_is_fetched_into_the_rescue_folder(
    home: Home, host: Service, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Home(tmp_path_factory.mktemp("other"))
    (batch,) = submit(other, host.base_url, write_jobs(other, *prompts(2, "far")), "--json").json["batches"]
    wait(other, host.base_url)
    outcome = fetch(home, host.base_url, batch["id"]).json
    assert len(outcome["rescued"]) == 2 and len(list(home.rescued.iterdir())) == 2


def test_lines_for_people_name_each_image_and_each_failure(home: Home, host: Service) -> None:
    submit(home, host.base_url, write_jobs(home, job("said"), job("said [blocked]")))
    wait(home, host.base_url)
    run = home.run("batch", "fetch", base_url=host.base_url)
    assert len(run.saved) == 1 and run.saved[0].is_file()
    assert "job 2 (line 2): HTTP 400" in run.stderr and "(billed: no)" in run.stderr


def test_events_tell_of_batches_while_they_are_waited_for(home: Home, host: Service) -> None:
    submitted = submit(home, host.base_url, write_jobs(home, *prompts(2, "told")), "--events", "--quiet")
    assert [event["event"] for event in submitted.events] == ["batch_submitted", "finished"]


def test_ctrl_c_ends_the_waiting_and_leaves_the_batches_running(home: Home) -> None:
    with service(job_s=HOUR_S) as host:
        submit(home, host.base_url, write_jobs(home, *prompts(2, "running")))
        process = home.start("batch", "wait", "--poll", "0.05", base_url=host.base_url)
        assert process.stderr is not None
        process.stderr.readline()  # it has asked, and the batch has come to be in progress
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
        assert process.returncode == 130 and b"run on" in stderr
        assert host.batches()[0]["status"] == "in_progress"


def test_waiting_survives_a_server_that_is_away_and_gives_up_at_its_timeout(home: Home) -> None:
    refusals = 2

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        nonlocal refusals
        if call.method == "GET" and refusals:
            refusals -= 1
            return None
        return forward()

    with service(job_s=HOUR_S) as host, proxy(host.base_url, tamper) as url:
        submit(home, url, write_jobs(home, *prompts(1, "patient")))
        run = wait(home, url, "--timeout", "3", "--json")
        assert run.code == 9 and run.json["batches"][0]["status"] == "in_progress" and refusals == 0


@pytest.mark.parametrize("flags", [(), ("--no-history",)])
def test_what_another_process_has_fetched_meanwhile_is_not_fetched_again(
    flags: Tuple[str, ...], home: Home, host: Service
) -> None:
    others: List[Run] = []

    def tamper(call: Request, forward: Forward) -> Reply:
        is_asked = call.method == "GET" and "/batches/" in call.path
        if is_asked and not others and has_ended:
            others.append(Run(0, "", ""))  # it asks as well
            others.append(fetch(home, url))
        return forward()

    has_ended = False
    with proxy(host.base_url, tamper) as url:
        submit(home, url, write_jobs(home, *prompts(2, f"at once {flags}")), *flags)
        assert wait(home, url).code == 0
        has_ended = True
        run = fetch(home, url)
    assert (others[1].code, others[1].json["done"]) == (0, 2), others[1].stderr
    assert (run.code, run.json["ok"], run.json["rescued"], run.stderr.count("warn")) == (0, True, [], 0)
    assert len(pictures_in(home.cwd / "out")) == 2 and not home.rescued.exists()
