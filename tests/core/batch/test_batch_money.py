"""A cap on money holds: over workers side by side, over failures, and over runs."""

from __future__ import annotations

import json
from typing import List

import pytest
from batching import Painter, again, batch, command, entries, image_files, out_of, write_jobs
from harness import Home, Sandbox
from servers import refusal

CHEAP = ("--quality", "low", "--size", "1024x1024")
CAP = 0.10


def spent(home: Home) -> float:
    """What the ledger knows of."""
    told = home.run("spend", "--json").json
    return float(told["total_usd"] + told["sandbox_usd"])


def test_a_cap_of_ten_cents_stops_a_hundred_jobs_at_or_below_it_also_over_runs(
    home: Home, sandbox: Sandbox, prompt: str
) -> None:
    jobs = [f"{prompt} {number}" for number in range(100)]
    flags = (*CHEAP, "--max-cost", str(CAP), "--concurrency", "16")
    run = batch(home, sandbox.base_url, *jobs, flags=flags)
    made = len(image_files(out_of(home)))
    assert (run.code, run.json["error"]["code"]) == (9, "over_max_cost")
    assert 0 < run.json["cost_usd"] <= CAP
    assert spent(home) == pytest.approx(run.json["cost_usd"], abs=1e-4)
    assert (run.json["done"], run.json["not_started"]) == (made, 100 - made)
    assert (
        "--max-cost" in run.json["error"]["hint"]
        and f"{100 - made} not started" in run.json["error"]["message"]
    )
    # As much as the cap allows: another one would have passed it.
    highest = max(entry.get("high_usd", 0) for entry in entries(out_of(home)))
    assert run.json["cost_usd"] + highest > CAP
    run = again(home, sandbox.base_url, *flags)
    assert (run.code, run.json["images"], len(image_files(out_of(home)))) == (9, 0, made)
    assert spent(home) <= CAP
    run = again(home, sandbox.base_url, *flags[:-4], "--max-cost", "0.12", "--concurrency", "16")
    assert run.code == 9 and run.json["images"] > 0
    assert CAP < spent(home) <= 0.12
    assert sum(sandbox.log(job)["hits"] for job in jobs) == len(image_files(out_of(home)))


def test_what_is_in_flight_counts_at_its_highest_estimate(home: Home, painter: Painter) -> None:
    """While answers wait, no more is out than the cap would pay for; the rest goes when prices are known."""
    painter.server.hold()
    path = write_jobs(home, *(f"job {number}" for number in range(8)))
    dry = home.run(*command(path, *CHEAP, "--dry-run"), base_url=painter.base_url)
    each = dry.json["cost_usd"]["high"] / 8
    flags = (*CHEAP, "--concurrency", "8", "--max-cost", f"{each * 3.5:.6f}")
    with home.start(*command(path, *flags), base_url=painter.base_url) as process:
        for _ in range(3):
            painter.server.wait_for_request()
        sent = [entry for entry in entries(out_of(home)) if entry["event"] == "sent"]
        painter.server.release()
        stdout, _ = process.communicate(timeout=30)
    outcome = json.loads(stdout)
    assert len(sent) == 3
    assert outcome["cost_usd"] <= each * 3.5 and outcome["done"] >= 3


def test_a_failure_that_may_be_billed_counts_and_one_that_is_not_does_not(
    home: Home, painter: Painter
) -> None:
    prices: List[float] = []
    for status in (500, 400):
        for number in range(4):
            painter.says[f"{status} {number}"] = refusal(status, "No.", "server_error")
        path = write_jobs(home, *(f"{status} {number}" for number in range(4)))
        dry = home.run(*command(path, *CHEAP, "--dry-run"), base_url=painter.base_url)
        each = dry.json["cost_usd"]["high"] / 4
        args = ["batch", "run", str(path), "--out-dir", str(status), "--json", *CHEAP]
        run = home.run(*args, "--max-cost", f"{each * 2:.6f}", base_url=painter.base_url)
        prices.append(run.json["failed"])
    assert prices == [2, 4]


def test_jobs_of_an_unknown_price_are_refused_under_a_cap(home: Home, painter: Painter) -> None:
    jobs = ("a cat", {"prompt": "a dog", "model": "another-model"})
    run = batch(home, painter.base_url, *jobs, flags=("--max-cost", "5"))
    assert run.code == 2 and "unknown" in run.json["error"]["message"]
    assert painter.server.requests == []
    assert batch(home, painter.base_url, *jobs).code == 0


