"""SIGKILL at any moment of a batch loses nothing that was paid for, and pays for nothing twice unasked.

GPT_IMAGE2_BATCH_KILL_JOBS says how many jobs there are; the bar of the project is 500.
"""

from __future__ import annotations

import os
import random
import struct
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Dict, List

import pytest
from batching import (
    Painter,
    command,
    entries,
    image_files,
    in_flight,
    out_of,
    prompt_of,
    sha256,
    write_jobs,
)
from harness import Home, Run
from processes import until
from servers import Answer, Request

JOBS = int(os.environ.get("GPT_IMAGE2_BATCH_KILL_JOBS", "110"))
KILLS = 5
FLAGS = ("--concurrency", "32", "--no-history")

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="POSIX signals"), pytest.mark.timeout(600)]


def slowly(painter: Painter, seed: int) -> None:
    """Lets every answer take its time, so that there is always something in flight."""
    paint, dice = painter.answer, random.Random(seed)

    def answer(request: Request) -> Answer:
        time.sleep(dice.uniform(0.0, 0.25))
        return paint(request)

    painter.server.answer = answer


def kill_at_some_moment(home: Home, painter: Painter, flags: List[str], dice: random.Random) -> None:
    """Starts the batch, lets a part of the jobs come, and kills it a moment later."""
    wanted = len(painter.server.requests) + dice.randint(1, JOBS // (KILLS + 1))
    with home.start(*flags, base_url=painter.base_url) as process:
        until(lambda: len(painter.server.requests) >= wanted or process.poll() is not None)
        time.sleep(dice.uniform(0.0, 0.2))  # the random moment, not a synchronisation
        process.kill()


def assert_whole(path: Path) -> None:
    """Reads every chunk of a PNG and checks its sum."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, kind = 8, b""
    while kind != b"IEND":
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size]) == (zlib.crc32(kind + body),)
        at += 12 + size
    assert at == len(data)


def assert_every_image_is_there(home: Home, run: Run) -> None:
    """Each job has one image, whole, and the journal knows its SHA-256."""
    folder = out_of(home)
    names = image_files(folder)
    assert len(names) == JOBS
    known: Dict[str, str] = {}
    for entry in entries(folder):
        if entry["event"] == "done":
            known.update({image["path"]: image["sha256"] for image in entry["images"]})
    for name in names:
        assert_whole(folder / name)
        assert known[name] == sha256((folder / name).read_bytes())
    assert [len(row["images"]) for row in run.json["rows"]] == [1] * JOBS


def test_killed_five_times_and_told_to_retry_it_makes_every_image_and_pays_again_only_for_what_was_in_flight(
    home: Home, painter: Painter
) -> None:
    dice = random.Random(2024)
    slowly(painter, 1)
    flags = command(
        write_jobs(home, *(f"job {number}" for number in range(JOBS))), *FLAGS, "--retry-ambiguous"
    )
    flown: Counter[str] = Counter()
    for _ in range(KILLS):
        kill_at_some_moment(home, painter, flags, dice)
        flown.update(in_flight(out_of(home)))
    run = home.run(*flags, base_url=painter.base_url)
    assert run.code == 0, run.stderr
    assert_every_image_is_there(home, run)
    hits = Counter(f"{int(prompt[4:]) + 1:04d}-job-{prompt[4:]}.png" for prompt in painter.prompts)
    paid_again = {name: count for name, count in hits.items() if count > 1 + flown[name]}
    print(f"{JOBS} jobs, {sum(hits.values())} hits, {sum(flown.values())} in flight at {KILLS} kills")
    assert paid_again == {}
    assert JOBS <= sum(hits.values()) <= JOBS + sum(flown.values())
    assert sum(flown.values()) >= KILLS  # the kills came while something was in flight


def test_killed_and_run_again_as_it_is_no_job_is_paid_for_twice(home: Home, painter: Painter) -> None:
    dice = random.Random(7)
    slowly(painter, 2)
    flags = command(write_jobs(home, *(f"job {number}" for number in range(JOBS))), *FLAGS)
    flown: Counter[str] = Counter()
    for _ in range(KILLS):
        kill_at_some_moment(home, painter, flags, dice)
        flown.update(in_flight(out_of(home)))
    run = home.run(*flags, base_url=painter.base_url)
    paid = [request for request in painter.server.requests if request.method == "POST"]
    counts = Counter(map(prompt_of, paid))
    assert max(counts.values()) == 1
    doubts = [row for row in run.json["rows"] if row["status"] == "ambiguous"]
    assert run.json["done"] + len(doubts) == JOBS
    assert (run.code, run.json["ambiguous"]) == (9 if doubts else 0, len(doubts))
    assert 0 < len(doubts) <= sum(flown.values())
    assert {row["billed"] for row in doubts} == {"maybe"}
    # No doubt is made where the image is there.
    missing = {row["line"] for row in doubts}
    there = {int(name[:4]) for name in image_files(out_of(home))}
    assert missing.isdisjoint(there) and len(there) == run.json["done"]
