"""What goes wrong with one job stays with it, is told with its price, and stops the rest only where told."""

from __future__ import annotations

import json
import os
import time
from typing import Any, List, Tuple

import pytest
from batching import (
    JOURNAL,
    Painter,
    again,
    batch,
    entries,
    image_files,
    out_of,
    picture,
    prompt_of,
    row_by_line,
    write_jobs,
)
from faulty import body_of, serving
from harness import KEY, Home, Sandbox
from pictures import png
from processes import until
from servers import Answer, Request, images, refusal

ONE = ("--concurrency", "1")


def limited(**headers: str) -> Answer:
    """A refusal for speed."""
    plain = refusal(429, "Rate limit reached.", "rate_limit_exceeded")
    return plain._replace(
        headers=(*plain.headers, *((key.replace("_", "-"), value) for key, value in headers.items()))
    )


def test_a_job_that_fails_stops_no_other(home: Home, painter: Painter) -> None:
    painter.says["bad"] = refusal(400, "No such thing.", "invalid_value")
    run = batch(home, painter.base_url, "one", "bad", "two", flags=ONE)
    assert run.code == 9
    assert (run.json["done"], run.json["failed"], run.json["images"]) == (2, 1, 2)
    row = row_by_line(run)[2]
    assert (row["status"], row["billed"], row["images"]) == ("failed", "no", [])
    assert (row["error"]["code"], row["error"]["http_status"]) == ("invalid_value", 400)
    assert (run.json["error"]["code"], run.json["ok"]) == ("partial", False)
    assert image_files(out_of(home)) == ["0001-one.png", "0003-two.png"]


def test_a_failure_is_told_at_once_with_its_line_and_its_price(home: Home, painter: Painter) -> None:
    painter.says["bad"] = refusal(500, "It broke.", "server_error")
    path = write_jobs(home, "one", "", "bad")
    run = home.run("batch", "run", str(path), "--out-dir", "out", base_url=painter.base_url)
    assert run.code == 9
    assert "error: job 2 (line 3): " in run.stderr and "(billed: maybe)" in run.stderr
    assert [path.name for path in run.saved] == ["0001-one.png"]
    assert "1 of 2 jobs done, 1 failed" in run.stderr


def test_fail_fast_starts_nothing_after_the_first_failure(home: Home, painter: Painter) -> None:
    painter.says["bad"] = refusal(400, "No.", "invalid_value")
    run = batch(home, painter.base_url, "one", "bad", "two", "three", flags=(*ONE, "--fail-fast"))
    assert (run.code, painter.prompts) == (9, ["one", "bad"])
    assert [row["status"] for row in run.json["rows"]] == ["done", "failed", "not_started", "not_started"]
    assert run.json["error"]["code"] == "max_failures"
    del painter.says["bad"]
    assert again(home, painter.base_url).code == 0
    assert painter.hits == {"one": 1, "bad": 2, "two": 1, "three": 1}


def test_fail_fast_waits_for_what_is_under_way(home: Home, painter: Painter) -> None:
    def answer(request: Request) -> Answer:
        if prompt_of(request) == "bad":
            return refusal(400, "No.", "invalid_value")
        wait_for_journal(home, "failed")
        return images(picture("slow"))

    painter.server.answer = answer
    run = batch(home, painter.base_url, "slow", "bad", "late", flags=("--concurrency", "2", "--fail-fast"))
    assert [row["status"] for row in run.json["rows"]] == ["done", "failed", "not_started"]
    assert (run.code, len(painter.server.requests)) == (9, 2)


def wait_for_journal(home: Home, event: str, count: int = 1) -> None:
    """Returns when the journal tells so often of an event."""
    until(lambda: sum(entry["event"] == event for entry in entries(out_of(home))) >= count)


def test_max_failures_allows_fewer_than_so_many(home: Home, painter: Painter) -> None:
    for name in ("bad 1", "bad 2", "bad 3"):
        painter.says[name] = refusal(400, "No.", "invalid_value")
    jobs = ("bad 1", "one", "bad 2", "bad 3", "two")
    run = batch(home, painter.base_url, *jobs, flags=(*ONE, "--max-failures", "2"))
    assert (run.code, painter.prompts) == (9, ["bad 1", "one", "bad 2"])
    assert (run.json["failed"], run.json["not_started"]) == (2, 2)


