"""The script keeps pace with real servers on loopback: what is simulated in `test_batch_pacer`, seen to hold.

`GPT_IMAGE2_LONG_PACE=5` makes each run five times as long.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Dict, Iterator, List, Tuple

import pytest
from batching import OUT, Painter, batch, command, row_by_line, write_jobs
from harness import Home, Run, Sandbox
from limiting import LimitingServer, limiting
from pacing import AtRandom, Limited, Server
from servers import refusal
from terminals import open_terminal

LONG = int(os.environ.get("GPT_IMAGE2_LONG_PACE", "1"))
SANDBOX_PYTHON = os.environ.get("GPT_IMAGE2_SANDBOX_PYTHON", sys.executable)
MINUTE_S = 60.0


def run_of(home: Home, server: LimitingServer, jobs: int, *flags: str) -> Run:
    """A batch against it, every job done."""
    run = batch(home, server.base_url, *(f"job {number}" for number in range(jobs)), flags=flags)
    assert (run.code, run.json["done"], server.passed) == (0, jobs, jobs), run.stderr
    figures = {"jobs": jobs, "seconds": run.json["elapsed_s"], "refused": server.refused}
    print(json.dumps(figures))
    return run


#: So many images a minute, and how many of them at once.
PER_MINUTE, BURST = 600, 20


@pytest.mark.parametrize(
    "tells, window_s, most_refused",
    [(("headers", "waits", "words"), 0.0, 0.1), (("waits",), 0.0, 0.4), ((), 1.0, 0.5)],
    ids=["bucket, all told", "bucket, waits", "window, nothing told"],
)
def test_a_limit_is_used_up_and_seldom_passed(
    tells: Tuple[str, ...], window_s: float, most_refused: float, home: Home
) -> None:
    """The bounds have room for a busy machine: how far it gets on a quiet one is simulated."""
    jobs = BURST + 30 * LONG
    server_ = Limited(PER_MINUTE, *tells, burst=None if window_s else BURST, window_s=window_s)
    with limiting(server_, latency_s=0.5) as server:
        run = run_of(home, server, jobs, "--concurrency", "8")
    assert run.json["elapsed_s"] <= 3 + 3 * (jobs - BURST) * MINUTE_S / PER_MINUTE
    assert server.share_refused <= most_refused


def test_a_named_pace_is_reached_though_chance_refuses_four_of_ten(home: Home) -> None:
    jobs = 30 * LONG
    with limiting(AtRandom(0.4, seed=1)) as server:
        run = run_of(home, server, jobs, "--images-per-minute", "600", "--concurrency", "8")
    assert (jobs - 1) * 0.1 <= run.json["elapsed_s"] <= 5 + 3 * jobs * 0.1
    assert 0.2 <= server.share_refused <= 0.6


def test_a_job_that_is_always_refused_fails_when_the_others_are_done(home: Home, painter: Painter) -> None:
    plain = refusal(429, "Too many requests.")
    painter.says["never"] = plain._replace(headers=(*plain.headers, ("Retry-After-Ms", "1")))
    run = batch(home, painter.base_url, "never", *(f"job {number}" for number in range(6)))
    rows = row_by_line(run)
    assert (run.code, run.json["done"], run.json["failed"]) == (9, 6, 1)
    assert (rows[1]["status"], rows[1]["billed"], rows[1]["error"]["http_status"]) == ("failed", "no", 429)
    assert 20 <= painter.hits["never"] <= 220


@pytest.mark.skipif(os.name == "nt", reason="pty")
def test_the_live_line_says_what_it_waits_for(home: Home) -> None:
    said: Dict[str, Tuple[Server, Tuple[str, ...]]] = {
        "waiting 3 s: the server asks": (Limited(60, "waits", "words", window_s=4.0), ()),
        "paced at 60 a minute (as named)": (AtRandom(0.0), ("--images-per-minute", "60")),
        "paced at 588 a minute (told by the server)": (Limited(600, "headers", burst=2), ()),
        "1 refused and to go again": (AtRandom(0.6, 0.5, seed=4), ("--concurrency", "1")),
    }
    for words, (server_, flags) in said.items():
        with limiting(server_) as server:
            seen = live_lines_until(home, server, words, flags)
        assert words in seen, seen[-2000:]


def live_lines_until(home: Home, server: LimitingServer, words: str, flags: tuple[str, ...]) -> str:
    """What the live line of a run has said when it says some words; the run is ended then."""
    path = write_jobs(home, *(f"{words} {number}" for number in range(40)))
    args = ("batch", "run", str(path), "--out-dir", f"{OUT}-{len(words)}", *flags)
    ours, theirs = open_terminal(200)
    said = ""
    with home.start(*args, base_url=server.base_url, stderr=theirs, stdout=subprocess.DEVNULL) as process:
        os.close(theirs)
        while words not in said:
            try:
                said += os.read(ours, 4096).decode()
            except OSError:  # Linux says so that the other side has closed
                break
        process.kill()
    os.close(ours)
    return said


@pytest.fixture
def narrow_sandbox() -> Iterator[Sandbox]:
    """A sandbox that takes 600 images a minute, 30 of them at once."""
    limits = ["--images-per-minute", "600", "--burst", "30"]
    process = subprocess.Popen(
        [SANDBOX_PYTHON, "-m", "gpt_image2.sandbox", "--port", "0", "--latency", "0.1", *limits],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert process.stdout is not None
    with process:
        line = process.stdout.readline().decode()
        assert line.startswith("Sandbox: "), "the sandbox did not start"
        yield Sandbox(line.split()[1])
        process.terminate()


def test_against_the_sandbox_hardly_a_request_is_refused_and_the_limit_is_used_up(
    narrow_sandbox: Sandbox, home: Home
) -> None:
    jobs, burst, per_minute = 100, 30, 600
    path = write_jobs(home, *(f"job {number}" for number in range(jobs)))
    flags = ("--concurrency", "8", "--quality", "low", "--size", "816x816")
    run = home.run(*command(path, *flags), base_url=narrow_sandbox.base_url)
    assert run.code == 0, run.stderr
    statuses = [request["status"] for request in narrow_sandbox_log(narrow_sandbox)]
    refused = statuses.count(429)
    pace = (jobs - burst) * MINUTE_S / run.json["elapsed_s"]
    print(json.dumps({"refused": refused, "requests": len(statuses), "of the limit": pace / per_minute}))
    assert refused <= 0.05 * len(statuses)
    assert pace >= 0.75 * per_minute  # a busy machine is slower, and on a quiet one it is 0.96


def narrow_sandbox_log(sandbox: Sandbox) -> List[Dict[str, int]]:
    """Every request that it saw."""
    found: List[Dict[str, int]] = []
    for number in range(100):
        found += sandbox.log(f"job {number}")["requests"]
    return found
