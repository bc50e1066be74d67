"""One pace for several processes, for real: it takes two minutes, so only `make cluster` does it."""

from __future__ import annotations

import time
from typing import List

import pytest
from engines import own_sandbox
from harness import Home
from worksites import Site, ended, jobs

WORKERS, LIMIT, COUNT = 8, 60, 120


@pytest.mark.timeout(600)
@pytest.mark.parametrize("flags", [["--images-per-minute", str(LIMIT)], []], ids=["named", "learnt"])
def test_eight_processes_keep_to_one_limit_and_use_it(
    s3_site: Site, home: Home, in_full: bool, flags: List[str]
) -> None:
    if not in_full:
        pytest.skip("takes two minutes: make cluster")
    s3_site.write(*jobs(COUNT))
    with own_sandbox(0.5, "--images-per-minute", str(LIMIT)) as sandbox:
        started_s = time.monotonic()
        shards = [
            s3_site.start(sandbox.base_url, "--shard", f"{number}/{WORKERS}", "--concurrency", "8", *flags)
            for number in range(1, WORKERS + 1)
        ]
        runs = [ended(shard, 500) for shard in shards]
        elapsed_s = time.monotonic() - started_s
    attempts = sum(row["attempts"] for run in runs for row in run.json["rows"])
    assert [run.code for run in runs] == [0] * WORKERS
    assert (attempts - COUNT) / attempts <= 0.02
    assert COUNT * 60 / elapsed_s >= 0.9 * LIMIT