@pytest.mark.parametrize(
    "fault, code",
    [("auth", "invalid_api_key"), ("quota", "insufficient_quota"), ("billing", "billing_hard_limit_reached")],
)
def test_a_refused_key_and_an_empty_purse_stop_the_batch(
    fault: str, code: str, home: Home, sandbox: Sandbox, prompt: str
) -> None:
    jobs = [f"{prompt} {number}" for number in range(5)]
    run = batch(home, sandbox.fault(fault), *jobs, flags=ONE)
    assert run.code == 9
    assert [row["status"] for row in run.json["rows"]] == ["failed", *["not_started"] * 4]
    assert run.json["rows"][0]["error"]["code"] == run.json["error"]["code"] == code
    assert (run.json["rows"][0]["billed"], run.json["cost_usd"]) == ("no", 0)
    assert [sandbox.log(job)["hits"] for job in jobs] == [1, 0, 0, 0, 0]
    assert again(home, sandbox.base_url, "--quality", "low", "--size", "816x816").code == 0


def test_no_file_of_a_batch_and_no_word_of_it_holds_the_key(
    home: Home, sandbox: Sandbox, prompt: str
) -> None:
    """The message of this fault repeats the key."""
    run = batch(home, sandbox.fault("auth"), prompt)
    assert run.json["rows"][0]["status"] == "failed"
    written = b"".join(path.read_bytes() for path in sorted(home.root.parent.rglob("*")) if path.is_file())
    assert KEY.encode() not in written
    assert KEY not in run.stdout + run.stderr
    assert (out_of(home) / JOURNAL).exists() and (out_of(home) / "index.html").exists()


def test_a_moderated_job_is_one_failure_and_what_it_costs_is_told(
    home: Home, sandbox: Sandbox, prompt: str
) -> None:
    for fault, billed, then in (("moderation", "no", 2), ("moderation-output", "maybe", 1)):
        job = f"{prompt} {fault}"
        run = batch(home, sandbox.fault(fault), job)
        (row,) = run.json["rows"]
        assert (run.code, row["error"]["code"], row["billed"]) == (9, "moderation_blocked", billed)
        assert again(home, sandbox.base_url, "--n", "1").code == (0 if then == 2 else 9)
        assert sandbox.log(job)["hits"] == then


def test_images_that_did_not_come_are_asked_for_again_and_those_that_did_are_not(
    home: Home, sandbox: Sandbox, prompt: str
) -> None:
    job = {"prompt": prompt, "n": 3, "quality": "low", "size": "816x816", "output": "cat.png"}
    run = batch(home, sandbox.fault("fewer"), job)
    (row,) = run.json["rows"]
    assert (run.code, row["status"], row["billed"], row["error"]["code"]) == (
        9,
        "failed",
        "yes",
        "fewer_images",
    )
    assert [os.path.basename(image["path"]) for image in row["images"]] == ["cat-1.png", "cat-2.png"]
    before = [(out_of(home) / f"cat-{number}.png").read_bytes() for number in (1, 2)]
    run = again(home, sandbox.base_url)
    assert run.code == 0, run.stderr
    asked = [request["n"] for request in sandbox.log(prompt)["requests"]]
    assert asked in ([3, 1], [3, None])
    (row,) = run.json["rows"]
    assert [os.path.basename(image["path"]) for image in row["images"]] == [
        "cat-1.png",
        "cat-2.png",
        "cat-3.png",
    ]
    assert [(out_of(home) / f"cat-{number}.png").read_bytes() for number in (1, 2)] == before
    assert again(home, sandbox.base_url).code == 0
    assert sandbox.log(prompt)["hits"] == 2


def test_a_job_that_was_cut_keeps_what_came_and_is_paid_for_again_only_on_request(
    home: Home, sandbox: Sandbox, prompt: str
) -> None:
    job = {"prompt": prompt, "n": 3, "quality": "low", "size": "816x816"}
    run = batch(home, sandbox.fault("cut-last"), job)
    (row,) = run.json["rows"]
    assert (run.code, row["status"], row["billed"], len(row["images"])) == (9, "failed", "yes", 2)
    run = again(home, sandbox.base_url)
    (row,) = run.json["rows"]
    assert (run.code, row["status"], row["billed"], len(row["images"])) == (9, "ambiguous", "maybe", 2)
    assert "may have been billed, up to $" in row["error"]["hint"]
    assert "--retry-ambiguous" not in row["error"]["hint"] + run.json["error"]["hint"]
    assert sandbox.log(prompt)["hits"] == 1
    run = again(home, sandbox.base_url, "--retry-ambiguous")
    assert (run.code, len(run.json["rows"][0]["images"])) == (0, 3)
    assert [request["n"] for request in sandbox.log(prompt)["requests"]][1:] in ([1], [None])