def test_a_cap_below_the_first_job_sends_nothing(home: Home, painter: Painter) -> None:
    for cap in ("0", "0.0001"):
        run = batch(home, painter.base_url, "a cat", flags=("--max-cost", cap))
        assert (run.code, run.json["not_started"], run.json["cost_usd"]) == (9, 1, 0)
    assert painter.server.requests == []


def test_a_job_that_is_too_dear_does_not_keep_cheaper_ones_back(home: Home, painter: Painter) -> None:
    jobs = (
        {"prompt": "dear", "quality": "high", "size": "2048x2048", "n": 4},
        {"prompt": "cheap", "quality": "low", "size": "1024x1024"},
    )
    run = batch(home, painter.base_url, *jobs, flags=("--max-cost", "0.05"))
    assert [row["status"] for row in run.json["rows"]] == ["not_started", "done"]
    assert (run.code, painter.hits) == (9, {"cheap": 1})


def test_of_a_partly_done_job_only_the_rest_counts(home: Home, painter: Painter) -> None:
    job = {"prompt": "a cat", "n": 4, "quality": "low", "size": "1024x1024", "output": "c.png"}
    first = batch(home, painter.base_url, job)
    (out_of(home) / "c-3.png").unlink()
    dry = again(home, painter.base_url, "--dry-run").json
    whole = batch_estimate(home, painter, job)
    assert dry["images"] == 1
    assert dry["cost_usd"]["high"] == pytest.approx(whole / 4, rel=0.02)
    assert dry["spent_usd"] == pytest.approx(first.json["cost_usd"], abs=1e-6)


def batch_estimate(home: Home, painter: Painter, job: object) -> float:
    """The highest estimate of a job in a folder of its own."""
    path = home.cwd / "other.jsonl"
    path.write_text(json.dumps(job))
    args = ("batch", "run", str(path), "--out-dir", "other", "--json", "--dry-run")
    return float(home.run(*args, base_url=painter.base_url).json["cost_usd"]["high"])


def test_the_costs_of_rows_add_up_to_the_sum_and_to_the_ledger(home: Home, painter: Painter) -> None:
    run = batch(home, painter.base_url, "one", {"prompt": "two", "n": 3}, "three")
    rows = [row["cost_usd"] for row in run.json["rows"]]
    assert run.json["cost_usd"] == pytest.approx(sum(rows), abs=1e-5) == pytest.approx(spent(home), abs=1e-5)
    assert len(home.run("history", "--json").json["requests"]) == 3


def test_a_dry_run_knows_which_model_is_fast(home: Home, painter: Painter) -> None:
    flags = ("--dry-run", "--concurrency", "2", "--quality", "high", "--model")
    prompts = [f"a cat {number}" for number in range(4)]
    fast = batch(home, painter.base_url, *prompts, flags=(*flags, "gpt-image-2.6-flare"))
    slow = batch(home, painter.base_url, *prompts, flags=(*flags, "gpt-image-2.6-sunburst"))
    assert (fast.json["estimated_s"], slow.json["estimated_s"]) == (4 * 10 / 2, 4 * 276 / 2)


def test_a_dry_run_tells_jobs_images_cost_and_time_and_sends_nothing(home: Home, painter: Painter) -> None:
    jobs = [
        *({"prompt": f"low {number}", "quality": "low"} for number in range(3)),
        {"prompt": "high", "quality": "high", "n": 2},
        {"prompt": "other", "model": "another-model", "quality": "new"},
    ]
    flags = ("--dry-run", "--images-per-minute", "2", "--concurrency", "2", "--size", "1024x1024")
    run = batch(home, painter.base_url, *jobs, flags=flags)
    assert (run.code, run.json["dry_run"], run.json["jobs"], run.json["images"]) == (0, True, 5, 6)
    by_quality = {each["quality"]: each for each in run.json["by_quality"]}
    assert {name: each["images"] for name, each in by_quality.items()} == {"low": 3, "high": 2, "new": 1}
    assert by_quality["high"]["cost_usd"]["high"] > by_quality["low"]["cost_usd"]["high"] > 0
    assert by_quality["new"]["cost_usd"] is None and run.json["cost_usd"] is None
    assert run.json["estimated_s"] >= 180
    assert painter.server.requests == [] and not out_of(home).exists()
    path = write_jobs(home, "a cat")
    said = home.run("batch", "run", str(path), "--dry-run", *CHEAP, base_url=painter.base_url).stdout
    assert "1 images to make" in said and "Estimated cost: $" in said and "Estimated time: " in said
    assert "Nothing was sent." in said