@pytest.mark.parametrize("fault", ["http-500", "http-524", "reset", "empty", "html-200", "not-an-image"])
def test_a_job_that_may_have_been_billed_is_not_sent_again_by_itself(
    fault: str, home: Home, sandbox: Sandbox, prompt: str
) -> None:
    run = batch(home, sandbox.fault(fault), {"prompt": prompt, "quality": "low", "size": "816x816"})
    (row,) = run.json["rows"]
    assert (run.code, row["status"], row["billed"]) == (9, "failed", "maybe")
    run = again(home, sandbox.base_url)
    assert (run.code, run.json["ambiguous"], sandbox.log(prompt)["hits"]) == (9, 1, 1)
    run = again(home, sandbox.base_url, "--retry-ambiguous")
    assert (run.code, sandbox.log(prompt)["hits"]) == (0, 2)


def test_a_refusal_for_speed_is_no_failure_and_costs_nothing(home: Home, painter: Painter) -> None:
    paint, refused = painter.answer, set()

    def answer(request: Request) -> Answer:
        if prompt_of(request) in refused:
            return paint(request)
        refused.add(prompt_of(request))
        return limited(retry_after_ms="30")

    painter.server.answer = answer
    run = batch(home, painter.base_url, "one", "two", "three", flags=("--fail-fast",))
    assert (run.code, run.json["failed"], run.json["unpriced"]) == (0, 0, 0)
    assert painter.hits == {"one": 2, "two": 2, "three": 2}


@pytest.mark.parametrize("is_named", [True, False], ids=["names its limit", "names none"])
def test_a_refusal_holds_the_others_only_where_it_names_the_limit(
    is_named: bool, home: Home, painter: Painter
) -> None:
    paint = painter.answer
    came: List[Tuple[str, float]] = []
    refused_at: List[float] = []
    wait_s = 0.5 if is_named else 3.0  # a busy machine may take a second to begin the next
    message = "Rate limit reached on images per min: Limit 6000." if is_named else "Too many requests."

    def answer(request: Request) -> Answer:
        came.append((prompt_of(request), time.monotonic()))
        if prompt_of(request) == "job 0" and not refused_at:
            until(lambda: len(came) == 4)  # all places are taken
            refused_at.append(time.monotonic())
            wait = ("Retry-After-Ms", f"{wait_s * 1000:.0f}")
            plain = refusal(429, message, "rate_limit_exceeded")
            return plain._replace(headers=(*plain.headers, wait))
        wait_for_journal(home, "failed")  # the client knows of the refusal by now
        return paint(request)

    painter.server.answer = answer
    run = batch(home, painter.base_url, *(f"job {number}" for number in range(6)))
    assert run.code == 0, run.stderr
    assert len(came) == 7
    prompts, times = zip(*came[4:])
    if is_named:
        assert min(times) >= refused_at[0] + wait_s
    else:
        assert prompts[0] in ("job 4", "job 5")


def test_an_overload_that_names_a_wait_is_no_failure(home: Home, painter: Painter) -> None:
    overloads = [refusal(503, "Busy.", "server_is_overloaded")]
    overloads[0] = overloads[0]._replace(headers=(*overloads[0].headers, ("Retry-After", "1")))
    paint = painter.answer
    painter.server.answer = lambda request: overloads.pop() if overloads else paint(request)
    run = batch(home, painter.base_url, "one", "two", flags=ONE)
    assert (run.code, run.json["failed"]) == (0, 0)
    assert sum(painter.hits.values()) == 3


def test_an_image_that_its_place_does_not_take_is_kept_elsewhere_and_not_paid_for_again(
    home: Home, painter: Painter
) -> None:
    paint = painter.answer

    def answer(request: Request) -> Answer:
        (out_of(home) / "sub").rmdir()  # after everything was checked
        (out_of(home) / "sub").write_bytes(b"")
        return paint(request)

    painter.server.answer = answer
    run = batch(home, painter.base_url, {"prompt": "a cat", "output": "sub/cat.png"})
    (row,) = run.json["rows"]
    assert (run.code, row["status"], row["billed"]) == (9, "failed", "yes")
    (image,) = row["images"]
    with open(image["path"], "rb") as file:
        assert file.read() == picture("a cat")
    (out_of(home) / "sub").unlink()
    painter.server.answer = paint
    for _ in range(2):
        run = again(home, painter.base_url)
        assert painter.hits == {"a cat": 1}
    spent = again(home, painter.base_url, "--dry-run").json["spent_usd"]
    assert spent == pytest.approx(row["cost_usd"], abs=1e-6)


def test_an_image_whose_place_is_taken_meanwhile_goes_beside_it(home: Home, painter: Painter) -> None:
    paint = painter.answer

    def answer(request: Request) -> Answer:
        (out_of(home) / "cat.png").mkdir()
        return paint(request)

    painter.server.answer = answer
    run = batch(home, painter.base_url, {"prompt": "a cat", "output": "cat.png"})
    (image,) = run.json["rows"][0]["images"]
    with open(image["path"], "rb") as file:
        assert file.read() == picture("a cat")
    (warning,) = run.json["rows"][0]["warnings"]
    assert "cat.png was taken" in warning
    painter.server.answer = paint
    assert (again(home, painter.base_url).code, painter.hits) == (2, {"a cat": 1})  # a folder is no output
    (out_of(home) / "cat.png").rmdir()
    assert (again(home, painter.base_url).code, painter.hits) == (0, {"a cat": 1})


def test_more_images_than_asked_for_are_all_kept(home: Home, painter: Painter) -> None:
    """Also where the next free name is the one that another job has chosen."""
    extra = [picture("a cat", number) for number in (1, 2)]
    paint = painter.answer
    painter.server.answer = lambda request: (
        images(*extra) if prompt_of(request) == "a cat" else paint(request)
    )
    jobs = ({"prompt": "a cat", "output": "x.png"}, {"prompt": "a dog", "output": "x-2.png"})
    run = batch(home, painter.base_url, *jobs, flags=ONE)
    there = {path.read_bytes() for path in out_of(home).rglob("*.png")}
    assert there == {*extra, picture("a dog")}
    told = {image["path"]: image["sha256"] for row in run.json["rows"] for image in row["images"]}
    assert len(told) == 3


def test_a_file_that_gave_way_to_another_jobs_image_is_not_replaced_any_more(
    home: Home, painter: Painter
) -> None:
    """The second job may replace the file that was there, but not the image that took its name meanwhile."""
    extra = [picture("a cat", number) for number in (1, 2)]
    paint = painter.answer

    def answer(request: Request) -> Answer:
        if prompt_of(request) != "a cat":
            return paint(request)
        (out_of(home) / "x-2.png").unlink()
        return images(*extra)

    painter.server.answer = answer
    out_of(home).mkdir()
    (out_of(home) / "x-2.png").write_bytes(b"old")
    jobs = ({"prompt": "a cat", "output": "x.png"}, {"prompt": "a dog", "output": "x-2.png"})
    run = batch(home, painter.base_url, *jobs, flags=ONE)
    assert run.code == 0, run.stderr
    there = {path.read_bytes() for path in out_of(home).rglob("*.png")}
    assert there == {*extra, picture("a dog")}


def test_a_request_that_no_wait_would_help_holds_up_nobody(home: Home, painter: Painter) -> None:
    """As the API words it when a single request is above the limit of a whole minute."""
    message = "Request too large for gpt-image-2 on images per min: Limit 3000, Requested 9."
    painter.says["many"] = refusal(429, message, "rate_limit_exceeded")
    run = batch(home, painter.base_url, {"prompt": "many", "n": 9}, "one")
    rows = row_by_line(run)
    assert (rows[1]["status"], rows[1]["billed"], rows[2]["status"]) == ("failed", "no", "done")
    assert painter.hits["many"] <= 3


def test_a_job_whose_input_vanishes_fails_unsent_and_the_others_go_on(home: Home, painter: Painter) -> None:
    paint = painter.answer
    (home.cwd / "in.png").write_bytes(png())

    def answer(request: Request) -> Answer:
        (home.cwd / "in.png").unlink()
        return paint(request)

    def jobs() -> List[Any]:
        return ["one", {"prompt": "edit", "image": "in.png"}, "two"]

    painter.server.answer = lambda request: answer(request) if prompt_of(request) == "one" else paint(request)
    run = batch(home, painter.base_url, *jobs(), flags=ONE)
    rows = row_by_line(run)
    assert [rows[line]["status"] for line in (1, 2, 3)] == ["done", "failed", "done"]
    assert (rows[2]["billed"], painter.prompts) == ("no", ["one", "two"])
    (home.cwd / "in.png").write_bytes(png())
    assert again(home, painter.base_url).code == 0


def test_a_server_that_cannot_be_reached_leaves_every_job_for_the_next_run(
    home: Home, painter: Painter
) -> None:
    with serving(lambda exchange: exchange.answer(body_of([png()]))) as closed:
        pass
    run = batch(home, closed.base_url, "one", "two", flags=("--retries", "0"))
    assert (run.code, run.json["failed"]) == (9, 2)
    assert {row["billed"] for row in run.json["rows"]} == {"no"}
    run = again(home, painter.base_url)
    assert (run.code, painter.hits) == (0, {"one": 1, "two": 1})
    assert json.dumps(run.json["rows"][0]["error"]) == "null"
